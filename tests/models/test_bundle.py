import hashlib
import os
import pickle
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from affectome.errors import ModelError
from affectome.models import Bundle, verify


def refused(folder, code, **options):
    """Opening must fail with this code, and verifying must report it too."""
    with pytest.raises(ModelError) as caught:
        Bundle.open(folder, **options)
    assert caught.value.code == code
    if not options:
        assert code in {problem.code for problem in verify(folder).problems}
    return caught.value


def test_a_sound_bundle_opens_runs_and_verifies(make_bundle):
    folder = make_bundle()
    bundle = Bundle.open(folder, commercial=True)
    assert bundle.card.versioned_id == "tiny-en@0.1.0"
    assert bundle.sha256 == hashlib.sha256((folder / "card.toml").read_bytes()).hexdigest()
    assert bundle.file("model.onnx") == folder / "model.onnx"
    x = np.array([1.5, -2.0], np.float32)
    np.testing.assert_array_equal(bundle.session().run(None, {"x": x})[0], x)
    assert bundle.tokenizer().encode("joy").ids == [0]
    np.testing.assert_array_equal(bundle.arrays("space.safetensors")["a"], np.zeros(2, np.float32))
    report = verify(bundle)
    assert report.ok
    assert report.as_dict() == {"path": str(folder), "model": "tiny-en@0.1.0", "ok": True, "problems": []}
    assert pickle.loads(pickle.dumps(bundle)) == bundle


def test_session_runs_in_order_on_the_threads_asked_for(make_bundle):
    session = Bundle.open(make_bundle()).session(threads=2)
    options = session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_a_missing_folder_or_card(tmp_path, make_bundle):
    assert "card.toml" in refused(tmp_path / "nowhere", "bundle_missing").message
    folder = make_bundle()
    (folder / "card.toml").unlink()
    refused(folder, "bundle_missing")
    refused(folder / "model.onnx", "bundle_missing")


def test_a_broken_card_is_named_with_its_path(make_bundle):
    folder = make_bundle()
    card = folder / "card.toml"
    card.write_text(card.read_text().replace('licence = "Apache-2.0"\n', ""))
    error = refused(folder, "card_invalid")
    assert str(card) in error.message
    assert "licence" in error.message
    assert verify(folder).as_dict()["model"] is None


