"""Several read-outs as one, weighed by what each adds for rows it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.evaluate import folds

if TYPE_CHECKING:
    from affectome.learn.penalised import Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ReadOut = Callable[[Ints, Ints], Floats]
"""Fits on the rows of the first argument and gives ``(m, k)`` outputs for those of the second."""


class Stacked(NamedTuple):
    """Read-outs and their blend for rows that none of them was fitted on.

    Attributes:
        weights: 0 or more, sum 1, by the name of the read-out.
        outputs: ``(m, k)`` for the rows asked for, by the name of the read-out.
        blend: ``(m, k)`` their weighted sum.
        held_out: ``(n, k)`` the same blend for the rows of the fit, each predicted by fits without it.
    """

    weights: dict[str, float]
    outputs: dict[str, Floats]
    blend: Floats
    held_out: Floats


def held_out(read_out: ReadOut, rows: Ints, *, groups: ArrayLike | None = None, count: int = 5, seed: int) -> Floats:
    """Outputs for rows by read-outs that were fitted on other groups of them.

    Args:
        read_out: As `ReadOut`.
        rows: ``(n,)`` row numbers.
        groups: ``(n,)`` group of each of these rows.
        count: Number of folds.
        seed: Seed of the folds.

    Returns:
        ``(n, k)`` in the order of ``rows``.
    """
    parts = folds(len(rows), count=count, groups=groups, seed=seed)
    outputs = [read_out(rows[part.train], rows[part.test]) for part in parts]
    order = np.argsort(np.concatenate([part.test for part in parts]))
    return np.asarray(np.concatenate(outputs)[order])


def stacked(
    read_outs: Mapping[str, ReadOut],
    train: Ints,
    test: Ints,
    targets: Floats,
    *,
    kind: Kind,
    groups: ArrayLike | None = None,
    count: int = 5,
    seed: int,
) -> Stacked:
    """Predictions of several read-outs and of their blend, which is weighed on the training rows alone.

    Args:
        read_outs: Read-outs of one kind, which know their targets.
        train: ``(n,)`` rows of the fit.
        test: ``(m,)`` rows to predict.
        targets: ``(n, k)`` targets of the training rows.
        kind: What the read-outs give, as for ``affectome.learn.heads.fit_head``.
        groups: ``(n,)`` group of each training row.
        count: Number of folds.
        seed: Seed of the folds.
    """
    from affectome.learn.stacking import stack

    inner = {
        name: held_out(read_out, train, groups=groups, count=count, seed=seed) for name, read_out in read_outs.items()
    }
    outputs = {name: read_out(train, test) for name, read_out in read_outs.items()}
    weights = stack(list(inner.values()), targets, kind)
    return Stacked(
        dict(zip(read_outs, weights.tolist(), strict=True)),
        outputs,
        _sum(weights, list(outputs.values())),
        _sum(weights, list(inner.values())),
    )


def latent_words(texts: Sequence[str], train: Ints, *, width: int = 300, seed: int) -> Floats:
    """The main directions of the words and characters of some texts, for all texts: ``(n, width)`` or fewer.

    Args:
        texts: ``n`` texts.
        train: Rows that decide which words count and which directions are the main ones.
        width: Number of directions, fewer if there are fewer texts or words.
        seed: Seed of the search for them.

    Source: S. Deerwester and others, Indexing by Latent Semantic Analysis (1990).
    """
    from sklearn.decomposition import TruncatedSVD

    from affectome.learn.features import SparseFeatures

    sparse = SparseFeatures().fit([texts[i] for i in train])
    counted = sparse.transform(texts)
    reduction = TruncatedSVD(min(width, len(train) - 1, counted.shape[1] - 1), random_state=seed)
    reduction.fit(counted[train])
    return np.asarray(reduction.transform(counted), np.float64)


def _sum(weights: Floats, outputs: Sequence[Floats]) -> Floats:
    return np.asarray(np.tensordot(weights, np.stack(outputs), axes=1))
