"""Texts as batches of token ids. Needs the ``train`` extra (torch)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from torch import Tensor

from affectome.perceive.cleaning import clean

_WINDOW = 50  # batches whose texts are sorted by length together: little padding, still random order


def encode(
    texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int, second: Sequence[str] | None = None
) -> list[Encoding]:
    """Cleaned texts, or pairs of them, as tokens.

    Args:
        texts: n texts.
        tokenizer: Tokenizer of the base encoder.
        max_tokens: Longer texts are cut at the end; of a pair the longer one is cut first.
        second: n texts that each stand second in a pair.
    """
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    cleaned = [clean(text) for text in texts]
    if second is None:
        return list(tokenizer.encode_batch(cleaned))
    return list(tokenizer.encode_batch(list(zip(cleaned, map(clean, second), strict=True))))


def tokenize(texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> list[list[int]]:
    """Token ids of cleaned texts, each cut to ``max_tokens``."""
    return [encoding.ids for encoding in encode(texts, tokenizer, max_tokens)]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask (n, longest), padded with 0."""
    longest = max(map(len, rows))
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def plan_batches(
    lengths: NDArray[np.int64], *, passes: float, size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Row numbers of batches of similar length in random order, for training.

    Args:
        lengths: Tokens of each of n texts.
        passes: How often each text is seen; a fraction sees a part of them.
        size: Texts in a batch.
        rng: Decides the order.
    """
    n = len(lengths)
    order = np.concatenate([rng.permutation(n) for _ in range(math.ceil(passes))])[: round(passes * n)]
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * _WINDOW):
        window = order[start : start + size * _WINDOW]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches += [window[i : i + size] for i in range(0, len(window), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths: NDArray[np.int64], size: int = 128) -> list[NDArray[np.int64]]:
    """Row numbers of all n texts, shortest first, in batches of about ``size``, for reading; none for no texts."""
    return np.array_split(np.argsort(lengths, kind="stable"), max(1, len(lengths) // size)) if len(lengths) else []
