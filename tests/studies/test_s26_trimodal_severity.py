"""The planted cohort is what it says, and the machinery finds what was planted."""

import numpy as np
import pytest

from affectome.studies import s26_trimodal_severity as study


def test_a_planted_cohort():
    cohort = study._plant(0)
    assert len(cohort.grades) == study._INTERVIEWS
    assert len(set(cohort.people.tolist())) == study._PEOPLE
    severity = cohort.totals
    for name, effect in study._EFFECTS.items():
        rows = cohort.streams[name]
        missing = np.isnan(rows).all(axis=1)
        assert missing.mean() == pytest.approx(study._MISSING, abs=0.05)
        assert not np.isnan(rows[~missing]).any()
        shown = np.corrcoef(rows[~missing, 0], severity[~missing])[0, 1]
        assert shown == pytest.approx(effect / np.hypot(1, effect), abs=0.12)
        assert abs(np.corrcoef(rows[~missing, -1], severity[~missing])[0, 1]) < 0.15
    assert (cohort.grades == study.load_questionnaire("phq8").grade(cohort.totals)).all()
    # A second interview is with the same person in the same state.
    twice = cohort.people[-1]
    assert len(set(cohort.totals[cohort.people == twice].tolist())) == 1


def test_another_seed_is_another_cohort():
    assert (study._plant(0).totals == study._plant(0).totals).all()
    assert (study._plant(0).totals != study._plant(1).totals).any()


def test_every_edge_is_among_the_cases():
    assert study._edges()[0].holds
    assert len(study._PHQ8) + len(study._PCL5) == 25
    for name, cases in (("phq8", study._PHQ8), ("pcl5", study._PCL5)):
        for edge in list(study.load_questionnaire(name).grades.values())[1:]:
            assert cases[edge] == cases[edge - 1] + 1


def test_what_is_missing_is_zero_in_the_published_way():
    joined = study._joined({name: np.full((2, 3), np.nan) for name in study._EFFECTS})
    assert joined.tolist() == [[0.0] * 9] * 2


def test_the_study_runs(context, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr(study, "_RESAMPLES", 20)
    monkeypatch.setattr(study, "_FOLDS", 2)
    monkeypatch.setattr(study, "_INTERVIEWS", 240)
    monkeypatch.setattr(study, "_PEOPLE", 200)
    context.quick = True
    outcome = study.run(context)
    assert all("planted" in table.title for table in outcome.tables)
    assert all("planted" in claim.text for claim in outcome.claims[1:])
    complete = {row.predictor: row.values for row in outcome.tables[1].rows}
    assert complete[study._FUSED][study._F1].value > complete["voice alone"][study._F1].value
    assert complete[study._SHUFFLED][study._KAPPA].value < 0.2
    without = {row.predictor for row in outcome.tables[2].rows}
    assert "text alone" not in without
