"""Word errors and time of a Whisper model on sentences of actors.

Run: python benchmarks/transcription.py --data DIR --model NAME_OR_FOLDER

The clips are a random 60 of RAVDESS actors 21 to 24, two sentences in eight emotions. Beside the model stand the words
of the other sentence, which have to be wrong, and sounds without words, in which nothing is to be heard.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from affectome.learn.voice_corpora import load_clips
from affectome.media import Transcriber, find_transcription
from affectome.media.decoding import SAMPLE_RATE
from arguments import RESULTS

SEED = 0
CLIPS = 60


def words(text: str | None) -> list[str]:
    return re.findall(r"[a-z']+", (text or "").lower())


def word_errors(said: list[str], heard: list[str]) -> int:
    """Words that are left out, put in or exchanged, at least."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
    return row[-1]


def sounds_without_words() -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    time_axis = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * hertz * time_axis) for hertz in (220, 277, 330)) / 10
    sounds = {"silence": 0 * time_axis, "tone": 0.3 * np.sin(2 * np.pi * 440 * time_axis), "chord": chord}
    sounds |= {f"noise {level:g}": rng.normal(scale=level, size=len(time_axis)) for level in (0.003, 0.03, 0.3)}
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--model", required=True, help="what --transcribe takes")
    arguments = options.parse_args()
    folder = arguments.data / "ravdess_speech"
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "test"]
    rows = [rows[k] for k in np.random.default_rng(SEED).permutation(len(rows))[:CLIPS]]
    clips = load_clips([folder / row["file"] for row in rows])
    transcriber = Transcriber(find_transcription(arguments.model))
    transcriber(clips[0])
    started = time.process_time()
    heard = [transcriber(clip) for clip in clips]
    seconds = time.process_time() - started
    sentences = sorted({row["text"] for row in rows})
    said = [row["text"] for row in rows]
    count = sum(len(words(text)) for text in said)
    errors = [word_errors(words(text), words(found)) for text, found in zip(said, heard, strict=True)]
    swapped = [sentences[1 - sentences.index(text)] for text in said]
    minutes = sum(map(len, clips)) / SAMPLE_RATE / 60
    result = {
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "model": Path(arguments.model).name,
        "clips": len(clips),
        "actors": sorted({row["speaker"] for row in rows}),
        "word_error_rate": round(sum(errors) / count, 3),
        "without_an_error": round(float(np.mean([error == 0 for error in errors])), 3),
        "left_out_as_unsure": sum(found is None for found in heard),
        "word_error_rate_of_the_other_sentence": round(
            sum(word_errors(words(text), words(other)) for text, other in zip(said, swapped, strict=True)) / count, 3
        ),
        "word_error_rate_by_emotion": {
            emotion: round(
                sum(error for error, row in zip(errors, rows, strict=True) if row["emotion"] == emotion)
                / sum(len(words(row["text"])) for row in rows if row["emotion"] == emotion),
                3,
            )
            for emotion in sorted({row["emotion"] for row in rows})
        },
        "heard_without_words": {name: transcriber(sound) for name, sound in sounds_without_words().items()},
        "minutes_of_speech": round(minutes, 2),
        "processor_seconds_a_minute_of_speech": round(seconds / minutes, 1),
    }
    (RESULTS / "transcription.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
