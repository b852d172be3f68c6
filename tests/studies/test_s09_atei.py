"""Mismatches are found in pairs from which neither side alone can tell them."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the study extra")
pytest.importorskip("sklearn", reason="needs the study extra")

from affectome.evaluate import auc
from affectome.studies import s09_atei as study
from affectome.studies.study import Context


def stream(count, seed, *, calm=0):
    """A reader that sees pleasant and unpleasant apart, with noise; the last ones are calm."""
    rng = np.random.default_rng(seed)
    pleasant = rng.integers(0, 2, count)
    pleasant[count - calm :] = -1
    centre = np.where(pleasant == 1, 0.5, np.where(pleasant == 0, -0.5, 0.0))
    means = np.stack(
        [centre + rng.normal(0, 0.15, count), rng.normal(0, 0.1, count), rng.normal(0, 0.1, count)], axis=1
    )
    up = 1 / (1 + np.exp(-6 * means[:, 0]))
    shares = np.stack([up, 1 - up], axis=1)
    return study.Stream(means, shares, pleasant, np.array([f"{seed}/{k % 4}" for k in range(count)]))


@pytest.fixture
def parts():
    """Pairs for fitting and for testing."""
    return study.pair(stream(200, 1), stream(80, 2), 400, 0), study.pair(stream(200, 3), stream(80, 4), 400, 1)


def test_all_four_combinations_are_equally_frequent(parts):
    train, _ = parts
    cells = 2 * train.text.pleasant + train.voice.pleasant
    assert np.bincount(cells).tolist() == [100] * 4
    assert (train.differs == (train.text.pleasant != train.voice.pleasant)).all()


def test_calm_voices_are_in_no_pair():
    pairs = study.pair(stream(100, 1), stream(60, 2, calm=20), 80, 0)
    assert set(pairs.voice.pleasant) == {0, 1}


def test_only_both_together_tell_a_mismatch(parts):
    train, test = parts
    for sides in (("text",), ("voice",)):
        assert (
            abs(auc(truth=test.differs, probability=study._learnt_scores(train, test, sides=sides)).value - 0.5) < 0.1
        )
    assert auc(truth=test.differs, probability=study._learnt_scores(train, test)).value > 0.95
    assert auc(truth=test.differs, probability=study.distance(train, test)).value > 0.8


def test_the_distance_does_not_mind_a_biased_reader(parts):
    train, test = parts
    shifted = [
        study.Pairs(
            study.Stream(each.text.means * 0.3 + 0.4, each.text.shares, each.text.pleasant, each.text.groups),
            each.voice,
            each.differs,
        )
        for each in parts
    ]
    assert study.distance(*shifted) == pytest.approx(study.distance(train, test))


def test_the_whole_study_on_invented_readings(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "_texts", lambda _, part: stream(300, 5 if part == "dev" else 6))
    voices = {"dev": stream(120, 7, calm=20), "test": stream(120, 8, calm=20)}
    monkeypatch.setattr(study, "_voices", lambda _, part: voices[part])
    context = Context(data=tmp_path, seed=0, threads=1, base=None, work=tmp_path, quick=True)
    outcome = study.run(context)
    assert [table.rows[0].role for table in outcome.tables] == ["baseline", "baseline"]
    assert sum(claim.holds for claim in outcome.claims) >= 6
    values = {row.predictor: row.values["AUC"].value for row in outcome.tables[0].rows}
    assert abs(values["learnt from shuffled answers"] - 0.5) < 0.15


def test_the_same_speakers_on_both_sides_are_refused(tmp_path, monkeypatch):
    from affectome.errors import LeakError

    monkeypatch.setattr(study, "_texts", lambda *_: stream(300, 5))
    monkeypatch.setattr(study, "_voices", lambda *_: stream(120, 7))
    with pytest.raises(LeakError):
        study.run(Context(data=tmp_path, seed=0, threads=1, base=None, work=tmp_path, quick=True))
