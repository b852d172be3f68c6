"""Every system is listed, every study fits the list, and states follow from committed results alone."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from affectome.errors import InputError, RunError, UsageError
from affectome.studies import (
    COMMITTED,
    Claim,
    committed_result,
    find_studies,
    find_study,
    list_systems,
    registry,
    run_study,
    system_state,
    write_result,
)

SYSTEM = next(system for system in list_systems() if system.number == 13)


def test_systems_are_numbered_and_named_once():
    systems = list_systems()
    assert [system.number for system in systems] == list(range(1, 50))
    assert len({system.id for system in systems}) == len({system.title for system in systems}) == 49
    assert all(system.what and system.paper for system in systems)


def test_studies_are_found_in_order():
    numbers = [study.number for study in find_studies()]
    assert 13 in numbers
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", ["label-variance", "13"])
def test_a_study_by_id_or_number(name):
    assert find_study(name).id == "label-variance"


@pytest.mark.parametrize("name", ["", "0", "50", "label_variance", "talk-to-edit"])
def test_an_unknown_study_lists_those_there_are(name):
    with pytest.raises(UsageError) as error:
        find_study(name)
    assert error.value.code == "unknown_study"
    assert "label-variance" in error.value.allowed


def test_a_study_that_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(registry, "_modules", lambda: {13: "s13_gone"})
    with pytest.raises(RunError, match=r"s13_gone\.py cannot be imported"):
        find_study("13")


@pytest.mark.parametrize("changes", [{"number": 12}, {"id": "variance"}, {"title": "Variance"}])
def test_a_study_that_does_not_fit_the_list(monkeypatch, toy, changes):
    study = toy(**({"id": SYSTEM.id, "title": SYSTEM.title} | changes))
    monkeypatch.setitem(sys.modules, "affectome.studies.s13_label_variance", SimpleNamespace(STUDY=study))
    monkeypatch.delattr("affectome.studies.s13_label_variance", raising=False)
    with pytest.raises(RunError) as error:
        find_study("13")
    assert error.value.code == "study_mismatch"


@pytest.fixture
def committed(tmp_path, toy, settings, monkeypatch):
    """Writes a result of system 13 into a folder of committed results and gives the folder."""

    def commit(*, missing=(), **changes):
        study = toy(id=SYSTEM.id, missing=missing)
        monkeypatch.setattr(registry, "find_study", lambda name: study)
        result = run_study(study, settings)
        write_result(replace(result, **changes), tmp_path / "committed" / f"{SYSTEM.id}.json")
        return tmp_path / "committed"

    return commit


def test_no_result_is_not_yet(tmp_path):
    assert committed_result(SYSTEM.id, tmp_path) is None
    assert str(system_state(SYSTEM, tmp_path)) == "not yet"


def test_all_claims_and_nothing_missing_works(committed):
    assert str(system_state(SYSTEM, committed())) == "works"


def test_something_missing_is_partly(committed):
    state = system_state(SYSTEM, committed(missing=("speech",)))
    assert (state.name, state.missing, state.failing) == ("partly", ("speech",), ())
    assert str(state) == "partly (missing: speech)"


def test_a_failing_claim_is_partly(committed, outcome):
    failing = replace(outcome, claims=[*outcome.claims, Claim("too high", 0.1, 0.9, ">=")])
    state = system_state(SYSTEM, committed(outcome=failing))
    assert (state.name, state.failing) == ("partly", ("too high",))
    assert str(state) == "partly (does not hold: too high)"


@pytest.mark.parametrize(("changes", "code"), [({"quick": True}, "quick_result"), ({"study": "hef"}, "other_study")])
def test_a_result_that_does_not_count_is_refused(committed, changes, code):
    folder = committed(**changes)
    with pytest.raises(RunError) as error:
        system_state(SYSTEM, folder)
    assert error.value.code == code


def test_a_damaged_result_is_refused(tmp_path):
    (tmp_path / f"{SYSTEM.id}.json").write_text("{")
    with pytest.raises(InputError):
        system_state(SYSTEM, tmp_path)


def test_committed_results_are_whole_and_belong_to_studies():
    names = [path.stem for path in COMMITTED.glob("*.json")]
    assert set(names) <= {study.id for study in find_studies()}
    for name in names:
        result = committed_result(name)
        study = find_study(name)
        assert set(result.data) == set(study.data), f"{name} did not read what its study names"
        assert result.number == study.number
