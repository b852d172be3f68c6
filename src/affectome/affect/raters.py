"""Votes of several raters on the same items: soft labels, consensus, agreement, rater models and ceilings.

Notation: ``n`` items, ``k`` labels, ``c[u, l]`` the number of raters who gave item ``u`` the label ``l`` and
``m[u]`` the number of ratings of item ``u``. An item nobody rated stays in the table and yields NaN, never zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect.dawid_skene import DawidSkene, fit_dawid_skene
from affectome.errors import UsageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Level = Literal["nominal", "ordinal", "interval"]
Ties = Literal["abstain", "first", "split"]

_LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
_TIES: tuple[Ties, ...] = ("abstain", "first", "split")


class Consensus(NamedTuple):
    """One label per item where the votes give one.

    Attributes:
        winner: ``(n,)`` position of the winning label, -1 where there is none.
        weight: ``(n, k)`` weight of each label; a row sums to 1, to 0 where abstained, and is NaN where unrated.
        tied: ``(n,)`` whether two or more labels share the highest count.
    """

    winner: Ints
    weight: Floats
    tied: NDArray[np.bool_]


class Ceiling(NamedTuple):
    """What the best possible reader could reach against these raters, who disagree with one another.

    Attributes:
        n_best: ``(k,)`` expected share of hits, against one randomly drawn rater, of a reader that names the 1, 2, …,
            k most frequent labels of each item; ``n_best[0]`` is E[max_l c_l / m].
        rater_vs_rater: Expected accuracy of one random rater against another of the same item.
        rater_vs_rest: Expected accuracy of one random rater against the plurality of the others, ties shared.
        cross_entropy: Lowest possible expected log loss in nats against a random rater, the mean vote entropy.
        items: Items with at least one rating, over which ``n_best`` and ``cross_entropy`` are means.
        compared: Items with at least two ratings, over which the two rater figures are means.
    """

    n_best: Floats
    rater_vs_rater: float
    rater_vs_rest: float
    cross_entropy: float
    items: int
    compared: int


@dataclass(frozen=True, eq=False)
class VoteTable:
    """How many raters gave each item each label and, where it is known, who they were.

    Build it with `from_counts` or `from_rows`. Labels exclude each other: a rater gives an item one label or none.

    Attributes:
        items: ``n`` item names.
        labels: ``k`` label names; their order is the scale for the ordinal level.
        counts: ``(n, k)`` votes.
        raters: Rater names, empty when only counts are known.
        votes: ``(v, 3)`` one row a vote: positions of item, rater and label; no rows when only counts are known.
    """

    items: tuple[str, ...]
    labels: tuple[str, ...]
    counts: Ints
    raters: tuple[str, ...]
    votes: Ints

    @classmethod
    def from_counts(cls, counts: ArrayLike, labels: Sequence[str], items: Sequence[str] | None = None) -> VoteTable:
        """A table from vote counts, without rater names.

        Args:
            counts: ``(n, k)`` whole numbers, 0 or more.
            labels: ``k`` names.
            items: ``n`` names; ``"0"``, ``"1"``, … when absent.

        Returns:
            The table.

        Raises:
            UsageError: If shapes differ, a name is repeated, or a count is negative, fractional or not finite.
        """
        given = np.asarray(counts, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != len(labels):
            raise UsageError(
                "Vote counts need one row an item and one column a label.",
                code="shape_mismatch",
                value=given.shape,
                allowed=(f"(n, {len(labels)})",),
            )
        whole = np.isfinite(given) & (given >= 0) & (given == np.floor(given))
        if not whole.all():
            raise UsageError(
                "Vote counts must be whole numbers, 0 or more.",
                code="bad_count",
                value=given[~whole][0],
                next_step="Give the votes themselves, not shares; an item without votes is a row of zeros.",
            )
        names = tuple(str(i) for i in range(len(given))) if items is None else tuple(items)
        if len(names) != len(given):
            raise UsageError(
                "There must be one item name a row.",
                code="shape_mismatch",
                value=len(names),
                allowed=(str(len(given)),),
            )
        no_votes = np.empty((0, 3), dtype=np.int64)
        return cls(_distinct(names, "item"), _distinct(labels, "label"), given.astype(np.int64), (), no_votes)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Hashable, Hashable, str | None]], labels: Sequence[str]) -> VoteTable:
        """A table from one row a rating.

        Args:
            rows: ``(item, rater, label)``; a label of None means that the rater saw the item and did not rate it.
            labels: All labels, in scale order if they have one.

        Returns:
            The table, with items and raters in order of first appearance.

        Raises:
            UsageError: If a label is not in ``labels``, or a rater rates an item twice.
        """
        listed = [(str(item), str(rater), label) for item, rater, label in rows]
        names = _distinct(labels, "label")
        items = {item: i for i, item in enumerate(dict.fromkeys(item for item, *_ in listed))}
        raters = {rater: i for i, rater in enumerate(dict.fromkeys(rater for _, rater, _ in listed))}
        column = {label: i for i, label in enumerate(names)}
        seen: set[tuple[int, int]] = set()
        votes: list[tuple[int, int, int]] = []
        for item, rater, label in listed:
            if label is None:
                continue
            if label not in column:
                raise UsageError(
                    "A row has a label that is not listed.", code="unknown_label", value=label, allowed=names
                )
            pair = (items[item], raters[rater])
            if pair in seen:
                raise UsageError(
                    "A rater rates an item twice.",
                    code="duplicate_vote",
                    value=(item, rater),
                    next_step="Keep one row for each item and rater.",
                )
            seen.add(pair)
            votes.append((*pair, column[label]))
        table = np.array(votes, dtype=np.int64).reshape(-1, 3)
        counts = np.zeros((len(items), len(names)), dtype=np.int64)
        np.add.at(counts, (table[:, 0], table[:, 2]), 1)
        return cls(tuple(items), names, counts, tuple(raters), table)

    @property
    def ratings(self) -> Ints:
        """``(n,)`` number of ratings an item has."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def unanimous_share(self) -> float:
        """Share of the items with at least two ratings on which all raters agree; NaN without such items."""
        compared = self.counts[self.ratings >= 2]
        return _mean(compared.max(axis=1) == compared.sum(axis=1)) if len(compared) else float("nan")

    @property
    def tied_share(self) -> float:
        """Share of the items with at least two ratings whose highest count is shared; NaN without such items."""
        return _mean(self.consensus().tied[self.ratings >= 2])

    def soft_labels(self, smoothing: float = 0.0) -> Floats:
        """Share of the votes of each label, the target of soft-label training.

        Args:
            smoothing: Votes added to every label of every rated item, 0 or more.

        Returns:
            ``(n, k)`` rows that sum to 1; NaN rows for unrated items, which smoothing does not invent votes for.

        Raises:
            UsageError: If ``smoothing`` is negative or not finite.
        """
        _check_smoothing(smoothing)
        votes = self.counts + float(smoothing)
        votes[self.ratings == 0] = np.nan
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def consensus(self, ties: Ties = "abstain") -> Consensus:
        """The label with most votes, under a declared rule for ties.

        Args:
            ties: ``"abstain"`` gives a tied item no label; ``"first"`` takes the tied label that stands first in
                `labels`, which favours it; ``"split"`` shares the weight equally among the tied labels.

        Returns:
            Winning positions, weights and which items are tied.

        Raises:
            UsageError: If ``ties`` is none of these.
        """
        if ties not in _TIES:
            raise UsageError("Unknown rule for ties.", code="unknown_tie_rule", value=ties, allowed=_TIES)
        rated = self.ratings > 0
        winners = (self.counts == self.counts.max(axis=1, keepdims=True)) & rated[:, None]
        tied = winners.sum(axis=1) > 1
        first = winners.argmax(axis=1).astype(np.int64)
        weight = winners / np.maximum(winners.sum(axis=1, keepdims=True), 1)
        winner = np.where(rated & (~tied | (ties == "first")), first, -1)
        if ties == "first":
            weight = np.eye(len(self.labels))[first]
        elif ties == "abstain":
            weight[tied] = 0.0
        weight[~rated] = np.nan
        return Consensus(winner, weight, tied)

    def entropy(self, base: float = np.e) -> Floats:
        """Entropy of each item's votes.

        Args:
            base: Base of the logarithm: e for nats, 2 for bits.

        Returns:
            ``(n,)`` from 0 (all agree) to log k; NaN for unrated items.

        Raises:
            UsageError: If ``base`` is not above 1.
        """
        if not base > 1:
            raise UsageError(
                "The base of a logarithm must be above 1.", code="bad_base", value=base, allowed=("2", "e")
            )
        share = self.soft_labels()
        return np.asarray((share * -np.log(np.where(share > 0, share, 1.0))).sum(axis=1) / np.log(base))

    def alpha(self, level: Level = "nominal") -> float:
        """Krippendorff's alpha: agreement above chance with any number of raters and missing ratings.

        Args:
            level: How far apart two labels are: ``"nominal"`` (equal or not), ``"ordinal"`` (ranks, in the order of
                `labels`) or ``"interval"`` (labels are numbers).

        Returns:
            1 for full agreement, 0 for chance, below 0 for systematic disagreement; NaN if no item has two ratings or
            only one label occurs, where it is undefined.

        Raises:
            UsageError: If ``level`` is unknown, or the labels are not numbers at the interval level.

        Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011).
        """
        if level not in _LEVELS:
            raise UsageError("Unknown level of measurement.", code="unknown_level", value=level, allowed=_LEVELS)
        paired = self.counts[self.ratings >= 2].astype(np.float64)
        per_rating = paired / (paired.sum(axis=1, keepdims=True) - 1)
        coincidence = paired.T @ per_rating - np.diag(per_rating.sum(axis=0))
        total = coincidence.sum(axis=0)
        difference = self._squared_difference(level, total)
        expected = total @ difference @ total
        if expected == 0:
            return float("nan")
        return float(1 - (total.sum() - 1) * (coincidence * difference).sum() / expected)

    def ac1(self) -> float:
        """Gwet's AC1: agreement above chance that stays stable when one label is very frequent.

        Returns:
            1 for full agreement, 0 for chance; NaN if no item has two ratings or the table has fewer than two labels.
            Chance depends on the number of labels in the table, also of those nobody used.

        Source: K. L. Gwet, Handbook of Inter-Rater Reliability (2014), multiple raters with missing ratings.
        """
        ratings = self.ratings
        paired = self.counts[ratings >= 2]
        if not len(paired) or len(self.labels) < 2:
            return float("nan")
        observed = _rater_vs_rater(paired)
        prevalence = (self.counts[ratings > 0] / ratings[ratings > 0, None]).mean(axis=0)
        chance = float((prevalence * (1 - prevalence)).sum() / (len(self.labels) - 1))
        return (observed - chance) / (1 - chance)

    def dawid_skene(self, smoothing: float = 0.01) -> DawidSkene:
        """True labels and each rater's confusion matrix, by expectation–maximisation from the vote shares.

        Args:
            smoothing: Pseudo-votes in every cell of every confusion matrix, so that a rater with few votes cannot
                rule a label out.

        Returns:
            Posterior, confusion matrices, prior and how the fit ended.

        Raises:
            UsageError: If the table has no votes with rater names, or ``smoothing`` is negative or not finite.

        Source: A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979), equations 2.3 to 2.5.
        """
        _check_smoothing(smoothing)
        if not len(self.votes):
            raise UsageError(
                "The rater model needs to know who gave each vote.",
                code="no_raters",
                next_step="Build the table with VoteTable.from_rows.",
            )
        return fit_dawid_skene(self.votes, self.soft_labels(), self.raters, smoothing)

    def ceiling(self) -> Ceiling:
        """How well any reader can do against these raters; quote it beside every accuracy on the same votes.

        Returns:
            Expected n-best accuracies, rater figures and the floor of the log loss; NaN where no item qualifies.
        """
        ratings = self.ratings
        share = -np.sort(-self.soft_labels()[ratings > 0], axis=1)
        paired = self.counts[ratings >= 2]
        n_best = share.cumsum(axis=1).mean(axis=0) if len(share) else np.full(len(self.labels), np.nan)
        return Ceiling(
            n_best=n_best,
            rater_vs_rater=_rater_vs_rater(paired),
            rater_vs_rest=_rater_vs_rest(paired),
            cross_entropy=_mean(self.entropy()[ratings > 0]),
            items=len(share),
            compared=len(paired),
        )

    def _squared_difference(self, level: Level, total: Floats) -> Floats:
        """``(k, k)`` squared distance of two labels; ``total`` holds the pairable ratings of each label."""
        k = len(self.labels)
        if level == "nominal":
            return 1 - np.eye(k)
        if level == "ordinal":
            # Ratings up to the middle of a label: their distance is the number of ratings between the two labels.
            position = total.cumsum() - total / 2
        else:
            try:
                position = np.array([float(label) for label in self.labels])
            except ValueError:
                raise UsageError(
                    "At the interval level labels must be numbers.",
                    code="labels_not_numbers",
                    value=", ".join(self.labels),
                    next_step="Name the labels by their values, or use the ordinal level.",
                ) from None
        return np.asarray((position[:, None] - position) ** 2)


