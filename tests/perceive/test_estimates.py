"""The one schema of all estimates."""

import polars as pl

from affectome.perceive import estimates_schema

_NUMBER, _WORD = pl.Float32(), pl.String()


def test_columns_their_order_and_types():
    assert list(estimates_schema(["joy", "fear"]).items()) == [
        ("id", _WORD),
        ("source", _WORD),
        ("start", pl.Float64()),
        ("end", pl.Float64()),
        ("speaker", _WORD),
        ("modality", _WORD),
        ("text", _WORD),
        ("status", _WORD),
        ("error", _WORD),
        ("emotion", pl.Struct({"joy": _NUMBER, "fear": _NUMBER})),
        ("top", _WORD),
        ("confidence", _NUMBER),
        ("entropy", _NUMBER),
        ("valence", _NUMBER),
        ("valence_sd", _NUMBER),
        ("arousal", _NUMBER),
        ("arousal_sd", _NUMBER),
        ("dominance", _NUMBER),
        ("dominance_sd", _NUMBER),
        ("tone", pl.Struct({"sentiment": _NUMBER, "toxicity": _NUMBER})),
        ("model", _WORD),
        ("taxonomy", _WORD),
        ("meta", pl.Struct({"time": pl.Datetime("us"), "group": _WORD})),
    ]


def test_carried_columns_keep_their_type():
    meta = pl.Struct({"time": pl.Datetime("us"), "group": _WORD, "city": _WORD})
    assert estimates_schema(["joy"], meta)["meta"] == meta
