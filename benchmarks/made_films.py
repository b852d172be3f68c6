"""Films of drawn people who speak with the voices of actors, so that what happens when is known."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from affectome.affect import load_taxonomy
from affectome.learn.face_rendering import load_face_shape
from affectome.learn.face_rendering_people import draw_person
from affectome.learn.face_rendering_pictures import Pose, Sitter, Studio
from affectome.learn.voice_corpora import load_clips, load_voice_corpus

RATE, PICTURES = 16_000, 12
WINDOW = RATE // 12  # samples whose loudness opens the mouth
WIDE, HIGH, SIDE = 1280, 720, 300
LEVELS = 5
LOUDNESS = 10.0  # openings of the mouth for a loudness of 1: clear vowels open it wide
FADE = 0.3  # seconds in which an expression comes and goes
SPOKEN = {"neutral": "neutral", "happy": "joy", "surprised": "surprise", "angry": "anger", "sad": "sadness"}
"""What the corpus calls the feelings that faces can show."""
EXPRESSIONS: Mapping[str, Mapping[str, float]] = tomllib.loads(
    (Path(__file__).parent / "made_films.toml").read_text(encoding="utf-8")
)
"""For each feeling the movements of the drawn face and their strengths."""


class Event(NamedTuple):
    """Somebody shows something for a while.

    Attributes:
        person: Number of the person, from 0 on.
        start: Second.
        end: Second.
        feeling: What the face shows.
    """

    person: int
    start: float
    end: float
    feeling: str


class Turn(NamedTuple):
    """Somebody says a sentence."""

    person: int
    start: float
    end: float
    feeling: str


@dataclass(frozen=True)
class Scene:
    """A film that was made.

    Attributes:
        path: The file.
        events: What the faces show, in the order of time.
        turns: Who speaks when, and how.
        seconds: Its length.
    """

    path: Path
    events: tuple[Event, ...]
    turns: tuple[Turn, ...]
    seconds: float


class Actor:
    """A drawn person; pictures that were drawn are kept."""

    def __init__(self, studio: Studio, seed: int) -> None:
        self._studio = studio
        self._sitter: Sitter = studio.seat(draw_person(np.random.default_rng(seed)))
        self._seed = seed
        self._drawn: dict[tuple[str, int, int], Image.Image] = {}

    def picture(self, feeling: str, strength: float, mouth: float) -> Image.Image:
        """The person with an expression of a strength in [0, 1] and a mouth open by [0, 1]."""
        key = (feeling, round(strength * (LEVELS - 1)), round(mouth * (LEVELS - 1)))
        if key not in self._drawn:
            names = self._studio.shape.names
            movements = np.zeros(len(names), np.float32)
            for name, full in EXPRESSIONS[feeling].items():
                sides = [k for k, each in enumerate(names) if each in (name, f"{name}_L", f"{name}_R")]
                movements[sides] = full * key[1] / (LEVELS - 1)
            movements[names.index("jawOpen")] += 0.7 * key[2] / (LEVELS - 1)
            pose = Pose(np.clip(movements, 0, 1), {}, (0.0, 0.0, 0.0), (0.0, 0.0))
            shot = self._studio.take(self._sitter, pose, np.random.default_rng(self._seed + 1))
            self._drawn[key] = Image.fromarray(shot.picture).resize((SIDE, SIDE))
        return self._drawn[key]


class Theatre:
    """Makes films of two drawn people with voices of RAVDESS actors that no reader was trained on.

    Args:
        data: Folder of the corpora.
    """

    def __init__(self, data: Path) -> None:
        self._studio = Studio(load_face_shape(data), 256)
        test = load_voice_corpus("ravdess", data).part("test")
        labels = load_taxonomy(test.taxonomy).labels
        self._voices: dict[str, dict[str, list[Path]]] = {}
        for file, speaker, label in zip(test.files, test.speakers, test.labels, strict=True):
            if (feeling := SPOKEN.get(labels[label])) is not None:
                self._voices.setdefault(str(speaker), {}).setdefault(feeling, []).append(file)

    def play(
        self, path: Path, seed: int, *, turns: int = 6, alike: bool = True, rate: int = PICTURES, codec: str = "mpeg4"
    ) -> Scene:
        """Make a film: two people take turns, show what they say, and smile or are startled now and then.

        Args:
            path: The file to write.
            seed: What chance is drawn from.
            turns: Sentences that are said.
            alike: Whether faces show what voices do while they speak; otherwise each shows something else.
            rate: Pictures a second.
            codec: Codec of the pictures.
        """
        rng = np.random.default_rng(seed)
        actors = [Actor(self._studio, int(rng.integers(2**31))) for _ in range(2)]
        speakers = rng.choice(sorted(self._voices), 2, replace=False)
        said: list[Turn] = []
        events: list[Event] = []
        sound: list[NDArray[np.float32]] = [np.zeros(RATE, np.float32)]
        now = 1.0
        for number in range(turns):
            person = number % 2
            feeling = str(rng.choice(list(EXPRESSIONS)))
            files = self._voices[speakers[person]][feeling]
            (voice,) = load_clips([files[rng.integers(len(files))]])
            turn = Turn(person, now, now + len(voice) / RATE, feeling)
            shown = feeling if alike else str(rng.choice([each for each in EXPRESSIONS if each != feeling]))
            said.append(turn)
            if shown != "neutral":
                events.append(Event(person, turn.start, turn.end, shown))
            if rng.random() < 0.5:
                start = turn.start + rng.uniform(0.2, 0.8)
                events.append(Event(1 - person, start, start + 1.5, str(rng.choice(["joy", "surprise"]))))
            pause = np.zeros(int(rng.uniform(0.9, 1.6) * RATE), np.float32)
            sound += [voice, pause]
            now = turn.end + len(pause) / RATE
        samples = np.concatenate(sound)
        samples = samples + rng.normal(0, 1e-3, len(samples)).astype(np.float32)
        self._write(path, actors, events, said, samples, rate, codec)
        return Scene(path, tuple(sorted(events, key=lambda event: event.start)), tuple(said), len(samples) / RATE)

    def _write(
        self,
        path: Path,
        actors: Sequence[Actor],
        events: Sequence[Event],
        turns: Sequence[Turn],
        sound: NDArray[np.float32],
        rate: int,
        codec: str,
    ) -> None:
        back = Image.effect_noise((WIDE, HIGH), 12).convert("RGB")
        with av.open(str(path), "w") as film:
            pictures = film.add_stream(codec, rate=rate)
            pictures.width, pictures.height, pictures.pix_fmt, pictures.bit_rate = WIDE, HIGH, "yuv420p", 4_000_000
            track = film.add_stream("aac", rate=RATE, layout="mono")
            for number in range(int(len(sound) / RATE * rate)):
                second = number / rate
                picture = back.copy()
                for person, actor in enumerate(actors):
                    sway = 12 * np.sin(second * 0.7 + 2 * person)
                    place = (180 + 620 * person + int(sway), 200 + int(sway / 2))
                    picture.paste(self._face(actor, person, second, events, turns, sound), place)
                film.mux(pictures.encode(av.VideoFrame.from_image(picture)))
            film.mux(pictures.encode(None))
            frame = av.AudioFrame.from_ndarray(np.rint(sound * 32767).astype(np.int16)[None], "s16", "mono")
            frame.rate, frame.pts = RATE, 0
            film.mux(track.encode(frame))
            film.mux(track.encode(None))

    def _face(
        self,
        actor: Actor,
        person: int,
        second: float,
        events: Sequence[Event],
        turns: Sequence[Turn],
        sound: NDArray[np.float32],
    ) -> Image.Image:
        feeling, strength = "neutral", 0.0
        for event in events:
            rise = min((second - event.start) / FADE, (event.end - second) / FADE, 0.5) + 0.5
            if event.person == person and rise > strength:
                feeling, strength = event.feeling, rise
        mouth = 0.0
        if any(turn.person == person and turn.start <= second < turn.end for turn in turns):
            heard = sound[int(second * RATE) : int(second * RATE) + WINDOW]
            mouth = min(1.0, LOUDNESS * float(np.sqrt(np.mean(heard**2))) if len(heard) else 0.0)
        return actor.picture(feeling, min(strength, 1.0), mouth)
