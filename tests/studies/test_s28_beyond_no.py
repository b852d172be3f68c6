"""Pairs and profiles by hand, and the whole study on a part of the replies with a scripted model."""

import numpy as np
import pytest

from affectome.domains import boundary_patterns
from affectome.domains.boundaries import read_boundaries
from affectome.domains.boundary_patterns import (
    LANGUAGES,
    PATTERNS,
    LabelledReply,
    PatternFinder,
    labelled_replies,
    read_rows,
)
from affectome.evaluate import Interval
from affectome.language import ScriptedModel
from affectome.studies import StudySettings, run_study
from affectome.studies import s28_beyond_no as study
from affectome.studies.study import Context


@pytest.fixture
def context(tmp_path):
    return Context(tmp_path, 0, 1, None, tmp_path, quick=True)


def flags(*rows):
    return np.array([[name in row for name in PATTERNS] for row in rows], bool)


def test_sentences_keep_the_number_of_their_reply():
    replies = [LabelledReply(f"{language}{k}", language, "One. Two.", ()) for language in LANGUAGES for k in range(2)]
    cells = study.cells_of(replies)
    assert set(cells) == set(LANGUAGES)
    assert cells["de"].sentences == ["One.", "Two."] * 2
    assert cells["de"].replies.tolist() == [0, 0, 1, 1]


def test_macro_f1_leaves_reciprocation_out():
    truth = flags(set(PATTERNS), set())
    assert study.macro_f1(truth=truth, prediction=truth) == 1
    prediction = truth.copy()
    prediction[:, PATTERNS.index("reciprocation")] = False
    assert study.macro_f1(truth=truth, prediction=prediction) == 1
    prediction[:, PATTERNS.index("apology")] = False
    assert study.macro_f1(truth=truth, prediction=prediction) == pytest.approx(6 / 7)


def test_texts_are_strung_to_a_number_of_words():
    assert study._strung(["a b", "c d", "e"], 3) == "a b c d"
    assert study._strung(["a b", "c d", "e"], 2) == "a b"
    assert study._strung(["a b"], 9) == "a b"


def test_a_tie_is_not_won():
    warm, other = np.array([3.0, 5.0]), np.array([3.0, 4.0])
    assert study._wins(warm, other, "deflection").tolist() == [0, 1]
    assert study._wins(warm, other, study._AS_LONG).tolist() == [0, 1]
    assert study._wins(np.array([4.0]), np.array([3.0, 5.0]), "deflection").tolist() == [0.5]


def test_the_largest_gap_is_that_to_english():
    assert study._largest_gap(prediction=np.array([[5.0, 6.0, 3.5], [5.0, 5.0, 4.5]])) == 1.0


def test_archetypes_are_complete_and_as_long():
    scores = study.score_archetypes(
        read_rows("boundary_archetypes.jsonl"), lambda texts, language: np.zeros((len(texts), len(PATTERNS)), bool)
    )
    words = {
        (language, kind): [s.reading.words for s in scores if (s.language, s.archetype) == (language, kind)]
        for language in LANGUAGES
        for kind in (study._WARM, *study._OTHERS, study._AS_LONG)
    }
    assert {len(found) for found in words.values()} == {12}
    for language in LANGUAGES:
        pairs = zip(words[language, study._AS_LONG], words[language, study._WARM], strict=True)
        assert all(longer >= warm for longer, warm in pairs)
    assert {score.points for score in scores} == {4.0}


def test_a_reply_that_is_not_scored_has_no_points():
    reading = read_boundaries("", "en", flag=lambda texts, language: flags())
    assert np.isnan(study.Scored("en", study._WARM, reading).points)


@pytest.fixture
def smaller(monkeypatch):
    """Every fourth dev reply, no reader of English, and a model whose answers are scripted."""
    monkeypatch.setattr(study, "labelled_replies", lambda part: labelled_replies(part)[:: 4 if part == "dev" else 1])
    monkeypatch.setattr(study, "PatternFinder", lambda **options: PatternFinder(**options, reads_english=False))
    monkeypatch.setattr(boundary_patterns, "_COPIES", 1)
    monkeypatch.setattr(study, "_draws", lambda context: 5)
    model = ScriptedModel(lambda ask: "I'm a program, so I can't love anybody.", "toy")
    monkeypatch.setattr(study, "open_model", lambda name, threads: model)


@pytest.mark.train
def test_the_whole_study_on_a_part(tmp_path, smaller):
    base = tmp_path / "base"
    base.mkdir()
    (base / "model.safetensors").write_bytes(b"")
    settings = StudySettings(tmp_path, tmp_path / "out", base=base, threads=1, quick=True)
    result = run_study(study.STUDY, settings)
    patterns, by_pattern, strangers, parity, ranked, profile = result.outcome.tables
    macro = {row.predictor: row.values for row in patterns.rows}
    assert macro[study._SHUFFLED]["en"].value < 0.3
    assert macro[study._FINDER]["de"].value > macro[study._CUES]["de"].value
    assert macro[study._ENGLISH]["en"].value == macro[study._CUES]["en"].value
    assert macro[study._ENGLISH]["es"].value < macro[study._CUES]["es"].value / 2
    assert len(by_pattern.rows) == 2 * len(LANGUAGES)
    assert {row.predictor for row in strangers.rows} == set(macro) - {study._ENGLISH}
    assert parity.rows[0].values["largest gap"].value == 0
    longer = ranked.rows[0]
    assert (longer.predictor, longer.role) == (study._LONGER, "baseline")
    assert longer.values[f"before {study._COLD}"].value > 0.9
    assert longer.values[f"before {study._AS_LONG}"].value < 0.1
    assert [row.role for row in profile.rows] == ["baseline", "baseline", "result"]
    assert profile.rows[-1].values["boundary_setting"].value == 1
    assert profile.rows[0].values["apology"].value == 1
    claims = result.outcome.claims
    assert len(claims) == 2 * len(LANGUAGES) + 5
    assert all(isinstance(claim.interval, Interval) for claim in claims)
    assert [entry["rows"] for entry in result.vaults] == [360, 20, 288]
    assert any("toy answered 7 requests" in note for note in result.outcome.notes)
