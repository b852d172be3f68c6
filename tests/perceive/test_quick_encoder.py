"""The quick encoder by hand; that it runs what was trained is tested with the training."""

import numpy as np
import pytest

from affectome.errors import ModelError
from affectome.models import default_model
from affectome.perceive import quick_encoder
from affectome.perceive.quick_encoder import QuickEncoder

WIDTH, CHANNELS, HIDDEN = 2, 1, 3
SIZES = {"vectors": 2, "labels": 1, "means": 5, "spreads": 3}
POOLED = 2 * (WIDTH + CHANNELS)


@pytest.fixture(scope="module")
def tokenizer():
    return default_model("text-affect").tokenizer()


@pytest.fixture
def arrays(tokenizer):
    """Zeros, but for the vectors of two words; the label is the normalised mean of the convolution."""
    size = tokenizer.get_vocab_size()
    shapes = {
        "first_matrix": (3, WIDTH, CHANNELS),
        "first_bias": (CHANNELS,),
        "second_matrix": (3, CHANNELS, CHANNELS),
        "second_bias": (CHANNELS,),
        "norm_shift": (POOLED,),
        "hidden_matrix": (POOLED, HIDDEN),
        "hidden_bias": (HIDDEN,),
        **{f"{name}_matrix": (HIDDEN + POOLED, k) for name, k in SIZES.items()},
        **{f"{name}_bias": (k,) for name, k in SIZES.items()},
    }
    made = {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}
    made |= {
        "table": np.zeros((size, WIDTH), np.int8),
        "scale": np.full((size, 1), 0.5, np.float32),
        "norm_scale": np.ones(POOLED, np.float16),
    }
    made["table"][tokenizer.token_to_id("not")] = [4, 0]
    made["table"][tokenizer.token_to_id("good")] = [0, 4]
    made["labels_matrix"][HIDDEN + 2 * WIDTH] = 1
    return made


def normal(values, place):
    """A value less the mean of all, over their deviation."""
    return (values[place] - np.mean(values)) / np.std(values)


def test_by_hand(arrays, tokenizer):
    # not is (2, 0), good (0, 2): means (1, 1), greatest (2, 2), and a convolution that gives nothing.
    encoded = QuickEncoder(arrays, tokenizer).encode(["not good"])
    assert encoded.labels[0, 0] == pytest.approx(normal([1, 1, 2, 2, 0, 0], 4), abs=1e-3)
    assert encoded.means.tolist() == [[0, 0, 0, 0, 0.5]]
    assert encoded.spreads == pytest.approx(np.full((1, 3), np.log(2) + 0.01))
    arrays["spread_factor"] = np.array([2, 1, 1], np.float32)
    assert QuickEncoder(arrays, tokenizer).encode(["x"]).spreads[0, 0] == pytest.approx(2 * (np.log(2) + 0.01))


def test_the_convolutions_see_the_order(arrays, tokenizer):
    arrays["first_matrix"][0, 0, 0] = 1  # the word before is not
    arrays["first_matrix"][1, 1, 0] = 1  # this one is good
    arrays["first_bias"][0] = -3
    encoder = QuickEncoder(arrays, tokenizer)
    # not good: 2 + 2 - 3 = 1 at good, nothing at not. good not: 2 - 3 is cut off.
    assert encoder.encode(["not good"]).labels[0, 0] == pytest.approx(normal([1, 1, 2, 2, 0.5, 1], 4), abs=1e-3)
    assert encoder.encode(["good not"]).labels[0, 0] == pytest.approx(normal([1, 1, 2, 2, 0, 0], 4), abs=1e-3)
    # The second adds the neighbour behind: 1 at not.
    arrays["second_matrix"][2, 0, 0] = 1
    encoder = QuickEncoder(arrays, tokenizer)
    assert encoder.encode(["not good"]).labels[0, 0] == pytest.approx(normal([1, 1, 2, 2, 1, 1], 4), abs=1e-3)
    # Texts behind each other are no neighbours.
    apart, _ = encoder.encode_with_lengths(["not", "good"])
    assert apart.labels[:, 0] == pytest.approx([normal([2, 0, 2, 0, 0, 0], 4), normal([0, 2, 0, 2, 0, 0], 4)], abs=1e-3)


def test_texts_do_not_depend_on_those_around(arrays, tokenizer):
    rng = np.random.default_rng(0)
    for name, values in arrays.items():
        if name.endswith("matrix"):
            arrays[name] = rng.normal(size=values.shape).astype(np.float16)
    arrays["table"] = rng.integers(-127, 127, arrays["table"].shape).astype(np.int8)
    encoder = QuickEncoder(arrays, tokenizer)
    texts = [f"Word {i} and some more, isn't it? " * (1 + i % 7) for i in range(300)]
    together, lengths = encoder.encode_with_lengths(texts)
    assert len(lengths) == len(texts)
    for i in (0, 127, 128, 299):
        alone, (length,) = encoder.encode_with_lengths([texts[i]])
        assert length == lengths[i] == len(tokenizer.encode(texts[i], add_special_tokens=False).ids)
        for whole, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[i], one[0], atol=1e-4)
    assert np.linalg.norm(together.vectors, axis=1) == pytest.approx(np.ones(len(texts)))


def test_tokens_are_those_of_the_whole_text(arrays, tokenizer, monkeypatch):
    monkeypatch.setattr(quick_encoder, "_MOST_KNOWN", 5)
    encoder = QuickEncoder(arrays, tokenizer)
    for text in (
        "Don't YOU dare!!! café 漢字 ok…",
        "#blessed @user http (x) a-b",
        "antidisestablishment 3,000.50€",
    ):
        (ids,) = encoder._tokens([text.split()])
        assert ids == tokenizer.encode(text, add_special_tokens=False).ids
    assert len(encoder._known) <= 12


def test_nothing_and_next_to_nothing(arrays, tokenizer):
    encoder = QuickEncoder(arrays, tokenizer)
    assert [array.shape for array in encoder.encode([])] == [(0, k) for k in SIZES.values()]
    assert encoder.encode(["\u200b"]).labels.shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", None),
        ("labels_bias", np.zeros(7)),
        ("hidden_matrix", np.zeros((3, 3))),
        ("table", np.zeros((0, 2))),
        ("second_matrix", np.zeros((3, 2, 1))),
    ],
)
def test_arrays_that_do_not_fit(name, value, arrays, tokenizer):
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    with pytest.raises(ModelError) as caught:
        QuickEncoder(arrays, tokenizer)
    assert caught.value.code == "bad_quick_encoder"
