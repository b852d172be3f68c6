"""Cuts of a data set into parts that share no speaker, no near-duplicate and no moment.

Rows that belong together are one *block*: rows of a group, rows with near-duplicate texts, and whatever is linked
through either. A block is never cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError
from affectome.evaluate.duplicates import Links, near_duplicates
from affectome.evaluate.inputs import Codes, Floats, group_positions


class Split(NamedTuple):
    """Row numbers of three parts, each in rising order; every row is in exactly one.

    Attributes:
        train: For fitting.
        dev: For choosing: thresholds, layers, calibration, when to stop.
        test: For reporting, once.
    """

    train: Codes
    dev: Codes
    test: Codes


class Fold(NamedTuple):
    """One round of a cross-validation, row numbers in rising order; every row is in exactly one of both.

    Attributes:
        train: For fitting, and for inner folds that choose.
        test: Held out; every row is held out in exactly one fold.
    """

    train: Codes
    test: Codes


def split_rows(
    n: int,
    *,
    groups: ArrayLike | None = None,
    texts: Sequence[str] | None = None,
    times: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int,
) -> Split:
    """Cuts ``n`` rows into training, development and test rows.

    Large blocks are placed first, each where it is missed most, so the parts can miss their shares if blocks are large.
    With ``times`` the blocks are laid end to end by their latest row: no training row is later than the end of a
    development or test block, and without groups and texts the parts follow each other strictly. Blocks that end at
    the same time stay together.

    Args:
        n: Number of rows.
        groups: ``(n,)`` speaker, author, dialogue or series of each row.
        texts: ``n`` texts; near-duplicates stay together.
        times: ``(n,)`` numbers, dates or ISO strings of one kind; they decide instead of chance.
        strata: ``(n,)`` labels whose shares are to be alike in all parts; not with ``times``.
        shares: Of training, development and test rows; they sum to 1, and a part with the share 0 stays empty.
        seed: Seed of the order in which blocks of equal size are placed; without effect on a cut by time.

    Returns:
        The row numbers.

    Raises:
        UsageError: If lengths differ, the shares are no shares, a row has no group or time, ``times`` and ``strata``
            are both given, or a part that has a share would stay empty.
    """
    wanted = np.array(shares, dtype=np.float64)
    if wanted.shape != (3,) or not (wanted >= 0).all() or abs(wanted.sum() - 1) > 1e-9:
        raise UsageError(
            "The shares of train, dev and test must be 0 or more and sum to 1.", code="bad_shares", value=shares
        )
    if times is not None and strata is not None:
        raise UsageError(
            "A cut by time cannot also balance strata.",
            code="times_and_strata",
            next_step="Give either times= or strata=.",
        )
    block = _blocks(n, groups, texts)
    if times is None:
        part = _place_by_chance(block, _stratum_positions(strata, n), wanted, seed)
    else:
        part = _place_by_time(block, _time_positions(times, n), wanted)
    _require_filled(part, wanted, int(block.max()) + 1)
    return Split(*(np.flatnonzero(part == number) for number in range(3)))


def folds(
    n: int,
    *,
    count: int,
    groups: ArrayLike | None = None,
    texts: Sequence[str] | None = None,
    strata: ArrayLike | None = None,
    seed: int,
) -> list[Fold]:
    """Cuts ``n`` rows into ``count`` rounds of cross-validation; as many as groups leaves one group out at a time.

    Args:
        n: Number of rows.
        count: Number of folds, 2 or more.
        groups: ``(n,)`` speaker, author, dialogue or series of each row.
        texts: ``n`` texts; near-duplicates stay together.
        strata: ``(n,)`` labels whose shares are to be alike in all folds.
        seed: Seed of the order in which blocks of equal size are placed.

    Returns:
        The folds.

    Raises:
        UsageError: If lengths differ, a row has no group, or there are fewer blocks than folds.
    """
    if count < 2:
        raise UsageError("There must be at least two folds.", code="bad_folds", value=count)
    block = _blocks(n, groups, texts)
    shares = np.full(count, 1 / count)
    part = _place_by_chance(block, _stratum_positions(strata, n), shares, seed)
    _require_filled(part, shares, int(block.max()) + 1)
    return [Fold(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in range(count)]


def _blocks(n: int, groups: ArrayLike | None, texts: Sequence[str] | None) -> Codes:
    """The block of each row, numbered from 0 without gaps."""
    if n < 1:
        raise UsageError("There must be at least one row.", code="no_rows", value=n)
    if texts is not None and len(texts) != n:
        raise _one_a_row("text", len(texts), n)
    group = np.arange(n) if groups is None else group_positions(groups, n)
    if texts is None:
        return group
    links = Links(int(group.max()) + 1)
    first: dict[int, int] = {}
    for own, cluster in zip(group.tolist(), near_duplicates(texts).tolist(), strict=True):
        links.join(own, first.setdefault(cluster, own))
    return np.asarray(np.unique(links.roots()[group], return_inverse=True)[1])


def _stratum_positions(strata: ArrayLike | None, n: int) -> Codes:
    if strata is None:
        return np.zeros(n, dtype=np.int64)
    given = np.asarray(strata)
    if given.shape != (n,):
        raise _one_a_row("stratum", given.shape, n)
    # Rows without a label are a stratum too.
    names = ["" if label is None or label != label else str(label) for label in given.tolist()]
    return np.asarray(np.unique(names, return_inverse=True)[1])


def _time_positions(times: ArrayLike, n: int) -> Codes:
    """The place of each row's time among the different times, in order."""
    given: NDArray[Any] = np.asarray(times)
    if given.shape != (n,):
        raise _one_a_row("time", given.shape, n)
    if any(time is None or time != time or time == "" for time in given.tolist()):
        raise UsageError("A row has no time.", code="missing_time", next_step="Leave rows without a time out.")
    try:
        return np.asarray(np.unique(given, return_inverse=True)[1])
    except TypeError:
        raise UsageError(
            "Times must all be of one kind.",
            code="mixed_times",
            allowed=("numbers", "dates", "ISO strings"),
        ) from None


