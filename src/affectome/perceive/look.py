"""How a picture looks: brightness, colour, composition, lines, light and texture.

What is measured, in which unit and after whom stands in ``data/look.toml``, which `look_features` reads.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.perceive.look_structure import area_means, measure_lines, measure_texture, normalised_entropy

Array = NDArray[np.float32]
Wide = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_NOT_DEFINED = float("nan")
_LONGEST, _FIELDS = 256, 64  # pixels of the longer side for lines and texture, and for what stands out
_STEPS = 3600  # of hue, and 1 << 14 of luminance: fine enough that means are exact to four places
_LEVELS = 1 << 14
_BLOCK = 1 << 14
_SECTORS = 12
_WARMEST = 30.0  # degrees of hue
_DARK, _BRIGHT = 20.0, 80.0  # L*
_LEAST = 1e-6  # of a sum below which a direction is only rounding
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)


class LookFeature(NamedTuple):
    """One feature: its name, unit, the range of its values, its formula and whose it is (empty if ours)."""

    name: str
    unit: str
    low: float
    high: float
    formula: str
    source: str


@cache
def look_features() -> tuple[LookFeature, ...]:
    """All features that `measure_look` gives, in its order."""
    entries = tomllib.loads(_definitions().decode())
    return tuple(LookFeature(name, **entry) for name, entry in entries.items())


def look_digest() -> str:
    """SHA-256 of the definitions, hexadecimal."""
    return hashlib.sha256(_definitions()).hexdigest()


def measure_look(picture: Pixels) -> dict[str, float]:
    """Measure the look of one picture.

    Args:
        picture: sRGB values ``(h, w, 3)`` of at least one pixel.

    Returns:
        Value of each feature, by name, in the order of `look_features`; NaN for what the picture does not define.
    """
    tally = _count(picture)
    small = area_means(tally.luma, _LONGEST)
    values = {
        **_brightness(tally),
        **_colour(tally),
        **_composition(picture),
        "symmetry": _correlation(small, small[:, ::-1]),
        **measure_lines(small),
        **_light(tally.luminance),
        **measure_texture(small, tally.luma),
    }
    return {feature.name: float(values[feature.name]) for feature in look_features()}


class _Tally(NamedTuple):
    """What is counted pixel by pixel."""

    luma: Array  # (h, w)
    luminance: Array  # (h, w)
    levels: Wide  # pixels of each luminance, (_LEVELS,)
    value: float  # sum of V
    opponents: Wide  # sums of red less green, of red and green less twice blue, and of their squares; of 255
    hues: Wide  # saturation of each hue, (_STEPS,)


def _count(picture: Pixels) -> _Tally:
    rows, columns = picture.shape[:2]
    luma, luminance = np.empty((2, rows * columns), np.float32)
    levels, hues, opponents, value = np.zeros(_LEVELS), np.zeros(_STEPS), np.zeros(4), 0.0
    linear = _to_linear()
    flat = picture.reshape(-1, 3)
    for start in range(0, len(flat), _BLOCK):  # as many pixels as stay in the processor's cache
        block = slice(start, start + _BLOCK)
        planes = np.ascontiguousarray(flat[block].T)
        r, g, b = colours = planes.astype(np.float32)
        luma[block] = np.dot(_LUMA, colours)
        luminance[block] = np.dot(_LUMINANCE, linear[planes])
        positions = (luminance[block] * np.float32(_LEVELS - 1) + np.float32(0.5)).astype(np.int32)
        levels += np.bincount(positions, minlength=_LEVELS)
        across, along = (r - g).astype(np.float64), (r + g - 2 * b).astype(np.float64)
        opponents += (across.sum(), along.sum(), across @ across, along @ along)
        greatest = colours.max(axis=0)
        chroma = greatest - colours.min(axis=0)
        value += float(greatest.sum(dtype=np.float64))
        # Sixths of a turn from the corner of the greatest of the three; where there is no chroma it has no weight.
        sixths = np.where(greatest == r, g - b, np.where(greatest == g, b - r, r - g)) / np.maximum(chroma, 1)
        sixths += np.where(greatest == r, np.float32(6), np.where(greatest == g, np.float32(2), np.float32(4)))
        steps = (sixths * np.float32(_STEPS / 6) + np.float32(0.5)).astype(np.int32)
        found = np.bincount(steps, chroma / np.maximum(greatest, 1), 2 * _STEPS)
        hues += found[:_STEPS] + found[_STEPS:]
    shape = (rows, columns)
    return _Tally((luma / np.float32(255)).reshape(shape), luminance.reshape(shape), levels, value, opponents, hues)


def _brightness(tally: _Tally) -> dict[str, float]:
    count = tally.luma.size
    lightness = _lightness()
    return {
        "brightness": tally.value / count / 255,
        "lightness": float(tally.levels @ lightness) / count,
        "contrast": float(tally.luminance.std(dtype=np.float64)),
        "dark_share": float(tally.levels[lightness < _DARK].sum()) / count,
        "bright_share": float(tally.levels[lightness > _BRIGHT].sum()) / count,
    }


def _colour(tally: _Tally) -> dict[str, float]:
    count = tally.luma.size
    halves = np.array([1.0, 0.5, 1.0, 0.25])
    across, along, across_squared, along_squared = tally.opponents * halves / count
    shift = across**2 + along**2
    weights = tally.hues
    total = float(weights.sum())
    hues = np.arange(_STEPS) * (360 / _STEPS)
    turned = np.deg2rad(hues)
    x, y = float(weights @ np.cos(turned)), float(weights @ np.sin(turned))
    length = min(math.hypot(x, y) / total, 1.0) if total else _NOT_DEFINED
    sectors = np.bincount((hues / (360 / _SECTORS) + 0.5).astype(np.int32) % _SECTORS, weights, _SECTORS).astype(float)
    return {
        "colourfulness": math.sqrt(max(across_squared + along_squared - shift, 0.0)) + 0.3 * math.sqrt(shift),
        "saturation": total / count,
        "hue": math.degrees(math.atan2(y, x)) % 360 if length > _LEAST else _NOT_DEFINED,
        "hue_concentration": length,
        "hue_entropy": normalised_entropy(sectors),
        "warmth": float(weights @ np.cos(turned - np.deg2rad(_WARMEST))) / count,
    }


def _composition(picture: Pixels) -> dict[str, float]:
    high, wide = picture.shape[:2]
    planes = np.moveaxis(picture, -1, 0).astype(np.float32, order="C") / np.float32(255)
    fields = np.stack([area_means(plane, _FIELDS) for plane in planes], axis=-1)
    lab = _lab(_to_linear_values(fields))
    distance = np.linalg.norm(lab - lab.mean(axis=(0, 1)), axis=-1)
    saliency = np.maximum(distance - distance.mean(), 0)
    total = float(saliency.sum())
    if total / saliency.size < _LEAST * 1000:  # a thousandth of the least difference that can be seen
        return dict.fromkeys(("saliency_x", "saliency_y", "thirds_distance"), _NOT_DEFINED)
    rows, columns = saliency.shape
    x = float(saliency.sum(axis=0) @ (np.arange(columns) + 0.5)) / columns / total
    y = float(saliency.sum(axis=1) @ (np.arange(rows) + 0.5)) / rows / total
    nearest = [min(abs(place - 1 / 3), abs(place - 2 / 3)) for place in (x, y)]
    apart = math.hypot(nearest[0] * wide, nearest[1] * high) / math.hypot(wide, high)
    return {"saliency_x": x, "saliency_y": y, "thirds_distance": apart}


def _light(luminance: Array) -> dict[str, float]:
    rows, columns = luminance.shape
    mean = float(luminance.mean(dtype=np.float64))
    slopes = []
    for side, axis in ((columns, 0), (rows, 1)):
        places = (np.arange(side) + 0.5) / side - 0.5
        profile = luminance.mean(axis=axis, dtype=np.float64) - mean
        slopes.append(float(places @ profile) / float(places @ places) if side > 1 else 0.0)
    steepness = math.hypot(*slopes)
    fields = area_means(luminance, 4, both=True)
    return {
        "light_direction": math.degrees(math.atan2(-slopes[1], slopes[0])) % 360
        if steepness > _LEAST
        else _NOT_DEFINED,
        "light_slope": steepness,
        "light_unevenness": float(fields.std(dtype=np.float64)) / mean if mean > _LEAST else _NOT_DEFINED,
    }


def _correlation(one: Array, other: Array) -> float:
    a, b = one - one.mean(), other - other.mean()
    power = math.sqrt(float((a * a).sum(dtype=np.float64)) * float((b * b).sum(dtype=np.float64)))
    return float((a * b).sum(dtype=np.float64)) / power if power / one.size > _LEAST**2 else _NOT_DEFINED


@cache
def _to_linear() -> Array:
    """Linear light of the 256 values of sRGB."""
    return _to_linear_values(np.arange(256, dtype=np.float32) / np.float32(255))


def _to_linear_values(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _lightness() -> Wide:
    """L* of each level of luminance."""
    lightness: Wide = 116 * _cube_root(np.linspace(0, 1, _LEVELS)) - 16
    return lightness


def _lab(linear: Array) -> Wide:
    """CIELAB, white D65, of linear light (..., 3)."""
    x, y, z = np.moveaxis(_cube_root((linear @ _XYZ.T) / _XYZ.sum(axis=1)), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _cube_root(values: NDArray[np.floating[Any]]) -> Wide:
    root: Wide = np.where(values > 216 / 24389, np.cbrt(values), values * (841 / 108) + 4 / 29)
    return root


@cache
def _definitions() -> bytes:
    return files("affectome.perceive").joinpath("data/look.toml").read_bytes()
