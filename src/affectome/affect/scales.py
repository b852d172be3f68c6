"""Rating scales and the conversion of values between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect.datafiles import read_toml, unknown_name
from affectome.errors import UsageError


@dataclass(frozen=True)
class Scale:
    """A range of values, continuous or of a few evenly spaced levels.

    Args:
        low: Lowest value.
        high: Highest value.
        levels: Number of evenly spaced values allowed, both ends included; None if every value between is.
        names: A word for each level, lowest first; empty if they have none.

    Raises:
        UsageError: ``invalid_scale`` if ``low`` is not below ``high``, there are fewer than two levels, or the names
            are not as many as the levels.
    """

    low: float
    high: float
    levels: int | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            problem = "its low end must be below its high end"
        elif self.levels is not None and self.levels < 2:
            problem = "it needs at least two levels"
        elif self.names and len(self.names) != self.levels:
            problem = f"it has {len(self.names)} names for {self.levels} levels"
        else:
            return
        raise UsageError(
            f"The scale from {self.low} to {self.high} is not valid: {problem}.",
            code="invalid_scale",
            value=f"{self.low}..{self.high}",
            next_step="Give two finite ends, and one name a level or none.",
        )

    def to(self, other: Scale, values: ArrayLike) -> NDArray[np.float64]:
        """Convert values of this scale linearly, end to end, to another.

        If the other scale has levels the result is moved to the nearest of them, upwards from the middle. Order is
        kept; going there and back gives the same values if the other scale is continuous or its levels are at least
        as many as this one's.

        Args:
            other: Scale to convert to.
            values: Values of this scale, any shape; NaN stands for missing and stays.

        Returns:
            The converted values, same shape.

        Raises:
            UsageError: ``value_out_of_range`` if a value lies outside this scale.
        """
        position = self._position(np.asarray(values, dtype=np.float64))
        if other.levels is not None:
            position = _snapped(position, other.levels)
        return other.low + position * (other.high - other.low)

    def name(self, value: float) -> str:
        """The word for the level nearest to ``value``.

        Raises:
            UsageError: ``unnamed_scale`` if the levels have no names; ``value_out_of_range``.
        """
        if self.levels is None or not self.names:
            raise UsageError(
                f"The levels of the scale from {self.low} to {self.high} have no names.",
                code="unnamed_scale",
                value=value,
                next_step="Convert the value to a scale with names first.",
            )
        position = _snapped(self._position(np.asarray([value], dtype=np.float64)), self.levels)
        return self.names[round(float(position[0]) * (self.levels - 1))]

    def _position(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values as fractions of the way from low to high."""
        span = self.high - self.low
        position = (values - self.low) / span
        outside = (position < -1e-6) | (position > 1 + 1e-6)
        if outside.any():
            worst = float(values[outside].flat[0])
            raise UsageError(
                f"{worst:g} lies outside the scale from {self.low:g} to {self.high:g}.",
                code="value_out_of_range",
                value=worst,
                next_step="Check which scale the values are on.",
            )
        return np.clip(position, 0.0, 1.0)


def _snapped(position: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Fractions moved to the nearest of ``levels`` evenly spaced ones, upwards from the middle despite rounding."""
    return np.asarray(np.floor(position * (levels - 1) + 0.5 + 1e-9) / (levels - 1))


def list_scales() -> tuple[str, ...]:
    """Ids of the known scales, written ``low..high``."""
    return tuple(read_toml("scales"))


def load_scale(scale_id: str) -> Scale:
    """A known scale by its id, e.g. ``0..10`` or ``-1..1``.

    Raises:
        UsageError: ``unknown_scale``, with the closest ids first.
    """
    scales = read_toml("scales")
    if scale_id not in scales:
        raise unknown_name("scale", scale_id, scales, "Build it: Scale(low, high).")
    entry = scales[scale_id]
    return Scale(
        low=float(entry["low"]),
        high=float(entry["high"]),
        levels=entry.get("levels"),
        names=tuple(entry.get("names", ())),
    )
