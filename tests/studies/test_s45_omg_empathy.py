"""Listeners whose valence is known to follow a stream, and what readers are not allowed to see."""

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError
from affectome.studies import s45_omg_empathy as study

pytest.importorskip("sklearn")


def _write(folder, seconds=60):
    """Four listeners who follow the first stream, at 5 frames a second; story 3 has no valence."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    parts = []
    for subject in (1, 2, 3, 4):
        for story in (1, 2, 3, 4, 5, 8):
            count = seconds + story
            shown = study._slow(rng, count)
            told = [None] * (5 * count) if story == 3 else np.repeat(np.tanh(shown), 5).tolist()
            streams = {name: rng.normal(size=5 * count) for name in study._STREAMS}
            streams["polarity"] = np.repeat(shown, 5)
            columns = {"seconds": np.arange(5 * count) / 5, "subject": subject, "story": story} | streams
            parts.append(pl.DataFrame(columns).with_columns(pl.Series("valence", told, pl.Float64)))
    pl.concat(parts).write_parquet(folder / "frames.parquet")


@pytest.fixture
def toy_context(context, data):
    _write(data / study._FOLDER)
    context.quick = True
    return context


def test_frames_become_seconds(toy_context):
    data = study._load(toy_context)
    assert sorted({story for _, story in data}) == [1, 2, 4, 5, 8]
    one = data[2, 4]
    assert one.streams.shape == (64, 5)
    assert one.valence == pytest.approx(np.tanh(one.streams[:, 0]))


def test_means_see_nothing_later():
    streams = np.random.default_rng(0).normal(size=(200, 2))
    whole, part = study._smoothed(streams), study._smoothed(streams[:100])
    assert whole.shape == (200, 2 * 6)
    assert whole[:100, :-2] == pytest.approx(part[:, :-2])
    assert whole[99, -2:] == pytest.approx(streams[:100].mean(axis=0))
    assert whole[10, 2:4] == pytest.approx(streams[6:11].mean(axis=0))


def test_a_delay_shows_what_was():
    rows = np.arange(6.0)[:, None]
    assert study._late(rows, 2)[:, 0].tolist() == [0, 0, 0, 1, 2, 3]
    assert study._late(rows, 0).tolist() == rows.tolist()


def test_a_planted_listener_is_read_and_streams_of_another_story_are_not(toy_context):
    data = study._load(toy_context)
    settings = study._Settings(0, 1.0)
    assert np.mean(study._left_out(data, "others", settings)) > 0.5
    assert abs(np.mean(study._left_out(study._swapped(data, 1), "all", settings))) < 0.2


def test_the_generalised_protocol_never_trains_on_the_listener(toy_context, monkeypatch):
    data = study._load(toy_context)
    fit = study._training(data)
    seen = []

    def reader(used, settings):
        seen.append({id(each) for each in used})
        return lambda shown: np.zeros(len(shown))

    monkeypatch.setattr(study, "_reader", reader)
    study._scores(fit, {(1, 1): data[1, 1]}, "others", study._Settings(0, 1.0))
    study._scores(fit, {(1, 1): data[1, 1]}, "own", study._Settings(0, 1.0))
    mine = {id(each) for (who, _), each in fit.items() if who == 1}
    assert not seen[0] & mine
    assert seen[1] == mine


def test_the_official_formula_by_hand():
    assert study._official(np.array([0.0, 2.0]), np.array([0.0, 1.0])) == pytest.approx(2 * 0.5 / (1 + 0.25 + 0.25))
    assert study._official(np.array([0.0, 2.0]), np.ones(2)) == 0


def test_the_study_runs(toy_context):
    outcome = study.run(toy_context)
    assert [row.role for row in outcome.tables[0].rows] == ["baseline"] * 2 + ["control"] + ["result"] * 3
    claims = {claim.text: claim for claim in outcome.claims}
    assert claims["planted delay of 3 s: distance of the lag found, s"].holds
    assert outcome.claims[0].holds
    assert next(c for text, c in claims.items() if text.startswith("generalised")).holds


def test_missing_frames(context, data):
    (data / study._FOLDER).mkdir()
    with pytest.raises(InputError, match=r"frames\.parquet"):
        study._load(context)
