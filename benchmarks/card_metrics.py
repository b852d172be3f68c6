"""Copy the text reader's measured figures into its card.

Run: python benchmarks/card_metrics.py, after text_accuracy.py with the very weights the card names.
"""

from __future__ import annotations

import dataclasses
import json
import sys

from affectome.models import Metric, default_model, write_card
from arguments import RESULTS

NOTES = {
    "EmpatheticDialogues situations": "32 labels by position, no text of the set in training",
    "TweetEval emotion test": "4 labels by position, no text of the set in training",
    "SemEval-2007 headlines": "6 labels by position, no text of the set in training",
}


def main() -> None:
    found = json.loads((RESULTS / "text_accuracy.json").read_text(encoding="utf-8"))
    bundle = default_model("text-affect")
    if found["weights"] != bundle.card.files["model.onnx"].sha256:
        sys.exit("The results belong to other weights. Run text_accuracy.py again.")
    metrics = tuple(
        Metric(
            set=row["set"],
            metric=row["metric"],
            value=row["value"],
            low=row["low"],
            high=row["high"],
            n=row["n"],
            command="python benchmarks/text_accuracy.py",
            note=NOTES.get(row["set"], ""),
        )
        for row in found["results"]
        if row["predictor"] == "text-en"
    )
    write_card(bundle.path / "card.toml", dataclasses.replace(bundle.card, metrics=metrics))


if __name__ == "__main__":
    main()
