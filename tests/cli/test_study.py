"""``affectome study``: what there is, how it stands, and running it."""

import json
from functools import partial

import pytest

from affectome.cli import study as command
from affectome.errors import InputError
from affectome.evaluate import Interval
from affectome.studies import Claim, Outcome, Row, Study, Table, list_systems, load_result


def _found(claim):
    interval = Interval(0.5, 0.4, 0.6, 0.95, 100, 0, 0)
    rows = [Row("majority", "baseline", {"accuracy": 0.25}), Row("reader", "result", {"accuracy": interval, "n": 7})]
    return Outcome([Table("Toys", ("accuracy", "n"), rows)], [claim], ["Two toys left out."])


def _plays(context):
    context.note(f"seed {context.seed}, {context.threads} threads")
    context.folder("toys")
    return _found(Claim("accuracy", 0.5, 0.4, ">="))


def _fails(context):
    return _found(Claim("accuracy", 0.5, 0.6, ">=", Interval(0.5, 0.4, 0.6, 0.95, 100, 0, 0)))


def _crashes(context):
    raise ValueError("no toys")


def _refuses(context):
    raise InputError("The toys are broken.", code="broken_toys")


TOYS = {
    run.__name__.strip("_"): Study(number, run.__name__.strip("_"), f"Toy {number}", "none", ("toys",), ("study",), run)
    for number, run in enumerate((_plays, _fails, _crashes, _refuses), 1)
}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "find_study", TOYS.__getitem__)
    monkeypatch.setattr("affectome.studies.running.find_spec", lambda name: name)
    monkeypatch.delenv("AFFECTOME_DATA", raising=False)
    (tmp_path / "data" / "toys").mkdir(parents=True)
    return ("--data", tmp_path / "data", "--out", tmp_path / "out")


def test_list(affectome, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "find_studies", lambda: tuple(TOYS.values()))
    # The toys bear the numbers of systems, whose committed results must not speak for them.
    monkeypatch.setattr(command, "system_state", partial(command.system_state, folder=tmp_path))
    rows = json.loads(affectome("study", "list", "--json").out)
    needs = {"data": ["toys"], "extras": ["study"]}
    assert rows[0] == {"number": 1, "id": "plays", "title": "Toy 1", "state": "not yet", **needs}
    lines = affectome("study", "list").out.splitlines()
    assert lines[:2] == [" 1  plays: Toy 1, not yet", "    data toys; extras study"]
    assert len(lines) == 2 * len(TOYS)


def test_table(affectome):
    rows = json.loads(affectome("study", "table", "--json").out)
    assert [row["number"] for row in rows] == list(range(1, 50))
    assert {row["state"] for row in rows} <= {"works", "partly", "not yet"}
    assert all(row["what"] and row["paper"] for row in rows)
    printed = affectome("study", "table").out
    assert all(system.id in printed for system in list_systems())


def test_run(affectome, folders, tmp_path):
    outcome = affectome("study", "run", "plays", *folders, "--seed", 5, "--threads", 1)
    assert outcome.code == 0
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert lines[0] == "plays 0 s seed 5, 1 threads"
    assert lines.index("majority baseline accuracy 0.250") < lines.index("reader result accuracy 0.500 0.400 to 0.600")
    assert "n 7" in lines
    assert "accuracy 0.500 >= 0.400 holds" in lines
    assert "note: Two toys left out." in lines
    path = tmp_path / "out" / "plays.json"
    assert lines[-1].endswith(str(path))
    assert (load_result(path).seed, load_result(path).quick) == (5, False)


def test_a_claim_that_does_not_hold_is_shown_and_is_no_error(affectome, folders):
    outcome = affectome("study", "run", "fails", *folders)
    assert outcome.code == 0
    assert "0.500 [0.400, 0.600]  >= 0.600  DOES NOT HOLD" in outcome.out


def test_quick_results_do_not_count(affectome, folders, tmp_path):
    outcome = affectome("study", "run", "plays", *folders, "--quick")
    assert "does not count" in outcome.out
    assert load_result(tmp_path / "out" / "plays-quick.json").quick
    assert not (tmp_path / "out" / "plays.json").exists()


def test_one_failure_does_not_stop_the_others(affectome, folders, tmp_path):
    outcome = affectome("study", "run", "crashes", "refuses", "plays", "plays", *folders)
    assert outcome.code == 5
    assert "[study_failed] The study 'crashes' crashed: ValueError: no toys." in outcome.err
    assert "[broken_toys]" in outcome.err
    assert [path.name for path in (tmp_path / "out").glob("*.json")] == ["plays.json"]
    assert outcome.out.count("Two toys left out.") == 1
    assert affectome("study", "run", "refuses", "plays", *folders).code == 2


def test_the_data_folder_may_come_from_the_environment(affectome, folders, monkeypatch):
    monkeypatch.setenv("AFFECTOME_DATA", str(folders[1]))
    assert affectome("study", "run", "plays", *folders[2:]).code == 0


def test_data_that_are_not_there(affectome, folders, tmp_path, monkeypatch):
    assert "[missing_data]" in affectome("study", "run", "plays").err
    outcome = affectome("study", "run", "plays", "--data", tmp_path, *folders[2:])
    assert outcome.code == 2
    assert "has no folder 'toys'" in outcome.err


def test_an_extra_that_is_not_there(affectome, folders, monkeypatch):
    monkeypatch.setattr("affectome.studies.running.find_spec", lambda name: None)
    outcome = affectome("study", "run", "plays", *folders)
    assert outcome.code == 4
    assert 'pip install "affectome[study]"' in outcome.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "no_study"),
        (("nonsense", "--data", "x"), "unknown_study"),
        (("13", "--data", "x", "--threads", "0"), "bad_threads"),
    ],
)
def test_what_does_not_fit(affectome, words, code):
    outcome = affectome("study", "run", *words)
    assert outcome.code == 2
    assert f"[{code}]" in outcome.err


def test_an_unknown_study_lists_those_there_are(affectome):
    assert "label-variance" in affectome("study", "run", "nonsense", "--data", "x").err
