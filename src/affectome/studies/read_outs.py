"""Read-outs of words and of features, each for rows of targets of which some may not be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.perceive.cleaning import clean
from affectome.studies.stacking import ReadOut

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from affectome.learn.penalised import Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def word_read_out(texts: Sequence[str], targets: Floats, *, kind: Literal["measure", "presence"]) -> ReadOut:
    """A linear read-out of the words and characters of texts: ridge for numbers, logistic for presences.

    Words and pairs of them, and 2 to 5 characters inside words, count with the logarithm of their number and by their
    rarity. They are counted once for all texts; which of them matter and how rare they are is learnt from the rows of
    each fit alone, as if it had never seen the others.

    Args:
        texts: ``n`` texts.
        targets: ``(n, k)``, NaN where unknown.
        kind: What the targets are.
    """
    counted: list[csr_matrix] = []

    def read_out(train: Ints, test: Ints) -> Floats:
        from sklearn.linear_model import LogisticRegression, Ridge

        if not counted:
            counted.extend(_count(texts))
        seen, asked = _weigh(counted, train, test)
        outputs = np.empty((len(test), targets.shape[1]))
        for k, column in enumerate(targets[train].T):
            known = np.flatnonzero(~np.isnan(column))
            if kind == "measure":
                outputs[:, k] = Ridge(alpha=1.0).fit(seen[known], column[known]).predict(asked)
            else:
                fitted = LogisticRegression(max_iter=500).fit(seen[known], column[known])
                outputs[:, k] = fitted.predict_proba(asked)[:, 1]
        return outputs

    return read_out


def _count(texts: Sequence[str]) -> list[csr_matrix]:
    """How often each text has each n-gram, of words and of characters."""
    from sklearn.feature_extraction.text import CountVectorizer

    kinds: tuple[dict[str, Any], ...] = (
        {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"},
        {"analyzer": "char_wb", "ngram_range": (2, 5)},
    )
    shown = [clean(text).lower() for text in texts]
    return [CountVectorizer(lowercase=False, min_df=2, dtype=np.float32, **kind).fit_transform(shown) for kind in kinds]


def _weigh(counted: Sequence[csr_matrix], train: Ints, test: Ints) -> tuple[csr_matrix, csr_matrix]:
    """Tf-idf of both rows by what occurs at least twice in the training rows; each kind of n-gram of unit length."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfTransformer

    parts = []
    for counts in counted:
        kept = np.flatnonzero(counts[train].getnnz(axis=0) >= 2)
        weights = TfidfTransformer(sublinear_tf=True).fit(counts[train][:, kept])
        parts.append([weights.transform(counts[rows][:, kept]) for rows in (train, test)])
    seen, asked = (hstack(pair, format="csr") for pair in zip(*parts, strict=True))
    return seen, asked


def feature_read_out(
    features: ArrayLike,
    targets: Floats,
    *,
    kind: Kind,
    groups: Ints | None = None,
    weights: Floats | None = None,
    seed: int,
) -> ReadOut:
    """A head on features, as ``affectome.learn.heads.fit_head`` fits it.

    The strength of its penalty is chosen once, on the first rows it is fitted on: it varies little between folds, and
    the search takes most of the time.

    Args:
        features: ``(n, d)``.
        targets: As `fit_head` takes them, for all rows.
        kind: Kind of the head.
        groups: ``(n,)`` group of each row, for the choice of the strength.
        weights: ``(n,)`` confidence in each row.
        seed: Seed of that choice.
    """
    seen = np.asarray(features, np.float64)
    strength: list[float] = []

    def read_out(train: Ints, test: Ints) -> Floats:
        from affectome.learn.heads import choose_strength, fit_head

        share = None if weights is None else weights[train]
        if not strength:
            together = None if groups is None else groups[train]
            strength.append(
                choose_strength(seen[train], targets[train], kind=kind, weights=share, groups=together, seed=seed)
            )
        head = fit_head(seen[train], targets[train], kind=kind, strength=strength[0], weights=share)
        return head.predict(seen[test])

    return read_out
