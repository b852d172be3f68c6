"""The network beside made-up truths and beside listeners whose last story nobody has seen."""

import math

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError, LeakError
from affectome.studies import StudySettings
from affectome.studies import s39_muse_2022 as study
from affectome.studies.made_up_series import made_up_clips, made_up_subjects, shuffled_targets

NAN = math.nan


def write_frames(folder, seconds=20):
    """Three listeners who follow the first stream by a second, at 25 frames a second; story 3 has no valence."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    parts = []
    for subject in (1, 2, 3):
        for story in (1, 2, 3, 4, 5, 8):
            count = 25 * (seconds + story)
            shown = np.repeat(rng.normal(size=count // 25), 25)
            told = [None] * count if story == 3 else np.tanh(np.roll(shown, 25)).tolist()
            streams = {name: rng.normal(size=count) for name in study._STREAMS}
            streams["polarity"] = np.where(np.arange(count) < 50, NAN, shown)
            parts.append(
                pl.DataFrame(
                    {"seconds": np.arange(count) / 25, "subject": subject, "story": story} | streams
                ).with_columns(pl.col("polarity").fill_nan(None), pl.Series("valence", told, pl.Float64))
            )
    pl.concat(parts).write_parquet(folder / "frames.parquet")


@pytest.fixture
def toy_context(context, data):
    write_frames(data / study.FOLDER)
    context.quick = True
    return context


def test_frames_become_rows(toy_context):
    toy_context.quick = False
    stories = study._read_stories(toy_context)
    assert sorted(stories) == [1, 2, 4, 5, 8]
    assert [each.subject for each in stories[1]] == ["1", "2", "3"]
    first = stories[1][0]
    assert first.features.shape == (2 * 21, 5 + 5 * 3)
    frames = pl.read_parquet(toy_context.data / study.FOLDER / "frames.parquet").filter(subject=1, story=1)
    half = frames.filter(pl.col("seconds") >= 3, pl.col("seconds") < 3.5)
    assert first.targets[6, 0] == pytest.approx(half["valence"].mean(), abs=1e-6)
    assert first.features[6, 1] == pytest.approx(half["image_valence"].mean(), abs=1e-6)
    assert first.features[:4, 0].tolist() == [0] * 4  # not known yet
    # Means over the last five seconds see no later row.
    column = list(study._STREAMS).index("image_valence") * len(study._SMOOTHED) + len(study._STREAMS)
    assert first.features[3, column] == pytest.approx(first.features[:4, 1].mean(), abs=1e-6)
    assert first.features[30, column] == pytest.approx(first.features[21:31, 1].mean(), abs=1e-6)


def test_another_story_of_the_same_listener():
    from affectome.learn.sequence_files import Series

    stories = {
        story: [Series("1", np.zeros((rows, 1), np.float32), np.full((rows, 1), story, np.float32))]
        for story, rows in zip(study._STORIES, (3, 2, 4, 3), strict=True)
    }
    found = {story: part[0].targets[:, 0].tolist() for story, part in study._swapped(stories).items()}
    assert str(found) == str({2: [4.0, 4.0, NAN], 4: [5.0, 5.0], 5: [8.0, 8.0, 8.0, NAN], 8: [2.0, 2.0, 2.0]})


def test_series_told_of_listener_and_time():
    from affectome.learn.sequence_files import Series

    series = [Series("b", np.zeros((3, 2), np.float32), np.zeros((3, 1), np.float32))]
    assert study._told(series, ["a", "b"])[0].features[2].tolist() == [0, 0, 0, 1]
    minutes = 2 / (60 * study._RATE)
    assert study._timed(series)[0].features[2].tolist() == pytest.approx([minutes, minutes**2])


def test_an_undefined_concordance_of_a_listener_counts_nothing():
    truth = np.array([[0.0], [1.0], [2.0], [1.0], [1.0]])
    found = study._by_listener(truth, truth, ["a", "a", "a", "b", "b"])
    assert found.tolist() == [1, 0]


@pytest.mark.train
def test_listeners_end_to_end(toy_context):
    pytest.importorskip("torch")
    table, claim, notes = study._listeners(toy_context)
    assert [row.role for row in table.rows] == ["baseline"] * 4 + ["control"] + ["result"] * 2
    assert all(set(row.values) == {study._PERSONALISED, study._POOLED} for row in table.rows)
    assert table.rows[0].values[study._PERSONALISED].value == pytest.approx(0, abs=1e-6)
    assert claim.value in [row.values[study._PERSONALISED].value for row in table.rows[-2:]]
    assert claim.threshold == study._GOAL
    assert any("CCC of each listener" in note for note in notes)
    (vault,) = toy_context.vaults
    with pytest.raises(LeakError):
        vault.open("story 1", purpose="once more")


def test_missing_frames(context, data):
    (data / study.FOLDER).mkdir()
    with pytest.raises(InputError, match=r"frames\.parquet"):
        study._read_stories(context)


@pytest.mark.train
def test_the_whole_study_runs(data, tmp_path):
    pytest.importorskip("torch")
    from affectome.studies import run_study

    write_frames(data / study.FOLDER)
    result = run_study(study.STUDY, StudySettings(data, tmp_path / "out", seed=3, threads=1, quick=True))
    assert len(result.outcome.tables) == 5
    assert [claim.comparison for claim in result.outcome.claims] == [">=", "<=", ">=", ">", ">", ">="]
    present = result.outcome.tables[2].rows
    assert present[-1].values["AUC"].value > 0.6 > 0.5 == present[0].values["AUC"]


def test_modalities_describe_the_same_subjects():
    parts = made_up_subjects(("voice", "face"), share=10, seed=1)
    assert {name: len(part["voice"]) for name, part in parts.items()} == {"train": 3, "devel": 1, "test": 4}
    for one, other in zip(parts["test"]["voice"], parts["test"]["face"], strict=True):
        assert one.subject == other.subject
        assert np.array_equal(one.targets, other.targets)
        assert not np.array_equal(one.features, other.features)
    again = made_up_subjects(("voice", "face"), share=10, seed=1)
    assert np.array_equal(again["test"]["face"][0].features, parts["test"]["face"][0].features)


def test_made_up_clips():
    parts = made_up_clips(1, binary=True, share=10, seed=1)
    told = {float(clip.targets[0]) for part in parts.values() for clip in part}
    assert told == {0, 1}
    between = np.array([clip.targets for clip in made_up_clips(7, binary=False, share=10, seed=1)["test"]])
    assert between.shape == (40, 7)
    assert ((between > 0) & (between < 1)).all()


def test_shuffled_targets_are_the_same_ones_elsewhere():
    rng = np.random.default_rng(0)
    for series in (
        made_up_subjects(("a",), share=10, seed=1)["test"]["a"],
        made_up_clips(2, binary=False, seed=1)["devel"],
    ):
        found = shuffled_targets(series, rng)
        before, after = (
            np.sort(np.concatenate([each.targets for each in part]), axis=None) for part in (series, found)
        )
        assert np.array_equal(before, after)
        assert not np.array_equal(series[0].targets, found[0].targets)
        assert found[0].features is series[0].features