def test_a_changed_byte(make_bundle):
    folder = make_bundle()
    raw = bytearray((folder / "space.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "space.safetensors").write_bytes(raw)
    assert refused(folder, "hash_mismatch").value == "space.safetensors"


@pytest.mark.parametrize("cut", [-1, 0])
def test_a_truncated_file(make_bundle, cut):
    folder = make_bundle()
    raw = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(raw[:cut])
    refused(folder, "size_mismatch")


def test_a_listed_file_that_is_missing(make_bundle):
    folder = make_bundle()
    (folder / "model.onnx").unlink()
    refused(folder, "missing_file")


@pytest.mark.parametrize("name", ["extra.txt", "notes.py", ".hidden"])
def test_an_unlisted_file(make_bundle, name):
    folder = make_bundle()
    (folder / name).write_text("x")
    refused(folder, "unlisted_file")


def test_an_unlisted_folder(make_bundle):
    folder = make_bundle()
    (folder / "more").mkdir()
    refused(folder, "unlisted_file")


@pytest.mark.parametrize("name", ["model.onnx", "card.toml"])
def test_a_symbolic_link_is_refused_even_to_the_same_bytes(make_bundle, tmp_path, name):
    folder = make_bundle()
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert "symbolic link" in refused(folder, "unsafe_file").message


def test_a_bundle_may_be_reached_through_a_link(make_bundle, tmp_path):
    (tmp_path / "current").symlink_to(make_bundle())
    assert Bundle.open(tmp_path / "current").card.id == "tiny-en"


def test_a_listed_name_that_is_a_folder_or_a_pipe(make_bundle):
    folder = make_bundle()
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()
    assert "regular file" in refused(folder, "unsafe_file").message
    (folder / "model.onnx").rmdir()
    os.mkfifo(folder / "model.onnx")
    refused(folder, "unsafe_file")


def test_names_that_leave_the_folder(make_bundle, tmp_path):
    folder = make_bundle()
    (tmp_path / "secret.txt").write_text("s")
    card = folder / "card.toml"
    card.write_text(card.read_text().replace("LICENSE.txt", "../secret.txt"))
    refused(folder, "unsafe_file")


@pytest.mark.parametrize("name", ["model.onnx", "space.safetensors", "tokenizer.json", "LICENSE.txt"])
def test_a_pickle_that_its_card_lists_is_still_refused(make_bundle, bundle_files, name):
    folder = make_bundle(contents={**bundle_files, name: pickle.dumps([1.0])})
    assert "Python pickle" in refused(folder, "unsafe_file").message


def test_other_kinds_are_refused_though_listed(make_bundle, bundle_files):
    refused(make_bundle(contents={**bundle_files, "code.py": b"pass\n"}), "unsafe_file")


def test_commercial_use_needs_a_card_that_allows_it(make_bundle):
    folder = make_bundle(commercial=False, commercial_note="Trained on a research-only set.")
    assert Bundle.open(folder).card.commercial is False
    error = refused(folder, "not_commercial", commercial=True)
    assert "research-only" in error.message
    assert verify(folder).ok


def test_verify_reports_every_problem_in_order(make_bundle):
    folder = make_bundle()
    (folder / "extra.txt").write_text("x")
    (folder / "model.onnx").write_bytes(b"short")
    (folder / "space.safetensors").unlink()
    codes = [problem.code for problem in verify(folder).problems]
    assert codes == ["unlisted_file", "size_mismatch", "missing_file"]


def test_an_unreadable_file_or_folder_is_a_problem_of_its_own(make_bundle, monkeypatch):
    folder = make_bundle()

    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("affectome.models.bundle.check_file", fail)
        assert "Permission denied" in refused(folder, "unreadable_file").message
    with monkeypatch.context() as patch:
        patch.setattr("affectome.models.bundle.os.scandir", fail)
        refused(folder, "unreadable_file")
    with monkeypatch.context() as patch:
        patch.setattr("affectome.models.bundle.Card.parse", fail)
        refused(folder, "unreadable_file")


def test_a_file_the_card_does_not_list_cannot_be_reached(make_bundle):
    bundle = Bundle.open(make_bundle())
    for name in ("card.toml", "../x.onnx", "other.onnx"):
        with pytest.raises(ModelError) as caught:
            bundle.file(name)
        assert caught.value.code == "missing_file"
        assert "model.onnx" in caught.value.allowed


def test_files_a_library_refuses_fail_with_our_error(make_bundle, bundle_files, field, onnx_model):
    unknown = field(1, field(1, b"x") + field(2, b"z") + field(4, b"NoSuchOperator"))
    broken = {
        "model.onnx": onnx_model(graph_extra=unknown),
        "tokenizer.json": b'{"version": "1.0"}',
        "space.safetensors": bundle_files["space.safetensors"].replace(b"F32", b"X99"),
    }
    bundle = Bundle.open(make_bundle(contents={**bundle_files, **broken}))
    for load in (bundle.session, bundle.tokenizer, lambda: bundle.arrays("space.safetensors")):
        with pytest.raises(ModelError) as caught:
            load()
        assert caught.value.code == "load_failed"


def test_nothing_reaches_the_network(make_bundle, monkeypatch):
    def refuse(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    bundle = Bundle.open(make_bundle())
    bundle.session()
    bundle.tokenizer()
    bundle.arrays("space.safetensors")


def test_importing_the_room_loads_no_runtime():
    heavy = "{'numpy', 'onnxruntime', 'tokenizers', 'safetensors', 'urllib.request', 'importlib.metadata'}"
    code = f"import sys, affectome.models; print(sorted({heavy} & set(sys.modules)))"
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=paths)
    assert done.stdout.strip() == "[]"
