"""The text model that is trained: one encoder for texts and emotion words, and heads on the text vector.

Needs the ``train`` extra (torch, transformers).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import AutoModel, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from affectome.errors import InputError

MEASURES = ("valence", "arousal", "dominance", "sentiment", "toxicity")
BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json")


def check_base(base: Path, next_step: str = "") -> None:
    """Make sure that a folder holds an encoder in Hugging Face layout.

    Args:
        base: The folder.
        next_step: What to do when it does not.

    Raises:
        InputError: A file is missing.
    """
    for name in BASE_FILES:
        if not (base / name).is_file():
            raise InputError(
                f"The base model lacks {name!r} in {base}.", code="bad_base_model", value=base, next_step=next_step
            )


def save_encoder(encoder: PreTrainedModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write an encoder with its tokenizer into a folder, so that it can be the base of another training."""
    encoder.save_pretrained(folder)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))


def load_encoder(base: Path) -> PreTrainedModel:
    """An encoder in Hugging Face layout, all of it trainable but the vectors of its words.

    Rare words keep the meaning they had: with tens of thousands of texts most word vectors would only drift.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]
    encoder: PreTrainedModel = AutoModel.from_pretrained(base, attn_implementation="sdpa", local_files_only=True)
    encoder.get_input_embeddings().weight.requires_grad_(False)
    return encoder


def mean_pool(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean of the token vectors (n, tokens, width) that the mask (n, tokens) keeps: (n, width) in 32-bit floats."""
    hidden = hidden.float()
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)


class TextAffectModel(nn.Module):
    """Mean-pooled encoder whose unit vectors are the affect space, with direct heads beside it.

    A text t and a label word w have unit vectors z(t) and z(w). The score of the label is ``scale * z(t).z(w) + bias``
    for labels that may be present together, and ``sharpness * z(t).z(w)`` in a softmax for labels that exclude each
    other.

    Args:
        base: Folder of the base encoder in Hugging Face layout.
        labels: Labels of the direct head.
        hidden: Width of the layer before the measures.
    """

    def __init__(self, base: Path, labels: Sequence[str], hidden: int = 128) -> None:
        super().__init__()
        self.encoder = load_encoder(base)
        width = int(self.encoder.config.hidden_size)
        self.labels = tuple(labels)
        self.label_head = nn.Linear(width, len(labels))
        self.label_bias = nn.Parameter(torch.zeros(len(labels)))
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.sharpness = nn.Parameter(torch.tensor(14.0))
        self.measure_head = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, len(MEASURES))
        )
        self.spread_head = nn.Linear(width, 3)
        nn.init.constant_(self.spread_head.bias, -2.0)

    def pool(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean of the token vectors: (n, tokens) ids and mask to (n, width)."""
        encoded = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        return mean_pool(encoded.last_hidden_state, attention_mask)

    def label_logits(self, pooled: Tensor) -> Tensor:
        """Logits (n, labels) of the direct head."""
        logits: Tensor = self.label_head(pooled)
        return logits

    def anchor_logits(self, pooled: Tensor, anchors: Tensor) -> Tensor:
        """Presence logits (n, labels) from positions in the affect space; ``anchors`` has a row for each label."""
        logits: Tensor = self.scale * normalize(pooled, dim=-1) @ normalize(anchors, dim=-1).T + self.label_bias
        return logits

    def choice_logits(self, pooled: Tensor, anchors: Tensor) -> Tensor:
        """Logits (n, words) of a softmax over any list of words."""
        logits: Tensor = self.sharpness * normalize(pooled, dim=-1) @ normalize(anchors, dim=-1).T
        return logits

    def measures(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Means (n, 5) in the order of ``MEASURES`` and standard deviations (n, 3) of valence, arousal, dominance."""
        raw = self.measure_head(pooled)
        bounded = torch.cat([torch.tanh(raw[:, :4]), torch.sigmoid(raw[:, 4:])], dim=1)
        return bounded, nn.functional.softplus(self.spread_head(pooled)) + 0.01

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a bundle gives: unit vectors, logits of the direct head, measures, standard deviations."""
        pooled = self.pool(input_ids, attention_mask)
        means, spreads = self.measures(pooled)
        return normalize(pooled, dim=-1), self.label_logits(pooled), means, spreads
