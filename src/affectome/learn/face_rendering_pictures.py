"""Pictures of people who do not exist.

Light, camera, hair, glasses, what is in the way and behind, and what a camera and a file do to a picture.

Needs the ``face`` extra (Pillow).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from affectome.learn.face_rendering import (
    HEAD,
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    SKIN,
    TEETH,
    Camera,
    FaceShape,
    rasterise,
    rotation,
)
from affectome.learn.face_rendering_people import LEFT, SCALE, TOP, Person, Skin, noise

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_LID_FOLLOWS = 30.0  # degrees of gaze at which the lids have followed all the way


@dataclass(frozen=True, eq=False)
class Pose:
    """What a face does.

    Attributes:
        movements: ``(57,)`` strengths of the movements of the mesh, without those of the gaze.
        strengths: Strength on the left and right side of each action unit that moves, for wrinkles.
        angles: Yaw, pitch and roll of the head in degrees, as in `rotation`.
        gaze: Degrees to the person's left and up, from straight ahead.
    """

    movements: Array
    strengths: Mapping[int, tuple[float, float]]
    angles: tuple[float, float, float]
    gaze: tuple[float, float]


class Shot(NamedTuple):
    """A picture and what is true of it.

    Attributes:
        picture: ``(size, size, 3)`` crop around the face, eyes about level.
        lips_apart: Distance of the inner lips in cm over the width of the mouth at rest in cm.
    """

    picture: Bytes
    lips_apart: float


@dataclass(frozen=True, eq=False)
class Sitter:
    """A person in front of the camera: who it is, their vertices ``(v, 3)`` at rest, and their skin."""

    person: Person
    at_rest: Array
    skin: Skin


class Studio:
    """Takes pictures.

    Args:
        shape: The face.
        size: Sides of the pictures in pixels.
    """

    def __init__(self, shape: FaceShape, size: int) -> None:
        self.shape, self.size = shape, size
        self._part = shape.part_of_vertices()
        self._eyes = {eye: np.flatnonzero(self._part == eye) for eye in (LEFT_EYE, RIGHT_EYE)}
        x, y, z = shape.neutral.T
        ear = (np.abs(x) > 7.0) & (z < 2.7) & (z > -2.5) & (y < 4.6) & (y > -2.5)
        self._scalp = np.where(np.isin(self._part, (SKIN, HEAD)) & ~ear & (y > -6), y + 0.9 * (9 - z), -np.inf)

    def seat(self, person: Person) -> Sitter:
        """Get ready for pictures of a person."""
        return Sitter(person, self.shape.at_rest(person.identity), Skin(self.shape, person))

    def take(self, sitter: Sitter, pose: Pose, rng: np.random.Generator) -> Shot:
        """A picture of a person, in light and from a place that chance decides."""
        person, rest = sitter.person, sitter.at_rest
        movements = pose.movements.copy()
        for name, strength in _lids(pose.gaze).items():
            place = self.shape.names.index(name)
            movements[place] = max(movements[place], strength)
        vertices = self.shape.moved(rest, movements)
        self._look(vertices, rest, pose.gaze)
        lips_apart = self._lips_apart(vertices, rest)
        normals, hollow = self.shape.normals(vertices)
        scalp = (self._scalp - (person.hairline[0] + 5.0)).astype(np.float32)
        if person.hairline[1]:
            grown = normals * (person.hairline[1] * np.clip(scalp / 3, 0, 1))[:, None]
            vertices = (vertices + grown).astype(np.float32)
        camera = Camera(rotation(*pose.angles), float(np.exp(rng.uniform(np.log(45), np.log(200)))))
        positions = self._framed(camera.project(vertices), rng)
        picture = _background(rng, self.size)
        marks = {name: positions[vertices] for name, vertices in self.shape.landmarks.items()}
        picture = self._behind(picture, person, marks, rng)
        light = _light(normals @ camera.turn.T, hollow, rng)
        texture = sitter.skin.texture(pose.strengths)
        picture = self._draw(picture, person, positions, light, texture, scalp, rng)
        picture = _in_front(picture, person, marks, rng)
        return Shot(develop(picture, rng), lips_apart)

    def _look(self, vertices: Array, rest: Array, gaze: tuple[float, float]) -> None:
        """Turn the eyeballs."""
        turn = rotation(gaze[0], -gaze[1], 0)
        for own in self._eyes.values():
            middle = (rest[own].min(axis=0) + rest[own].max(axis=0)) / 2
            vertices[own] = (vertices[own] - middle) @ turn.T + middle

    def _lips_apart(self, vertices: Array, rest: Array) -> float:
        marks = self.shape.landmarks
        lips = vertices[marks["inner_lips"]]
        width = np.linalg.norm(np.subtract(*rest[marks["outer_lips"]][[0, 6]]))
        return float(np.linalg.norm(lips[[1, 2, 3]] - lips[[7, 6, 5]], axis=1).max() / width)

    def _framed(self, projected: Array, rng: np.random.Generator) -> Array:
        """Positions in a square around the face, eyes level, all of it not quite exact."""
        marks = self.shape.landmarks
        eyes = [projected[marks[side]][:, :2].mean(axis=0) for side in ("right_eye", "left_eye")]
        angle = np.arctan2(*(eyes[1] - eyes[0])[::-1]) + np.deg2rad(rng.uniform(-8, 8))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
        flat = projected[:, :2] @ turn.T
        face = np.concatenate([flat[marks[name]] for name in ("jaw", "left_brow", "right_brow", "nose")])
        low, high = face.min(axis=0), face.max(axis=0)
        low[1] -= 0.2 * (high[1] - low[1])
        side = 1.35 * (high - low).max() * rng.uniform(0.84, 1.16)
        middle = (low + high) / 2 + side * rng.uniform(-0.05, 0.05, 2)
        scale = self.size / side
        found = projected * scale
        found[:, :2] = (flat - middle) * scale + (self.size - 1) / 2
        return np.asarray(found, np.float32)

    def _behind(self, picture: Array, person: Person, marks: Mapping[str, Array], rng: np.random.Generator) -> Array:
        """Shoulders, and hair that hangs down."""
        sheet = _sheet(picture)
        draw = ImageDraw.Draw(sheet)
        jaw = marks["jaw"][:, :2]
        (left, right), chin = (jaw[0, 0], jaw[-1, 0]), jaw[8]
        width = right - left
        cloth = tuple(int(c) for c in rng.integers(10, 245, 3))
        neck = chin[1] + width * rng.uniform(0.25, 0.5)
        draw.polygon(
            [
                (left - width, self.size * 2),
                (left - width * 0.5, neck + width * 0.2),
                (left + width * 0.2, neck),
                (right - width * 0.2, neck),
                (right + width * 0.5, neck + width * 0.2),
                (right + width, self.size * 2),
            ],
            fill=cloth,
        )
        if person.hairline[2] and person.hairline[1]:
            top = min(marks["left_brow"][:, 1].min(), marks["right_brow"][:, 1].min()) - width * 0.45
            out, low = width * rng.uniform(0.05, 0.22), jaw[:, 1].mean() + person.hairline[2] * width / 14
            colour = tuple(int(255 * c * 0.7) for c in person.hair)
            draw.rounded_rectangle((left - out, top, right + out, low), radius=float(width) * 0.4, fill=colour)
        return _floats(sheet)

    def _draw(
        self,
        picture: Array,
        person: Person,
        positions: Array,
        light: Array,
        texture: Array,
        scalp: Array,
        rng: np.random.Generator,
    ) -> Array:
        found = rasterise(positions, self.shape.triangles, self.size)
        corners = self.shape.triangles[found.triangles]
        of_vertices = np.concatenate([light, self.shape.neutral, scalp[:, None].clip(-50, 50)], axis=1).astype(
            np.float32
        )
        first, second, third = (of_vertices[corners[:, k]] * found.shares[:, k, None] for k in range(3))
        values = first + second + third
        lit, place, above = values[:, :4], values[:, 4:7], values[:, 7]
        part = self.shape.parts[found.triangles]
        column = np.clip((place[:, 0] - LEFT) * SCALE, 0, texture.shape[1] - 1).astype(np.int64)
        row = np.clip((TOP - place[:, 1]) * SCALE, 0, texture.shape[0] - 1).astype(np.int64)
        colour = texture[row, column]
        colour[part == HEAD] = person.skin
        colour[part == MOUTH] = (0.32, 0.1, 0.1)
        colour[part == TEETH] = np.array([0.72, 0.68, 0.6], np.float32) * rng.uniform(0.7, 1.05)
        shine = lit[:, 3] * (0.15 + 0.2 * (part != SKIN))
        for eye, own in self._eyes.items():
            here = part == eye
            if here.any():
                colour[here] = _eyeball(place[here], self.shape.neutral[own], person)
                shine[here] = lit[here, 3] * 0.7
                lit[here, :3] *= 0.8
        if person.hairline[1]:
            strands = noise(rng, texture.shape[1], texture.shape[0], (90, 30))[row, column]
            reach = 0.35 * strands + person.hairline[3] * (place[:, 2] > 4)
            hair = np.clip((above + reach) * 2.5, 0, 1) * np.isin(part, (SKIN, HEAD))
            colour = colour + hair[:, None] * (person.hair * (1 + 0.22 * strands[:, None]) - colour)
        shaded = colour * lit[:, :3] + shine[:, None]
        flat = picture.reshape(-1, 3).copy()
        flat[found.pixels] = shaded
        return flat.reshape(picture.shape)


def _sheet(picture: Array) -> Image.Image:
    return Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _floats(sheet: Image.Image) -> Array:
    return np.asarray(np.asarray(sheet, np.float32) / 255, np.float32)


def _lids(gaze: tuple[float, float]) -> dict[str, float]:
    """Movements of the lids that go with a gaze."""
    left, up = gaze[0] / _LID_FOLLOWS, gaze[1] / _LID_FOLLOWS
    strengths = {
        "eyeLookOut_L": left,
        "eyeLookIn_R": left,
        "eyeLookIn_L": -left,
        "eyeLookOut_R": -left,
        "eyeLookUp_L": up,
        "eyeLookUp_R": up,
        "eyeLookDown_L": -up,
        "eyeLookDown_R": -up,
    }
    return {name: min(1.0, strength) for name, strength in strengths.items() if strength > 0}


def _eyeball(place: Array, eyeball: Array, person: Person) -> Array:
    """Colours of places on an eyeball that looks straight ahead."""
    middle = (eyeball.min(axis=0) + eyeball.max(axis=0)) / 2
    away = np.hypot(place[:, 0] - middle[0], place[:, 1] - middle[1])
    white = np.array([0.66, 0.64, 0.62], np.float32) * (1.02 - 0.12 * away[:, None])
    iris = np.clip((0.62 - away) * 14, 0, 1)[:, None]
    pupil = np.clip((0.24 - away) * 14, 0, 1)[:, None]
    rim = np.clip(1 - np.abs(away - 0.58) * 9, 0, 1)[:, None] * 0.6
    colour = white + iris * (person.iris - white)
    return np.asarray((colour * (1 - rim)) * (1 - pupil) + 0.02 * pupil, np.float32)


def _light(normals: Array, hollow: Array, rng: np.random.Generator) -> Array:
    """Light (v, 4) on every vertex: red, green, blue, and what is mirrored.

    Light from all around of the first degree of spherical harmonics, one lamp, a weaker one, and less where the surface
    is hollow. Args: normals (v, 3) to the right, up, and towards the camera; how hollow (v,) in cm.
    """
    sky = rng.uniform(0.3, 0.8)
    around = sky * (1 + normals @ (rng.normal(0, 1, 3) * [0.25, 0.25, 0.15] + [0, 0.2, 0.1]))
    total = np.repeat(around[:, None], 3, axis=1) * rng.normal(1, 0.06, 3)
    mirrored = np.zeros(len(normals))
    for strength in (rng.uniform(0.2, 0.9), rng.uniform(0, 0.35)):
        towards = np.array([rng.normal(0, 0.8), rng.normal(0.45, 0.5), rng.uniform(0.25, 1.2)])
        towards /= np.linalg.norm(towards)
        wrap = rng.uniform(0, 0.25)
        lit = np.clip((normals @ towards + wrap) / (1 + wrap), 0, None)
        total += strength * lit[:, None] * np.clip(rng.normal(1, 0.08, 3), 0.7, 1.3)
        half = towards + np.array([0, 0, 1])
        mirrored += strength * np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 24
    shade = np.clip(1 - hollow * rng.uniform(6, 16), 0.25, 1.15)
    return np.concatenate([total * shade[:, None], mirrored[:, None] * rng.uniform(0, 1)], axis=1).astype(np.float32)


def _background(rng: np.random.Generator, size: int) -> Array:
    """A plain, shaded, cloudy or cluttered background (size, size, 3)."""
    first, second = rng.uniform(0, 1, (2, 3))
    direction = rng.normal(size=2)
    across = np.linspace(-1, 1, size)
    slope = np.clip((across[:, None] * direction[0] + across * direction[1]) * 0.4 + 0.5, 0, 1)[:, :, None]
    picture = (first + slope * (second - first)).astype(np.float32)
    if rng.random() < 0.6:
        picture += rng.uniform(0.02, 0.3) * noise(rng, size, size, (3, 8, 30))[:, :, None] * rng.normal(1, 0.3, 3)
    if rng.random() < 0.4:
        sheet = _sheet(picture)
        draw = ImageDraw.Draw(sheet)
        for _ in range(int(rng.integers(1, 8))):
            x, y = rng.uniform(-0.2, 1, 2) * size
            w, h = rng.uniform(0.1, 0.7, 2) * size
            colour = tuple(int(c) for c in rng.integers(0, 255, 3))
            shape = draw.rectangle if rng.random() < 0.6 else draw.ellipse
            shape((x, y, x + w, y + h), fill=colour)
        picture = _floats(sheet.filter(ImageFilter.BoxBlur(rng.uniform(0, 4))))
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _in_front(picture: Array, person: Person, marks: Mapping[str, Array], rng: np.random.Generator) -> Array:
    """Glasses, and now and then a hand or another thing in front of a part of the face."""
    thing = rng.random() < 0.08
    if not person.glasses and not thing:
        return picture
    sheet = _sheet(picture)
    if person.glasses:
        _glasses(sheet, person, marks, rng)
    if thing:
        _thing(sheet, person, marks, rng)
    return _floats(sheet)


def _glasses(sheet: Image.Image, person: Person, marks: Mapping[str, Array], rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(sheet, "RGBA")
    dark = int(255 * (1 - person.glasses) * 0.7)
    frame = (dark, dark, dark, 255)
    tint = (20, 20, 25, int(rng.choice([0, 15, 30, 225], p=[0.5, 0.2, 0.15, 0.15])))
    line = max(1, round(sheet.width * rng.uniform(0.006, 0.02)))
    apart = np.linalg.norm(marks["left_eye"][:, :2].mean(axis=0) - marks["right_eye"][:, :2].mean(axis=0))
    round_ones, edges = rng.random() < 0.4, []
    for side, way in (("right_eye", -1), ("left_eye", 1)):
        x, y = marks[side][:, :2].mean(axis=0)
        across = np.ptp(marks[side][:, 0]) * 0.95 + 1
        down = apart * rng.uniform(0.22, 0.34)
        box = (x - across, y - down * 0.8, x + across, y + down)
        if round_ones:
            draw.ellipse(box, fill=tint, outline=frame, width=line)
        else:
            draw.rounded_rectangle(box, radius=float(down) * 0.4, fill=tint, outline=frame, width=line)
        edges.append((x - way * across, y))
        temple = marks["jaw"][0 if way < 0 else -1, :2]
        draw.line([(x + way * across, y), (float(temple[0]), float(temple[1]))], fill=frame, width=line)
    draw.line(edges, fill=frame, width=line)


def _thing(sheet: Image.Image, person: Person, marks: Mapping[str, Array], rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(sheet)
    jaw = marks["jaw"][:, :2]
    width = float(np.ptp(jaw[:, 0]))
    x, y = jaw[rng.integers(len(jaw))] + rng.normal(0, 0.15, 2) * width
    own = rng.random() < 0.6
    colour = (
        tuple(int(255 * c * rng.uniform(0.6, 1)) for c in person.skin)
        if own
        else tuple(map(int, rng.integers(0, 255, 3)))
    )
    if own:
        for _ in range(4):
            draw.line(
                [(x, y), (x + rng.normal(0, 0.3) * width, y + rng.uniform(0.2, 0.8) * width)],
                fill=colour,
                width=round(width * 0.13),
            )
    else:
        w, h = rng.uniform(0.1, 0.3, 2) * width
        draw.rectangle((x - w, y - h, x + w, y + h), fill=colour)


def develop(picture: Array, rng: np.random.Generator) -> Bytes:
    """What a camera and a file make of a picture (size, size, 3) in [0, 1]: exposure, blur, size, noise, JPEG."""
    size = len(picture)
    middle = slice(size // 4, size - size // 4)
    bright = float(np.clip(picture[middle, middle], 0, 1).mean())
    exposed = np.clip(picture * (rng.uniform(0.36, 0.62) / max(bright, 0.05)) ** rng.uniform(0.7, 1), 0, 1)
    exposed = np.clip((exposed - 0.5) * rng.uniform(0.8, 1.4) + 0.5, 0, 1) ** np.exp(rng.normal(0, 0.22))
    if rng.random() < 0.45:
        exposed = np.repeat((exposed @ [0.299, 0.587, 0.114])[:, :, None], 3, axis=2)
    sheet = Image.fromarray((exposed * 255).astype(np.uint8))
    if rng.random() < 0.55:
        small = round(size * float(np.exp(rng.uniform(np.log(0.33), 0))))
        sheet = sheet.resize((small, small), Image.Resampling.BOX if rng.random() < 0.5 else Image.Resampling.BILINEAR)
    elif rng.random() < 0.4:
        sheet = sheet.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    if rng.random() < 0.6:
        grain = rng.normal(0, rng.uniform(1, 7), (sheet.height, sheet.width))
        sheet = Image.fromarray(np.clip(np.asarray(sheet) + grain[:, :, None], 0, 255).astype(np.uint8))
    if rng.random() < 0.6:
        stored = io.BytesIO()
        sheet.save(stored, "JPEG", quality=int(rng.integers(30, 95)))
        sheet = Image.open(stored)
    if sheet.width != size:
        sheet = sheet.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(sheet, np.uint8)
