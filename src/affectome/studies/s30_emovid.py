"""EmoVid: the look of pictures and clips, measured where the truth is known, without the making of videos.

Pictures are composed of fields of few colours, so that every attribute follows from the colours and their shares alone.
It is worked out here pixel by pixel in double precision with the colour conversions of the standard library, which the
package does not use. Films are composed of such pictures that move, so that their cuts are known.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import bootstrap_mean
from affectome.perceive.look import measure_look
from affectome.perceive.shots import find_cuts
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ATTRIBUTES = ("brightness", "lightness", "contrast", "colourfulness", "saturation", "hue_concentration", "warmth")
_PICTURES, _QUICK_PICTURES = 300, 20
_FIELDS = (4, 5)  # rows and columns of a picture
_SIDE = 12  # pixels of a field
_GREYS = 40
_NEAR_ZERO = ("hue_concentration", "warmth")  # their errors are shares of 1, not of themselves
_DIRECTED = 0.05  # concentration below which a hue has no direction to speak of
_FILMS, _QUICK_FILMS, _CLIPS = 20, 2, 10
_NEAR = 2  # frames by which a cut may be missed
_LENGTHS = (12, 40)  # frames of a clip


class _Palette(NamedTuple):
    """Colours of fields and how many fields each has."""

    colours: Ints  # (k, 3), 0 to 255
    counts: Ints  # (k,)


def run(context: Context) -> Outcome:
    """Measure pictures, clips and films."""
    rng = np.random.default_rng(context.seed)
    pictures, of_pictures = _pictures(rng, _QUICK_PICTURES if context.quick else _PICTURES, context.seed)
    context.note("pictures")
    changes, of_changes = _changes(rng)
    cuts, of_cuts = _films(rng, _QUICK_FILMS if context.quick else _FILMS, context.seed)
    context.note("films")
    notes = [
        "Everything is composed, so that the truth is known; no clip of a film or sticker was at hand, and what looks"
        " go with which feelings is not measured.",
        "Errors of pictures are shares of the true value; those of warmth and concentration, which may be near 0, are"
        " shares of 1 (as shares of themselves they would be larger), and those of hue shares of half a turn. Hues"
        " whose weights nearly balance have no direction to speak of and are left out.",
        f"A cut counts as found within {_NEAR} frames. Clips move, pan, flicker and flash; fades are not composed, and"
        " would not be found.",
    ]
    return Outcome([pictures, changes, cuts], of_pictures + of_changes + of_cuts, notes)


STUDY = Study(
    number=30,
    id="emovid",
    title="EmoVid",
    paper="arXiv 2511.11002",
    data=(),
    extras=(),
    run=run,
    missing=(
        "clips labelled with their emotion, and how brightness and colour go with valence and arousal in them",
        "a reader of eight emotions of clips, and labelling shared between people and a classifier",
        "chains of emotions from shot to shot",
        "fades and other slow transitions between shots",
        "making and restyling of videos under a wanted emotion, judged by an independent reader",
    ),
)


def _pictures(rng: np.random.Generator, count: int, seed: int) -> tuple[Table, list[Claim]]:
    """How far attributes are from what the colours of pictures say."""
    palettes = [_palette(rng) for _ in range(count)]
    truths = [_truth(palette) for palette in palettes]
    found = [measure_look(_painted(palette, rng)) for palette in palettes]
    columns = (*_ATTRIBUTES, "hue")
    guess = {name: float(np.mean([truth[name] for truth in truths])) for name in _ATTRIBUTES} | {"hue": 180.0}
    readings: tuple[tuple[str, Role, list[dict[str, float]], Sequence[str]], ...] = (
        ("the same for every picture", "baseline", [guess] * count, columns),
        ("plain mean of degrees", "control", [{"hue": _plain_hue(palette)} for palette in palettes], ("hue",)),
        ("look", "result", found, columns),
    )
    rows = [
        Row(name, role, {each: bootstrap_mean(_errors(each, truths, given), seed=seed) for each in measured})
        for name, role, given, measured in readings
    ]
    claims = [
        Claim(
            f"{column} of {count} composed pictures: largest error",
            float(_errors(column, truths, found).max()),
            0.01,
            "<=",
        )
        for column in columns
    ]
    greys = [measure_look(_painted(_palette(rng, grey=True), rng)) for _ in range(_GREYS)]
    claims += [
        Claim(f"{_GREYS} grey pictures: greatest colourfulness", max(g["colourfulness"] for g in greys), 1e-9, "<="),
        Claim(f"{_GREYS} grey pictures that are given a hue", sum(not math.isnan(g["hue"]) for g in greys), 0, "<="),
    ]
    return Table(f"Mean error on {count} composed pictures", columns, rows), claims


def _changes(rng: np.random.Generator) -> tuple[Table, list[Claim]]:
    """Clips whose brightness or hue is changed from frame to frame by a known amount."""
    palette = _Palette(np.array([(200, 60, 40), (120, 90, 60), (40, 80, 30)]), np.array([8, 7, 5]))
    still = _painted(palette, rng)
    steps, turns = np.linspace(0.4, 1.0, 25), np.arange(0.0, 360.0, 15.0)
    wanted = measure_look(still)["brightness"] * steps
    dimmed = np.array([measure_look(np.rint(still * step).astype(np.uint8))["brightness"] for step in steps])
    turned = np.array([measure_look(_turned(still, turn))["hue"] for turn in turns])
    off = float(np.abs(dimmed / wanted - 1).max())
    spread = abs(float(dimmed.std() / wanted.std()) - 1)
    turned_off = float(np.abs((turned - turned[0] - turns + 180) % 360 - 180).max())
    columns = ("brightness", "hue")
    rows = [
        Row("no change", "baseline", {"brightness": float(np.abs(wanted[-1] / wanted - 1).max()), "hue": 180.0}),
        Row("look", "result", {"brightness": off, "hue": turned_off}),
    ]
    claims = [
        Claim("a clip that brightens: largest error of a frame's brightness", off, 0.01, "<="),
        Claim("a clip that brightens: error of the standard deviation over time", spread, 0.01, "<="),
        Claim("a clip whose hue turns once around: largest error, in degrees", turned_off, 1.8, "<="),
    ]
    return Table("Clips that change: largest error, as a share of the truth and in degrees", columns, rows), claims


def _films(rng: np.random.Generator, count: int, seed: int) -> tuple[Table, list[Claim]]:
    """Cuts found in films of several clips, and in clips alone."""
    found: dict[str, list[tuple[float, float]]] = {"evenly spaced": [], "find_cuts": []}
    alone = 0
    for _ in range(count):
        clips = [_clip(rng) for _ in range(_CLIPS)]
        film, cuts = np.concatenate(clips), np.cumsum([len(clip) for clip in clips])[:-1]
        even = np.linspace(0, len(film), _CLIPS + 1)[1:-1].round().astype(np.int64)
        found["evenly spaced"].append(_near(cuts, even))
        found["find_cuts"].append(_near(cuts, find_cuts(film)))
        alone += sum(len(find_cuts(clip)) for clip in clips)
    columns = ("cuts found", "true of those found")
    rows = [
        Row(
            name,
            "result" if name == "find_cuts" else "baseline",
            {column: bootstrap_mean([each[k] for each in scores], seed=seed) for k, column in enumerate(columns)},
        )
        for name, scores in found.items()
    ]
    recall, precision = (min(each[k] for each in found["find_cuts"]) for k in range(2))
    claims = [
        Claim(f"cuts found within {_NEAR} frames, in the worst of {count} films of {_CLIPS} clips", recall, 1.0, ">="),
        Claim(f"true ones of those found, in the worst of {count} films", precision, 1.0, ">="),
        Claim(f"cuts found in {count * _CLIPS} clips without any", alone, 0, "<="),
    ]
    return Table(f"{count} films of {_CLIPS} clips each", columns, rows), claims


def _near(cuts: Ints, guesses: Ints) -> tuple[float, float]:
    """Share of the cuts with a guess nearby, and of the guesses with a cut nearby; 0 without any."""
    near = np.abs(cuts[:, None] - guesses[None]) <= _NEAR
    return float(near.any(axis=1).mean()), float(near.any(axis=0).mean()) if len(guesses) else 0.0


def _palette(rng: np.random.Generator, *, grey: bool = False) -> _Palette:
    """A few colours at random and how many fields each has, every colour at least one."""
    kinds = int(rng.integers(2, 7))
    colours = rng.integers(0, 256, (kinds, 1)).repeat(3, axis=1) if grey else rng.integers(0, 256, (kinds, 3))
    fields = math.prod(_FIELDS)
    return _Palette(colours, 1 + rng.multinomial(fields - kinds, np.full(kinds, 1 / kinds)))


def _painted(palette: _Palette, rng: np.random.Generator) -> Pixels:
    """A picture of the palette, its fields in any order."""
    fields = rng.permutation(palette.colours.repeat(palette.counts, axis=0)).reshape(*_FIELDS, 3)
    return fields.repeat(_SIDE, axis=0).repeat(_SIDE, axis=1).astype(np.uint8)


def _truth(palette: _Palette) -> dict[str, float]:
    """What follows from colours and shares alone."""
    share = palette.counts / palette.counts.sum()
    values = palette.colours / 255
    hue, saturation, value = np.array([colorsys.rgb_to_hsv(*colour) for colour in values]).T
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light = linear @ (0.2126, 0.7152, 0.0722)
    lightness = np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, light * 24389 / 27)
    across = palette.colours[:, 0] - palette.colours[:, 1]
    along = palette.colours[:, :2].mean(axis=1) - palette.colours[:, 2]
    means, spreads = zip(*(_moments(each, share) for each in (across, along)), strict=True)
    arrow = complex(share * saturation @ np.exp(2j * np.pi * hue))
    return {
        "brightness": float(share @ value),
        "lightness": float(share @ lightness),
        "contrast": _moments(light, share)[1],
        "colourfulness": math.hypot(*spreads) + 0.3 * math.hypot(*means),
        "saturation": float(share @ saturation),
        "hue_concentration": abs(arrow) / float(share @ saturation),
        "warmth": float(share * saturation @ np.cos(2 * np.pi * hue - math.pi / 6)),
        "hue": math.degrees(math.atan2(arrow.imag, arrow.real)) % 360,
    }


def _moments(values: Floats | Ints, share: Floats) -> tuple[float, float]:
    """Mean and standard deviation of values with shares."""
    mean = float(share @ values)
    return mean, math.sqrt(float(share @ (values - mean) ** 2))


def _plain_hue(palette: _Palette) -> float:
    """The mean that turns two reds into cyan."""
    share = palette.counts / palette.counts.sum()
    return float(share @ [360 * colorsys.rgb_to_hsv(*colour)[0] for colour in palette.colours / 255])


def _errors(column: str, truths: list[dict[str, float]], given: list[dict[str, float]]) -> Floats:
    """Error of one attribute of every picture for which it is defined well enough."""
    if column == "hue":
        pairs = [(t["hue"], g["hue"]) for t, g in zip(truths, given, strict=True) if t["hue_concentration"] > _DIRECTED]
        return np.array([abs((g - t + 180) % 360 - 180) / 180 for t, g in pairs])
    return np.array(
        [
            abs(g[column] - t[column]) / (1.0 if column in _NEAR_ZERO else t[column])
            for t, g in zip(truths, given, strict=True)
        ]
    )


def _turned(picture: Pixels, degrees: float) -> Pixels:
    """A picture with every hue turned."""
    colours, back = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    turned = [
        colorsys.hsv_to_rgb((hue + degrees / 360) % 1, saturation, value)
        for hue, saturation, value in (colorsys.rgb_to_hsv(*colour) for colour in colours / 255)
    ]
    return np.asarray(np.rint(np.array(turned)[back.ravel()] * 255).reshape(picture.shape), np.uint8)


def _clip(rng: np.random.Generator) -> Pixels:
    """A picture that pans behind a moving disc, flickers, and in half of the clips flashes once."""
    length = int(rng.integers(*_LENGTHS))
    ground = _painted(_palette(rng), rng).astype(np.float64)
    high, wide = ground.shape[:2]
    y, x = np.mgrid[:high, :wide]
    pan, speed = rng.integers(-2, 3), rng.uniform(-2, 2, 2)
    start, colour = rng.uniform(0.2, 0.8, 2) * (high, wide), rng.integers(0, 256, 3)
    frames = np.empty((length, high, wide, 3))
    for k in range(length):
        at = start + k * speed
        inside = np.hypot(y - at[0], x - at[1]) < high / 5
        frames[k] = np.where(inside[..., None], colour, np.roll(ground, k * pan, axis=1))
    frames *= rng.uniform(0.97, 1.0, (length, 1, 1, 1))
    if rng.random() < 0.5:  # not at the ends, where a flash would be a cut's neighbour
        frames[int(rng.integers(4, length - 4))] = 255
    return np.rint(frames).astype(np.uint8)
