"""A benchmark of how strongly emotions are felt: any reader of clips against the intensities that people rated.

A reader is asked clip by clip and may refuse. What it refused or left open is counted and never becomes a zero; an
emotion on which a rank correlation is undefined is named and makes the mean over emotions undefined. Clips may be
sounds, pictures or texts. The way of scoring follows EmoNet-Voice (Schuhmann et al. 2025, arXiv 2506.09827).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect import Mapping as LabelMapping
from affectome.affect import Scale, VoteTable, load_scale
from affectome.errors import UsageError
from affectome.evaluate.inputs import Bools, Floats, Score, check_numbers
from affectome.evaluate.intervals import Interval, Metric, bootstrap
from affectome.evaluate.regression import mae, pearson, rmse, spearman

Clip = TypeVar("Clip")
Scored = Mapping[str, float | None] | ArrayLike | None
"""What a reader says of a clip: a number a label, by name or in their order, None or NaN where it leaves one open; or
None, or nothing but NaN, for a refusal."""

_COMMON = "0..10"
_ABOVE_CHANCE = 1.5  # times the share of a label under chance


@dataclass(frozen=True, eq=False)
class Intensities:
    """What people rated.

    Attributes:
        labels: ``k`` emotions.
        values: ``(n, k, raters)`` on the scale, NaN where a rater did not rate a clip for an emotion. Which rater is
            which may differ from clip to clip.
        scale: The scale they rated on.
    """

    labels: tuple[str, ...]
    values: Floats
    scale: Scale

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != len(self.labels):
            raise UsageError(
                "Ratings need one row a clip, one column an emotion and one layer a rater.",
                code="shape_mismatch",
                value=self.values.shape,
                allowed=(f"(n, {len(self.labels)}, raters)",),
            )


@dataclass(frozen=True, eq=False)
class Answers:
    """What a reader said.

    Attributes:
        labels: ``k`` emotions.
        values: ``(n, k)`` on the scale, NaN where it said nothing.
        scale: The scale it answers on.
    """

    labels: tuple[str, ...]
    values: Floats
    scale: Scale

    @property
    def refused(self) -> Bools:
        """``(n,)`` whether it said nothing at all of a clip."""
        return np.asarray(np.isnan(self.values).all(axis=1))


@dataclass(frozen=True)
class EmotionScores:
    """How well one emotion is rated, on the common scale of 0 to 10.

    Attributes:
        label: The emotion.
        rated: Clips that people rated for it.
        answered: Those of them for which the reader gave a number.
        spearman: Rank correlation with the mean rating, over the clips that were answered.
        pearson: Correlation.
        mae: Mean absolute error.
        rmse: Root of the mean squared error.
        alpha: Krippendorff's alpha of the raters, at the interval level.
        cronbach: Cronbach's alpha of the first two raters of each clip.
    """

    label: str
    rated: int
    answered: int
    spearman: Interval
    pearson: float
    mae: float
    rmse: float
    alpha: float
    cronbach: float


@dataclass(frozen=True)
class IntensityScores:
    """How well a reader rates intensities. Means are over the rated emotions, each of which counts the same.

    Attributes:
        emotions: Scores of the emotions that anybody rated.
        unrated: Emotions that nobody rated and that no figure is about.
        undefined: Rated emotions without a rank correlation: too few answers, or one side is the same everywhere.
        clips: Clips.
        refused: Clips of which the reader said nothing.
        unanswered: Ratings without an answer on clips that it did not refuse.
        spearman: Mean rank correlation; NaN if it is undefined for a rated emotion.
        pearson: Mean correlation; NaN likewise.
        mae: Mean absolute error, 0 to 10; NaN if there is no answer for a rated emotion.
        rmse: Root of the mean squared error; NaN likewise.
        spearman_where_defined: Mean rank correlation over the other emotions, to be quoted with ``undefined`` only.
    """

    emotions: tuple[EmotionScores, ...]
    unrated: tuple[str, ...]
    undefined: tuple[str, ...]
    clips: int
    refused: int
    unanswered: int
    spearman: Interval
    pearson: Interval
    mae: Interval
    rmse: Interval
    spearman_where_defined: float

    @property
    def refusal_rate(self) -> float:
        """Share of the clips that were refused; NaN without clips."""
        return self.refused / self.clips if self.clips else float("nan")


def ask(reader: Callable[[Clip], Scored], clips: Iterable[Clip], *, labels: Sequence[str], scale: Scale) -> Answers:
    """Ask a reader clip by clip.

    Args:
        reader: From a clip to what it says of it. An exception is not a refusal and is passed on.
        clips: ``n`` clips of any kind.
        labels: ``k`` emotions, in the order of the numbers that the reader gives.
        scale: The scale it answers on.

    Returns:
        The answers.

    Raises:
        UsageError: It names an unknown label, gives another number of them, or a value is off the scale.
    """
    names = tuple(labels)
    values = np.array([_row(reader(clip), names) for clip in clips], np.float64).reshape(-1, len(names))
    scale.to(scale, values)
    return Answers(names, values, scale)


def score_intensities(
    answers: Answers,
    ratings: Intensities,
    *,
    seed: int,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
) -> IntensityScores:
    """Score answers by the mean of the ratings, both moved linearly to 0 to 10.

    Args:
        answers: Of ``n`` clips.
        ratings: Of the same clips and labels.
        seed: Seed of the bootstrap.
        groups: ``(n,)`` speaker of each clip; speakers are drawn whole.
        resamples: Number of resamples.

    Returns:
        The scores. A resample in which a mean is undefined is left out of its interval and counted there.

    Raises:
        UsageError: Clips or labels differ, nothing is rated, or a rating is off its scale.
    """
    if answers.labels != ratings.labels or answers.values.shape != ratings.values.shape[:2]:
        raise UsageError(
            "Answers and ratings must be of the same clips and the same labels in the same order.",
            code="shape_mismatch",
            value=answers.values.shape,
            allowed=(str(ratings.values.shape[:2]),),
        )
    common = load_scale(_COMMON)
    truth = _mean_rating(ratings.scale.to(common, ratings.values))
    output = answers.scale.to(common, answers.values)
    known = ~np.isnan(truth)
    rated = np.flatnonzero(known.any(axis=0))
    if not len(rated):
        raise UsageError("Nobody rated any of the clips.", code="no_ratings", value=ratings.values.shape)
    draw = partial(bootstrap, seed=seed, resamples=resamples, groups=groups)
    emotions = tuple(_emotion(ratings, int(k), truth[:, k], output[:, k], draw) for k in rated)
    shown, said = truth[:, rated], output[:, rated]
    whole = {
        metric.__name__: draw(over_emotions(metric), truth=shown, prediction=said)
        for metric in (spearman, pearson, mae, rmse)
    }
    return IntensityScores(
        emotions=emotions,
        unrated=tuple(label for k, label in enumerate(ratings.labels) if k not in rated),
        undefined=tuple(emotion.label for emotion in emotions if np.isnan(emotion.spearman.value)),
        clips=len(truth),
        refused=int(answers.refused.sum()),
        unanswered=int((known & np.isnan(output) & ~answers.refused[:, None]).sum()),
        spearman_where_defined=spearman(truth=shown, prediction=said).value,
        **whole,
    )


def over_emotions(metric: Callable[..., Score]) -> Metric:
    """A metric of ``(n, k)`` cells as the mean over the emotions, NaN where it is undefined for one of them.

    The mean that the metric itself gives leaves out what is undefined, which favours a reader that says the same of
    every clip.

    Args:
        metric: Called with ``truth=`` and ``prediction=``, e.g. `spearman`.
    """

    def mean(*, truth: Floats, prediction: Floats) -> float:
        return float(np.mean(metric(truth=truth, prediction=prediction).per_label))

    return mean


def cronbach(*, ratings: ArrayLike) -> Score:
    """Cronbach's alpha: how far the sum of raters, or of questions, measures one thing.

    r / (r - 1) · (1 - sum of the variances / variance of the sum).

    Args:
        ratings: ``(n, r)`` numbers; an item with NaN counts as missing and is left out.

    Returns:
        Up to 1, without lower limit; undefined without two items, or where all items have the same sum.

    Raises:
        UsageError: If there are not at least two raters, or a value is infinite.

    Source: L. J. Cronbach, Psychometrika 16 (1951).
    """
    given = check_numbers(ratings, ratings).truth
    if given.ndim != 2 or given.shape[1] < 2:
        raise UsageError("There must be at least two raters.", code="too_few_raters", value=given.shape)
    whole = given[~np.isnan(given).any(axis=1)]
    raters, value = given.shape[1], float("nan")
    if len(whole) > 1 and (total := float(whole.sum(axis=1).var(ddof=1))) > 0:
        value = raters / (raters - 1) * (1 - float(whole.var(axis=0, ddof=1).sum()) / total)
    return Score(value, len(whole), len(given) - len(whole), 0)


def coarse_presence(scores: ArrayLike, mapping: LabelMapping) -> NDArray[np.bool_]:
    """Which coarse labels are present, by the rule with which EmoNet-Voice reads corpora of few emotions.

    Over the fine labels with a counterpart the scores are turned into shares by softmax; a coarse label is present if
    one of its fine labels has more than 1.5 times the share it had under chance. Several may be present, or none: a hit
    among them is weaker than a right answer, and has to be quoted with how many were present.

    Args:
        scores: ``(n, fine)`` intensities on 0 to 4, the scale of the published models.
        mapping: From the fine labels to the coarse ones.

    Returns:
        ``(n, coarse)``.

    Raises:
        UsageError: If the scores do not fit the mapping or are not finite.
    """
    given = np.asarray(scores, np.float64)
    member = mapping.matrix > 0
    mapped = member.any(axis=1)
    if given.ndim != 2 or given.shape[1] != len(member) or not np.isfinite(given).all():
        raise UsageError(
            "The scores must be finite, one row a clip and one column a fine label.",
            code="shape_mismatch",
            value=given.shape,
            allowed=(f"(n, {len(member)})",),
        )
    size = np.exp(given[:, mapped] - given[:, mapped].max(axis=1, keepdims=True))
    above = size / size.sum(axis=1, keepdims=True) > _ABOVE_CHANCE / mapped.sum()
    return np.asarray((above[:, :, None] & member[mapped]).any(axis=1))


def _row(scored: Scored, labels: tuple[str, ...]) -> Floats:
    if scored is None:
        return np.full(len(labels), np.nan)
    if isinstance(scored, Mapping):
        if unknown := set(scored) - set(labels):
            raise UsageError(
                "The reader names a label that is not asked for.",
                code="unknown_label",
                value=sorted(unknown)[0],
                allowed=labels,
            )
        row = np.array([scored.get(label) for label in labels], np.float64)
    else:
        row = np.array(scored, np.float64)  # None becomes NaN
    if row.shape != (len(labels),):
        raise UsageError(
            "The reader must give one number a label, or None to refuse.",
            code="shape_mismatch",
            value=row.shape,
            allowed=(f"({len(labels)},)",),
        )
    return row


def _mean_rating(values: Floats) -> Floats:
    """The mean over raters, NaN where nobody rated."""
    known = ~np.isnan(values)
    count = known.sum(axis=2)
    return np.asarray(np.where(known, values, 0.0).sum(axis=2) / np.where(count > 0, count, np.nan))


def _emotion(
    ratings: Intensities, k: int, truth: Floats, output: Floats, draw: Callable[..., Interval]
) -> EmotionScores:
    known = ~np.isnan(truth)
    levels = ratings.values[known, k]
    return EmotionScores(
        label=ratings.labels[k],
        rated=int(known.sum()),
        answered=int((known & ~np.isnan(output)).sum()),
        spearman=draw(spearman, truth=truth, prediction=output),
        pearson=pearson(truth=truth, prediction=output).value,
        mae=mae(truth=truth, prediction=output).value,
        rmse=rmse(truth=truth, prediction=output).value,
        alpha=_alpha(levels),
        cronbach=_first_two(levels),
    )


def _alpha(levels: Floats) -> float:
    """Krippendorff's alpha of ``(n, raters)`` ratings."""
    occurring = np.unique(levels[~np.isnan(levels)])
    counts = (levels[:, :, None] == occurring).sum(axis=1)
    return VoteTable.from_counts(counts, [repr(float(level)) for level in occurring]).alpha("interval")


def _first_two(levels: Floats) -> float:
    """Cronbach's alpha of the first two ratings of each clip: a third one is often given to some clips only."""
    if levels.shape[1] < 2:
        return float("nan")
    order = np.argsort(np.isnan(levels), axis=1, kind="stable")
    return cronbach(ratings=np.take_along_axis(levels, order, axis=1)[:, :2]).value
