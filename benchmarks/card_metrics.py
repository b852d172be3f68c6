"""Copy the measured figures of the shipped readers into their cards.

Run: python benchmarks/card_metrics.py, after text_accuracy.py, cascade.py and voice_accuracy.py with the weights that
the cards name.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from affectome.models import Metric, find_model, write_card
from arguments import RESULTS

NOTES = {
    "EmpatheticDialogues situations": "32 labels by position, no text of the set in training",
    "TweetEval emotion test": "4 labels by position, no text of the set in training",
    "SemEval-2007 headlines": "6 labels by position, no text of the set in training",
}
# The benchmark of each model; its rows are those whose predictor begins with the model's id.
BENCHMARKS = {
    "text-en": "text_accuracy",
    "text-en-fast": "cascade",
    "voice-all": "voice_accuracy",
    "voice-clean": "voice_accuracy",
    "face-expression": "face_accuracy",
}


def main() -> None:
    for name, benchmark in BENCHMARKS.items():
        found = json.loads((RESULTS / f"{benchmark}.json").read_text(encoding="utf-8"))
        bundle = find_model(name)
        weights = found["models"][name] if "models" in found else found["weights"]
        if weights not in {entry.sha256 for entry in bundle.card.files.values()}:
            sys.exit(f"The results belong to other weights of {name}. Run {benchmark}.py again.")
        metrics = tuple(
            Metric(
                set=row["set"],
                metric=row["metric"],
                value=row["value"],
                low=row["low"],
                high=row["high"],
                n=row["n"],
                command=f"python benchmarks/{benchmark}.py",
                note=NOTES.get(row["set"], row["predictor"].partition(", ")[2]),
            )
            for row in found["results"]
            if row["predictor"] == name or (benchmark == "voice_accuracy" and is_reading(row["predictor"], name))
        )
        write_card(bundle.path / "card.toml", dataclasses.replace(bundle.card, metrics=metrics))


def is_reading(predictor: str, name: str) -> bool:
    """Whether a predictor is a model read in a certain way, and not a control with it."""
    return predictor.startswith(f"{name}, ") and "another order" not in predictor


if __name__ == "__main__":
    main()