def _place_by_chance(block: Codes, stratum: Codes, shares: Floats, seed: int) -> Codes:
    """The part of each row: blocks go, large ones first, where they bring all parts nearest to what is wanted."""
    blocks, strata = int(block.max()) + 1, int(stratum.max()) + 1
    rows = np.bincount(block * strata + stratum, minlength=blocks * strata).reshape(blocks, strata)
    # The size of the parts counts as much as one stratum more.
    content = np.column_stack([rows, rows.sum(axis=1)]).astype(np.float64)
    chosen = np.flatnonzero(shares > 0)
    target = shares[chosen, None] * content.sum(axis=0)
    filled = np.zeros_like(target)
    chance = np.random.default_rng(seed).permutation(blocks)
    order = chance[np.argsort(-content[chance, -1], kind="stable")]
    place = np.empty(blocks, dtype=np.int64)
    for number in order.tolist():
        own = content[number]
        # What the chi-square of the filling against the target grows by.
        growth = (own * (2 * (filled - target) + own) / target).sum(axis=1)
        part = int(growth.argmin())
        filled[part] += own
        place[number] = chosen[part]
    return place[block]


def _place_by_time(block: Codes, time: Codes, shares: Floats) -> Codes:
    """The part of each row: blocks in the order of their latest rows, cut where the shares are met most nearly."""
    end = np.zeros(int(block.max()) + 1, dtype=np.int64)
    np.maximum.at(end, block, time)
    at = end[block]
    rows = np.bincount(at)
    middle = (rows.cumsum() - rows / 2) / len(at)
    return np.searchsorted(shares.cumsum()[:-1], middle)[at]


def _require_filled(part: Codes, shares: Floats, blocks: int) -> None:
    empty = (shares > 0) & (np.bincount(part, minlength=len(shares)) == 0)
    if empty.any():
        raise UsageError(
            "A part would stay empty: too few rows are independent of each other.",
            code="too_few_groups",
            value=blocks,
            next_step="Ask for fewer parts or other shares, or look at what links the rows: groups, texts or times.",
        )


def _one_a_row(name: str, value: object, n: int) -> UsageError:
    return UsageError(f"There must be one {name} a row.", code="shape_mismatch", value=value, allowed=(f"({n},)",))
