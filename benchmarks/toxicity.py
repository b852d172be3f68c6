"""How well toxicity is read in posts of another corpus, and how often harmless text is taken for toxic.

Run: python benchmarks/toxicity.py --data DIR

OLID (as the set "offensive" of TweetEval) has no part in training. Its validation rows were looked at while the
read-out was made. The control that should fail gives each post the score of another.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from affectome.api import ReaderOptions
from affectome.evaluate import auc
from affectome.learn import load_corpus
from affectome.learn.toxicity import harmless_texts
from arguments import RESULTS, parser
from result_rows import SEED, Results

TOXIC = 0.5  # as in the report
OFFENSIVE = "TweetEval offensive test (OLID)"
CALM = "GoEmotions test, no hostile label"
BOOKS = "EmoBank test, books, news and letters"


def mean(*, score: Any) -> float:
    return float(np.mean(score))


def share(*, score: Any) -> float:
    return float(np.mean(score >= TOXIC))


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--out", type=Path, default=RESULTS / "toxicity.json")
    arguments = options.parse_args()
    reader = ReaderOptions().open(threads=2)
    folder = arguments.data / "tweeteval/offensive"
    posts = (folder / "test_text.txt").read_text(encoding="utf-8").splitlines()
    truth = np.array([int(line) for line in (folder / "test_labels.txt").read_text().split()])
    encoded = reader.encoder.encode(posts)
    read = reader.toxicity(encoded)
    analyzer = SentimentIntensityAnalyzer()
    predictors = {
        "text-en, of another post": np.random.default_rng(SEED).permutation(read),
        "length in characters": np.array([len(post) for post in posts], float),
        "VADER, negative share": np.array([analyzer.polarity_scores(post)["neg"] for post in posts]),
        "text-en, the network's own output": encoded.means[:, 4],
        "text-en": read,
    }
    results = Results()
    for name, score in predictors.items():
        results.add(OFFENSIVE, name, "AUC", auc, truth=truth, probability=score)
    comments, sentences = (load_corpus(name, arguments.data).part("test") for name in ("goemotions", "emobank"))
    for name, texts in ((CALM, harmless_texts(comments)), (BOOKS, sentences.texts)):
        encoded = reader.encoder.encode(texts)
        for predictor, score in (
            ("text-en, the network's own output", encoded.means[:, 4]),
            ("text-en", reader.toxicity(encoded)),
        ):
            results.add(name, predictor, "mean", mean, score=score)
            results.add(name, predictor, f"share from {TOXIC} on", share, score=score)
    record = {
        "model": reader.model,
        "weights": reader.card.files["model.onnx"].sha256,
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "results": results.rows,
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
