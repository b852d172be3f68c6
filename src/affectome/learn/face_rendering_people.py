"""People who are drawn: their shape, skin, brows, hair and wrinkles, by chance; and the texture of their faces.

Textures are painted on the face as it is seen from the front at rest, and move with it. Needs the ``face`` extra
(Pillow).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from affectome.learn.face_rendering import FaceShape

Array = NDArray[np.float32]

SCALE = 10
"""Pixels of a texture in a cm."""
LEFT, TOP = -10.0, 13.0
"""Where a texture begins, in cm: the person's right, and up."""
_SIZE = (20 * SCALE, 24 * SCALE)  # width and height
_SKINS = ((250, 222, 204), (236, 196, 170), (214, 164, 130), (176, 122, 88), (128, 84, 58), (84, 54, 38), (52, 34, 26))
_HAIR = (
    (22, 18, 16),
    (44, 30, 22),
    (86, 58, 36),
    (128, 90, 50),
    (190, 150, 96),
    (150, 74, 40),
    (150, 150, 150),
    (215, 212, 205),
)
_IRISES = ((62, 40, 26), (92, 62, 36), (90, 96, 60), (110, 132, 150), (120, 130, 130), (44, 30, 22))


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who does not exist.

    Attributes:
        identity: ``(50,)`` standard deviations of the shape from the mean face.
        skin: Colour ``(3,)`` in [0, 1].
        hair: Colour ``(3,)``.
        iris: Colour ``(3,)``.
        lips: Factor ``(3,)`` on the colour of the skin.
        brows: Thickness in cm, how much of the skin they hide, height above the usual in cm, slope.
        beard: How much of the skin a beard hides, and a moustache, both 0 with most people.
        hairline: Height of the hair above the brow, volume of the hair, its length below the ears, and how far a fringe
            comes down, all in cm; no hair at all if the volume is 0.
        age: From 0 to 1: how deep wrinkles are that are always there.
        creasing: From 0 to 1: how deep wrinkles are that a movement makes.
        paint: From 0 to 1: dark around the eyes.
        glasses: 0 without, otherwise how dark their frames are.
        seed: Of what is strewn over the skin.
    """

    identity: Array
    skin: Array
    hair: Array
    iris: Array
    lips: Array
    brows: tuple[float, float, float, float]
    beard: tuple[float, float]
    hairline: tuple[float, float, float, float]
    age: float
    creasing: float
    paint: float
    glasses: float
    seed: int


def draw_person(rng: np.random.Generator) -> Person:
    """Somebody by chance."""
    tone = rng.beta(1.1, 1.5) * (len(_SKINS) - 1)
    skins = np.array(_SKINS, np.float32) / 255
    low = int(tone)
    skin = skins[low] + (tone - low) * (skins[min(low + 1, len(_SKINS) - 1)] - skins[low])
    skin = np.clip(skin * rng.normal(1, 0.05, 3), 0.05, 1)
    shades = np.array(_HAIR, np.float32) / 255
    hair = np.clip(shades[rng.integers(2 if tone > 4 else len(shades))] * rng.uniform(0.7, 1.2), 0, 1)
    bearded = rng.random() < 0.22
    long_hair = rng.random() < 0.4 and not bearded
    return Person(
        identity=np.clip(rng.normal(0, rng.uniform(0.6, 1.3), 50), -3, 3).astype(np.float32),
        skin=skin.astype(np.float32),
        hair=hair.astype(np.float32),
        iris=(np.array(_IRISES[rng.integers(len(_IRISES))]) / 255).astype(np.float32),
        lips=np.clip(np.array([0.92, 0.68, 0.7]) * rng.normal(1, 0.08, 3) * rng.uniform(0.75, 1.08), 0.3, 1.05).astype(
            np.float32
        ),
        brows=(rng.uniform(0.35, 1.1), rng.uniform(0.4, 1), rng.normal(0, 0.15), rng.normal(0, 0.06)),
        beard=(rng.uniform(0.15, 0.9) * bearded, rng.uniform(0.1, 0.9) * (bearded or rng.random() < 0.08)),
        hairline=(
            rng.uniform(2.2, 4.2),
            rng.uniform(0.2, 1.8) * (rng.random() < 0.88),
            rng.uniform(2, 9) * long_hair,
            rng.uniform(0.5, 3.4) * (rng.random() < 0.3),
        ),
        age=float(rng.beta(1, 1.8)),
        creasing=float(rng.uniform(0.1, 1)),
        paint=rng.uniform(0.2, 1) * (rng.random() < 0.35),
        glasses=rng.uniform(0.3, 1) * (rng.random() < 0.13),
        seed=int(rng.integers(2**31)),
    )


def noise(rng: np.random.Generator, width: int, height: int, cells: Sequence[int]) -> Array:
    """Clouds (height, width) of mean 0 and about 1 in size: a sum of smooth random grids of some numbers of cells."""
    total = np.zeros((height, width), np.float32)
    for count in cells:
        grid = Image.fromarray(rng.normal(size=(count, count)).astype(np.float32))
        total += np.asarray(grid.resize((width, height), Image.Resampling.BILINEAR))
    return np.asarray(total / np.sqrt(len(cells)), np.float32)


class Canvas:
    """What can be painted on a face: masks (height, width) in [0, 1], in cm of the mean face seen from the front."""

    def __init__(self) -> None:
        self._picture = Image.new("L", _SIZE)
        self._draw = ImageDraw.Draw(self._picture)

    def line(self, points: Sequence[tuple[float, float]], width: float, strength: float) -> None:
        """A line through points (x, y), of a width in cm."""
        if strength > 0.02:
            thick = max(1, round(width * SCALE))
            self._draw.line([_pixel(p) for p in points], fill=min(255, round(255 * strength)), width=thick)

    def both(self, points: Sequence[tuple[float, float]], width: float, strengths: tuple[float, float]) -> None:
        """A line on the person's left, and its mirror image, each of its own strength."""
        self.line(points, width, strengths[0])
        self.line([(-x, y) for x, y in points], width, strengths[1])

    def area(self, points: Sequence[tuple[float, float]], strength: float) -> None:
        """A polygon."""
        self._draw.polygon([_pixel(p) for p in points], fill=min(255, round(255 * strength)))

    def mask(self, blur: float) -> Array:
        """The mask, blurred by some cm."""
        soft = self._picture.filter(ImageFilter.BoxBlur(blur * SCALE))
        return np.asarray(np.asarray(soft, np.float32) / 255, np.float32)


