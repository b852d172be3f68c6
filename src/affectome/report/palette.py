"""One colour an emotion, the same in every chart of every report."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Labels nobody foresaw step round the hue circle by the golden angle, which keeps any number of them apart.
_GOLDEN_ANGLE = 137.508


@dataclass(frozen=True)
class Palette:
    """Colours of the labels of one report, as custom properties of its style sheet.

    Args:
        labels: Labels of the taxonomy.
    """

    labels: tuple[str, ...]

    def colour(self, label: str) -> str:
        """The colour of a label, for any place where CSS takes a colour."""
        return f"var(--emotion-{self.labels.index(label)})"

    def properties(self) -> tuple[tuple[str, float, bool], ...]:
        """Name of the custom property, hue in degrees and whether it has a hue at all, for each label."""
        return tuple(
            (f"--emotion-{k}", round(_hues().get(label.lower(), k * _GOLDEN_ANGLE % 360), 1), not is_neutral(label))
            for k, label in enumerate(self.labels)
        )


def is_neutral(label: str) -> bool:
    """Whether a label says that no emotion is there."""
    return label.lower() in _families()["neutral"]["labels"]


@cache
def _families() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((Path(__file__).parent / "data" / "emotion_hues.toml").read_text(encoding="utf-8"))


@cache
def _hues() -> dict[str, float]:
    hues: dict[str, float] = {}
    for family in _families().values():
        first, last = map(float, family["hues"])
        step = (last - first) / max(len(family["labels"]) - 1, 1)
        hues |= {label: (first + k * step) % 360 for k, label in enumerate(family["labels"])}
    return hues
