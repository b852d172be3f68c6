"""Texts to vectors and measures with word vectors and two narrow convolutions: many texts a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affectome.affect.space import sigmoid
from affectome.errors import ModelError
from affectome.perceive.cleaning import clean
from affectome.perceive.encoder import Encoded

if TYPE_CHECKING:
    import tokenizers

Array = NDArray[np.float32]

_BLOCK = 64  # texts read at once; larger blocks leave the processor's cache
_MOST_KNOWN = 100_000  # words; some ten megabytes
_OUTPUTS = ("vectors", "labels", "means", "spreads")


class QuickEncoder:
    """Word vectors, two convolutions over three neighbours, their means and greatest values, and two layers.

    The second convolution is added to the first. Pooled are the word vectors and the convolutions.

    Args:
        arrays: ``table`` (tokens, width) of 8-bit integers with ``scale`` (tokens, 1); ``first_matrix``
            (3, width, channels) and ``second_matrix`` (3, channels, channels) with a bias each; ``norm_scale`` and
            ``norm_shift`` (d,) for d = 2 * (width + channels); ``hidden_matrix`` (d, hidden) and ``hidden_bias``; a
            matrix (hidden + d, k) and a bias for each output of `Encoded`; and ``spread_factor`` (3,) on the spreads
            where they were fitted to held-out data.
        tokenizer: Its tokenizer.

    Raises:
        ModelError: ``bad_quick_encoder`` if arrays are missing or do not fit each other.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], tokenizer: tokenizers.Tokenizer) -> None:
        self.tokenizer = tokenizer
        floats = {name: np.ascontiguousarray(values, np.float32) for name, values in arrays.items()}
        try:
            self._table, self._first_bias = _looked_up(floats), floats["first_bias"]
            self._width = floats["table"].shape[1]
            self._second = np.hstack(list(floats["second_matrix"])), floats["second_bias"]
            self._norm = floats["norm_scale"], floats["norm_shift"]
            self._hidden = floats["hidden_matrix"], floats["hidden_bias"]
            self._output = tuple(
                np.hstack([floats[f"{name}_{part}"] for name in _OUTPUTS]) for part in ("matrix", "bias")
            )
            self._cuts = np.cumsum([len(floats[f"{name}_bias"]) for name in _OUTPUTS])[:-1]
            self._spread_factor: Array = floats.get("spread_factor", np.ones(3, np.float32))
            self._nothing = self._read(np.zeros(1, np.int64), np.ones(1, np.int64))
        except (KeyError, ValueError, IndexError) as reason:
            raise ModelError(
                f"The arrays of the quick encoder do not fit: {reason}.",
                code="bad_quick_encoder",
                value=str(reason),
                next_step="Fetch the bundle again.",
            ) from None
        self._unknown = tokenizer.token_to_id("[UNK]") or 0
        self._known: dict[str, list[int]] = {}

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encode n texts, none of them blank after cleaning."""
        return self.encode_with_lengths(texts)[0]

    def encode_with_lengths(self, texts: Sequence[str]) -> tuple[Encoded, Array]:
        """Encode n texts, none of them blank after cleaning, and count their tokens (n,)."""
        rows = self._tokens([clean(text).split() for text in texts])
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        ids = np.fromiter((token for row in rows for token in row), np.int64, int(lengths.sum()))
        ends = np.cumsum(lengths)
        parts = []
        for start in range(0, len(rows), _BLOCK):
            stop = min(start + _BLOCK, len(rows))
            parts.append(self._read(ids[ends[start] - lengths[start] : ends[stop - 1]], lengths[start:stop]))
        if not parts:
            return Encoded(*(array[:0] for array in self._nothing)), np.zeros(0, np.float32)
        encoded = Encoded(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        return encoded, lengths.astype(np.float32)

    def _tokens(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        """Token ids of texts that are cut at their spaces; a word that was met before is looked up.

        No token reaches over a space, so that the tokens are those of the whole text.
        """
        words = dict.fromkeys(word for text in texts for word in text)
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        new = [word for word in words if word not in self._known]
        encodings = self.tokenizer.encode_batch_fast(new, add_special_tokens=False)
        self._known.update((word, encoding.ids) for word, encoding in zip(new, encodings, strict=True))
        return [[token for word in text for token in self._known[word]] or [self._unknown] for text in texts]

    def _read(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> Encoded:
        """The outputs of texts whose tokens stand behind each other."""
        # A row of zeros before and behind each text keeps neighbours apart in the convolutions.
        place = np.arange(len(ids)) + np.repeat(np.arange(1, len(lengths) + 1), lengths)
        starts = np.cumsum(lengths) - lengths
        spaced = np.full(len(ids) + len(lengths) + 1, len(self._table) - 1)
        spaced[place] = ids
        looked_up = self._table[spaced]
        first = _convolved(looked_up[:, self._width :], self._first_bias)
        inside = np.zeros((len(spaced), 1), np.float32)
        inside[place] = 1
        first *= inside
        matrix, bias = self._second
        second = first + _convolved(first @ matrix, bias)
        counts = lengths[:, None].astype(np.float32)
        pooled = []
        for tokens in (looked_up[place, : self._width], second[place]):
            pooled += [np.add.reduceat(tokens, starts) / counts, np.maximum.reduceat(tokens, starts)]
        return self._apply(np.hstack(pooled))

    def _apply(self, pooled: Array) -> Encoded:
        """The two layers: (n, d) to the outputs."""
        centred = pooled - pooled.mean(axis=1, keepdims=True)
        centred /= np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + 1e-5)
        normal = centred * self._norm[0] + self._norm[1]
        hidden = np.maximum(normal @ self._hidden[0] + self._hidden[1], 0)
        outputs = np.hstack([hidden, normal]) @ self._output[0] + self._output[1]
        vectors, labels, means, spreads = np.split(outputs, self._cuts, axis=1)
        means[:, :4], means[:, 4:] = np.tanh(means[:, :4]), sigmoid(means[:, 4:])
        norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        wide = (np.logaddexp(0, spreads) + np.float32(0.01)) * self._spread_factor
        return Encoded(vectors / norms, labels, means, wide)


def _looked_up(arrays: Mapping[str, Array]) -> Array:
    """What is looked up for each token (tokens + 1, width + 3 * channels); the last row is zeros.

    Beside its vector stands what the first convolution makes of it, so that this, the larger one, costs no product when
    a text is read.
    """
    vectors = arrays["table"] * arrays["scale"]
    table = np.hstack([vectors, *(vectors @ each for each in arrays["first_matrix"])])
    return np.vstack([table, np.zeros((1, table.shape[1]), np.float32)])


def _convolved(parts: Array, bias: Array) -> Array:
    """A convolution over three neighbours, cut off at zero: (m, 3 * channels) to (m, channels).

    The three parts are what each row gives to the one behind it, to itself, and to the one before it.
    """
    left, middle, right = np.split(parts, 3, axis=1)
    out: Array = middle + bias
    out[1:] += left[:-1]
    out[:-1] += right[1:]
    np.maximum(out, 0, out=out)
    return out
