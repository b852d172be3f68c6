"""The card of a bundle: what the weights do, what they learnt from, how good they are, and who may use them.

The card is ``card.toml`` inside the bundle. It also lists every other file with its sha256 and size, so that the card
alone pins the whole bundle.
"""

from __future__ import annotations

import hashlib
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from affectome.errors import ModelError
from affectome.models.tables import build, invalid, is_finite, parse_toml, plain, write_toml

CARD_NAME = "card.toml"
COMMERCIAL_USE = ("yes", "no", "unclear")

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# SPDX names of licences that forbid commercial use carry an NC part (CC-BY-NC-4.0, PolyForm-Noncommercial-1.0.0).
_NONCOMMERCIAL = re.compile(r"(?i)\bnc\b|non-?commercial")
_WIDTH = 100


def _check_texts(where: str, required: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Refuse empty required texts, and control characters anywhere: a card is printed on terminals."""
    required = tuple(required)
    if not all(text.strip() for text in required):
        raise invalid(where, "a text is empty")
    for text in (*required, *optional):
        if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter != "\n" for letter in text):
            raise invalid(where, "a text holds control characters", value=ascii(text))


def _check_sha256(where: str, value: str) -> None:
    if not _SHA256.fullmatch(value):
        raise invalid(f"{where}.sha256", "64 lower-case hexadecimal digits are needed", value=value)


@dataclass(frozen=True)
class FileEntry:
    """The identity of one file: ``sha256`` as lower-case hexadecimal and ``size`` in bytes."""

    sha256: str
    size: int

    def __post_init__(self) -> None:
        _check_sha256("files", self.sha256)
        if self.size < 0:
            raise invalid("files.size", "a size cannot be negative", value=self.size)

    @classmethod
    def of(cls, path: Path) -> FileEntry:
        """The entry of a file on disk, read once in blocks."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(sha256=digest, size=stream.tell())


@dataclass(frozen=True)
class BaseModelSource:
    """The pretrained model a bundle started from; ``sha256`` is that of its weights file."""

    name: str
    licence: str
    sha256: str

    def __post_init__(self) -> None:
        _check_texts("base_model", (self.name, self.licence))
        _check_sha256("base_model", self.sha256)


@dataclass(frozen=True)
class TrainingData:
    """One data set the weights learnt from; ``rows`` counts the examples used, ``use`` says for what."""

    name: str
    licence: str
    commercial: str
    use: str
    rows: int

    def __post_init__(self) -> None:
        _check_texts("training_data", (self.name, self.licence, self.use))
        if self.commercial not in COMMERCIAL_USE:
            raise invalid("training_data.commercial", "not an answer", value=self.commercial, allowed=COMMERCIAL_USE)
        if self.rows < 0:
            raise invalid("training_data.rows", "a count cannot be negative", value=self.rows)


@dataclass(frozen=True)
class Metric:
    """One measured figure: its set, name, value, 95 % interval ``low``..``high``, sample size and command."""

    set: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    command: str
    note: str

    def __post_init__(self) -> None:
        _check_texts("metrics", (self.set, self.metric, self.command), (self.note,))
        if not is_finite(self.value, self.low, self.high) or self.low > self.high:
            raise invalid("metrics", "finite numbers with low <= high are needed", value=(self.low, self.high))
        if self.n < 1:
            raise invalid("metrics.n", "a figure needs at least one example", value=self.n)


@dataclass(frozen=True)
class Card:
    """Everything a bundle says about itself.

    Attributes:
        id: Lower-case name with hyphens, such as ``text-en``.
        version: ``major.minor.patch``.
        task: What it answers, such as ``text-affect``.
        title: One line for people.
        taxonomies: Ids of the taxonomies it reads out.
        languages: BCP 47 language tags.
        licence: SPDX expression of the weights.
        commercial: Whether commercial use of the weights is clean.
        commercial_note: Why, or what is unclear; may be empty only if every data set says ``yes``.
        released: Date of the weights.
        training_data: What it learnt from, empty for rules.
        metrics: Measured figures.
        intended_use: What it is for.
        limits: What it does badly or must not be used for.
        files: File name to size and sha256, for every file of the folder but the card.
        base_model: The pretrained model it started from, None if trained from scratch.

    Raises:
        ModelError: ``card_invalid`` for a value that is not allowed, ``unsafe_file`` for a file name that is not plain.
    """

    id: str
    version: str
    task: str
    title: str
    taxonomies: tuple[str, ...]
    languages: tuple[str, ...]
    licence: str
    commercial: bool
    commercial_note: str
    released: date
    training_data: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    intended_use: str
    limits: tuple[str, ...]
    files: dict[str, FileEntry] = field(hash=False)
    base_model: BaseModelSource | None = None

    def __post_init__(self) -> None:
        for name in ("id", "task"):
            if not _SLUG.fullmatch(getattr(self, name)):
                raise invalid(name, "lower-case words joined by hyphens are needed", value=getattr(self, name))
        if not _VERSION.fullmatch(self.version):
            raise invalid("version", "a version like 1.0.2 is needed", value=self.version)
        _check_texts("card", (self.title, self.licence, self.intended_use), (self.commercial_note,))
        for name in ("taxonomies", "languages", "limits"):
            _check_texts(name, getattr(self, name))
        for name in ("languages", "limits", "files"):
            if not getattr(self, name):
                raise invalid(name, "at least one entry is needed")
        self._check_commercial()
        for name in self.files:
            check_file_name(name)

    def _check_commercial(self) -> None:
        """A claim of commercial use must not contradict the licences and data the card itself names."""
        if self.commercial_note.strip() == "" and any(data.commercial != "yes" for data in self.training_data):
            raise invalid("commercial_note", "a reason is needed when a data set is not free for commercial use")
        if not self.commercial:
            return
        base = [self.base_model.licence] if self.base_model else []
        for licence in [self.licence, *base]:
            if _NONCOMMERCIAL.search(licence):
                raise invalid("commercial", "contradicts a licence", value=licence)
        for data in self.training_data:
            if data.commercial == "no":
                raise invalid("commercial", "contradicts a data set", value=data.name)

    @property
    def versioned_id(self) -> str:
        """Id and version as estimates name it, such as ``text-en@0.1.0``."""
        return f"{self.id}@{self.version}"

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, for ordering."""
        return tuple(map(int, self.version.split(".")))

    @classmethod
    def parse(cls, raw: bytes) -> Card:
        """The card in the bytes of a ``card.toml``.

        Raises:
            ModelError: ``card_invalid`` or ``unsafe_file``, naming the key.
        """
        return build(cls, parse_toml(raw))

    def as_dict(self) -> dict[str, Any]:
        """The card as JSON types, with the keys of ``card.toml``."""
        card: dict[str, Any] = plain(self)
        return card

    def render(self) -> str:
        """The card as plain text for people, lines of at most about a hundred characters."""
        base = self.base_model
        facts = [
            ("task", self.task),
            ("version", f"{self.version}, {self.released.isoformat()}"),
            ("languages", ", ".join(self.languages)),
            ("taxonomies", ", ".join(self.taxonomies) or "none"),
            ("licence", self.licence),
            ("commercial", f"{'yes' if self.commercial else 'no'}. {self.commercial_note}".rstrip()),
            ("base model", f"{base.name} ({base.licence})" if base else "none, trained from scratch"),
        ]
        data = [(item.name, f"{item.rows:,}", item.licence, item.commercial, item.use) for item in self.training_data]
        metrics = [
            (m.set, m.metric, f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}", f"{m.n:,}", m.note)
            for m in self.metrics
        ]
        files = [(name, f"{entry.size / 1e6:.2f} MB", entry.sha256[:12]) for name, entry in self.files.items()]
        blocks = [
            f"{self.versioned_id}: {self.title}",
            "\n".join(_wrap(value, f"{name:<12}") for name, value in facts),
            "Intended use\n" + _wrap(self.intended_use, "  "),
            "Limits\n" + "\n".join(_wrap(limit, "  - ") for limit in self.limits),
            "Training data\n" + _columns(("name", "rows", "licence", "commercial", "use"), data),
            "Measured\n" + _columns(("set", "metric", "value", "95 % interval", "n", "note"), metrics),
            "Files\n" + _columns(("name", "size", "sha256"), files),
        ]
        return "\n\n".join(blocks) + "\n"


def check_file_name(name: str) -> None:
    """Refuse names that could leave a folder or hide in it.

    Raises:
        ModelError: ``unsafe_file`` unless the name is one plain component of ASCII letters, digits and ``._-``.
    """
    if not _FILE_NAME.fullmatch(name) or name == CARD_NAME:
        raise ModelError(
            f"The file name {name!a} is not allowed in a bundle.",
            code="unsafe_file",
            value=name,
            next_step="Use letters, digits, dots, hyphens and underscores, without folders.",
        )


def write_card(path: Path, card: Card) -> None:
    """Write a card as TOML; reading it back gives an equal card.

    Args:
        path: The ``card.toml`` to write; an existing file is replaced.
        card: The card.
    """
    write_toml(path, card)


def _wrap(text: str, lead: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead))


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows aligned under their header; the last column is as long as it wants to be."""
    if not rows:
        return "  none"
    cells = [[" ".join(cell.split()) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(f"  {line.rstrip()}" for line in lines)
