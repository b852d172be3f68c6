from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from affectome.models import BaseModelSource, Card, FileEntry, Metric, TrainingData, write_card

SAFETENSORS = b'@\x00\x00\x00\x00\x00\x00\x00{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'.ljust(72) + bytes(
    8
)
TOKENIZER = (
    b'{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,\
"post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":{"joy":0,"[UNK]":1},"unk_token":"[UNK]"}}'
)


def field(number: int, value: bytes | int) -> bytes:
    """One protobuf field: a varint or a length-delimited one."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def onnx_model(node_extra: bytes = b"", graph_extra: bytes = b"", model_extra: bytes = b"") -> bytes:
    """An ONNX model y = Identity(x) over two floats, with room for further fields."""
    shape = field(1, 1) + field(2, field(1, field(1, 2)))
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity") + node_extra
    graph = field(1, node) + field(2, b"g") + graph_extra
    graph += field(11, field(1, b"x") + field(2, field(1, shape)))
    graph += field(12, field(1, b"y") + field(2, field(1, shape)))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13)) + model_extra


FILES = {
    "LICENSE.txt": b"Do what the card says.\n",
    "model.onnx": onnx_model(),
    "space.safetensors": SAFETENSORS,
    "tokenizer.json": TOKENIZER,
}


@pytest.fixture
def card() -> Card:
    return Card(
        id="tiny-en",
        version="0.1.0",
        task="text-affect",
        title="A network that returns what it gets",
        taxonomies=("ekman",),
        languages=("en",),
        licence="Apache-2.0",
        commercial=True,
        commercial_note="",
        released=date(2026, 11, 22),
        training_data=(TrainingData("made-up", "CC0-1.0", "yes", "labels", 1200),),
        metrics=(Metric("test", "macro F1", 0.5, 0.45, 0.55, 1000, "affectome evaluate tiny-en", ""),),
        intended_use="Tests.",
        limits=("It reads nothing.",),
        files={"model.onnx": FileEntry("0" * 64, 3)},
        base_model=BaseModelSource("none-small", "MIT", "0" * 64),
    )


@pytest.fixture
def make_bundle(tmp_path: Path, card: Card) -> Callable[..., Path]:
    """Writes a bundle; keyword arguments replace values of the card, ``contents`` its files."""

    def make(folder: Path = tmp_path / "bundle", contents: dict[str, bytes] = FILES, **changes: object) -> Path:
        folder.mkdir(parents=True)
        for name, raw in contents.items():
            (folder / name).write_bytes(raw)
        files = {name: FileEntry.of(folder / name) for name in contents}
        write_card(folder / "card.toml", replace(card, **{"files": files, **changes}))
        return folder

    return make


@pytest.fixture(name="field", scope="session")
def field_fixture() -> Callable[[int, bytes | int], bytes]:
    return field


@pytest.fixture(name="onnx_model", scope="session")
def onnx_model_fixture() -> Callable[..., bytes]:
    return onnx_model


@pytest.fixture(scope="session")
def bundle_files() -> dict[str, bytes]:
    """The files of a sound bundle."""
    return FILES
