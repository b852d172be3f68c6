"""Recordings with labels in one form: files, labels, strengths, speakers, split.

Sounds are read with the ``voice`` extra.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.errors import InputError, UsageError
from affectome.perceive.voice import FINE

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

_STRENGTHS = {"normal": 0.5, "strong": 1.0}
_USUAL_STRENGTH = 0.75  # of a feeling whose strength nobody noted


@dataclass(frozen=True, eq=False)
class VoiceCorpus:
    """Recordings of one corpus.

    Attributes:
        name: Identifier.
        taxonomy: Id of the taxonomy of its labels.
        files: n files.
        labels: ``(n,)`` positions in the taxonomy.
        strengths: ``(n,)`` acted strength, 0.5 for normal and 1 for strong, NaN where none was noted.
        speakers: n speakers, unique across corpora.
        split: n strings, ``train``, ``dev`` or ``test``; no speaker is in two of them.
    """

    name: str
    taxonomy: str
    files: tuple[Path, ...]
    labels: Ints
    strengths: Array
    speakers: NDArray[np.str_]
    split: NDArray[np.str_]

    def at(self, rows: Ints) -> VoiceCorpus:
        """The recordings at some rows."""
        return replace(
            self,
            files=tuple(self.files[i] for i in rows),
            labels=self.labels[rows],
            strengths=self.strengths[rows],
            speakers=self.speakers[rows],
            split=self.split[rows],
        )

    def part(self, *splits: str) -> VoiceCorpus:
        """The recordings of some splits."""
        return self.at(np.flatnonzero(np.isin(self.split, splits)))

    def fine_strengths(self) -> Array:
        """Strength (n, 40) in [0, 1] of each feeling of `FINE`: that of the acted one, 0 for all others."""
        words = known_corpora()[self.name]["terms"]
        fine, labels = load_taxonomy(FINE).labels, load_taxonomy(self.taxonomy).labels
        member = np.array([[term in words[label] for term in fine] for label in labels], np.float32)
        strength = np.where(np.isnan(self.strengths), np.float32(_USUAL_STRENGTH), self.strengths)
        return np.asarray(member[self.labels] * strength[:, None], np.float32)


@cache
def known_corpora() -> Mapping[str, Any]:
    """What is known of each corpus: title, licence, folder, taxonomy."""
    table = files("affectome.learn").joinpath("data/voice_corpora.toml").read_text(encoding="utf-8")
    return tomllib.loads(table)


def load_voice_corpus(name: str, data: Path) -> VoiceCorpus:
    """Read the table of a corpus; sounds are read by `load_clip`.

    Args:
        name: One of `known_corpora`.
        data: Folder with a subfolder a corpus. Its ``labels.csv`` has the columns file, speaker, emotion, intensity and
            split.

    Raises:
        UsageError: The corpus is not known.
        InputError: The table is missing, lacks a column, or holds a label that is none.
    """
    known = known_corpora()
    if name not in known:
        raise UsageError(
            f"There is no corpus of voices named {name!r}.", code="unknown_corpus", value=name, allowed=sorted(known)
        )
    about = known[name]
    folder = data / about["folder"]
    position = {label: k for k, label in enumerate(load_taxonomy(about["taxonomy"]).labels)}
    try:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table))
        parts = {speaker: part for part, speakers in about.get("splits", {}).items() for speaker in speakers}
        split = [parts.get(row["speaker"], "train") if parts else row["split"] for row in rows]
        return VoiceCorpus(
            name=name,
            taxonomy=about["taxonomy"],
            files=tuple(folder / row["file"] for row in rows),
            labels=np.array([position[row["emotion"].lower()] for row in rows], np.int64),
            strengths=np.array([_STRENGTHS.get(row["intensity"], np.nan) for row in rows], np.float32),
            speakers=np.array([f"{name}/{row['speaker']}" for row in rows]),
            split=np.array(split),
        )
    except OSError as reason:
        raise InputError(
            f"The corpus {name!r} cannot be read: {reason.strerror}.",
            code="bad_corpus",
            value=folder / "labels.csv",
            next_step="Give the folder that holds the corpora.",
        ) from reason
    except KeyError as reason:
        raise InputError(
            f"The corpus {name!r} has no column or label {reason}.", code="bad_corpus", value=folder / "labels.csv"
        ) from reason


def load_clips(paths: Iterable[Path], *, seconds: float = 10.0) -> list[Array]:
    """Sounds of some files, mono at 16 kHz and at a common level, the first seconds of each.

    Raises:
        InputError: A file cannot be decoded.
    """
    from affectome.perceive.log_mel import level
    from affectome.perceive.spectrum import RATE

    return [level(sound[: int(seconds * RATE)]) for sound in _sounds(paths)]


def load_sounds(paths: Iterable[Path]) -> list[Array]:
    """Sounds of files, mono at 16 kHz and as loud as they are.

    Raises:
        InputError: A file cannot be decoded.
    """
    return list(_sounds(paths))


def _sounds(paths: Iterable[Path]) -> Iterator[Array]:
    from affectome.media import Decoder, DecodingLimits
    from affectome.media.decoder import Findings

    with Decoder(DecodingLimits()) as decoder:
        for path in paths:
            parts: list[Array] = []
            for block in decoder.decode(path):
                if not isinstance(block, Findings):
                    parts.append(block)
                elif block.code:
                    raise InputError(f"{path.name}: {block.message}", code=block.code, value=path)
            yield np.concatenate([np.zeros(0, np.float32), *parts])


def languages_of(names: Sequence[str]) -> tuple[str, ...]:
    """Languages that the corpora speak, sorted."""
    return tuple(sorted({language for name in names for language in known_corpora()[name]["languages"]}))
