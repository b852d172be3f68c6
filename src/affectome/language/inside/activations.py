"""What a language model holds of a text: one vector a site, for batches of mixed length, remembered on disk."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from affectome.errors import InputError, UsageError
from affectome.language.in_process import InProcessModel
from affectome.language.inside.capture import capture
from affectome.language.inside.modules import Site

Cells = NDArray[np.float32]
Pooling = Literal["last", "mean"]

_LIMIT = 256


class ActivationCache:
    """Vectors on disk: one safetensors file a model, text, pooling and limit; in it one tensor a site.

    Args:
        folder: Where the files are; it is made if it is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def load(self, key: str) -> dict[str, Cells]:
        """The vectors of a text by site; none if it is not known or its file is broken."""
        try:
            return load_file(self._path(key))
        except (FileNotFoundError, SafetensorError):
            return {}

    def save(self, key: str, vectors: dict[str, Cells]) -> None:
        """Keep the vectors of a text; a reader sees the old file or the new one, never half of it."""
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        os.close(handle)
        save_file(vectors, name)
        Path(name).replace(path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


def read_activations(
    language_model: InProcessModel,
    texts: Sequence[str],
    sites: Sequence[Site],
    *,
    pooling: Pooling = "mean",
    limit: int = _LIMIT,
    batch: int = 16,
    cache: ActivationCache | None = None,
) -> dict[Site, Cells]:
    """What a model holds of each text.

    Texts are padded on the right, where a causal model does not look, and the padding is not pooled: what is found of
    a text does not depend on its neighbours in the batch.

    Args:
        language_model: The model.
        texts: n texts.
        sites: Where to read.
        pooling: ``"mean"`` over the tokens of the text, or its ``"last"`` token.
        limit: Tokens that are read of a text, from its beginning.
        batch: Texts in one pass.
        cache: Where vectors are looked up and kept.

    Returns:
        For each site (n, columns).

    Raises:
        UsageError: The pooling is not known.
        InputError: ``empty_text`` if a text has no token.
    """
    if pooling not in get_args(Pooling):
        raise UsageError("Unknown pooling.", code="unknown_pooling", value=pooling, allowed=get_args(Pooling))
    keys = [_key(language_model.fingerprint, text, pooling, limit) for text in texts]
    names = [str(site) for site in sites]
    known = {key: cache.load(key) for key in dict.fromkeys(keys)} if cache else {key: {} for key in keys}
    wanted = {key: text for key, text in zip(keys, texts, strict=True) if not set(names) <= known[key].keys()}
    tokens = {key: list(language_model.tokenizer.encode(text))[:limit] for key, text in wanted.items()}
    for key, some in tokens.items():
        if not some:
            raise InputError("A text has no token to read.", code="empty_text", value=wanted[key])
    order = sorted(tokens, key=lambda key: len(tokens[key]))
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        found = _read(language_model, [tokens[key] for key in part], sites, pooling)
        for row, key in enumerate(part):
            known[key] = known[key] | {name: np.ascontiguousarray(found[name][row]) for name in names}
            if cache:
                cache.save(key, known[key])
    return {site: np.stack([known[key][name] for key in keys]) for site, name in zip(sites, names, strict=True)}


def read_pieces(language_model: InProcessModel, rows: Sequence[Sequence[str]], site: Site, *, batch: int = 16) -> Cells:
    """What a model holds of each piece of a text, when it has read the pieces before.

    Pieces are turned into tokens one by one, so that a word never belongs to two of them.

    Args:
        language_model: The model.
        rows: n texts, each in the same number of pieces.
        site: Where to read.
        batch: Texts in one pass.

    Returns:
        (n, pieces, columns), means over the tokens of a piece.

    Raises:
        InputError: ``empty_text`` if a piece has no token.
    """
    encode = language_model.tokenizer.encode
    tokens = [[list(encode(piece, add_special_tokens=False)) for piece in row] for row in rows]
    for row, pieces in zip(rows, tokens, strict=True):
        if not all(pieces):
            raise InputError("A piece of a text has no token to read.", code="empty_text", value=list(row))
    found = []
    for start in range(0, len(tokens), batch):
        part = tokens[start : start + batch]
        values = _pass(language_model, [[token for piece in row for token in piece] for row in part], [site])[site]
        for row, pieces in zip(values, part, strict=True):
            spans = row[: sum(map(len, pieces))].split([len(piece) for piece in pieces])
            found.append(np.stack([span.mean(dim=0).numpy() for span in spans]))
    return np.stack(found)


def untrained(language_model: InProcessModel, seed: int) -> InProcessModel:
    """The same architecture and tokenizer with weights drawn anew: what is found in it was not learnt."""
    from transformers import AutoModelForCausalLM

    drawn = copy.copy(language_model)
    torch.manual_seed(seed)
    drawn.model = AutoModelForCausalLM.from_config(language_model.model.config).float()  # type: ignore[no-untyped-call]
    drawn.model.to(language_model.model.device)  # type: ignore[arg-type]
    drawn.model.eval()  # type: ignore[no-untyped-call]
    drawn.name = f"{language_model.name}, random weights"
    drawn.fingerprint = f"{language_model.fingerprint} drawn with {seed}"
    return drawn


def _read(
    language_model: InProcessModel, tokens: Sequence[list[int]], sites: Sequence[Site], pooling: Pooling
) -> dict[str, Cells]:
    lengths = torch.tensor([len(some) for some in tokens])
    position = torch.arange(int(lengths.max()))
    if pooling == "last":
        weight = (position == lengths[:, None] - 1).float()
    else:
        weight = (position < lengths[:, None]).float() / lengths[:, None]
    seen = _pass(language_model, tokens, sites)
    return {str(site): torch.einsum("ntc,nt->nc", values, weight).numpy() for site, values in seen.items()}


def _pass(language_model: InProcessModel, tokens: Sequence[list[int]], sites: Sequence[Site]) -> dict[Site, Tensor]:
    """Values (texts, tokens, columns) at each site; what stands behind the last token of a text means nothing."""
    rows = pad_sequence([torch.tensor(some) for some in tokens], batch_first=True)
    mask = pad_sequence([torch.ones(len(some), dtype=torch.long) for some in tokens], batch_first=True)
    device = language_model.model.device
    with torch.inference_mode(), capture(language_model.model, sites) as seen:
        # The head over the vocabulary is not needed.
        language_model.model.base_model(rows.to(device), attention_mask=mask.to(device), use_cache=False)
    return {site: values[0].float().cpu() for site, values in seen.items()}


def _key(fingerprint: str, text: str, pooling: Pooling, limit: int) -> str:
    return hashlib.sha256(json.dumps([fingerprint, text, pooling, limit]).encode()).hexdigest()
