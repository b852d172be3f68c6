"""How well and how fast texts are read with --fast, beside the full reader, the fast one alone and a control.

Run: python benchmarks/cascade.py --data DIR [--rows 1000000]

The limit above which a text is left to the full reader, and all calibration, come from development rows; test rows are
read here and nowhere else. Texts a second are those of one processor thread in processor time, everything included
that turns segments into estimates, after the development texts were read. The control leaves as many texts to the full
reader, but any.
"""

from __future__ import annotations

import functools
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from affectome.api import ReaderOptions
from affectome.evaluate import ece, hit_at_k, multilabel_f1, pearson
from affectome.learn import load_corpus
from affectome.media import segments_schema
from affectome.models import default_model
from affectome.perceive import FastTextReader, TextReader
from affectome.perceive.cascade import ENCODER_FILE
from affectome.perceive.encoder import Encoded
from arguments import RESULTS, parser
from result_rows import SEED, Results
from throughput import analyze, posts, write_csv

SHARES = (0.0, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
REPEATS = 3
RECIPES = Path(__file__).parent.parent / "recipes"


def mixed(quick: Encoded, thorough: Encoded, rows: Any) -> Encoded:
    """What comes out when some texts are left to the full reader."""
    parts = [each.copy() for each in quick]
    for part, other in zip(parts, thorough, strict=True):
        part[rows] = other[rows]
    return Encoded(*parts)


def goemotions(results: Results, reader: FastTextReader, data: Path) -> dict[str, Any]:
    corpus = load_corpus("goemotions", data)
    dev, test = corpus.part("dev"), corpus.part("test")
    thresholds = np.array(list(reader.thresholds.values()))
    encoder = reader.encoder
    (quick, tokens), thorough = encoder.fast.encode_with_lengths(test.texts), encoder.full.encode(test.texts)
    unsure = np.flatnonzero(encoder.uncertainty(quick, tokens) > encoder.limit)
    any_rows = np.random.default_rng(SEED).permutation(len(test.texts))[: len(unsure)]
    systems = {
        "prior of each label": np.tile(corpus.part("train").targets.mean(0), (len(test.texts), 1)),
        "text-en-fast alone": reader.read_out(quick),
        "text-en-fast, any texts to text-en": reader.read_out(mixed(quick, thorough, any_rows)),
        "text-en-fast": reader.read_out(mixed(quick, thorough, unsure)),
        "text-en": reader.read_out(thorough),
    }
    for name, p in systems.items():
        for average in ("macro", "micro"):
            metric = functools.partial(multilabel_f1, thresholds=thresholds, average=average)
            results.add("GoEmotions test", name, f"{average} F1", metric, truth=test.targets, probability=p)
        results.add("GoEmotions test", name, "ECE", ece, truth=test.targets, probability=p)

    def loss(truth: Any, first: Any, second: Any) -> float:
        score = functools.partial(multilabel_f1, thresholds=thresholds, average="macro", truth=truth)
        return float(score(probability=first).value - score(probability=second).value)

    pair = {"first": systems["text-en"], "second": systems["text-en-fast"]}
    results.add("GoEmotions test", "text-en less text-en-fast", "macro F1", loss, truth=test.targets, **pair)
    return {
        "escalated": round(len(unsure) / len(test.texts), 4),
        "escalated_tokens": round(float(tokens[unsure].sum() / tokens.sum()), 4),
        "curve": {str(part.split[0]): curve(reader, part, thresholds) for part in (dev, test)},
    }


def curve(reader: FastTextReader, corpus: Any, thresholds: Any) -> dict[str, float]:
    """Macro F1 by the share of tokens, those of the most uncertain texts first, that is left to the full reader."""
    quick, tokens = reader.encoder.fast.encode_with_lengths(corpus.texts)
    thorough = reader.encoder.full.encode(corpus.texts)
    order = np.argsort(-reader.encoder.uncertainty(quick, tokens), kind="stable")
    reached = np.cumsum(tokens[order]) / tokens.sum()
    scores = {}
    for share in SHARES:
        p = reader.read_out(mixed(quick, thorough, order[: int(np.searchsorted(reached, share, side="right"))]))
        scores[str(share)] = round(
            multilabel_f1(truth=corpus.targets, probability=p, thresholds=thresholds, average="macro").value, 4
        )
    return scores


def others(results: Results, reader: FastTextReader, data: Path) -> None:
    """Valence and arousal, and words that the fast reader was not trained on."""
    emobank = load_corpus("emobank", data).part("test")
    situations = load_corpus("situations", RECIPES).part("dev")
    anchors = reader.space.anchors({label: (label,) for label in situations.columns})
    encoders = {
        "text-en-fast alone": reader.encoder.fast,
        "text-en-fast": reader.encoder,
        "text-en": reader.encoder.full,
    }
    for name, encoder in encoders.items():
        means = encoder.encode(emobank.texts).means
        for k, dimension in enumerate(("valence", "arousal")):
            results.add(
                "EmoBank test", name, f"r {dimension}", pearson, truth=emobank.targets[:, k], prediction=means[:, k]
            )
        p = reader.space.choose(encoder.encode(situations.texts).vectors, anchors)
        hit = functools.partial(hit_at_k, k=1)
        truth = situations.targets.argmax(1)
        results.add("situations, held-out rows, open words", name, "hit at 1", hit, truth=truth, probability=p)


def texts_a_second(make: Callable[[], TextReader], before: list[str], texts: list[str]) -> float:
    """The best of some first readings of texts by a reader that has read others before, in processor time."""
    seconds = []
    for _ in range(REPEATS):
        reader = make()
        reader(as_segments(before))
        segments = as_segments(texts)
        started = time.process_time()
        reader(segments)
        seconds.append(time.process_time() - started)
    return len(texts) / min(seconds)


def as_segments(texts: list[str]) -> pl.DataFrame:
    rows = [{"id": str(i), "source": "texts", "text": text, "error": ""} for i, text in enumerate(texts)]
    return pl.DataFrame(rows, schema=segments_schema())


def never_escalating() -> TextReader:
    reader = opened()
    reader.encoder.limit = float("inf")
    return reader


def opened() -> FastTextReader:
    reader = ReaderOptions(fast=True).open()
    assert isinstance(reader, FastTextReader)
    return reader


def end_to_end(data: Path, rows: int) -> dict[str, Any]:
    """`affectome analyze` with two workers, with and without --fast."""
    texts = posts(data, rows)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "posts.csv"
        write_csv(table, texts)
        return {"fast": analyze(table, 2, "--fast"), "full": analyze(table, 2)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=0, help="also run affectome analyze over so many posts")
    options.add_argument("--out", type=Path, default=RESULTS / "cascade.json")
    arguments = options.parse_args()
    reader = opened()
    results = Results()
    found = goemotions(results, reader, arguments.data)
    others(results, reader, arguments.data)
    dev, test = (load_corpus("goemotions", arguments.data).part(part).texts for part in ("dev", "test"))
    readers = {"text-en-fast alone": never_escalating, "text-en-fast": opened, "text-en": ReaderOptions().open}
    speed = {name: texts_a_second(make, dev, test) for name, make in readers.items()}
    record = {
        "model": reader.fast_model,
        "weights": default_model("text-affect-fast").card.files[ENCODER_FILE].sha256,
        "full": reader.model,
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        **found,
        "texts_a_second": {name: round(value) for name, value in speed.items()},
        "times_as_fast": round(speed["text-en-fast"] / speed["text-en"], 2),
        **({"analyze": end_to_end(arguments.data, arguments.rows)} if arguments.rows else {}),
        "results": results.rows,
    }
    print(
        {name: record[name] for name in ("escalated", "escalated_tokens", "curve", "texts_a_second", "times_as_fast")}
    )
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
