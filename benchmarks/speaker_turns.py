"""How well the speakers of a recording are told apart, and from which likeness on two voices are one.

Run: python benchmarks/speaker_turns.py --data DIR

Dialogues are composed of single sentences: a speaker at random says one to three of them, then another one does, with
pauses of 0.3 to 1 s. The threshold is the best one on dialogues of RAVDESS actors 1 to 16 and has to be the default of
the package; it is scored on actors 21 to 24 and on all of EMO-DB, whose speakers and language it never met. The corpora
are acted: whoever speaks shouts in one turn and weeps in the next, which is harder than a conversation.

Beside it stand everybody as one speaker, the right speakers in shuffled order, which has to fail, and the number of
speakers given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from affectome.learn.voice_corpora import load_clips, load_voice_corpus
from affectome.media import SpeakerEncoder, SpeechDetector, SpeechRules, TurnRules
from affectome.media.decoding import SAMPLE_RATE
from affectome.media.speaker_turns import group_voices
from affectome.models import locate
from arguments import RESULTS

SEED = 0
MOST_SPEAKERS = 4
THRESHOLDS = np.round(np.arange(0.5, 0.801, 0.02), 2)


class Dialogue(NamedTuple):
    """The stretches found in a dialogue: vectors (n, 256), seconds (n,), true speakers (n,)."""

    vectors: NDArray[np.float32]
    seconds: NDArray[np.float64]
    speakers: NDArray[np.str_]


def compose(rng: np.random.Generator, speakers: NDArray[np.str_], count: int) -> list[tuple[int, int]]:
    """Clips of a dialogue of some of the speakers and the samples of the pause behind each."""
    present = rng.choice(np.unique(speakers), count, replace=False)
    order: list[str] = list(present)
    while len(order) < max(8, 3 * count):
        others = [name for name in present if name != order[-1]] or list(present)
        order.append(str(rng.choice(others)))
    said = []
    for speaker in order:
        own = np.flatnonzero(speakers == speaker)
        chosen = rng.choice(own, rng.integers(1, 4), replace=False)
        said += [(int(clip), int(rng.uniform(0.3, 1.0) * SAMPLE_RATE)) for clip in chosen]
    return said


def listen(
    said: list[tuple[int, int]], clips: dict[int, Any], names: NDArray[np.str_], tools: tuple[Any, Any]
) -> Dialogue:
    """What detector and encoder make of a dialogue; a stretch belongs to whom most of it is of."""
    detector, encoder = tools
    parts, owner = [], []
    for clip, pause in said:
        parts += [clips[clip], np.zeros(pause, np.float32)]
        owner += [np.full(len(clips[clip]), clip), np.full(pause, -1)]
    whose = np.concatenate(owner)
    stretches = list(detector.stretches(iter([np.concatenate(parts)]), SpeechRules()))
    true = []
    for stretch in stretches:
        heard = whose[stretch.start : stretch.end]
        heard = heard[heard >= 0]
        true.append(names[np.bincount(heard).argmax()])
    seconds = np.array([len(stretch.samples) / SAMPLE_RATE for stretch in stretches])
    return Dialogue(encoder.encode([stretch.samples for stretch in stretches]), seconds, np.array(true))


def measures(found: NDArray[Any], dialogue: Dialogue) -> dict[str, float]:
    """Share of speech given to a wrong speaker under the best naming, F1 over pairs, adjusted Rand index."""
    true = np.unique(dialogue.speakers, return_inverse=True)[1]
    table = np.zeros((true.max() + 1, found.max() + 1))
    np.add.at(table, (true, found), dialogue.seconds)
    rows, columns = linear_sum_assignment(-table)
    upper = np.triu_indices(len(true), 1)
    same, joined = (true[:, None] == true)[upper], (found[:, None] == found)[upper]
    return {
        "wrong": 1 - float(table[rows, columns].sum() / table.sum()),
        "pairs_f1": float(2 * (same & joined).sum() / max(same.sum() + joined.sum(), 1)),
        "rand": float(adjusted_rand_score(true, found)),
        "count_right": float(found.max() == true.max()),
        "count_error": float(abs(found.max() - true.max())),
    }


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 3) for name in rows[0]}


def score(dialogues: list[Dialogue], rules: TurnRules) -> dict[str, Any]:
    """Means over dialogues, for the rules and what stands beside them."""
    rng = np.random.default_rng(SEED)
    found: dict[str, list[dict[str, float]]] = {}
    for each in dialogues:
        true = np.unique(each.speakers, return_inverse=True)[1]
        given = TurnRules(speakers=int(true.max()) + 1)
        answers = {
            "turns": group_voices(each.vectors, list(each.seconds), rules),
            "turns_with_the_number_given": group_voices(each.vectors, list(each.seconds), given),
            "one_speaker": np.zeros_like(true),
            "shuffled": rng.permutation(true),
        }
        for name, answer in answers.items():
            found.setdefault(name, []).append(measures(answer, each))
    several = [k for k, each in enumerate(dialogues) if len(set(each.speakers)) > 1]
    return {
        "dialogues": len(dialogues),
        "stretches": sum(len(each.seconds) for each in dialogues),
        "minutes": round(sum(float(each.seconds.sum()) for each in dialogues) / 60, 1),
        **{name: mean_of(rows) for name, rows in found.items()},
        "of_two_and_more": {name: mean_of([rows[k] for k in several]) for name, rows in found.items()},
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--dialogues", type=int, default=40, help="in each of the three sets")
    arguments = options.parse_args()
    tools = (
        SpeechDetector(locate("silero-vad") / "silero_vad_16k_sequence.onnx"),
        SpeakerEncoder(locate("speaker-encoder")),
    )
    sets = {"fit": ("ravdess", "train"), "ravdess": ("ravdess", "test"), "emodb": ("emodb", None)}
    dialogues: dict[str, list[Dialogue]] = {}
    people: dict[str, set[str]] = {}
    seconds = minutes = 0.0
    for place, (name, (corpus_name, split)) in enumerate(sets.items()):
        corpus = load_voice_corpus(corpus_name, arguments.data)
        if split is not None:
            corpus = corpus.at(np.flatnonzero(corpus.split == split))
        people[name] = set(corpus.speakers)
        rng = np.random.default_rng(SEED + place)
        composed = [compose(rng, corpus.speakers, 1 + k % MOST_SPEAKERS) for k in range(arguments.dialogues)]
        needed = sorted({clip for said in composed for clip, _ in said})
        clips = dict(zip(needed, load_clips([corpus.files[k] for k in needed]), strict=True))
        started = time.process_time()
        dialogues[name] = [listen(said, clips, corpus.speakers, tools) for said in composed]
        seconds += time.process_time() - started
        minutes += sum(float(each.seconds.sum()) for each in dialogues[name]) / 60
        print(name, len(needed), "clips", flush=True)
    assert not people["fit"] & (people["ravdess"] | people["emodb"])
    swept = {
        float(value): mean_of(
            [
                measures(group_voices(each.vectors, list(each.seconds), TurnRules(least_alike=value)), each)
                for each in dialogues["fit"]
            ]
        )["wrong"]
        for value in THRESHOLDS
    }
    best = min(swept, key=lambda value: swept[value])
    result = {
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "seed": SEED,
        "fit": {"speakers": len(people["fit"]), "wrong_by_threshold": swept, "threshold": best},
        "processor_seconds_a_minute_of_speech": round(seconds / minutes, 2),
        **{name: score(dialogues[name], TurnRules(least_alike=best)) for name in ("ravdess", "emodb")},
    }
    (RESULTS / "speaker_turns.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    if best != TurnRules().least_alike:
        raise SystemExit(f"The default of the package is {TurnRules().least_alike}, the best on these is {best}.")


if __name__ == "__main__":
    main()
