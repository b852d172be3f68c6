import errno
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import pytest

from affectome.errors import ModelError
from affectome.models import base_models, cache_folder, locate, pull, weights_file
from affectome.models import base_models as base_models_function

FILES = {"config.json": b'{"size": 1}', "model.safetensors": bytes(range(256)) * 8}
module = sys.modules[base_models_function.__module__]


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """One small base model, a cache of its own, and no way to the network."""
    lines = [
        "[small]",
        'title = "Small"',
        'licence = "MIT"',
        'hub = { repository = "owner/small", revision = "abc" }',
        'pypi = { requirement = "small==1.0", folder = "small/model/" }',
        "[small.files]",
        *(
            f'"{name}" = {{ sha256 = "{hashlib.sha256(raw).hexdigest()}", size = {len(raw)} }}'
            for name, raw in FILES.items()
        ),
    ]
    table = tmp_path / "base_models.toml"
    table.write_text("\n".join(lines))
    monkeypatch.setattr(module, "_TABLE", table)
    monkeypatch.setenv("AFFECTOME_CACHE", str(tmp_path / "cache"))

    def refuse(*arguments, **_):
        raise AssertionError(f"reached for the network: {arguments}")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    return tmp_path / "cache" / "base" / "small"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name, raw in FILES.items():
        (folder / name).write_bytes(raw)
    return folder


@pytest.fixture
def hub(monkeypatch):
    """A hub that answers from a dictionary of URL ends; values that are exceptions are raised."""
    answers = dict(FILES)
    asked = []

    def urlopen(url, timeout):
        assert timeout > 0
        asked.append(url)
        answer = answers[url.rsplit("/", 1)[1]]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, io.IOBase) else io.BytesIO(answer)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    answers["asked"] = asked
    return answers


@pytest.fixture
def pip(monkeypatch):
    """A pip that delivers a wheel with the given members, or fails with a message."""
    calls = []

    def deliver(members=None, *, raw=None, error=""):
        def run(command, **_):
            calls.append(command)
            folder = Path(command[command.index("--dest") + 1])
            if raw is not None:
                (folder / "small-1.0-py3-none-any.whl").write_bytes(raw)
            elif not error:
                with zipfile.ZipFile(folder / "small-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
                    for name, content in members.items():
                        archive.writestr(name, content)
            return subprocess.CompletedProcess(command, 1 if error else 0, "", error)

        monkeypatch.setattr(subprocess, "run", run)
        return calls

    return deliver


WHEEL = {f"small/model/{name}": raw for name, raw in FILES.items()} | {"small/__init__.py": b"raise SystemExit\n"}


def assert_complete(folder):
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # no temporary folder is left


def fails(code, *arguments, **options):
    with pytest.raises(ModelError) as caught:
        pull(*arguments, **options)
    assert caught.value.code == code
    return caught.value


def test_the_shipped_table(monkeypatch):
    monkeypatch.undo()
    known = base_models()
    assert set(known) >= {"minilm", "silero-vad", "smollm2"}
    assert set(known["minilm"].files) == {
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    }
    for model in known.values():
        assert model.licence in {"Apache-2.0", "MIT"}
        assert model.hub is None or len(model.hub.revision) == 40
        assert "==" in model.pypi.requirement
        assert model.pypi.folder.endswith("/")


@pytest.fixture
def without_hub(tmp_path):
    table = tmp_path / "base_models.toml"
    lines = [line for line in table.read_text().splitlines() if not line.startswith("hub")]
    table.write_text("\n".join(lines))


def test_a_model_that_is_only_on_pypi(small, without_hub, pip):
    assert base_models()["small"].origin == "small==1.0"
    assert "not there" in fails("source_unavailable", "small", source="hub").message
    pip(WHEEL)
    assert pull("small") == small
    assert_complete(small)


def test_the_origin_is_the_hub_where_there_is_one():
    assert base_models()["small"].origin == "owner/small"


def test_locate_takes_what_was_pulled(small, source):
    pull("small", source=source)
    assert locate("small") == small


def test_locate_takes_the_installed_package_unless_it_is_changed(tmp_path, monkeypatch):
    place = tmp_path / "site" / "small"
    for name, raw in WHEEL.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert locate("small") == place / "model"
    assert "small" not in sys.modules
    (place / "model" / "config.json").write_bytes(b"changed....")
    with pytest.raises(ModelError) as caught:
        locate("small")
    assert caught.value.code == "base_model_missing"
    assert caught.value.next_step == "Run: affectome models pull small"


def test_locate_knows_names_only():
    with pytest.raises(ModelError) as caught:
        locate("large")
    assert caught.value.code == "unknown_base_model"


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AFFECTOME_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("AFFECTOME_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert cache_folder() == tmp_path / "shared" / "affectome"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "affectome"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "affectome"


def test_unknown_names(small):
    assert fails("unknown_base_model", "large").allowed == ("small",)


def test_pull_from_a_folder_offline(small, source):
    assert pull("small", source=source, offline=True) == small
    assert_complete(small)


def test_what_is_there_is_returned_without_any_source(small, source):
    pull("small", source=source)
    before = [path.stat().st_mtime_ns for path in sorted(small.iterdir())]
    assert pull("small") == small
    assert pull("small", offline=True) == small
    assert [path.stat().st_mtime_ns for path in sorted(small.iterdir())] == before


def test_into_names_the_parent_folder(tmp_path, source):
    assert pull("small", source=str(source), into=tmp_path / "weights") == tmp_path / "weights" / "small"
    assert_complete(tmp_path / "weights" / "small")


@pytest.mark.parametrize("origin", [None, "hub", "pypi"])
def test_offline_never_asks(small, origin):
    assert "local folder" in fails("offline", "small", source=origin, offline=True).next_step
    assert not small.parent.exists()


def test_a_changed_file_in_the_source_leaves_nothing_behind(small, source):
    raw = bytearray(FILES["model.safetensors"])
    raw[100] ^= 1
    (source / "model.safetensors").write_bytes(raw)
    assert fails("hash_mismatch", "small", source=source).value == "model.safetensors"
    assert list(small.parent.iterdir()) == []


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda raw: b""])
def test_a_file_of_another_length(small, source, change):
    (source / "model.safetensors").write_bytes(change(FILES["model.safetensors"]))
    fails("size_mismatch", "small", source=source)
    assert list(small.parent.iterdir()) == []


