"""The text reader: segments of text to estimates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import forms_of_words
from affectome.affect.space import AffectSpace, Anchors, sigmoid
from affectome.errors import InputError, UsageError
from affectome.media import is_english
from affectome.perceive.cleaning import clean
from affectome.perceive.encoder import Encoded, TextEncoder
from affectome.perceive.estimates import (
    ABSTAINED,
    FAILED,
    SCORED,
    category_taxonomy,
    check_labels,
    estimates_schema,
    fill_table,
    read_columns,
)
from affectome.perceive.head import BundleHead, text_marks

if TYPE_CHECKING:
    from affectome.models import Bundle

Array = NDArray[np.float32]

MAX_CHARACTERS = 100_000
MAX_EXPLAINED_WORDS = 500
_WORD = re.compile(r"[^\W\d_]{2,}")
_PLACEHOLDER = re.compile(r"@user|\bhttp\b")  # what `clean` makes of handles and links
_REWRITTEN = ("&", "@", "http", "www.")  # without any of them, cleaning neither makes nor takes a word of ASCII


class Contribution(NamedTuple):
    """How much a word moved a label's probability: probability with the word minus probability without it."""

    word: str
    start: int
    end: int
    change: float


class TextReader:
    """Reads fine-grained affect in English text.

    Args:
        bundle: A text bundle.
        taxonomy: Id of a taxonomy; ignored when ``labels`` are given. By default the labels the bundle was trained
            on.
        labels: Own words for feelings; any list of words is a vocabulary.
        multi_label: Whether several labels may be present at once. By default the taxonomy or the bundle decides;
            ``labels`` exclude each other.
        threads: Processor threads.

    Attributes:
        head: What the bundle learnt from a labelled table, None for a bundle that carries no such head.

    Raises:
        UsageError: The taxonomy is not known, a label is empty or given twice, or ``multi_label`` contradicts the
            labels the bundle was trained on.
        ModelError: The bundle cannot be used.
    """

    def __init__(
        self,
        bundle: Bundle,
        taxonomy: str | None = None,
        *,
        labels: Sequence[str] = (),
        multi_label: bool | None = None,
        threads: int = 1,
    ) -> None:
        self.card = bundle.card
        self.model = bundle.card.versioned_id
        self.sha256 = bundle.sha256
        self.encoder = TextEncoder(bundle.session(threads=threads), bundle.tokenizer())
        self._readout = json.loads(bundle.file("readout.json").read_text(encoding="utf-8"))
        self.space = AffectSpace(
            self.encoder.vectors,
            bundle.arrays("space.safetensors")["background"],
            sharpness=self._readout["sharpness"],
            presence=tuple(self._readout["presence"]),
        )
        described = self._readout.get("head")
        self.head = BundleHead.load(bundle, described) if described else None
        self._own: BundleHead | None = None
        self._anchors: Anchors | None = None
        self.thresholds: dict[str, float] = {}
        if not labels and taxonomy is None and self.head and self.head.kind != "measure":
            self._use(self.head, multi_label)
            return
        if labels:
            self.labels, self.taxonomy = check_labels(labels), "custom"
            self.exclusive = not multi_label
            self._anchors = self.space.anchors(forms_of_words(self.labels))
            return
        chosen = category_taxonomy(taxonomy or self._readout["taxonomy"])
        self.labels, self.taxonomy = chosen.labels, chosen.id
        self.exclusive = chosen.exclusive if multi_label is None else not multi_label
        if chosen.id == self._readout["taxonomy"] and not self.exclusive:
            self.thresholds = dict(zip(self.labels, self._readout["thresholds"], strict=True))
        else:
            self._anchors = self.space.anchors(chosen.forms())

    def _use(self, head: BundleHead, multi_label: bool | None) -> None:
        """Read the bundle's own labels."""
        if multi_label is not None and multi_label == (head.kind == "choice"):
            which = "exclude each other" if multi_label else "may be several a text"
            raise UsageError(
                f"The labels {self.model} was trained on {which}.",
                code="fixed_labels",
                value="multi_label",
                next_step="Leave multi_label (--multi-label) out, or choose a taxonomy or labels of your own.",
            )
        self._own, self.labels, self.taxonomy = head, head.labels, self.card.id
        self.exclusive = head.kind == "choice"
        self.thresholds = dict(zip(head.labels, head.thresholds, strict=False))

    def perceive(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Estimates for a table of segments: the same ids in the same order.

        Never raises for one bad segment. A segment that carries a reading error fails with it; a blank one, one without
        a word and one that is clearly not English are abstained from; texts above 100,000 characters fail, since an
        average over a book says nothing (cut them into sentences).
        """
        outcome = [self.admit(text, error) for text, error in zip(segments["text"], segments["error"], strict=True)]
        return self._table(segments, outcome)

    __call__ = perceive

    def schema(self, meta: pl.DataType) -> pl.Schema:
        """Columns of the estimates, given the type of the carried ones."""
        ratings = self.head.labels if self.head and self.head.kind == "measure" else ()
        return estimates_schema(self.labels, meta, {"rating": ratings})

    def learnt_from(self, texts: Sequence[str | None]) -> NDArray[np.bool_]:
        """Which of n texts the labels or the measure that the bundle carries of its own were learnt from."""
        head = self.head if self.head and self.head.kind == "measure" else self._own
        if head is None:
            return np.zeros(len(texts), np.bool_)
        return np.isin(text_marks([text or "" for text in texts]), head.seen)

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        """The same table with every segment failed with one code."""
        return self._table(segments, [(FAILED, code)] * len(segments))

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Probabilities (n, labels) of non-blank texts."""
        return self.read_out(self.encoder.encode(texts))

    def explain(self, text: str, label: str | None = None) -> list[Contribution]:
        """Which words moved a label's probability, by leaving each out in turn.

        Args:
            text: One text.
            label: The label; by default the most probable one.

        Returns:
            One contribution a word, in the order of the text.

        Raises:
            UsageError: The label is not one of the reader's.
            InputError: The text holds no word, or more than 500: each costs one more reading of the whole text.
        """
        words = list(re.finditer(r"\S+", text))
        if not words:
            raise InputError("There is no word in the text.", code="empty", value=text)
        if len(words) > MAX_EXPLAINED_WORDS:
            raise InputError(
                f"The text has {len(words):,} words, more than the {MAX_EXPLAINED_WORDS} that can be left out in turn.",
                code="too_long",
                value=len(words),
                next_step="Explain a part of it.",
            )
        shorter = [text[: word.start()] + text[word.end() :] for word in words]
        whole, *without = self.probabilities([text, *(rest if rest.strip() else "." for rest in shorter)])
        if label is not None and label not in self.labels:
            raise UsageError(f"{label!r} is not a label here.", code="unknown_label", value=label, allowed=self.labels)
        k = self.labels.index(label) if label else int(np.argmax(whole))
        return [
            Contribution(word.group(), word.start(), word.end(), float(whole[k] - rest[k]))
            for word, rest in zip(words, without, strict=True)
        ]

    @property
    def platt(self) -> tuple[Array, Array]:
        """Slope and intercept (labels,) that make probabilities of the logits of the bundle's own labels."""
        return np.array(self._readout["slope"], np.float32), np.array(self._readout["intercept"], np.float32)

    @property
    def spread_scale(self) -> Array:
        """Factors (3,) that make the spreads of valence, arousal and dominance fit held-out data."""
        return np.array(self._readout["spread_scale"], np.float32)

    def toxicity(self, encoded: Encoded) -> Array:
        """Share of raters (n,) who would find each text toxic, of texts that are encoded already.

        The bundle's own read-out gives it; a bundle without one has it from its model.
        """
        if (fitted := self._readout.get("toxicity")) is None:
            return encoded.means[:, 4]
        return sigmoid(encoded.features() @ np.array(fitted["weights"], np.float32) + np.float32(fitted["bias"]))

    def read_out(self, encoded: Encoded) -> Array:
        """Probabilities (n, labels) of texts that are encoded already."""
        if self._own:
            return self._own.read(encoded.features())
        if self._anchors is None:
            slope, intercept = self.platt
            return sigmoid(encoded.labels * slope + intercept)
        read = self.space.choose if self.exclusive else self.space.presence
        return read(encoded.vectors, self._anchors)

    @staticmethod
    def admit(text: str | None, error: str = "") -> tuple[str, str]:
        """Status and code that a segment gets before it is read: ``scored`` for one that will be.

        Args:
            text: The text.
            error: Code of a reading error.
        """
        if error:
            return FAILED, error
        if text is None or not text.strip():
            return ABSTAINED, "empty"
        if len(text) > MAX_CHARACTERS:
            return FAILED, "too_long"
        if not _has_word(text):
            return ABSTAINED, "too_short"
        if is_english(text.strip()) is False:
            return ABSTAINED, "not_english"
        return SCORED, ""

    def _table(self, segments: pl.DataFrame, outcome: Sequence[tuple[str, str]]) -> pl.DataFrame:
        rows = [i for i, (state, _) in enumerate(outcome) if state == SCORED]
        measured = self._measure(segments["text"].gather(rows)) if rows else {}
        about = {"modality": "text", "model": self.model, "taxonomy": self.taxonomy}
        return fill_table(segments, outcome, about, measured, self.schema(segments.schema["meta"]))

    def _measure(self, texts: pl.Series) -> Mapping[str, pl.Series]:
        """The measured columns of scorable texts; equal texts are read once."""
        unique = texts.unique(maintain_order=True)
        position = dict(zip(unique, range(len(unique)), strict=True))
        encoded = self.encoder.encode(unique.to_list())
        p = self.read_out(encoded)
        back = np.array([position[text] for text in texts], np.int64)
        columns = read_columns(
            self.labels, p[back], encoded.means[back], encoded.spreads[back], self._readout["spread_scale"]
        )
        tone = {"sentiment": encoded.means[back, 3], "toxicity": self.toxicity(encoded)[back]}
        columns["tone"] = pl.DataFrame(tone).to_struct("tone")
        if self.head and self.head.kind == "measure":
            values = self.head.read(encoded.features())[back]
            columns["rating"] = pl.DataFrame(values, schema=list(self.head.labels)).to_struct("rating")
        return columns


def _has_word(text: str) -> bool:
    """Whether a text has a word once it is cleaned."""
    if not text.isascii() or any(mark in text for mark in _REWRITTEN):
        text = _PLACEHOLDER.sub("", clean(text))
    return _WORD.search(text) is not None
