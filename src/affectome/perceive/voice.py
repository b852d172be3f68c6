"""The voice reader: segments of sound to estimates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import forms_of_words
from affectome.affect.space import AffectSpace, Anchors, sigmoid, softmax
from affectome.errors import ModelError
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
from affectome.perceive.prosody import measure_prosody, prosody_features
from affectome.perceive.spectrum import RATE
from affectome.perceive.voice_encoder import Heard, VoiceEncoder

if TYPE_CHECKING:
    from affectome.models import Bundle
    from affectome.perceive.text import TextReader

Array = NDArray[np.float32]

FINE = "emonet40"
"""Taxonomy whose labels each have a strength of their own."""
MAX_SECONDS = 30.0
_MIN_SECONDS = 0.2
_FULL_SCALE = 32767.0


class VoiceReader:
    """Reads fine-grained affect in the sound of a voice, whatever it says.

    Args:
        bundle: A voice bundle.
        taxonomy: Id of a taxonomy; ignored when ``labels`` are given. By default the bundle's own.
        labels: Own words for feelings; any list of words is a vocabulary.
        multi_label: Whether several labels may be present at once. By default the taxonomy decides; ``labels`` exclude
            each other.
        words: Opens a text reader of the same affect space. It places words that the bundle was not trained on, and is
            called for nothing else.
        threads: Processor threads.

    Raises:
        UsageError: The taxonomy is not known, a label is empty or given twice.
        ModelError: The bundle cannot be used, or ``other_space`` if the text reader is not of its affect space.
    """

    def __init__(
        self,
        bundle: Bundle,
        taxonomy: str | None = None,
        *,
        labels: Sequence[str] = (),
        multi_label: bool | None = None,
        words: Callable[[], TextReader] | None = None,
        threads: int = 1,
    ) -> None:
        self.card = bundle.card
        self.model = bundle.card.versioned_id
        self.sha256 = bundle.sha256
        self.encoder = VoiceEncoder(bundle.session(threads=threads))
        self._readout = json.loads(bundle.file("readout.json").read_text(encoding="utf-8"))
        self.thresholds: dict[str, float] = {}
        self._anchors: Anchors | None = None
        if labels:
            self.labels, self.taxonomy = check_labels(labels), "custom"
            self.exclusive = not multi_label
            forms: Mapping[str, Sequence[str]] = forms_of_words(self.labels)
        else:
            chosen = category_taxonomy(taxonomy or self._readout["taxonomy"])
            self.labels, self.taxonomy, forms = chosen.labels, chosen.id, chosen.forms()
            self.exclusive = chosen.exclusive if multi_label is None else not multi_label
        self._beside: Array | None = None  # anchors by which the place counts beside a head
        if self._direct:
            self._beside = bundle.arrays("space.safetensors").get(f"anchors.{self.taxonomy}")
        else:
            self._place(bundle, forms, words)

    @property
    def _direct(self) -> bool:
        """Whether a head of the bundle gives these very labels in this way."""
        return self.taxonomy in self._readout["temperature"] and self.exclusive == (self.taxonomy != FINE)

    def _place(
        self, bundle: Bundle, forms: Mapping[str, Sequence[str]], words: Callable[[], TextReader] | None
    ) -> None:
        reader = words() if words else None
        if reader is None or reader.sha256 != self._readout["space"]["sha256"]:
            raise ModelError(
                f"{self.model} needs the text reader {self._readout['space']['model']} to place these words.",
                code="other_space",
                value=reader.model if reader else None,
                allowed=[self._readout["space"]["model"]],
                next_step="Give that text reader, or a taxonomy the voice reader was trained on: "
                + ", ".join(sorted(self._readout["temperature"])),
            )
        # The anchors do not depend on the background: both modalities have the same, each observation its own.
        self._anchors = reader.space.anchors(forms)
        self._space = AffectSpace(
            reader.encoder.vectors,
            bundle.arrays("space.safetensors")["background"],
            sharpness=self._readout["sharpness"],
            presence=tuple(self._readout["presence"]),
        )

    def perceive(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Estimates for a table of recorded segments: the same ids in the same order.

        Never raises for one bad segment. A segment that carries a reading error fails with it; one without sound is
        abstained from as ``no_speech``, one shorter than 0.2 s as ``too_short``; one longer than half a minute fails as
        ``too_long``.
        """
        outcome = [_admit(audio, error) for audio, error in zip(segments["audio"], segments["error"], strict=True)]
        return self._table(segments, outcome)

    __call__ = perceive

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        """The same table with every segment failed with one code."""
        return self._table(segments, [(FAILED, code)] * len(segments))

    def schema(self, meta: pl.DataType) -> pl.Schema:
        """Columns of the estimates, given the type of the carried ones."""
        prosody = [feature.name for feature in prosody_features()]
        return estimates_schema(self.labels, meta, {"prosody": prosody}, intensity=True)

    def read_out(self, heard: Heard) -> Array:
        """Probabilities (n, labels) of sounds that are encoded already."""
        if self._anchors is not None:
            read = self._space.choose if self.exclusive else self._space.presence
            return read(heard.vectors, self._anchors)
        logits = heard.labels[self.taxonomy]
        if self._beside is not None:
            logits = logits + heard.vectors @ self._beside.T
        logits = logits / np.float32(self._readout["temperature"][self.taxonomy])
        return softmax(logits) if self.exclusive else sigmoid(logits)

    def strengths(self, heard: Heard, probabilities: Array) -> Array | None:
        """Expected strength (n, labels) of each label in [0, 1], None where the bundle never learnt strengths.

        A label of `FINE` has the strength its head gives; any other one its probability times the strength of the
        voice, from one half for a normal one to 1 for a strong one.
        """
        if not self._readout["strength"]:
            return None
        if self._anchors is None and self.taxonomy == FINE:
            return probabilities
        return np.asarray(probabilities * (0.5 + 0.5 * heard.strength[:, None]), np.float32)

    def _table(self, segments: pl.DataFrame, outcome: Sequence[tuple[str, str]]) -> pl.DataFrame:
        rows = np.flatnonzero([state == SCORED for state, _ in outcome])
        measured = self._measure([_samples(segments["audio"][int(i)]) for i in rows]) if len(rows) else {}
        about = {"modality": "voice", "model": self.model, "taxonomy": self.taxonomy}
        return fill_table(segments, outcome, about, measured, self.schema(segments.schema["meta"]))

    def _measure(self, sounds: Sequence[Array]) -> Mapping[str, pl.Series]:
        """The measured columns of sounds."""
        heard = self.encoder.encode(sounds)
        p = self.read_out(heard)
        strengths = self.strengths(heard, p)
        prosody = pl.DataFrame([measure_prosody(sound) for sound in sounds]).fill_nan(None)
        columns = read_columns(self.labels, p, heard.means, heard.spreads, self._readout["spread_scale"])
        columns["prosody"] = prosody.to_struct("prosody")
        if strengths is not None:
            columns["intensity"] = pl.DataFrame(strengths, schema=list(self.labels)).to_struct("intensity")
        return columns


def _admit(audio: bytes | None, error: str) -> tuple[str, str]:
    """Status and code that a segment gets before it is heard."""
    if error:
        return FAILED, error
    if not audio:
        return ABSTAINED, "no_speech"
    seconds = len(audio) / 2 / RATE
    if seconds < _MIN_SECONDS:
        return ABSTAINED, "too_short"
    return (FAILED, "too_long") if seconds > MAX_SECONDS else (SCORED, "")


def _samples(audio: bytes) -> Array:
    return np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)