class Skin:
    """The skin of a person's face, which is painted once and creased by movements.

    Args:
        shape: The face.
        person: Who it is.
    """

    def __init__(self, shape: FaceShape, person: Person) -> None:
        self.person = person
        rng = np.random.default_rng(person.seed)
        clouds = noise(rng, *_SIZE, (6, 14, 40, 100))
        colour = person.skin * (1 + 0.04 * clouds[:, :, None] * np.array([0.7, 1, 1.1], np.float32))
        flush = Canvas()
        flush.area([(2, 1.5), (5.5, 1.5), (5, -1.5), (2.5, -1)], rng.uniform(0, 0.7))
        flush.area([(-2, 1.5), (-5.5, 1.5), (-5, -1.5), (-2.5, -1)], rng.uniform(0, 0.7))
        colour = _tint(colour, flush.mask(1.2), np.array([1.04, 0.86, 0.86], np.float32))
        lips = Canvas()
        outline = shape.neutral[shape.landmarks["outer_lips"]][:, :2]
        lips.area([(float(x), float(y)) for x, y in outline], 1)
        colour = _tint(colour, lips.mask(0.08), person.lips)
        colour = _hide(colour, _beard(person, rng) * (1 - lips.mask(0.05)), person.hair)
        colour = _hide(colour, _around_eyes(shape, person), np.array([0.06, 0.04, 0.04], np.float32))
        brows = np.minimum(person.hair * 0.6, 0.3)
        self._still = np.clip(_hide(colour, _brows(shape, person, rng), brows), 0, 1).astype(np.float32)

    def texture(self, strengths: Mapping[int, tuple[float, float]]) -> Array:
        """Colours (height, width, 3) in [0, 1] of the skin in a movement.

        Args:
            strengths: Strength on the left and right side of each action unit; those not named do not move.
        """
        creases = _creases(self.person, strengths, np.random.default_rng(self.person.seed))
        return np.asarray(self._still * (1 - 0.6 * creases[:, :, None]), np.float32)


def _pixel(point: tuple[float, float]) -> tuple[float, float]:
    return (point[0] - LEFT) * SCALE, (TOP - point[1]) * SCALE


def _tint(colour: Array, mask: Array, factor: Array) -> Array:
    return colour * (1 + mask[:, :, None] * (factor - 1))


def _hide(colour: Array, mask: Array, by: Array) -> Array:
    return colour + mask[:, :, None] * (by - colour)


def _brows(shape: FaceShape, person: Person, rng: np.random.Generator) -> Array:
    """Two rows of hairs along the brows."""
    thickness, density, lift, slope = person.brows
    canvas = Canvas()
    for side in ("left_brow", "right_brow"):
        line = shape.neutral[shape.landmarks[side]][:, :2]
        line = line[np.argsort(np.abs(line[:, 0]))]
        place = rng.uniform(0, 1, 90) ** 0.9
        x = np.interp(place, np.linspace(0, 1, len(line)), line[:, 0])
        y = np.interp(place, np.linspace(0, 1, len(line)), line[:, 1])
        half = thickness / 2 * np.interp(place, [0, 0.2, 0.6, 1], [0.8, 1, 0.9, 0.35])
        y += lift + slope * (np.abs(x) - 3.5) + rng.uniform(-1, 1, len(place)) * half
        away = np.sign(x) * rng.uniform(0.1, 0.4, len(place))
        up = rng.uniform(0, 0.28, len(place)) * (1 - place)
        for k in range(len(place)):
            canvas.line([(x[k], y[k]), (x[k] + away[k], y[k] + up[k])], 0.15, rng.uniform(0.6, 1))
    return np.asarray(np.minimum(canvas.mask(0.07) * 1.3, 1) * density, np.float32)


