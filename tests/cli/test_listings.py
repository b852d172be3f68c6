"""``affectome taxonomy``, ``models`` and ``doctor``."""

import json
import shutil

import pytest

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.cli import doctor
from affectome.models import default_model


def test_taxonomies(affectome):
    rows = json.loads(affectome("taxonomy", "list", "--json").out)
    assert [row["id"] for row in rows] == list(list_taxonomies(kind=None))
    assert {"id": "ekman6", "labels": 6, "exclusive": "yes", "kind": "category"}.items() <= rows[
        [row["id"] for row in rows].index("ekman6")
    ].items()
    printed = affectome("taxonomy", "list").out
    assert all(row["id"] in printed for row in rows)


def test_a_taxonomy(affectome):
    shown = json.loads(affectome("taxonomy", "show", "ekman7", "--json").out)
    assert [row["label"] for row in shown["labels"]] == list(load_taxonomy("ekman7").labels)
    assert shown["source"]
    printed = affectome("taxonomy", "show", "ekman7").out
    assert printed.startswith(load_taxonomy("ekman7").title)
    assert all(label in printed for label in load_taxonomy("ekman7").labels)


def test_a_mapping(affectome):
    mapping = json.loads(affectome("taxonomy", "map", "goemotions28", "ekman7", "--json").out)
    assert mapping["shares"]["joy"] == {"joy": 1.0}
    for label, shares in mapping["shares"].items():
        assert sum(shares.values()) + mapping["unmapped"][label] == pytest.approx(1, abs=1e-3)
    printed = affectome("taxonomy", "map", "goemotions28", "ekman7").out
    assert printed.startswith("goemotions28 to ekman7, by table")


def test_models(affectome):
    listed = json.loads(affectome("models", "list", "--json").out)
    card = default_model("text-affect").card
    assert card.versioned_id in [row["model"] for row in listed["models"]]
    assert listed["problems"] == []
    assert "affectome models pull NAME" in affectome("models", "list").out


def test_a_card(affectome):
    card = default_model("text-affect").card
    assert json.loads(affectome("models", "show", card.id, "--json").out)["id"] == card.id
    assert affectome("models", "show", card.id).out.startswith(f"{card.versioned_id}: ")


def test_verify(affectome, tmp_path):
    bundle = default_model("text-affect")
    assert affectome("models", "verify", bundle.card.id).out == f"{bundle.card.id}: every file is what its card says\n"
    changed = tmp_path / "changed"
    shutil.copytree(bundle.path, changed)
    (changed / "readout.json").write_text("{}", encoding="utf-8")
    outcome = affectome("models", "verify", changed)
    assert outcome.code == 3
    assert "readout.json" in outcome.out
    report = affectome("models", "verify", changed, "--json")
    assert report.code == 3
    assert json.loads(report.out)["problems"]
    assert affectome("text", "hello", "--model", changed, "--json").code == 3


def test_doctor(affectome):
    outcome = affectome("doctor", "--json")
    checks = {check["check"]: check["state"] for check in json.loads(outcome.out)["checks"]}
    assert outcome.code == 0
    assert (checks["python"], checks["shipped models"], checks["reading"]) == ("ok", "ok", "ok")
    assert "one text in" in affectome("doctor").out


def test_doctor_tells_core_from_extra_packages(monkeypatch):
    requirements = ["numpy>=2.0", "no-such-core", "pytest>=8 ; extra == 'train'", 'no-such-extra; extra == "train"']
    monkeypatch.setattr("affectome.cli.doctor.requires", lambda _: requirements)
    state, found = doctor._packages(None)
    assert state == "broken"
    assert "no-such-core" in found
    assert "extra" not in found
    state, found = doctor._packages("train", "training")
    assert state == "absent"
    assert found == 'no-such-extra; for training run: pip install "affectome[train]"'


def test_doctor_says_what_is_broken(affectome, monkeypatch):
    monkeypatch.setattr("affectome.cli.doctor.ReaderOptions.open", _refuse)
    outcome = affectome("doctor", "--json")
    broken = [check for check in json.loads(outcome.out)["checks"] if check["state"] == "broken"]
    assert outcome.code == 1
    assert [check["check"] for check in broken] == ["reading"]
    assert "The weights were changed." in broken[0]["found"]


def _refuse(*_, **__):
    from affectome.errors import ModelError

    raise ModelError("The weights were changed.", code="hash_mismatch")


def test_doctor_says_how_to_get_the_speech_detector(affectome, monkeypatch):
    def nowhere(name):
        from affectome.errors import ModelError

        raise ModelError("It is not here.", code="base_model_missing", next_step=f"Run: affectome models pull {name}")

    monkeypatch.setattr("affectome.cli.doctor.locate", nowhere)
    checks = {check["check"]: check for check in json.loads(affectome("doctor", "--json").out)["checks"]}
    assert checks["speech detector"]["state"] == "absent"
    assert "affectome models pull silero-vad" in checks["speech detector"]["found"]
