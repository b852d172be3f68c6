"""Two readers of text behind each other: a fast one reads everything, the full one what the fast one is unsure of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.errors import ModelError
from affectome.perceive.encoder import Encoded, TextEncoder
from affectome.perceive.estimates import SCORED
from affectome.perceive.quick_encoder import QuickEncoder
from affectome.perceive.text import TextReader

if TYPE_CHECKING:
    from affectome.models import Bundle

Array = NDArray[np.float32]

ENCODER_FILE = "encoder.safetensors"
READOUT_FILE = "readout.json"


def uncertainty(logits: Array, cuts: Array, prior: Array, tokens: Array) -> Array:
    """How much n texts have to gain from the full reader, for what it costs to read them.

    A label says the more, the nearer its logit is to the cut from which on it counts as present, and the rarer it is,
    since a rare label counts as much as a frequent one in the mean F1 over labels. A text costs what it has of tokens.

    Args:
        logits: (n, labels).
        cuts: (labels,) logits of the thresholds.
        prior: (labels,) share of texts in which each label is present.
        tokens: (n,) tokens of each text.
    """
    unsure: Array = (np.exp(-np.abs(logits - cuts)) / prior).sum(axis=1) / tokens
    return unsure


def logit(probabilities: Array) -> Array:
    """Logarithms of the odds."""
    odds: Array = np.log(probabilities / (1 - probabilities))
    return odds


class CascadeEncoder(TextEncoder):
    """Encodes texts with a quick encoder, and those that it is unsure of with the full one.

    Args:
        fast: Reads every text.
        full: Reads the uncertain ones.
        platt: Slope and intercept of the labels' logits, (labels,) each.
        cuts, prior: As in `uncertainty`.
        limit: Uncertainty above which a text is uncertain.

    Attributes:
        fast, full, limit: As given.
        escalated: The texts of the last call that the full encoder has read.
    """

    def __init__(
        self,
        fast: QuickEncoder,
        full: TextEncoder,
        *,
        platt: tuple[Array, Array],
        cuts: Array,
        prior: Array,
        limit: float,
    ) -> None:
        self.tokenizer = full.tokenizer
        self.fast, self.full, self.limit = fast, full, limit
        self._platt, self._cuts, self._prior = platt, cuts, prior
        self.escalated: list[str] = []

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encode n texts, none of them blank after cleaning."""
        encoded, tokens = self.fast.encode_with_lengths(texts)
        rows = np.flatnonzero(self.uncertainty(encoded, tokens) > self.limit)
        self.escalated = [texts[row] for row in rows.tolist()]
        if len(rows):
            for quick, thorough in zip(encoded, self.full.encode(self.escalated), strict=True):
                quick[rows] = thorough
        return encoded

    def uncertainty(self, encoded: Encoded, tokens: Array) -> Array:
        """How unsure the fast encoder is of n texts that it has encoded, for what they cost."""
        slope, intercept = self._platt
        return uncertainty(encoded.labels * slope + intercept, self._cuts, self._prior, tokens)


class FastTextReader(TextReader):
    """Reads text as `TextReader` does, most of it with a small model.

    The column ``model`` says for each row which of the two has read it.

    Args:
        bundle: A text bundle.
        fast: The bundle that has learnt from it.
        taxonomy: As for `TextReader`.
        labels: As for `TextReader`.
        multi_label: As for `TextReader`.
        threads: Processor threads.

    Raises:
        UsageError: As for `TextReader`.
        ModelError: A bundle cannot be used, or ``no_fast_path`` if the fast one has learnt from another.
    """

    encoder: CascadeEncoder

    def __init__(
        self,
        bundle: Bundle,
        fast: Bundle,
        taxonomy: str | None = None,
        *,
        labels: Sequence[str] = (),
        multi_label: bool | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(bundle, taxonomy, labels=labels, multi_label=multi_label, threads=threads)
        readout = json.loads(fast.file(READOUT_FILE).read_text(encoding="utf-8"))
        network = bundle.card.files.get("model.onnx")
        if network is None or network.sha256 != readout["full"]["network"]:
            raise ModelError(
                f"{fast.card.versioned_id} has not learnt from {bundle.card.versioned_id}.",
                code="no_fast_path",
                value=bundle.card.versioned_id,
                allowed=[readout["full"]["id"]],
                next_step="Leave --fast out, or leave the model out.",
            )
        self.fast_model = fast.card.versioned_id
        self.sha256 = f"{bundle.sha256} {fast.sha256}"
        # Words were placed by the full encoder above: there are few of them, and every reading depends on them.
        self.encoder = CascadeEncoder(
            QuickEncoder(fast.arrays(ENCODER_FILE), self.encoder.tokenizer),
            self.encoder,
            platt=self.platt,
            cuts=logit(np.array(readout["thresholds"], np.float32)),
            prior=np.array(readout["prior"], np.float32),
            limit=readout["limit"],
        )

    def _table(self, segments: pl.DataFrame, outcome: Sequence[tuple[str, str]]) -> pl.DataFrame:
        self.encoder.escalated = []
        table = super()._table(segments, outcome)
        quick = (pl.col("status") == SCORED) & ~pl.col("text").is_in(self.encoder.escalated)
        return table.with_columns(model=pl.when(quick).then(pl.lit(self.fast_model)).otherwise("model"))
