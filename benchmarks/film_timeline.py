"""How well the time line of people in films is read: films that are made, so that the truth is known.

Run: python benchmarks/film_timeline.py --data DIR

Two drawn people speak in turns with the voices of RAVDESS actors that no reader was trained on; faces show joy,
surprise, anger or sadness while they speak, and now and then while they listen. Read by `affectome analyze`:

- events: stretches in which the fused reading of a person departs from what is usual for them. One is found if it
  begins and ends within half a second of one that was planted; F1 over all films. Thresholds are the best ones on other
  films with other people.
- link: share of the stretches of speech that are given to the face that says them.

Beside them stand events at random places, as many and as long as the planted ones; the readings of the other person;
and links by chance, by the larger mouth, and to the wrong person.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from affectome.api import analyze
from affectome.dynamics.events import find_events
from affectome.pipeline import RunSettings
from arguments import RESULTS, parser
from made_films import WIDE, Scene, Theatre

NEAR = 0.5
TEST, DEV = range(12), range(100, 120)
ONS, OFFS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35), (0.05, 0.1, 0.15, 0.2, 0.25)
EDGES, GAPS = (0.0, 0.25, 0.4, 0.5, 0.6), (0.0, 0.25, 0.5)


class Read(NamedTuple):
    """What was read of a film: for each person the fused track, and who was taken to say each turn."""

    tracks: tuple[pl.DataFrame, pl.DataFrame]
    speakers: tuple[int | None, ...]
    mouths: tuple[int, ...]


def read(scene: Scene, folder: Path) -> Read:
    """Run the command's function on a film."""
    result = analyze(scene.path, folder, settings=RunSettings(workers=2), report=False)
    rows = pl.read_parquet(result.estimates)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    people = record["people"][scene.path.name]
    faces = rows.filter(pl.col("modality") == "face").unnest("face")
    place = dict(faces.group_by("speaker").agg(pl.col("x").mean()).iter_rows())
    side = {each["name"]: int(place[each["faces"][0]] > WIDE / 2) for each in people if each["faces"]}
    fused = rows.filter(pl.col("modality") == "fused").drop("face", "text").unnest("fusion")
    tracks = [
        fused.filter(pl.col("speaker").is_in([name for name, own in side.items() if own == person])).sort("start")
        for person in (0, 1)
    ]
    speakers: list[int | None] = []
    mouths = []
    for turn in scene.turns:
        inside = (pl.col("start") < turn.end) & (pl.col("end") > turn.start)
        heard = fused.filter(inside, pl.col("voice") > 0).group_by("speaker").len().sort("len", descending=True)
        speakers.append(side.get(heard["speaker"][0]) if len(heard) else None)
        open_wide = faces.filter(inside).group_by("speaker").agg(pl.col("mouth").mean()).sort("mouth", descending=True)
        mouths.append(int(place[open_wide["speaker"][0]] > WIDE / 2))
    return Read((tracks[0], tracks[1]), tuple(speakers), tuple(mouths))


def matched(planted: Sequence[tuple[float, float]], found: Sequence[tuple[float, float]]) -> int:
    """How many planted events are found, each by another one."""
    left = list(found)
    count = 0
    for start, end in planted:
        near = [each for each in left if abs(each[0] - start) <= NEAR and abs(each[1] - end) <= NEAR]
        if near:
            left.remove(min(near, key=lambda each: abs(each[0] - start)))
            count += 1
    return count


def planted(scene: Scene, person: int) -> list[tuple[float, float]]:
    """When a face shows something; what overlaps is one."""
    spans: list[tuple[float, float]] = []
    for event in scene.events:
        if event.person == person:
            if spans and event.start <= spans[-1][1]:
                spans[-1] = spans[-1][0], max(spans[-1][1], event.end)
            else:
                spans.append((event.start, event.end))
    return spans


