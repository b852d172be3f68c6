"""A head that a bundle carries beside its encoder: labels or a measure learnt from one labelled table."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectome.affect.space import sigmoid, softmax
from affectome.errors import ModelError
from affectome.perceive.cleaning import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from affectome.models import Bundle

Array = NDArray[np.float32]
HeadKind = Literal["choice", "presence", "measure"]

HEAD_FILE = "head.safetensors"


@dataclass(frozen=True, eq=False)
class BundleHead:
    """One matrix and one bias over `Encoded.features`; standardisation and calibration are part of both.

    Attributes:
        kind: What it gives: a ``choice`` among labels that exclude each other, the ``presence`` of each label, or a
            number for each ``measure``.
        labels: k labels, or names of measures.
        matrix: ``(d, k)``.
        bias: ``(k,)``.
        thresholds: For presence, the probability from which on each label counts as given.
        range: For measures, the least and the largest value of the training data; no reading lies outside.
        seen: ``(m,)`` rising `text_marks` of the texts it was fitted and calibrated on.
    """

    kind: HeadKind
    labels: tuple[str, ...]
    matrix: Array
    bias: Array
    thresholds: tuple[float, ...] = ()
    range: tuple[float, float] | None = None
    seen: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def load(cls, bundle: Bundle, described: Mapping[str, Any]) -> BundleHead:
        """The head of a bundle.

        Args:
            bundle: The bundle.
            described: What ``readout.json`` says about the head: ``kind``, ``labels``, and ``thresholds`` or ``range``.

        Raises:
            ModelError: ``bad_head`` if description and arrays do not fit, or what `Bundle.arrays` raises.
        """
        arrays = bundle.arrays(HEAD_FILE)
        try:
            head = cls(
                kind=described["kind"],
                labels=tuple(described["labels"]),
                matrix=arrays["matrix"],
                bias=arrays["bias"],
                thresholds=tuple(described.get("thresholds", ())),
                range=tuple(described["range"]) if "range" in described else None,
                seen=arrays["seen"],
            )
        except (KeyError, TypeError) as absent:
            raise _unfit(bundle, f"{absent} is missing or of another type") from None
        if head.kind not in get_args(HeadKind):
            raise _unfit(bundle, f"{head.kind!r} is no kind of head")
        k = len(head.labels)
        if head.matrix.ndim != 2 or head.matrix.shape[1] != k or head.bias.shape != (k,):
            raise _unfit(bundle, f"{k} labels do not fit arrays of {head.matrix.shape} and {head.bias.shape}")
        if len(head.thresholds) != (k if head.kind == "presence" else 0):
            raise _unfit(bundle, "there must be one threshold a label")
        if head.kind == "measure" and (head.range is None or len(head.range) != 2):
            raise _unfit(bundle, "a measure needs its range")
        return head

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` reads from the file of the head."""
        return {"matrix": self.matrix, "bias": self.bias, "seen": self.seen}

    def read(self, features: Array) -> Array:
        """Probabilities, or numbers within the range, (n, k) from `Encoded.features` (n, d)."""
        scores = features @ self.matrix + self.bias
        if self.kind == "choice":
            return softmax(scores)
        if self.kind == "presence":
            return sigmoid(scores)
        return np.clip(scores, *self.range) if self.range else scores


def text_marks(texts: Sequence[str]) -> NDArray[np.int64]:
    """A 64-bit hash of each text, the same for texts that differ in case, spacing, links or handles only."""
    digests = (hashlib.blake2b(clean(text).casefold().encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)


def _unfit(bundle: Bundle, reason: str) -> ModelError:
    return ModelError(
        f"The head of {bundle.card.versioned_id} does not fit: {reason}.",
        code="bad_head",
        value=bundle.path,
        next_step="Train or fetch the bundle again.",
    )
