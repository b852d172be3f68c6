"""Directions of emotions: what the vectors of one emotion have and those of the others in the same situation have not.

After "Do LLMs feel? Emotion circuits discovery and control" (arXiv 2510.11328). A group holds one vector an emotion,
all of the same situation, for instance of one scenario with one outcome; what belongs to the situation cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError

Floats = NDArray[np.float64]


def contrast_directions(groups: NDArray[np.floating]) -> Floats:
    """One unit vector an emotion.

    Of each group the mean over its emotions is taken away, the rest is averaged over the groups, and the mean over
    emotions of that is taken away again. An emotion that no vector tells from the others gets a vector of zeros.

    Args:
        groups: ``(groups, emotions, ..., width)`` vectors, NaN throughout where one is missing.

    Returns:
        ``(emotions, ..., width)``.

    Raises:
        UsageError: ``bad_groups`` if there are fewer than two emotions or no group, or if an emotion is in no group.
    """
    values = np.asarray(groups, np.float64)
    if values.ndim < 3 or values.shape[0] < 1 or values.shape[1] < 2:
        raise UsageError(
            "Directions need groups of vectors of two or more emotions.", code="bad_groups", value=values.shape
        )
    present = ~np.isnan(values.reshape(*values.shape[:2], -1).sum(axis=2))
    absent = ~present.any(axis=0)
    if absent.any():
        raise UsageError(
            "An emotion is missing in every group.", code="bad_groups", value=np.flatnonzero(absent).tolist()
        )
    # What a group that is not whole has taken away would be the mean of other emotions than in the other groups.
    whole = values[present.all(axis=1)]
    if not len(whole):
        raise UsageError("No group has all emotions.", code="bad_groups", value=values.shape)
    mean = (whole - whole.mean(axis=1, keepdims=True)).mean(axis=0)
    mean -= mean.mean(axis=0)
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    return np.asarray(mean / np.where(length > 1e-12, length, np.inf), np.float64)


def split_half_cosine(groups: NDArray[np.floating], *, splits: int = 20, seed: int = 0) -> Floats:
    """How alike the directions of two halves of the groups are, a mean over random halves.

    Args:
        groups: As in `contrast_directions`, two groups or more.
        splits: Number of ways to halve.
        seed: Seed of the halves.

    Returns:
        ``(emotions, ...)`` cosines.

    Raises:
        UsageError: As in `contrast_directions`.
    """
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(splits):
        order = draw.permutation(len(groups))
        first, second = (contrast_directions(groups[half]) for half in np.array_split(order, 2))
        found.append((first * second).sum(axis=-1))
    return np.asarray(np.mean(found, axis=0), np.float64)


def nearest_direction(groups: NDArray[np.floating], directions: Floats) -> NDArray[np.int64]:
    """Which direction each vector of a group points to most, once the group's mean is taken away.

    Args:
        groups: ``(groups, emotions, width)``.
        directions: ``(emotions, width)``.

    Returns:
        ``(groups, emotions)`` numbers of directions; right is 0, 1, 2, … in every group.
    """
    centred = groups - np.nanmean(groups, axis=1, keepdims=True)
    return np.asarray((centred @ directions.T).argmax(axis=-1), np.int64)


def leave_theme_out(groups: NDArray[np.floating], themes: Sequence[str]) -> NDArray[np.int64]:
    """The nearest direction of each vector among directions of the other themes alone.

    Args:
        groups: ``(groups, emotions, width)``.
        themes: Theme of each group, two different ones or more.

    Returns:
        ``(groups, emotions)`` as in `nearest_direction`.

    Raises:
        UsageError: There is one theme only, or as in `contrast_directions`.
    """
    names = np.array(themes)
    if len(set(themes)) < 2:
        raise UsageError("There must be two or more themes.", code="one_theme", value=sorted(set(themes)))
    found = np.empty(groups.shape[:2], np.int64)
    for theme in dict.fromkeys(themes):
        left = names == theme
        found[left] = nearest_direction(groups[left], contrast_directions(groups[~left]))
    return found