def f1(scenes: Sequence[Scene], found: Sequence[Sequence[Sequence[tuple[float, float]]]]) -> tuple[float, list[float]]:
    """F1 over all films, and that of each film."""
    counts = []
    for scene, each in zip(scenes, found, strict=True):
        true = [planted(scene, person) for person in (0, 1)]
        hits = sum(matched(one, other) for one, other in zip(true, each, strict=True))
        counts.append((hits, sum(map(len, true)), sum(map(len, each))))
    hits, true_count, found_count = np.sum(counts, axis=0)
    return 2 * hits / max(true_count + found_count, 1), [2 * h / max(t + f, 1) for h, t, f in counts]


def events(
    read_: Read, on: float, off: float, edge: float, gap: float, *, swapped: bool = False
) -> list[list[tuple[float, float]]]:
    """Events of both people."""
    found = [
        [
            event[:2]
            for event in find_events(
                track["start"], track["end"], track["departure"], on=on, off=off, edge=edge, gap=gap
            )
        ]
        for track in read_.tracks
    ]
    return found[::-1] if swapped else found


def by_chance(scene: Scene, seed: int) -> list[list[tuple[float, float]]]:
    """As many events as were planted and as long, anywhere."""
    rng = np.random.default_rng(seed)
    found = []
    for person in (0, 1):
        spans = [end - start for start, end in planted(scene, person)]
        starts = [rng.uniform(0, scene.seconds - length) for length in spans]
        found.append([(start, start + length) for start, length in zip(starts, spans, strict=True)])
    return found


def row(what: str, predictor: str, metric: str, value: float, single: Sequence[float]) -> dict[str, Any]:
    """A row of the result, with a 95 % interval by the bootstrap over films."""
    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(single), (2000, len(single))).mean(axis=1)
    low, high = (round(float(each), 3) for each in np.quantile(means, [0.025, 0.975]))
    return {"set": what, "predictor": predictor, "metric": metric, "value": round(value, 3), "low": low, "high": high}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    theatre = Theatre(arguments.data)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        dev = [theatre.play(folder / f"dev{seed}.mp4", seed) for seed in DEV]
        test = [theatre.play(folder / f"test{seed}.mp4", seed) for seed in TEST]
        dev_read = [read(scene, folder / scene.path.stem) for scene in dev]
        test_read = [read(scene, folder / scene.path.stem) for scene in test]
    rules = [rule for rule in itertools.product(ONS, OFFS, EDGES, GAPS) if rule[1] <= rule[0]]
    best = max(rules, key=lambda rule: f1(dev, [events(each, *rule) for each in dev_read])[0])
    found: dict[str, Any] = {
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "films": len(test),
        "seconds": round(sum(scene.seconds for scene in test)),
        "planted_events": sum(len(planted(scene, person)) for scene in test for person in (0, 1)),
        "rules": dict(zip(("on", "off", "edge", "gap"), best, strict=True)),
        "f1_on_the_films_they_were_chosen_on": round(f1(dev, [events(e, *best) for e in dev_read])[0], 3),
        "results": [],
    }
    for name, each in {
        "by chance": [by_chance(scene, k) for k, scene in enumerate(test)],
        "of the other person": [events(e, *best, swapped=True) for e in test_read],
        "affectome": [events(e, *best) for e in test_read],
    }.items():
        value, single = f1(test, each)
        found["results"].append(row("planted events", name, "F1", value, single))
    rng = np.random.default_rng(0)
    turns = [(turn.person, k, n) for k, scene in enumerate(test) for n, turn in enumerate(scene.turns)]
    for name, said in {
        "by chance": [int(rng.integers(2)) for _ in turns],
        "the mouth that is open wider": [test_read[k].mouths[n] for _, k, n in turns],
        "the other one": [1 - s if (s := test_read[k].speakers[n]) is not None else None for _, k, n in turns],
        "affectome": [test_read[k].speakers[n] for _, k, n in turns],
    }.items():
        right = [float(s == person) for s, (person, _, _) in zip(said, turns, strict=True)]
        films = [float(np.mean([r for r, (_, k, _) in zip(right, turns, strict=True) if k == film])) for film in TEST]
        found["results"].append(row("stretches of speech", name, "right face", float(np.mean(right)), films))
    print(json.dumps(found, indent=1))
    (RESULTS / "film_timeline.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
