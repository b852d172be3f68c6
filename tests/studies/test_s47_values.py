"""Reports of tropes, agreement of groupings, the choice of a distance, and the whole study on made-up reports."""

import gzip

import numpy as np
import pytest

from affectome.errors import InputError, UsageError
from affectome.studies import StudySettings, run_study
from affectome.studies import s47_values as study
from affectome.studies.s47_values import adjusted_rand, choose_setting, load_report

TOPICS = ("freedom", "market", "family", "church", "nature", "police")
ENDS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh")


def write(path, tropes):
    lines = ["# Report", "", "| no trope yet |", "", "## Tropes", ""]
    for number, sentences in enumerate(tropes):
        lines += [f"### T{number + 7}: Trope {number}.", "", "|Support|", "|---|", *[f"|{s}|" for s in sentences], ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_the_largest_tropes_without_what_several_share(tmp_path):
    tropes = [["a", "b"], [], ["c", " b ", "d", "c"], ["e"], ["f", "g"], ["h"]]
    found = load_report(write(tmp_path / "some.md.gz", tropes), 3)
    # "c", "b", "d" is the largest; "a", "b" comes before "f", "g", which is as large.
    assert dict(zip(found.sentences, found.tropes.tolist(), strict=True)) == {"c": 0, "d": 0, "a": 1, "f": 2, "g": 2}
    assert found.shared == 1
    assert load_report(tmp_path / "some.md.gz", 4).tropes.max() == 3


@pytest.mark.parametrize("content", [b"### T1: not gzipped", gzip.compress(b"# Report\n|a|\n"), gzip.compress(b"\xff")])
def test_what_is_no_report(tmp_path, content):
    path = tmp_path / "some.md.gz"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_report(path, 3)
    assert error.value.code == "bad_corpus"


def test_a_missing_report(tmp_path):
    with pytest.raises(InputError):
        load_report(tmp_path / "some.md.gz", 3)


def test_rows_without_a_group_are_groups_of_their_own():
    assert adjusted_rand(truth=[0, 0, 1, 1], prediction=[5, 5, 2, 2]) == 1
    assert adjusted_rand(truth=[0, 0, 1, 2], prediction=[0, 0, -1, -1]) == 1
    assert adjusted_rand(truth=[0, 0, 1, 1], prediction=[0, 0, -1, -1]) < 1
    assert adjusted_rand(truth=[0, 1, 2], prediction=[-1, -1, -1]) == 1


def test_rows_of_zeros_are_near_nothing():
    found = study._unit(np.array([[3.0, 4], [0, 0], [0, 2], [0, 0]]))
    assert (found @ found.T).tolist() == pytest.approx(
        np.array([[1, 0, 0.8, 0], [0, 1, 0, 0], [0.8, 0, 1, 0], [0, 0, 0, 1]])
    )


def angles(degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_the_setting_that_regroups_best():
    # Neighbours are 30 degrees apart, a cosine distance of 0.134, and those of other tropes 60, one of 0.5. The middle
    # of each three has two neighbours beside itself.
    tropes = np.repeat([0, 1, 2], 3)
    assert choose_setting(angles([0, 30, 60, 120, 150, 180, 240, 270, 300]), tropes) == (0.15, 3)
    assert choose_setting(angles([0, 1, 2, 120, 121, 122, 240, 241, 242]), tropes) == (0.1, 3)


def test_values_without_any_trope():
    tropes = np.array([0, 0, 1])
    found = study._values(tropes, np.full(3, -1), 0)
    assert study._KEPT_SCORE not in found
    assert (found[study._TROPES], found[study._KEPT]) == (0, 0)
    found = study._values(tropes, np.array([0, 0, -1]), 0)
    assert found[study._KEPT] == pytest.approx(2 / 3)
    assert found[study._TROPES] == 1


def sentences(topic, count):
    """The words of a sentence tell its topic, and less well its number."""
    return [f"{topic} is {topic} {end} {topic}" for end in ENDS[:count]]


def fake_vectors(texts, base, *, threads):
    """Sentences of a topic lie 10 degrees and less around their axis, those of the largest topic farther apart."""
    found = np.zeros((len(texts), len(TOPICS) + len(ENDS)))
    for row, text in zip(found, texts, strict=True):
        row[next(k for k, topic in enumerate(TOPICS) if topic in text)] = 1
        row[len(TOPICS) + next(k for k, end in enumerate(ENDS) if end in text.split())] = 0.3
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def settings(tmp_path):
    folder = tmp_path / "data" / study._FOLDER / "trope_reports" / "reports"
    for name, count in ((study._CHOSEN_ON, 4), (study._TESTED_ON, 11)):
        tropes = [sentences(topic, count) for topic in TOPICS]
        tropes[0].append(tropes[1][0])  # supports two
        write(folder / f"{name}.md.gz", tropes)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(tmp_path / "data", tmp_path / "out", base=tmp_path / "base", threads=1)


@pytest.fixture
def quicker(monkeypatch):
    monkeypatch.setattr("affectome.learn.base_vectors.base_vectors", fake_vectors)
    monkeypatch.setattr(study, "_RESAMPLES", 10)
    monkeypatch.setattr(study, "_DISTANCES", (0.01, 0.15, 0.5))


@pytest.mark.train
def test_the_whole_study_on_toys(settings, quicker):
    result = run_study(study.STUDY, settings)
    (table,) = result.outcome.tables
    n = 11 * len(TOPICS) - 1
    assert table.title == f"{study._TESTED_ON}: {n} sentences of its 6 largest tropes"
    assert [row.role for row in table.rows] == ["baseline", "baseline", "control", "result", "result"]
    one, words, dealt, meaning, published = (row.values for row in table.rows)
    assert (one[study._SCORE].value, one[study._TROPES], one[study._KEPT]) == (0, 1, 1)
    # With 4 sentences a trope, 3 is the only minimum that groups any; 0.15 the first distance that does.
    assert table.rows[3].predictor == "meanings, distance 0.15, minimum 3"
    assert (meaning[study._SCORE].value, meaning[study._TROPES], meaning[study._KEPT]) == (1, 6, 1)
    assert words[study._SCORE].value > 0.9
    assert dealt[study._SCORE].value < 0.2
    assert dealt[study._TROPES] == 6
    assert (published[study._TROPES], published[study._KEPT_SCORE].value) == (6, 1)
    claims = result.outcome.claims
    assert [claim.value for claim in claims[:2]] == [1, 1]
    assert [claim.holds for claim in claims[:2]] == [True, True]
    assert claims[2].value == claims[2].interval.high
    assert "left out (1)" in result.outcome.notes[1]
    assert [entry["rows"] for entry in result.vaults] == [n]


def test_a_base_is_needed(settings, quicker):
    with pytest.raises(UsageError) as error:
        run_study(study.STUDY, StudySettings(settings.data, settings.out, threads=1, quick=True))
    assert error.value.code == "missing_base"
