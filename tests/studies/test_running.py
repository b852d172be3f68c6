"""What a study needs is checked first, what it used is recorded, and a crash in it is an error like any other."""

import hashlib
from dataclasses import replace

import pytest

from affectome.errors import InputError, MissingExtraError, RunError, UsageError
from affectome.models import default_model
from affectome.studies import run_study, running


def test_a_result_names_what_it_was_made_from(toy, outcome, settings, data):
    heard = []
    result = run_study(toy(), settings, heard.append)
    assert heard == ["a toy"]
    assert (result.study, result.number, result.seed, result.quick) == ("toy", 13, 3, False)
    assert result.outcome == outcome
    assert result.data["toys"].files == 1
    assert result.reader["sha256"] == default_model("text-affect").card.files["model.onnx"].sha256
    assert result.base is None
    assert result.command == "affectome study run toy --data DIR --seed 3"
    assert str(data) not in repr(result)


def test_a_study_gets_its_context(toy, outcome, settings):
    seen = []

    def run(context):
        vault = context.vault({"test": [1, 2]})
        vault.open("test", purpose="report")
        seen.append((context.seed, context.threads, context.quick, context.work.is_dir(), context.run))
        return outcome

    result = run_study(toy(run), replace(settings, quick=True))
    assert seen == [(3, 1, True, True, "toy seed 3")]
    assert [(entry["run"], entry["name"], entry["rows"]) for entry in result.vaults] == [("toy seed 3", "test", 2)]
    assert result.quick
    assert result.command.endswith("--quick")


def test_quick_results_stand_apart(toy, settings):
    assert settings.result_path(toy()).name == "toy.json"
    assert replace(settings, quick=True).result_path(toy()).name == "toy-quick.json"


def test_the_base_encoder_is_named_by_its_weights(toy, settings, tmp_path):
    base = tmp_path / "tiny"
    base.mkdir()
    (base / "model.safetensors").write_bytes(b"weights")
    result = run_study(toy(), replace(settings, base=base))
    assert result.base == {"name": "tiny", "sha256": hashlib.sha256(b"weights").hexdigest()}
    assert "--base DIR" in result.command


def test_a_language_model_is_named_by_its_only_gguf_file(toy, settings, tmp_path):
    base = tmp_path / "tiny"
    base.mkdir()
    (base / "tiny-Q4.gguf").write_bytes(b"packed")
    expected = {"name": "tiny", "sha256": hashlib.sha256(b"packed").hexdigest()}
    assert run_study(toy(), replace(settings, base=base)).base == expected
    (base / "tiny-Q8.gguf").write_bytes(b"wider")
    with pytest.raises(InputError, match="nor one GGUF file"):
        run_study(toy(), replace(settings, base=base))


def test_a_base_without_weights(toy, settings, tmp_path):
    with pytest.raises(InputError) as error:
        run_study(toy(), replace(settings, base=tmp_path))
    assert error.value.code == "missing_base"


def test_missing_data_are_named_together(toy, settings):
    with pytest.raises(InputError, match="no folders 'games', 'dolls'"):
        run_study(toy(data=("toys", "games", "dolls")), settings)


@pytest.mark.parametrize(("extra", "package"), [("study", "textblob"), ("train", "torch")])
def test_a_missing_extra_is_named(toy, settings, monkeypatch, extra, package):
    monkeypatch.setattr(running, "find_spec", lambda name: None if name == package else name)
    with pytest.raises(MissingExtraError, match=rf"affectome\[{extra}\]") as error:
        run_study(toy(extras=(extra,)), settings)
    assert error.value.value == package


def test_nothing_is_computed_before_the_needs_are_met(toy, settings):
    def run(context):
        pytest.fail("computed")

    with pytest.raises(InputError):
        run_study(toy(run, data=("games",)), settings)


def test_a_crash_is_an_error_with_a_trace(toy, settings):
    def run(context):
        return 1 / 0

    with pytest.raises(RunError, match="'toy' crashed: ZeroDivisionError") as error:
        run_study(toy(run), settings)
    assert error.value.code == "study_failed"
    assert error.value.value == "toy"
    assert "1 / 0" in (settings.out / "work" / "toy" / "crash.txt").read_text()


def test_an_error_of_ours_stays_what_it_is(toy, settings):
    def run(context):
        raise UsageError("No.", code="no")

    with pytest.raises(UsageError, match=r"No\."):
        run_study(toy(run), settings)


@pytest.mark.parametrize("lacking", [{"tables": []}, {"claims": []}, {"tables": [], "claims": []}])
def test_a_study_that_finds_nothing(toy, outcome, settings, lacking):
    with pytest.raises(RunError) as error:
        run_study(toy(lambda context: replace(outcome, **lacking)), settings)
    assert error.value.code == "empty_outcome"


def test_a_study_that_reads_what_it_does_not_name(toy, outcome, settings, data):
    (data / "games").mkdir()

    def run(context):
        context.folder("games")
        return outcome

    with pytest.raises(RunError) as error:
        run_study(toy(run), settings)
    assert (error.value.code, error.value.value) == ("undeclared_data", "games")
