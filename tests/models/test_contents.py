import gzip
import io
import json
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.models.contents import ALLOWED_SUFFIXES, MAX_SAFETENSORS_HEADER, refusal


def pickled(protocol):
    return pickle.dumps({"weights": [1.0, 2.0]}, protocol=protocol)


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(2))
    return buffer.getvalue()


def safetensors(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


@pytest.fixture
def check(tmp_path):
    def write_and_check(name, raw):
        path = tmp_path / name
        path.write_bytes(raw)
        return refusal(path)

    return write_and_check


@pytest.mark.parametrize("suffix", ALLOWED_SUFFIXES)
@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (pickled(2), "a Python pickle"),
        (pickled(4), "a Python pickle"),
        (pickled(5), "a Python pickle"),
        (zipped(), "a zip archive, as torch.save writes it"),
        (gzip.compress(pickled(4)), "a gzip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file"),
        (b"\x93NUMPY\x01\x00" + bytes(90), "a NumPy file, which can hold pickles"),
        (b"\x7fELF\x02\x01\x01" + bytes(90), "native code"),
        (b"MZ\x90\x00\x03" + bytes(90), "native code"),
        (b"", "empty"),
    ],
)
def test_foreign_kinds_are_refused_under_every_name(check, suffix, raw, reason):
    assert check(f"file{suffix}", raw) == reason


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "model.bin", "code.py", "library.so", "model", "a.ONNX"])
def test_other_suffixes_are_refused(check, name):
    assert "allowed kinds .onnx, .safetensors" in check(name, b"{}")


@pytest.mark.parametrize("protocol", [0, 1])
@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".json"])
def test_old_pickles_without_a_mark_do_not_pass_as_weights(check, suffix, protocol):
    assert check(f"file{suffix}", pickled(protocol)) is not None


def test_sound_files_pass(check, bundle_files):
    for name, raw in bundle_files.items():
        assert check(name, raw) is None


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_length_that_looks_like_a_pickle_passes(check, length):
    raw = safetensors(b"{}".ljust(length))
    assert raw[0] == 0x80
    assert check("file.safetensors", raw) is None


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x01\x00", "too short"),
        ((MAX_SAFETENSORS_HEADER + 1).to_bytes(8, "little") + b"{}", "over the limit"),
        (b"\xff" * 8 + b"{}", "over the limit"),
        ((100).to_bytes(8, "little") + b"{}", "longer than the file"),
        (safetensors(b"{"), "not JSON"),
        (safetensors(b"\xff\xfe"), "not JSON"),
        (safetensors(b"[" * 100_000), "not JSON"),
        (safetensors([]), "not a JSON object"),
        (safetensors({"a": {}}), "no data offsets"),
        (safetensors({"a": 3}), "no data offsets"),
        (safetensors({"a": {"data_offsets": [0, 1, 2]}}), "no data offsets"),
        (safetensors({"a": {"data_offsets": ["0", "8"]}}, bytes(8)), "no data offsets"),
        (safetensors({"a": TENSOR}, bytes(7)), "disagree"),
        (safetensors({"a": TENSOR}, bytes(9)), "disagree"),
        (safetensors({"a": {**TENSOR, "data_offsets": [-8, 8]}}, bytes(8)), "disagree"),
        (safetensors({"a": {**TENSOR, "data_offsets": [8, 0]}}), "disagree"),
        (safetensors({"__metadata__": {"by": "hand"}}, b"hidden"), "disagree"),
    ],
)
def test_safetensors_headers_are_checked(check, raw, reason):
    assert reason in check("file.safetensors", raw)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.json", b"3", "not a JSON object"),
        ("a.json", b"\xff\xfe{\x00}\x00", "not UTF-8"),
        ("a.csv", b"label,weight\nj\x00y,1\n", "NUL"),
        ("a.txt", "joie é".encode("latin-1"), "not UTF-8"),
        ("a.json", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
    ],
)
def test_text_kinds_must_be_text(check, name, raw, reason):
    assert reason in check(name, raw)


