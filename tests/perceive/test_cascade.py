"""A fast reader in front of the full one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from affectome.api import ReaderOptions
from affectome.errors import ModelError
from affectome.models import Bundle, FileEntry, default_model, write_card
from affectome.perceive import FastTextReader
from affectome.perceive.cascade import logit, uncertainty

TEXTS = [
    "Thank you so much, you made my day!",
    "I hate this. Everything about it makes me furious.",
    "...",
    "Lovely, another meeting about the meeting.",
    "My grandmother died last night and I can't stop crying.",
]


@pytest.fixture(scope="module")
def fast():
    return default_model("text-affect-fast")


@pytest.fixture
def cascade(bundle, fast):
    return FastTextReader(bundle, fast)


def test_by_hand():
    logits, cuts = np.array([[0.0, 2.0], [0.0, 2.0], [5.0, 2.0]], np.float32), np.array([0.0, 1.0], np.float32)
    found = uncertainty(logits, cuts, np.array([0.25, 0.01], np.float32), np.array([1.0, 4.0, 1.0], np.float32))
    once = 1 / 0.25 + np.exp(-1) / 0.01
    assert found == pytest.approx([once, once / 4, np.exp(-5) / 0.25 + np.exp(-1) / 0.01])
    assert logit(np.array([0.5, 0.75])) == pytest.approx([0, np.log(3)])


def test_the_limit_decides_who_reads(cascade, reader, segments):
    table = segments(TEXTS)
    full = reader(table)
    cascade.encoder.limit = -1.0
    everything = cascade(table)
    assert everything.drop("model").equals(full.drop("model"))
    assert everything["model"].to_list() == full["model"].to_list()
    assert len(cascade.encoder.escalated) == everything.filter(status="scored").height
    cascade.encoder.limit = float("inf")
    nothing = cascade(table)
    read = nothing.filter(status="scored")
    assert set(read["model"]) == {cascade.fast_model}
    assert nothing.filter(status="abstained")["model"].to_list() == [reader.model]
    assert cascade.encoder.escalated == []
    assert nothing.schema == full.schema
    tops = dict(nothing.select("text", "top").rows())
    assert (tops[TEXTS[0]], tops[TEXTS[1]]) == ("gratitude", "anger")


def test_each_row_says_who_has_read_it(cascade, reader, segments):
    fast_tokens = cascade.encoder.fast.encode_with_lengths(TEXTS)
    cascade.encoder.limit = float(np.median(cascade.encoder.uncertainty(*fast_tokens)))
    table = segments([*TEXTS, TEXTS[0]])
    read = cascade(table).filter(status="scored")
    left = set(cascade.encoder.escalated)
    assert 0 < len(left) < len(TEXTS)
    full = dict(reader(table).select("text", "confidence").rows())
    for text, model, confidence in read.select("text", "model", "confidence").iter_rows():
        assert model == (reader.model if text in left else cascade.fast_model)
        assert (confidence == pytest.approx(full[text], abs=1e-6)) == (text in left)
    failed = cascade.failed(table, "worker_died")
    assert set(failed["model"]) == {reader.model}


def test_own_words_are_placed_by_the_full_reader(bundle, fast, segments):
    cascade = FastTextReader(bundle, fast, labels=["grateful", "furious"])
    cascade.encoder.limit = float("inf")
    tops = cascade(segments(TEXTS[:2]))["top"].to_list()
    assert tops == ["grateful", "furious"]


def test_it_is_shipped_and_small(fast):
    assert sum(entry.size for entry in fast.card.files.values()) <= 8_000_000
    reader = ReaderOptions(fast=True).open()
    assert isinstance(reader, FastTextReader)
    assert fast.sha256 in reader.sha256
    assert reader.encoder.limit > 0
    assert not isinstance(ReaderOptions(fast=True)._words(1)(), FastTextReader)


def test_of_another_reader(bundle, fast, tmp_path):
    for name in fast.card.files:
        (tmp_path / name).write_bytes(fast.file(name).read_bytes())
    readout = json.loads((tmp_path / "readout.json").read_text())
    readout["full"]["network"] = "0" * 64
    (tmp_path / "readout.json").write_text(json.dumps(readout))
    entries = {name: FileEntry.of(tmp_path / name) for name in fast.card.files}
    write_card(tmp_path / "card.toml", replace(fast.card, files=entries))
    with pytest.raises(ModelError) as caught:
        FastTextReader(bundle, Bundle.open(tmp_path))
    assert (caught.value.code, caught.value.allowed) == ("no_fast_path", ("text-en",))
