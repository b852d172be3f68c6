"""Scores of each group of items: speakers, genders, platforms, sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from affectome.errors import UsageError
from affectome.evaluate.inputs import Score, check_columns


class Slice(NamedTuple):
    """The score of one group.

    Attributes:
        group: Its name.
        items: Its items, scored or not.
        score: Its score.
    """

    group: str
    items: int
    score: Score


class Slices(NamedTuple):
    """A metric by group.

    Attributes:
        overall: The score of all items, also of those without a group.
        groups: One slice a group, sorted by name.
        worst: The group with the worst defined score among those large enough; None if there is none.
        spread: Difference of the best and the worst such score; NaN if there is none.
        ungrouped: Items without a group.
    """

    overall: Score
    groups: tuple[Slice, ...]
    worst: Slice | None
    spread: float
    ungrouped: int


def slice_scores(
    metric: Callable[..., Score],
    *,
    by: ArrayLike,
    minimum: int = 1,
    higher_is_better: bool = True,
    **arrays: ArrayLike,
) -> Slices:
    """Applies a metric to all items and to the items of each group.

    Args:
        metric: Called with ``arrays`` by keyword; `functools.partial` fixes its options.
        by: ``(n,)`` group of each item, None or NaN where it is not known.
        minimum: Items a group needs to count as worst or for the spread; smaller ones are scored all the same.
        higher_is_better: Whether a high value of the metric is good.
        **arrays: What the metric takes, ``n`` rows each, e.g. ``truth=`` and ``prediction=``.

    Returns:
        The scores.

    Raises:
        UsageError: If the arrays differ in length or are empty.
    """
    columns, n = check_columns(arrays)
    given = np.asarray(by)
    if given.shape != (n,):
        raise UsageError(
            "There must be one group an item.", code="shape_mismatch", value=given.shape, allowed=(f"({n},)",)
        )
    names = np.array(["" if group is None or group != group else str(group) for group in given.tolist()])
    slices = []
    for name in np.unique(names[names != ""]):
        chosen = names == name
        score = metric(**{key: column[chosen] for key, column in columns.items()})
        slices.append(Slice(str(name), int(chosen.sum()), score))
    eligible = [s for s in slices if s.items >= minimum and not np.isnan(s.score.value)]
    ranked = sorted(eligible, key=lambda s: s.score.value, reverse=not higher_is_better)
    return Slices(
        overall=metric(**columns),
        groups=tuple(slices),
        worst=ranked[0] if ranked else None,
        spread=abs(ranked[-1].score.value - ranked[0].score.value) if ranked else float("nan"),
        ungrouped=int((names == "").sum()),
    )
