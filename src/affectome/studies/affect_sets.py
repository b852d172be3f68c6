"""Rated texts of other kinds, read by a reader of tweets: tweets, reviews, editorials, sentences and comments."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.evaluate import Interval, bootstrap, choose_thresholds, multilabel_f1, pearson
from affectome.learn import load_corpus
from affectome.models import default_model
from affectome.perceive import TextReader
from affectome.studies.comparing import measure
from affectome.studies.study import Claim, Context, Row, Table

Floats = NDArray[np.float64]
Valence = Callable[[Sequence[str]], Floats]

_VADER_SETS = {
    "tweets": "tweets",
    "products": "amazonReviewSnippets",
    "films": "movieReviewSnippets",
    "editorials": "nytEditorialSnippets",
}
# Correlations of VADER with the mean ratings of its own four sets, computed apart.
_COMPUTED = {"tweets": ".872", "products": ".590", "films": ".427", "editorials": ".503"}
_AXES = ("valence", "arousal", "dominance")
_LENGTH = "length of the text"


def other_sets(context: Context, valence: Valence) -> tuple[list[Table], list[Claim]]:
    """Correlations and F1 on the sets of VADER, on EmoBank and on GoEmotions.

    Args:
        context: What the study runs with.
        valence: Valence of texts by the reader of tweets.
    """
    for name in ("vader", "emobank", "goemotions"):
        context.folder(name)
    reader = TextReader(default_model("text-affect"), "goemotions28", threads=context.threads)
    rated, claim = _rated_sets(context, reader, valence)
    return [*rated, _sentences(context, reader), _comments(context, reader)], [claim]


def _rated_sets(context: Context, reader: TextReader, valence: Valence) -> tuple[list[Table], Claim]:
    """The four sets of VADER: whole for the tool itself, and what the package's reader has not learnt for all."""
    from affectome.learn.features import LexiconFeatures

    corpus = load_corpus("vader_ratings", context.data)
    lexicon = LexiconFeatures()
    column = lexicon.names.index("vader_compound")
    found: tuple[dict[str, dict[str, Interval]], ...] = (
        {_LENGTH: {}, "VADER": {}},
        {_LENGTH: {}, "VADER": {}, "tuned encoder": {}, "reader": {}},
    )
    sizes, met, start = [], 0, 0
    score = partial(bootstrap, pearson, seed=context.seed)
    for name, file in _VADER_SETS.items():
        end = start + _lines(context.data / "vader" / "icwsm2014" / f"{file}_GroundTruth.txt.gz")
        rows = np.arange(start, end)[: 200 if context.quick else None]
        start = end
        texts, ratings = [corpus.texts[i] for i in rows], corpus.targets[rows, 0]
        new = np.flatnonzero(corpus.split[rows] == "dev")
        shown = [texts[i] for i in new]
        outputs = {
            _LENGTH: np.array([len(text) for text in texts]),
            "VADER": lexicon.transform(texts)[:, column],
        }
        for predictor, output in outputs.items():
            found[0][predictor][name] = score(truth=ratings, prediction=output)
        outputs = {predictor: output[new] for predictor, output in outputs.items()}
        outputs |= {"tuned encoder": valence(shown), "reader": reader.encoder.encode(shown).means[:, 3]}
        for predictor, output in outputs.items():
            found[1][predictor][name] = score(truth=ratings[new], prediction=output)
        met += f"{found[0]['VADER'][name].value:.3f}".lstrip("0") == _COMPUTED[name]
        sizes.append((len(texts), len(new)))
        context.note(f"VADER's {name}")
    titles = ("Rated sets of VADER, r", "The same, r on texts that the reader has not learnt from")
    tables = [
        Table(
            f"{title}: {', '.join(f'{size[k]:,}' for size in sizes)} texts",
            tuple(_VADER_SETS),
            [Row(name, "baseline" if name == _LENGTH else "result", row) for name, row in found[k].items()],
        )
        for k, title in enumerate(titles)
    ]
    text = "correlations of VADER on its four sets that come out as computed apart, to three decimals"
    return tables, Claim(f"{text} (of {len(_COMPUTED)})", met, len(_COMPUTED), ">=")


def _lines(path: Path) -> int:
    with gzip.open(path, "rb") as lines:
        return sum(1 for _ in lines)


def _sentences(context: Context, reader: TextReader) -> Table:
    """Valence, arousal and dominance of sentences; the reader has learnt from other sentences of the same set."""
    test = load_corpus("emobank", context.data).part("test")
    rows = slice(100 if context.quick else None)
    texts, ratings = test.texts[rows], test.targets[rows]
    outputs = {
        _LENGTH: np.repeat([[len(text)] for text in texts], len(_AXES), axis=1),
        "reader": reader.encoder.encode(texts).means[:, : len(_AXES)],
    }
    table = [
        Row(
            name,
            "baseline" if name == _LENGTH else "result",
            {
                axis: bootstrap(pearson, seed=context.seed, truth=ratings[:, k], prediction=output[:, k])
                for k, axis in enumerate(_AXES)
            },
        )
        for name, output in outputs.items()
    ]
    return Table(f"EmoBank test, r: {len(texts):,} sentences", _AXES, table)


def _comments(context: Context, reader: TextReader) -> Table:
    """Six emotions and none in comments; the reader has learnt from other comments of the same set."""
    corpus = load_corpus("goemotions", context.data)
    taxonomy = load_taxonomy("goemotions28")
    groups = (*taxonomy.groups["ekman"].values(), ("neutral",))
    members = [[taxonomy.index(label) for label in group] for group in groups]

    def grouped(values: NDArray[np.float32]) -> Floats:
        return np.stack([values[:, chosen].max(axis=1) for chosen in members], axis=1).astype(np.float64)

    rows = slice(200 if context.quick else None)
    train, dev, test = (corpus.part(name) for name in ("train", "dev", "test"))
    truth = {part.split[0]: grouped(part.targets[rows]) for part in (train, dev, test)}
    outputs = {
        "frequency of each label": [np.tile(truth["train"].mean(axis=0), (len(truth[p]), 1)) for p in ("dev", "test")]
    }
    outputs["reader"] = [grouped(reader.probabilities(part.texts[rows])) for part in (dev, test)]
    table = []
    for name, (on_dev, on_test) in outputs.items():
        chosen = choose_thresholds(dev_truth=truth["dev"], dev_probability=on_dev).values
        metrics = {f"{kind}-F1": partial(multilabel_f1, thresholds=chosen, average=kind) for kind in ("macro", "micro")}
        values = measure(metrics, truth=truth["test"], probability=on_test, seed=context.seed)
        table.append(Row(name, "result" if name == "reader" else "baseline", values))
    return Table(f"GoEmotions test, six emotions and none: {len(truth['test']):,} comments", tuple(metrics), table)