def test_a_folder_without_the_files(small, tmp_path):
    error = fails("source_unavailable", "small", source=tmp_path / "nowhere")
    assert "config.json" in error.next_step
    assert list(small.parent.iterdir()) == []


def test_a_damaged_copy_is_repaired_and_foreign_files_stay(small, source):
    pull("small", source=source)
    (small / "config.json").write_bytes(b"damaged....")
    (small / "notes.txt").write_text("mine")
    fails("offline", "small", offline=True)
    pull("small", source=source)
    assert (small / "config.json").read_bytes() == FILES["config.json"]
    assert (small / "notes.txt").read_text() == "mine"


def test_pull_from_the_hub(small, hub):
    assert pull("small", source="hub") == small
    assert_complete(small)
    assert hub["asked"][0] == "https://huggingface.co/owner/small/resolve/abc/config.json"


class Cut(io.BytesIO):
    """A connection that breaks after its first bytes."""

    def read(self, size=-1):
        if self.tell():
            raise IncompleteRead(b"")
        return super().read(5)


@pytest.mark.parametrize("failure", [URLError("no route to host"), TimeoutError("timed out"), Cut(b"0123456789")])
def test_pypi_follows_when_the_hub_does_not_answer(small, hub, pip, failure):
    hub["model.safetensors"] = failure
    pip(WHEEL)
    assert pull("small") == small
    assert_complete(small)


def test_a_hub_with_other_bytes_is_an_error_not_a_reason_to_go_on(hub, pip):
    hub["config.json"] = b"<html>login"
    calls = pip(WHEEL)
    fails("hash_mismatch", "small")
    assert calls == []


def test_pip_is_asked_for_one_wheel_and_nothing_is_imported(small, pip):
    calls = pip(WHEEL)
    assert pull("small", source="pypi") == small
    assert_complete(small)
    (command,) = calls
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "small==1.0"} <= set(command)
    assert "small" not in sys.modules


def test_every_source_fails(hub, pip):
    hub["config.json"] = URLError("no route to host")
    pip(error="some warning\nERROR: No matching distribution found")
    error = fails("source_unavailable", "small")
    assert "no route to host" in error.message
    assert "No matching distribution" in error.message


def test_pip_that_delivers_nothing_or_is_absent(pip, monkeypatch):
    pip(error=" ")
    assert "no wheel" in fails("source_unavailable", "small", source="pypi").message
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert "ensurepip" in fails("source_unavailable", "small", source="pypi").message


@pytest.mark.parametrize("name", ["../../evil.txt", "/etc/evil.txt", "small/../../evil", "a\\..\\evil", "C:evil"])
def test_archives_with_paths_that_leave_them(small, pip, name):
    pip(WHEEL | {name: b"evil"})
    fails("unsafe_file", "small", source="pypi")
    assert list(small.parent.iterdir()) == []


def test_archives_that_are_broken(pip):
    pip(raw=b"not a zip")
    fails("source_unavailable", "small", source="pypi")
    pip({"small/other.txt": b""})
    fails("source_unavailable", "small", source="pypi")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in WHEEL.items():
            archive.writestr(name, raw)
    raw = bytearray(buffer.getvalue())
    offset = raw.index(b"config.json") + len("config.json")
    raw[offset : offset + 6] = b"\xff" * 6
    pip(raw=bytes(raw))
    fails("source_unavailable", "small", source="pypi")


def test_a_bomb_stops_at_the_pinned_size(small, pip):
    pip(WHEEL | {"small/model/model.safetensors": bytes(50_000_000)})
    fails("size_mismatch", "small", source="pypi")
    assert list(small.parent.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path, source, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    fails("cannot_write", "small", source=source, into=tmp_path / "file")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_publish", full)
    error = fails("cannot_write", "small", source=source)
    assert "No space left" in error.message


@pytest.mark.skipif(not os.environ.get("AFFECTOME_NETWORK"), reason="set AFFECTOME_NETWORK=1 to download 83 MB")
def test_minilm_for_real(monkeypatch, tmp_path):
    monkeypatch.undo()
    folder = pull("minilm", source="pypi", into=tmp_path)
    assert (folder / "model.safetensors").stat().st_size == 90868376
    assert pull("minilm", into=tmp_path, offline=True) == folder


def test_the_weights_of_a_base_are_its_safetensors_or_its_only_gguf_file(tmp_path):
    assert weights_file(tmp_path) is None
    packed = tmp_path / "model-Q4.gguf"
    packed.write_bytes(b"packed")
    assert weights_file(tmp_path) == weights_file(packed) == packed
    (tmp_path / "model-Q8.gguf").write_bytes(b"wider")
    assert weights_file(tmp_path) is None
    whole = tmp_path / "model.safetensors"
    whole.write_bytes(b"whole")
    assert weights_file(tmp_path) == whole
    assert weights_file(whole) is None
