"""Tropes in the reasons of language models: are the published tropes of one model found again from their sentences?

The sentences that support the largest published tropes of a model are pooled and regrouped by density. The neighbour
distance is chosen on the report of another model. The published tropes were made by the same method from the same kind
of vectors, so this checks that the method is rebuilt, not that tropes are true.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.domains import mine_tropes
from affectome.errors import InputError
from affectome.evaluate import Interval, bootstrap
from affectome.studies.comparing import claim_end, claim_value
from affectome.studies.study import Context, Outcome, Role, Row, Study, Table, Value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDER = "political_compass_pct"
_CHOSEN_ON, _TESTED_ON = "Mixtral-8x7B-Instruct-v0.1", "Mistral-7B-Instruct-v0.2"
_LARGEST = 120
_DISTANCES = (0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
_MINIMUMS = (3, 5, 10)
_RESAMPLES = 300
_SCORE, _KEPT_SCORE, _TROPES, _KEPT = "adjusted Rand", "adjusted Rand of those kept", "tropes", "kept"
_HEADING = re.compile(r"^### (T\d+): (.+)$")


@dataclass(frozen=True, eq=False)
class Report:
    """Sentences of the largest tropes of one model.

    Attributes:
        sentences: ``n`` different sentences.
        tropes: ``(n,)`` number of the trope of each, the largest first.
        shared: Sentences left out because they support several of these tropes.
    """

    sentences: list[str]
    tropes: Ints
    shared: int


class _Setting(NamedTuple):
    distance: float
    minimum: int


_PUBLISHED = _Setting(0.15, 10)


def run(context: Context) -> Outcome:
    """Choose the distance on one report, regroup another one."""
    from affectome.learn.base_vectors import base_vectors
    from affectome.learn.features import SparseFeatures

    folder = context.folder(_FOLDER) / "trope_reports" / "reports"
    largest = 12 if context.quick else _LARGEST
    reports = {name: load_report(folder / f"{name}.md.gz", largest) for name in (_CHOSEN_ON, _TESTED_ON)}
    meanings, words = {}, {}
    for name, report in reports.items():
        meanings[name] = base_vectors(report.sentences, context.base_encoder(), threads=context.threads)
        context.note(f"{name}: {len(report.sentences)} sentences encoded")
    counted = SparseFeatures((1, 1), None, minimum=2).fit(reports[_CHOSEN_ON].sentences)
    for name, report in reports.items():
        words[name] = _unit(counted.transform(report.sentences).toarray())

    chosen = {
        source: choose_setting(vectors[_CHOSEN_ON], reports[_CHOSEN_ON].tropes)
        for source, vectors in (("meaning", meanings), ("words", words))
    }
    context.note(f"chosen: {chosen}")
    report = reports[_TESTED_ON]
    vault = context.vault({_TESTED_ON: np.arange(len(report.sentences))})
    rows = vault.open(_TESTED_ON, purpose="published tropes regrouped")
    tropes, vectors = report.tropes[rows], meanings[_TESTED_ON][rows]
    by_words = mine_tropes(words[_TESTED_ON][rows], **chosen["words"]._asdict()).members
    by_meaning = mine_tropes(vectors, **chosen["meaning"]._asdict()).members
    published = mine_tropes(vectors, **_PUBLISHED._asdict()).members
    dealt = np.random.default_rng(context.seed).permutation(by_meaning)
    plan: list[tuple[str, Role, Ints]] = [
        ("all sentences one trope", "baseline", np.zeros(len(rows), np.int64)),
        (f"words, {_named(chosen['words'])}", "baseline", by_words),
        ("meanings, tropes dealt out at random", "control", dealt),
        (f"meanings, {_named(chosen['meaning'])}", "result", by_meaning),
        (f"meanings, {_named(_PUBLISHED)} as published", "result", published),
    ]
    table = Table(
        f"{_TESTED_ON}: {len(rows):,} sentences of its {tropes.max() + 1} largest tropes",
        (_SCORE, _KEPT_SCORE, _TROPES, _KEPT),
        [Row(name, role, _values(tropes, members, context.seed)) for name, role, members in plan],
    )
    score = partial(_rand, tropes, seed=context.seed)
    claims = [
        claim_value("published tropes regrouped, adjusted Rand over all sentences", score(by_meaning), ">=", 0.65),
        claim_value(
            "published setting, adjusted Rand over the sentences it keeps",
            _rand(tropes[published >= 0], published[published >= 0], seed=context.seed),
            ">=",
            0.85,
        ),
        claim_end("tropes dealt out at random, adjusted Rand", score(dealt), "<=", 0.02),
    ]
    notes = [
        f"Distance and minimum were chosen on the report of {_CHOSEN_ON}; a sentence in no trope counts as a group of"
        " its own.",
        f"Sentences that support several of these tropes are left out ({report.shared}). Intervals draw whole tropes.",
        "The published tropes come from the same method with MiniLM sentence vectors, so a high score says that the"
        " method is rebuilt, not that the tropes are right. Another base encoder than that moves the score.",
    ]
    return Outcome([table], claims, notes)


STUDY = Study(
    number=47,
    id="fine-grained-values",
    title="Fine-grained values",
    paper="arXiv 2406.19238",
    data=(_FOLDER,),
    extras=("study", "train"),
    run=run,
    missing=(
        "asking models the 62 propositions under instructions and personas",
        "reading the stance of open answers",
        "places on the compass, and what personas change about them",
        "tropes from answers of one's own, by proposition and stance, and a filter for sentences with an argument",
    ),
)


def load_report(path: Path, largest: int) -> Report:
    """The sentences of the largest tropes in a published report; of tropes of equal size the first ones.

    Args:
        path: The gzipped report.
        largest: Number of tropes.

    Raises:
        InputError: The file is not there or holds no tropes.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"The report {path.name!r} cannot be read: {error!r}.", code="bad_corpus", value=path
        ) from error
    tropes = [list(dict.fromkeys(sentences)) for sentences in _tropes(lines)]
    tropes = sorted((sentences for sentences in tropes if sentences), key=len, reverse=True)[:largest]
    if not tropes:
        raise InputError(f"The report {path.name!r} holds no tropes.", code="bad_corpus", value=path)
    of_sentence: dict[str, set[int]] = {}
    for number, sentences in enumerate(tropes):
        for sentence in sentences:
            of_sentence.setdefault(sentence, set()).add(number)
    alone = {sentence: numbers.pop() for sentence, numbers in of_sentence.items() if len(numbers) == 1}
    return Report(list(alone), np.array(list(alone.values()), np.int64), len(of_sentence) - len(alone))


