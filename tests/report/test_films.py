"""Films on the page: who is who, lanes, the strongest moments and where modalities differ."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from affectome.perceive import Fusion, describe_people, estimates_schema
from affectome.report import write_report
from affectome.report.films import watch
from affectome.report.tables import open_estimates

LABELS = ("joy", "anger", "neutral")
HOSTILE = 'a"><script>alert(1)</script>.mp4'
READER = SimpleNamespace(labels=LABELS, taxonomy="custom", exclusive=True)


def _row(number, source, modality, start, end, speaker, top, valence, text=None, mouth=None):
    shares = {label: 0.8 if label == top else 0.1 for label in LABELS}
    row = {"id": f"{source}@{number}", "source": source, "modality": modality, "start": start, "end": end}
    row |= {"speaker": speaker, "status": "scored", "error": "", "emotion": shares, "top": top, "confidence": 0.8}
    row |= {"entropy": 0.6, "text": text, "arousal": 0.1, "dominance": 0.0, "valence": valence, "taxonomy": "custom"}
    row |= dict.fromkeys(("valence_sd", "arousal_sd", "dominance_sd"), 0.2)
    if mouth is not None:
        row |= {"face": {"mouth": mouth}, "au": {"AU12": 0.9 if top == "joy" else 0.1, "AU04": 0.2}}
    return row


@pytest.fixture(scope="module")
def made():
    """Two people for 20 s: one speaks with an angry voice and a smile from 5 to 9 s; and who is who."""
    rows = []
    for start in np.arange(0, 20, 0.25):
        speaks = 5 <= start < 9
        mouth = (0.4 if int(start * 4) % 2 else 0.05) if speaks else 0.05
        top, valence = ("joy", 0.6) if speaks else ("neutral", 0.0)
        rows.append(_row(len(rows), HOSTILE, "face", start, start + 0.25, "F1", top, valence, mouth=mouth))
        rows.append(_row(len(rows), HOSTILE, "face", start, start + 0.25, "F2", "neutral", 0.0, mouth=0.02))
    rows.append(_row(len(rows), HOSTILE, "voice", 5.0, 9.0, None, "anger", -0.6))
    rows.append(_row(len(rows), HOSTILE, "text", 5.0, 9.0, None, "anger", -0.5, text="how <b>kind</b> of you"))
    fusion = Fusion(READER)
    extras = {"face": pl.Struct({"mouth": pl.Float32()}), "au": pl.Struct({"AU12": pl.Float32(), "AU04": pl.Float32()})}
    schema = pl.Schema({**fusion.schema(estimates_schema(LABELS)["meta"]), **extras})
    table = pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=schema)
    fused = fusion.fuse(table)
    absent = [pl.lit(None, dtype=kind).alias(name) for name, kind in extras.items()]
    whole = pl.concat([table, fused.with_columns(absent).select(list(schema))])
    return whole, {source: describe_people(people) for source, people in fusion.people.items()}


@pytest.fixture(scope="module")
def film(made, tmp_path_factory):
    table, people = made
    path = tmp_path_factory.mktemp("films") / "estimates.parquet"
    table.write_parquet(path)
    with open_estimates(path) as opened:
        (found,) = watch(opened, people)
    return found


def test_who_is_who(film):
    assert [(p.name, p.faces, p.speakers) for p in film.persons] == [("P1", ("F1",), ()), ("P2", ("F2",), ())]
    assert [(p.seen, p.heard) for p in film.persons] == [(20, 4), (20, 0)]
    assert film.persons[0].link > 0.9
    assert film.persons[1].link is None
    assert film.seconds == 20


def test_lanes_join_what_goes_on(film):
    first = film.persons[0].lanes
    assert [(span.start, span.end, span.top) for span in first["face"]] == [
        (0, 5, "neutral"),
        (5, 9, "joy"),
        (9, 20, "neutral"),
    ]
    assert [(span.start, span.end, span.top) for span in first["voice"]] == [(5, 9, "anger")]
    assert first["text"][0].text == "how <b>kind</b> of you"
    assert film.persons[1].lanes["voice"] == ()


def test_moments_depart_from_the_usual_and_conflicts_are_named(film):
    assert {moment.person for moment in film.moments} == {"P1"}
    assert all(4.5 <= moment.second <= 9 for moment in film.moments)
    (conflict, *_) = film.conflicts
    assert conflict.person == "P1"
    assert conflict.value > 0.7
    assert "face more pleasant than voice (1.20)" in conflict.words
    assert "face more pleasant than words (1.10)" in conflict.words


def test_action_units_that_move_are_followed(film):
    first = film.persons[0]
    assert list(first.units) == ["AU04", "AU12"]
    strengths = dict(zip(first.unit_seconds, first.units["AU12"], strict=True))
    assert strengths[6.25] == pytest.approx(0.9)
    assert strengths[2.25] == pytest.approx(0.1)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_the_page_tells_films_and_runs_nothing(made, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("affectome.report.canvas._drawn", lambda *_: "<svg></svg>")
    table, people = made
    path = tmp_path / f"estimates.{suffix}"
    if suffix == "parquet":
        table.write_parquet(path)
    elif suffix == "jsonl":
        table.write_ndjson(path)
    else:
        flat = [
            pl.col(name).struct.unnest().name.prefix(f"{name}.") if isinstance(kind, pl.Struct) else pl.col(name)
            for name, kind in table.schema.items()
        ]
        table.select(flat).write_csv(path)
    info = {"modalities": ["text", "voice", "face", "fused"], "exclusive": True, "people": people}
    html = write_report(path, info, tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="films"' in html
    assert "media-src data: blob:" in html
    assert "<script>alert" not in html
    assert "<b>kind" not in html
    assert html.count("data-second=") >= 2
    assert "Of 160 rows, 160 (100.0%) could be scored" in html.replace("\n", " ")


def test_charts_are_drawn(film):
    from affectome.report.canvas import draw
    from affectome.report.film_charts import film_lanes, unit_lanes
    from affectome.report.palette import Palette

    palette = Palette(LABELS)
    lanes = draw(lambda canvas: film_lanes(film, film.persons[0], palette, canvas))
    units = draw(lambda canvas: unit_lanes(film, film.persons[0], canvas))
    assert all(name in lanes.wide for name in ("face", "voice", "words", "valence", "arousal"))
    assert "AU12" in units.narrow


def test_a_table_without_people_still_shows_films(made, tmp_path):
    table, _ = made
    table.write_parquet(tmp_path / "estimates.parquet")
    with open_estimates(tmp_path / "estimates.parquet") as opened:
        (film,) = watch(opened, {})
        assert opened.scored.collect().height == 160
    assert [person.faces for person in film.persons] == [(), ()]
