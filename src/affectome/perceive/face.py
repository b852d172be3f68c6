"""The face reader: faces that were cut out of pictures to estimates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import forms_of_words
from affectome.affect.space import AffectSpace, Anchors, softmax
from affectome.errors import ModelError
from affectome.media.face_detection import CROP
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
from affectome.perceive.face_encoder import FaceEncoder, Seen, expression_face
from affectome.perceive.face_mesh import FaceMesh, FaceShape

if TYPE_CHECKING:
    from affectome.models import Bundle
    from affectome.perceive.action_units import ActionUnits
    from affectome.perceive.text import TextReader

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

PLACE = ("x", "y", "size", "loudness")
"""Fields of ``face`` beside those of `FaceShape`: middle and side of the face's box, in pixels of the picture, and of a
face in a film how loud the speech is that is heard with it, in decibels of full scale."""
_AS_IS = (1.0, 1.0, 1.0)  # the spreads are those of the Gaussians, which nothing has to fit
_SURE = 0.5  # how sure the mesh has to be that there is a face


class FaceReader:
    """Reads what faces show: action units, expressions, valence and arousal, pose and gaze.

    Args:
        bundle: A face bundle.
        mesh: Finds the points of a face.
        action_units: Measures action units from them.
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
        mesh: FaceMesh,
        action_units: ActionUnits,
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
        self.mesh, self.action_units = mesh, action_units
        self.encoder = FaceEncoder(bundle.session(threads=threads))
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
        if not (self.taxonomy in self._readout["temperature"] and self.exclusive):
            self._place(bundle, forms, words)

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
                next_step="Give that text reader, or a taxonomy the face reader was trained on: "
                + ", ".join(sorted(self._readout["temperature"])),
            )
        self._anchors = reader.space.anchors(forms)
        self._space = AffectSpace(
            reader.encoder.vectors,
            bundle.arrays("space.safetensors")["background"],
            sharpness=self._readout["sharpness"],
            presence=tuple(self._readout["presence"]),
        )

    def perceive(self, segments: pl.DataFrame) -> pl.DataFrame:
        """Estimates for a table of faces: the same ids in the same order.

        Never raises for one bad segment. A segment that carries a reading error fails with it; a picture without a face
        is abstained from as ``no_face``, a find that turns out to be none, or is turned too far away, as
        ``unclear_face``.
        """
        outcome: list[tuple[str, str]] = []
        crops: list[Bytes] = []
        for picture, error in zip(segments["picture"], segments["error"], strict=True):
            if error or not picture:
                outcome.append((FAILED, error) if error else (ABSTAINED, "no_face"))
            else:
                outcome.append((SCORED, ""))
                crops.append(np.frombuffer(picture, np.uint8).reshape(CROP, CROP, 3))
        if not crops:
            return self._table(segments, outcome, {})
        seen = np.stack(crops)
        points, sure = self.mesh(seen)
        rows = np.flatnonzero([state == SCORED for state, _ in outcome])
        for row in rows[sure < _SURE]:
            outcome[row] = ABSTAINED, "unclear_face"
        kept = sure >= _SURE
        places = [segments["face"][int(row)] for row in rows[kept]]
        measured = self._measure(seen[kept], points[kept], places) if kept.any() else {}
        return self._table(segments, outcome, measured)

    __call__ = perceive

    def failed(self, segments: pl.DataFrame, code: str) -> pl.DataFrame:
        """The same table with every segment failed with one code."""
        return self._table(segments, [(FAILED, code)] * len(segments), {})

    def schema(self, meta: pl.DataType) -> pl.Schema:
        """Columns of the estimates, given the type of the carried ones."""
        extras = {"au": self.action_units.names, "face": (*PLACE, *FaceShape._fields)}
        return estimates_schema(self.labels, meta, extras)

    def read_out(self, seen: Seen) -> Array:
        """Probabilities (n, labels) of faces that are encoded already."""
        if self._anchors is not None:
            read = self._space.choose if self.exclusive else self._space.presence
            return read(seen.vectors, self._anchors)
        return softmax(seen.labels[self.taxonomy] / np.float32(self._readout["temperature"][self.taxonomy]))

    def dimensions(self, seen: Seen) -> tuple[Array, Array]:
        """Valence, arousal and dominance (n, 3) and their standard deviations.

        They are those of the mixture of the Gaussians of the expressions (arXiv:2602.06778), by their probabilities.
        """
        name = self._readout["taxonomy"]
        p = softmax(seen.labels[name] / np.float32(self._readout["temperature"][name]))
        means = np.array(self._readout["term_means"], np.float32)
        spreads = np.array(self._readout["term_spreads"], np.float32)
        mean = p @ means
        return mean, np.sqrt(np.maximum(p @ (means**2 + spreads**2) - mean**2, 0))

    def _table(
        self, segments: pl.DataFrame, outcome: Sequence[tuple[str, str]], measured: Mapping[str, pl.Series]
    ) -> pl.DataFrame:
        about = {"modality": "face", "model": self.model, "taxonomy": self.taxonomy}
        return fill_table(segments, outcome, about, measured, self.schema(segments.schema["meta"]))

    def _measure(
        self, crops: Bytes, points: Array, places: Sequence[Mapping[str, float] | None]
    ) -> Mapping[str, pl.Series]:
        """The measured columns of faces; a face without a place is a picture that is all face."""
        faces = np.stack(
            [
                expression_face(crop, None if place is None else each)
                for crop, each, place in zip(crops, points, places, strict=True)
            ]
        )
        seen = self.encoder.encode(faces)
        means, spreads = self.dimensions(seen)
        columns = read_columns(self.labels, self.read_out(seen), means, spreads, _AS_IS)
        shapes = [
            self.mesh.shape(crop, each, place["angle"] if place else 0.0)
            for crop, each, place in zip(crops, points, places, strict=True)
        ]
        rows = [
            {**{name: place.get(name) if place else None for name in PLACE}, **shape._asdict()}
            for place, shape in zip(places, shapes, strict=True)
        ]
        kinds = dict.fromkeys((*PLACE, *FaceShape._fields), pl.Float32())
        columns["face"] = pl.DataFrame(rows, schema=kinds).to_struct("face")
        units = self.action_units.measure(points, crops)
        columns["au"] = pl.DataFrame(units, schema=list(self.action_units.names)).to_struct("au")
        return columns