def _tropes(lines: list[str]) -> Iterator[list[str]]:
    """The supporting sentences below each heading."""
    sentences: list[str] | None = None
    for line in lines:
        if _HEADING.match(line):
            if sentences is not None:
                yield sentences
            sentences = []
        elif sentences is not None and line.startswith("|") and line.endswith("|"):
            text = line.strip("|").strip()
            if text not in ("Support", "") and set(text) != {"-"}:
                sentences.append(text)
    if sentences is not None:
        yield sentences


def choose_setting(vectors: ArrayLike, tropes: Ints) -> _Setting:
    """The distance and minimum that regroup the sentences of a report best; of equal ones the first."""
    settings = [_Setting(distance, minimum) for distance in _DISTANCES for minimum in _MINIMUMS]
    scores = [adjusted_rand(truth=tropes, prediction=mine_tropes(vectors, **s._asdict()).members) for s in settings]
    return settings[int(np.argmax(scores))]


def adjusted_rand(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Agreement of two groupings above chance, 1 if they are the same; a row without a group (-1) is its own group.

    Source: L. Hubert and P. Arabie, Comparing Partitions, Journal of Classification 2 (1985).
    """
    from sklearn.metrics import adjusted_rand_score

    groups = np.array(prediction, np.int64)
    none = np.flatnonzero(groups < 0)
    groups[none] = groups.max(initial=-1) + 1 + np.arange(len(none))
    return float(adjusted_rand_score(np.asarray(truth), groups))


def _rand(tropes: Ints, members: Ints, *, seed: int) -> Interval:
    return bootstrap(adjusted_rand, seed=seed, resamples=_RESAMPLES, groups=tropes, truth=tropes, prediction=members)


def _values(tropes: Ints, members: Ints, seed: int) -> dict[str, Value]:
    kept = members >= 0
    values: dict[str, Value] = {
        _SCORE: _rand(tropes, members, seed=seed),
        _TROPES: len(np.unique(members[kept])),
        _KEPT: float(kept.mean()),
    }
    return values | ({_KEPT_SCORE: _rand(tropes[kept], members[kept], seed=seed)} if kept.any() else {})


def _named(setting: _Setting) -> str:
    return f"distance {setting.distance:g}, minimum {setting.minimum}"


def _unit(rows: Floats) -> Floats:
    """Rows of length 1; a row of zeros points along an axis of its own, at which it is near nothing."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = np.flatnonzero(length[:, 0] == 0)
    alone = np.zeros((len(rows), len(empty)))
    alone[empty, np.arange(len(empty))] = 1
    return np.hstack([rows / np.where(length > 0, length, 1), alone])