def _beard(person: Person, rng: np.random.Generator) -> Array:
    """How much of the skin is hidden by a beard and a moustache."""
    if max(person.beard) == 0:
        return np.zeros(_SIZE[::-1], np.float32)
    canvas, low = Canvas(), rng.uniform(-3.8, -2.2)
    jaw = [(7.5, 1.5), (6.2, 0.5), (4.4, low), (2.9, -3.2), (2.4, -4.9), (0, -5.1)]
    canvas.area([*jaw, *[(-x, y) for x, y in reversed(jaw)], (-8, -11), (8, -11)], person.beard[0])
    above = [(0, -1.5), (1.6, -1.7), (3, -3.3), (2.3, -4.2), (1, -2.6), (0, -2.5)]
    canvas.area([*above, *[(-x, y) for x, y in reversed(above)]], person.beard[1])
    strands = 0.75 + 0.25 * noise(rng, *_SIZE, (150,))
    return np.clip(canvas.mask(0.35) * strands, 0, 1)


def _around_eyes(shape: FaceShape, person: Person) -> Array:
    """Lashes and what is painted on lids."""
    canvas = Canvas()
    for side in ("left_eye", "right_eye"):
        rim = [(float(x), float(y)) for x, y in shape.neutral[shape.landmarks[side]][:, :2]]
        canvas.line(rim[:4], 0.16, 0.55 + 0.45 * person.paint)
        canvas.line([*rim[3:], rim[0]], 0.07, 0.2 + 0.6 * person.paint)
    return canvas.mask(0.08)


def _creases(person: Person, strengths: Mapping[int, tuple[float, float]], rng: np.random.Generator) -> Array:
    """How dark wrinkles are, those that are always there and those of a movement."""
    canvas, fine = Canvas(), Canvas()

    def deep(always: float, **units: float) -> tuple[float, float]:
        made = [always * person.age * rng.uniform(0, 1)] * 2
        for side in range(2):
            for unit, weight in units.items():
                made[side] += weight * person.creasing * strengths.get(int(unit[1:]), (0, 0))[side]
        return made[0], made[1]

    for y in (7.1, 7.8, 8.5):
        bend = rng.normal(0, 0.1)
        canvas.both([(0, y + bend), (1, y + 0.1), (2.2, y + 0.2)], 0.1, deep(0.25, u1=0.6, u2=0.2))
        canvas.both([(2, y + 0.2), (3.4, y + 0.2), (4.8, y - 0.2)], 0.1, deep(0.2, u2=0.6))
    at = rng.uniform(0.5, 0.9)
    canvas.both([(at, 5.1), (at + 0.05, 6.0), (at + 0.1, 6.8)], 0.14, deep(0.25, u4=0.9))
    canvas.both([(0, 4.4), (0.7, 4.35)], 0.12, deep(0.15, u4=0.35, u9=0.7))
    for y in (3.7, 3.1):
        canvas.both([(0.35, y), (1.3, y - 0.6)], 0.12, deep(0.05, u9=0.8))
    for turn in (-0.35, 0.1, 0.55):
        canvas.both([(5.1, 3.3 - turn), (6.0, 3.4 - 2.2 * turn)], 0.09, deep(0.3, u6=0.8))
    canvas.both([(1.7, 2.7), (2.6, 2.1), (3.6, 2.0), (4.5, 2.4)], 0.13, deep(0.4, u6=0.5, u7=0.2))
    canvas.both([(2.0, 2.95), (3.2, 2.55), (4.3, 2.9)], 0.09, deep(0.2, u7=0.6, u6=0.3))
    fold = [(1.8, 0.1), (2.3, -0.8), (2.9, -1.9), (3.3, -3.2)]
    canvas.both(fold, 0.16, deep(0.5, u12=0.7, u10=0.55, u9=0.5, u6=0.2))
    canvas.both([(3.05, -3.2), (3.15, -3.8)], 0.2, deep(0.05, u14=0.9, u12=0.2))
    canvas.both([(2.7, -3.7), (3.0, -4.4), (3.0, -5.1)], 0.13, deep(0.35, u15=0.8, u20=0.2))
    canvas.both([(3.7, -2.6), (4.0, -3.6), (3.8, -4.6)], 0.12, deep(0.1, u20=0.6, u12=0.25))
    canvas.both([(0, -5.3), (0.8, -5.25), (1.5, -5.0)], 0.16, deep(0.25, u17=0.7))
    for _ in range(8):
        x, y = rng.uniform(0, 1.2), rng.uniform(-6.8, -5.6)
        fine.both([(x, y), (x + 0.12, y)], 0.14, deep(0, u17=0.7))
    for x in (0.3, 0.8, 1.3):
        fine.both([(x, -2.3), (x * 0.9, -1.9)], 0.07, deep(0.15, u18=0.5, u24=0.3))
        fine.both([(x, -4.5), (x * 0.95, -4.9)], 0.07, deep(0.1, u18=0.4, u24=0.3))
    return np.minimum(canvas.mask(0.11) * 1.6 + fine.mask(0.07) * 1.3, 1)
