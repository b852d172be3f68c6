"""Sentence vectors of a base encoder as it is, without training. Needs the ``train`` extra (torch, transformers)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from affectome.learn.batches import pad, sorted_batches, tokenize
from affectome.learn.text_model import check_base, load_encoder, mean_pool

Array = NDArray[np.float32]


def base_vectors(texts: Sequence[str], base: Path, *, threads: int, max_tokens: int = 96) -> Array:
    """Unit vectors (n, width) of n texts: the mean token vectors of an encoder.

    Args:
        texts: n texts.
        base: Folder of the encoder in Hugging Face layout.
        threads: Processor threads.
        max_tokens: Longer texts are cut.

    Raises:
        InputError: A file of the encoder is missing.
    """
    check_base(base)
    torch.set_num_threads(threads)
    encoder = load_encoder(base).train(mode=False)
    rows = tokenize(texts, Tokenizer.from_file(str(base / "tokenizer.json")), max_tokens)
    vectors = np.zeros((len(rows), int(encoder.config.hidden_size)), np.float32)
    with torch.inference_mode():
        for chosen in sorted_batches(np.array([len(row) for row in rows], np.int64)):
            ids, mask = pad([rows[i] for i in chosen])
            pooled = mean_pool(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
            vectors[chosen] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    return vectors