class TestOnnx:
    """Fields of onnx.proto3: ModelProto 7 graph, 20 training, 25 functions; TensorProto 13 and 14 external data."""

    @pytest.fixture
    def external(self, field):
        """A tensor whose data lie in another file."""
        return field(13, field(1, b"location") + field(2, b"../../secret"))

    def test_external_data_is_found_wherever_a_tensor_can_be(self, check, field, onnx_model, external):
        attribute = field(5, field(1, b"value") + field(5, external))
        node = field(4, b"Constant") + attribute
        nested = field(5, field(6, field(1, node)))  # an If branch
        models = [
            onnx_model(graph_extra=field(5, external)),
            onnx_model(graph_extra=field(15, field(1, external))),
            onnx_model(graph_extra=field(15, field(2, external))),
            onnx_model(node_extra=attribute),
            onnx_model(node_extra=field(5, field(10, external))),
            onnx_model(node_extra=field(5, field(22, field(1, external)))),
            onnx_model(node_extra=field(5, field(23, field(1, external)))),
            onnx_model(node_extra=nested),
            onnx_model(node_extra=field(5, field(11, field(1, node)))),
            onnx_model(model_extra=field(25, field(7, node))),
            onnx_model(model_extra=field(25, field(11, field(5, external)))),
            onnx_model(model_extra=field(20, field(1, field(5, external)))),
            onnx_model(model_extra=field(20, field(2, field(5, external)))),
            onnx_model(model_extra=field(7, field(5, external))),  # a second graph is merged into the first
            onnx_model(graph_extra=field(5, field(14, 1))),
        ]
        assert {check("model.onnx", model) for model in models} == {"an ONNX model with external data"}

    def test_data_inside_the_file_pass(self, check, field, onnx_model):
        tensor = field(1, 2) + field(2, 1) + field(8, b"w") + field(14, 0) + field(9, bytes(8))
        floats = b"\x55\x00\x00\x80\x3f"  # field 10 as fixed32 and field 10 as fixed64 are skipped by their width
        doubles = b"\x51" + bytes(8)
        assert check("model.onnx", onnx_model(graph_extra=field(5, tensor + floats + doubles))) is None

    def test_truncation_anywhere_is_refused(self, check, onnx_model):
        model = onnx_model()
        ends = [end for end in range(len(model)) if check("model.onnx", model[:end]) is None]
        # Only a cut between two fields after the graph leaves a whole message.
        assert ends == [len(model) - 4]

    @pytest.mark.parametrize(
        ("raw", "reason"),
        [
            (b"\x08\x08", "no graph"),
            (b"\x0b", "unknown wire type"),
            (b"\x80" * 11 + b"\x01", "cut off"),
            (b"\x3a\xff\xff\xff\xff\x0f", "longer than its message"),
            (b"\x38\x01", "no graph"),
        ],
    )
    def test_other_messages_are_refused(self, check, raw, reason):
        assert reason in check("model.onnx", raw)

    def test_depth_is_bounded(self, check, field, onnx_model):
        graph = b""
        for _ in range(400):
            graph = field(1, field(5, field(6, graph)))
        assert "too deeply" in check("model.onnx", onnx_model(graph_extra=graph))

    def test_agrees_with_the_onnx_package(self, check):
        onnx = pytest.importorskip("onnx")
        helper = onnx.helper
        weight = helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], bytes(8), raw=True)
        x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy")
        graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
        model = helper.make_model(graph)
        assert check("model.onnx", model.SerializeToString()) is None
        onnx.external_data_helper.set_external_data(model.graph.initializer[0], "other.bin")
        assert check("model.onnx", model.SerializeToString()) == "an ONNX model with external data"


@given(raw=st.binary(max_size=300), suffix=st.sampled_from(ALLOWED_SUFFIXES))
def test_noise_never_raises(tmp_path_factory, raw, suffix):
    path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
    path.write_bytes(raw)
    assert refusal(path) is None or refusal(path)


@given(st.data())
def test_flipped_bytes_never_raise(tmp_path_factory, bundle_files, data):
    name = data.draw(st.sampled_from(sorted(bundle_files)))
    raw = bytearray(bundle_files[name])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"flipped-{name}"
    path.write_bytes(raw)
    assert refusal(path) is None or refusal(path)