def _distinct(names: Sequence[str], kind: str) -> tuple[str, ...]:
    """``names`` as a tuple, refused if one is repeated or, for labels, if there is none."""
    if kind == "label" and not len(names):
        raise UsageError("A vote table needs at least one label.", code="no_labels")
    if len(set(names)) != len(names):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise UsageError(f"The {kind} names must differ.", code="duplicate_name", value=repeated)
    return tuple(names)


def _check_smoothing(smoothing: float) -> None:
    """Refuses pseudo-votes that are negative or not finite."""
    if not (np.isfinite(smoothing) and smoothing >= 0):
        raise UsageError("Smoothing must be a finite number, 0 or more.", code="bad_smoothing", value=smoothing)


def _mean(values: NDArray[np.bool_] | Floats) -> float:
    """Mean, NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")


def _rater_vs_rater(paired: Ints) -> float:
    """Chance that two different raters of an item agree; ``paired`` has at least two ratings a row."""
    ratings = paired.sum(axis=1)
    return _mean((paired * (paired - 1)).sum(axis=1) / (ratings * (ratings - 1)))


def _rater_vs_rest(paired: Ints) -> float:
    """Chance that a rater meets the plurality of the others; a tie of ``t`` labels counts 1/t."""
    hits = np.zeros(len(paired))
    for label in range(paired.shape[1]):
        rest = paired.copy()
        rest[:, label] -= 1
        top = rest == rest.max(axis=1, keepdims=True)
        hits += paired[:, label] * top[:, label] / top.sum(axis=1)
    return _mean(hits / paired.sum(axis=1))
