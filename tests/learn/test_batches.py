import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch
from tokenizers import Tokenizer

from affectome.learn.batches import encode, pad, plan_batches, sorted_batches, tokenize

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def tokenizer(base):
    return Tokenizer.from_file(str(base / "tokenizer.json"))


def test_texts_are_cleaned_and_cut(tokenizer):
    tokenizer.enable_padding(length=50)
    cut, whole = tokenize(["joy &amp; fear " * 9, "joy"], tokenizer, 6)
    assert len(cut) == 6
    assert whole == tokenizer.encode("joy").ids
    assert cut[1:3] == [tokenizer.token_to_id("joy"), tokenizer.token_to_id("[UNK]")]  # one word: "&", not "&amp;"


def test_of_a_pair_the_longer_text_is_cut(tokenizer):
    (pair,) = encode(["joy " * 9], tokenizer, 7, ["fear http://a.b"])
    assert pair.tokens == ["[CLS]", "joy", "joy", "[SEP]", "fear", "[UNK]", "[SEP]"]
    assert pair.type_ids == [0, 0, 0, 0, 1, 1, 1]


def test_rows_are_padded_to_the_longest():
    ids, mask = pad([[5, 6, 7], [8]])
    assert torch.equal(ids, torch.tensor([[5, 6, 7], [8, 0, 0]]))
    assert torch.equal(mask, torch.tensor([[1, 1, 1], [1, 0, 0]]))


@given(
    n=st.integers(1, 90),
    size=st.integers(1, 9),
    passes=st.one_of(st.integers(1, 3), st.floats(0.1, 3)),
    seed=st.integers(0, 99),
)
def test_a_plan_sees_every_row_equally_often(n, size, passes, seed):
    lengths = np.arange(n) % 7
    plan = plan_batches(lengths, passes=passes, size=size, rng=np.random.default_rng(seed))
    seen = np.bincount(np.concatenate([np.empty(0, np.int64), *plan]), minlength=n)
    assert seen.sum() == round(passes * n)
    assert seen.max() - seen.min() <= 1
    assert all(1 <= len(batch) <= size for batch in plan)
    again = plan_batches(lengths, passes=passes, size=size, rng=np.random.default_rng(seed))
    assert all(np.array_equal(a, b) for a, b in zip(plan, again, strict=True))


def test_batches_hold_texts_of_similar_length():
    lengths = np.random.default_rng(0).integers(1, 20, 400)
    plan = plan_batches(lengths, passes=1, size=8, rng=np.random.default_rng(0))
    assert np.mean([np.ptp(lengths[batch]) for batch in plan]) < 2
    means = [lengths[batch].mean() for batch in plan]
    assert means != sorted(means)


@given(lengths=st.lists(st.integers(1, 50), max_size=60), size=st.integers(1, 20))
def test_reading_takes_each_row_once_shortest_first(lengths, size):
    batches = sorted_batches(np.array(lengths, np.int64), size)
    rows = np.concatenate([np.empty(0, np.int64), *batches])
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[i] for i in rows] == sorted(lengths)
    assert all(1 <= len(batch) < 2 * size for batch in batches)
