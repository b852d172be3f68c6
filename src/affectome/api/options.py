"""Which models read, and into which words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from affectome.models import Bundle, default_model, find_model, locate
from affectome.perceive import (
    ActionUnits,
    FaceMesh,
    FaceReader,
    FastTextReader,
    Fusion,
    ImageReader,
    Reader,
    Readers,
    TextReader,
    VoiceReader,
)

_TASKS = {"text": "text-affect", "voice": "voice-affect", "face": "face-affect"}
_COMMON = "ekman7"  # taxonomy of a table that several modalities share
_MESH = "face-mesh"


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """Which model reads, and into which words.

    Args:
        model: Bundle id or folder; by default the shipped one. Where text and voice are read, it answers for its own
            kind.
        taxonomy: Taxonomy id; by default the labels the model was trained on, and ekman7 where text and voice are read.
        labels: Own words for feelings instead of a taxonomy.
        multi_label: Whether several labels may be present at once; by default the taxonomy or the model decides, and
            own words exclude each other.
        commercial: Refuse weights whose training data forbid commercial use.
        fast: Read texts with a small model, and only those it is unsure of with the full one.
    """

    model: str | None = None
    taxonomy: str | None = None
    labels: tuple[str, ...] = ()
    multi_label: bool | None = None
    commercial: bool = False
    fast: bool = False

    def open(self, threads: int = 1) -> TextReader:
        """Load the reader of text.

        Raises:
            ModelError: The bundle is missing, changed, or not allowed for commercial use.
            UsageError: The taxonomy or a label does not fit.
        """
        bundle = self._bundle("text")
        if not self.fast:
            return TextReader(bundle, self.taxonomy, labels=self.labels, multi_label=self.multi_label, threads=threads)
        return FastTextReader(
            bundle,
            default_model("text-affect-fast", commercial=self.commercial),
            self.taxonomy,
            labels=self.labels,
            multi_label=self.multi_label,
            threads=threads,
        )

    def open_voice(self, threads: int = 1) -> VoiceReader:
        """Load the reader of voices; it raises what `open` raises."""
        bundle = self._bundle("voice")
        return VoiceReader(
            bundle,
            self.taxonomy,
            labels=self.labels,
            multi_label=self.multi_label,
            words=self._words(threads),
            threads=threads,
        )

    def open_face(self, threads: int = 1) -> FaceReader:
        """Load the reader of faces; it raises what `open` raises."""
        return FaceReader(
            self._bundle("face"),
            FaceMesh(locate(_MESH)),
            ActionUnits.of(default_model("action-units")),
            self.taxonomy,
            labels=self.labels,
            multi_label=self.multi_label,
            words=self._words(threads),
            threads=threads,
        )

    def open_all(self, modalities: Sequence[str], threads: int = 1) -> Readers:
        """Load a reader for each modality, all of the same labels; it raises what `open` raises."""
        felt = [name for name in modalities if name in _TASKS]
        options = dict.fromkeys(felt, self)
        if len(felt) > 1:
            common = replace(self, taxonomy=self.taxonomy or _COMMON)
            options = dict.fromkeys(felt, common)
            if self.model is not None:
                task = find_model(self.model, commercial=self.commercial).card.task
                if task not in [_TASKS[name] for name in felt]:
                    find_model(self.model, task=_TASKS[felt[0]])
                options = {name: common if _TASKS[name] == task else replace(common, model=None) for name in felt}
        readers: dict[str, Reader] = {name: _OPENERS[name](options[name], threads) for name in felt}
        if "image" in modalities:
            shared = next(iter(readers.values()), None)
            readers["image"] = ImageReader.beside(shared)
        fusion = Fusion(next(iter(readers.values()))) if "fused" in modalities else None
        return Readers(readers, fusion)

    def _words(self, threads: int) -> Callable[[], TextReader]:
        """Opens the text reader that places words in the affect space."""
        plain = replace(self, model=None, taxonomy=None, labels=(), multi_label=None, fast=False)
        return functools.partial(plain.open, threads)

    def _bundle(self, modality: str) -> Bundle:
        task = _TASKS[modality]
        if self.model:
            return find_model(self.model, task=task, commercial=self.commercial)
        return default_model(task, commercial=self.commercial)


_OPENERS: dict[str, Callable[[ReaderOptions, int], Reader]] = {
    "text": ReaderOptions.open,
    "voice": ReaderOptions.open_voice,
    "face": ReaderOptions.open_face,
}
