"""Emotion terms as Gaussians in valence–arousal–dominance: posterior, expected point, fusion, imputation, sampling.

Method: each term has a mean, a between-rater standard deviation and correlations (the statistics of the 1977 study of
Russell and Mehrabian have this form); a point is read as a distribution over terms by Bayes' rule (arXiv 2602.06778).
All values are on the scale -1 to 1.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect.linkage import bhattacharyya_distances, complete_linkage
from affectome.errors import InputError, UsageError

Floats = NDArray[np.float64]
Dims = Literal["VA", "VAD"]

_WIDTH: dict[str, int] = {"VA": 2, "VAD": 3}
_MEAN = ("valence", "arousal", "dominance")
_SD = ("valence_sd", "arousal_sd", "dominance_sd")
_CORRELATION = ("corr_va", "corr_vd", "corr_ad")
_PAIRS = ((0, 1), (0, 2), (1, 2))  # axes of the three correlations
_MIN_EIGENVALUE = 1e-6  # published correlations are estimated pair by pair and need not form a valid matrix together
_IMPUTATION_REACH = 1.5  # standard deviations an imputed dominance may lie from the mean of its term


class Sample(NamedTuple):
    """Points drawn from terms.

    Attributes:
        term: ``(n,)`` position of the term each point was drawn from.
        vad: ``(n, 2 or 3)`` points; not clipped, so a few lie outside -1 to 1.
    """

    term: NDArray[np.int64]
    vad: Floats


class Fusion(NamedTuple):
    """Terms merged into fewer.

    Attributes:
        gaussians: One Gaussian a group, named after the member nearest to it.
        members: The terms of each group, in table order.
        share: ``(groups,)`` share of the terms in each group, the weights that conserve mean and variance.
    """

    gaussians: EmotionGaussians
    members: tuple[tuple[str, ...], ...]
    share: Floats


@dataclass(frozen=True, eq=False)
class EmotionGaussians:
    """A Gaussian in valence–arousal–dominance for each of ``k`` emotion terms.

    Attributes:
        terms: ``k`` names.
        mean: ``(k, 3)`` means in -1 to 1; dominance may be NaN where unknown.
        sd: ``(k, 3)`` standard deviations above 0; dominance may be NaN where unknown.
        correlation: ``(k, 3)`` correlations VA, VD, AD, each within -1 and 1; VD and AD may be NaN where unknown.

    Raises:
        UsageError: If shapes differ, a name is repeated, or a value is outside its range.
    """

    terms: tuple[str, ...]
    mean: Floats
    sd: Floats
    correlation: Floats

    def __post_init__(self) -> None:
        k = len(self.terms)
        if k == 0 or len(set(self.terms)) != k:
            raise UsageError("Terms must be given and differ.", code="bad_terms", value=", ".join(self.terms))
        for name, values in (("mean", self.mean), ("sd", self.sd), ("correlation", self.correlation)):
            if values.shape != (k, 3):
                raise UsageError(
                    f"The {name} needs three columns a term.",
                    code="shape_mismatch",
                    value=values.shape,
                    allowed=(str((k, 3)),),
                )
        unknown = np.isnan(self.mean) | np.isnan(self.sd)
        unknown[:, :2] = False
        self._check(np.abs(self.mean) <= 1, unknown, self.mean, "A mean is outside -1 to 1.")
        self._check((self.sd > 0) & np.isfinite(self.sd), unknown, self.sd, "A standard deviation is not above 0.")
        unknown = np.isnan(self.correlation)
        unknown[:, 0] = False
        self._check(np.abs(self.correlation) < 1, unknown, self.correlation, "A correlation is not within -1 and 1.")

    def _check(self, valid: NDArray[np.bool_], unknown: NDArray[np.bool_], values: Floats, message: str) -> None:
        wrong = ~(valid | unknown)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise UsageError(
                message,
                code="bad_statistic",
                value=f"{values[row, column]} of {self.terms[row]!r}",
                next_step="Means lie on the scale -1 to 1, standard deviations above 0, correlations below 1 in size.",
            )

    @classmethod
    def from_table(cls, source: str | Path | Iterable[Mapping[str, object]]) -> EmotionGaussians:
        """Terms from a CSV file or from rows.

        Args:
            source: Path of a UTF-8 CSV file with a header, or rows as mappings. Columns: ``term``; ``valence``,
                ``arousal``, ``dominance`` and the same with ``_sd``; optionally ``corr_va``, ``corr_vd``, ``corr_ad``.
                Empty dominance cells mean unknown; absent or empty correlations mean independent.

        Returns:
            The terms in table order.

        Raises:
            InputError: If the file cannot be read, a column is missing, or a cell is not a number.
            UsageError: If a value is outside its range.
        """
        if isinstance(source, str | Path):
            try:
                with Path(source).open(encoding="utf-8", newline="") as file:
                    rows: list[Mapping[str, object]] = list(csv.DictReader(file))
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(
                    "The table of terms cannot be read.",
                    code="unreadable_file",
                    value=source,
                    next_step=f"Check that it is a UTF-8 CSV file ({error}).",
                ) from error
        else:
            rows = list(source)
        return cls(
            tuple(str(_cell(row, "term")) for row in rows),
            *(
                np.array([[_number(row, name, default) for name in names] for row in rows]).reshape(-1, 3)
                for names, default in ((_MEAN, None), (_SD, None), (_CORRELATION, 0.0))
            ),
        )

    def covariance(self, dims: Dims = "VAD") -> Floats:
        """Covariance of each term, made valid by raising eigenvalues to at least 1e-6.

        Args:
            dims: ``"VA"`` or ``"VAD"``.

        Returns:
            ``(k, d, d)`` with d = 2 or 3.

        Raises:
            UsageError: If ``dims`` is neither, or dominance is unknown for a term and asked for.
        """
        self._require_known(dims)
        value, vector = np.linalg.eigh(self._raw_covariance()[:, : _WIDTH[dims], : _WIDTH[dims]])
        return np.asarray((vector * np.maximum(value, _MIN_EIGENVALUE)[:, None, :]) @ vector.swapaxes(1, 2))

    def posterior(self, vad: ArrayLike, prior: ArrayLike | None = None, dims: Dims = "VAD") -> Floats:
        """Probability of each term at each point: prior times density, divided by the sum over terms.

        Args:
            vad: ``(n, d)`` or ``(d,)`` points in -1 to 1; with ``dims="VA"`` a third column is not read.
            prior: ``(k,)`` weights of the terms, 0 or more; uniform when absent.
            dims: ``"VA"`` or ``"VAD"``.

        Returns:
            ``(n, k)`` or ``(k,)``, sum 1; NaN where a coordinate is NaN.

        Raises:
            UsageError: If a shape does not fit, the prior is not valid, or dominance is unknown and asked for.
        """
        covariance = self.covariance(dims)
        d = _WIDTH[dims]
        points = np.asarray(vad, dtype=np.float64)
        if points.ndim not in (1, 2) or not d <= points.shape[-1] <= 3:
            raise UsageError(
                "Points need one column a dimension.", code="shape_mismatch", value=points.shape, allowed=(f"(n, {d})",)
            )
        points = points[..., :d]
        factor = np.linalg.cholesky(covariance)
        with np.errstate(divide="ignore"):
            log_density = np.log(self._prior(prior)) - np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        joint = np.empty((*points.shape[:-1], len(self.terms)))
        for term in range(len(self.terms)):  # a loop keeps memory at n·k where one expression would take n·k·d
            whitened = np.linalg.solve(factor[term], (points - self.mean[term, :d]).T)
            joint[..., term] = log_density[term] - 0.5 * (whitened**2).sum(axis=0)
        joint = np.exp(joint - joint.max(axis=-1, keepdims=True))
        return np.asarray(joint / joint.sum(axis=-1, keepdims=True))

    def expected_vad(self, p: ArrayLike) -> Floats:
        """Mean point of a distribution over the terms.

        Args:
            p: ``(n, k)`` or ``(k,)`` probabilities that sum to 1.

        Returns:
            ``(n, 3)`` or ``(3,)``; dominance is NaN when it is unknown for a term.

        Raises:
            UsageError: If the shape does not fit, or a row is negative or does not sum to 1, as independent
                presence probabilities do not.
        """
        probability = np.asarray(p, dtype=np.float64)
        if probability.ndim not in (1, 2) or probability.shape[-1] != len(self.terms):
            raise UsageError(
                "There must be one probability a term.",
                code="shape_mismatch",
                value=probability.shape,
                allowed=(f"(n, {len(self.terms)})",),
            )
        total = probability.sum(axis=-1)
        wrong = (np.abs(total - 1) > 1e-3) | (probability < 0).any(axis=-1)
        if wrong.any():
            raise UsageError(
                "Probabilities over terms must be 0 or more and sum to 1.",
                code="not_a_distribution",
                value=total[wrong].flat[0],
                next_step="Divide presence probabilities by their sum if that is what is meant.",
            )
        return np.asarray(probability @ self.mean)

    def distance(self, a: str, b: str, dims: Dims = "VAD") -> float:
        """Bhattacharyya distance of two terms: 0 for equal Gaussians, without upper limit.

        Args:
            a: A term.
            b: Another term.
            dims: ``"VA"`` or ``"VAD"``.

        Returns:
            The distance, in nats.

        Raises:
            UsageError: If a term is unknown, or dominance is unknown for a term and asked for.
        """
        one, two = self._index(a), self._index(b)
        covariance = self.covariance(dims)
        mean = self.mean[:, : _WIDTH[dims]]
        return float(bhattacharyya_distances(mean[one], covariance[one], mean[[two]], covariance[[two]])[0])

    def fuse(self, k: int, dims: Dims = "VAD") -> Fusion:
        """Merges the terms into ``k`` groups of near terms, each the moment match of its members.

        Groups come from complete linkage on the Bhattacharyya distance: a group is as wide as its two most distant
        members. Equal distances merge the earliest terms first, so the same table always gives the same groups.
        A group's mean is the mean of its members' means, its covariance the mean of their covariances plus the
        covariance of their means.

        Args:
            k: Number of groups, 1 to the number of terms.
            dims: Dimensions the distance is measured in; all three are matched.

        Returns:
            Groups in the order of their first member.

        Raises:
            UsageError: If ``k`` is out of range, or dominance is unknown for a term and asked for.
        """
        if not 1 <= k <= len(self.terms):
            raise UsageError(
                "So many groups cannot be made.", code="bad_k", value=k, allowed=(f"1 to {len(self.terms)}",)
            )
        covariance = self.covariance(dims)
        mean = self.mean[:, : _WIDTH[dims]]
        distance = np.array(
            [bhattacharyya_distances(m, c, mean, covariance) for m, c in zip(mean, covariance, strict=True)]
        )
        groups = complete_linkage(distance, k)
        matched = [self._moment_match(group) for group in groups]
        fused_mean, fused = np.array([m for m, _ in matched]), np.array([c for _, c in matched])
        sd = np.sqrt(np.diagonal(fused, axis1=1, axis2=2))
        correlation = np.stack([fused[:, i, j] / (sd[:, i] * sd[:, j]) for i, j in _PAIRS], axis=1)
        offset = [((mean[g] - m[: mean.shape[1]]) ** 2).sum(axis=1) for g, m in zip(groups, fused_mean, strict=True)]
        names = tuple(self.terms[g[int(o.argmin())]] for g, o in zip(groups, offset, strict=True))
        return Fusion(
            EmotionGaussians(names, fused_mean, sd, correlation),
            tuple(tuple(self.terms[i] for i in group) for group in groups),
            np.array([len(group) for group in groups]) / len(self.terms),
        )

    def impute_dominance(self, va: ArrayLike, label: str | Sequence[str]) -> Floats:
        """Dominance to be expected from valence, arousal and the term, within 1.5 standard deviations of its mean.

        Near the term's mean this is the linear regression on valence and arousal; farther out a hyperbolic tangent
        bends it to the limit.

        Args:
            va: ``(n, 2)`` or ``(2,)`` valence and arousal in -1 to 1.
            label: The term of all points, or ``n`` terms.

        Returns:
            ``(n,)`` dominance, or one number without dimension.

        Raises:
            UsageError: If a term is unknown, its dominance is unknown, or the shapes differ.
        """
        points = np.asarray(va, dtype=np.float64)
        names = [label] if isinstance(label, str) else list(label)
        if points.ndim not in (1, 2) or points.shape[-1] != 2 or len(names) not in (1, *points.shape[:-1]):
            raise UsageError(
                "Points need two columns, valence and arousal, and there must be one term or one a point.",
                code="shape_mismatch",
                value=(points.shape, len(names)),
                allowed=("(n, 2) with 1 or n terms",),
            )
        index = np.array([self._index(name) for name in names], dtype=np.int64)
        self._require_known("VAD", index)
        if isinstance(label, str):
            index = index[0]
        sd, (va_r, vd_r, ad_r) = self.sd[index].T, self.correlation[index].T
        offset = (points - self.mean[index, :2]) / self.sd[index, :2]
        slope_v = (vd_r - va_r * ad_r) / (1 - va_r**2)
        slope_a = (ad_r - va_r * vd_r) / (1 - va_r**2)
        reach = _IMPUTATION_REACH * sd[2]
        shift = sd[2] * (slope_v * offset[..., 0] + slope_a * offset[..., 1])
        return np.asarray(self.mean[index, 2] + reach * np.tanh(shift / reach))

    def sample(self, rng: np.random.Generator, size: int, prior: ArrayLike | None = None, dims: Dims = "VAD") -> Sample:
        """Draws a term, then a point of its Gaussian.

        Args:
            rng: Source of randomness.
            size: Number of points.
            prior: ``(k,)`` weights of the terms, 0 or more; uniform when absent.
            dims: ``"VA"`` or ``"VAD"``.

        Returns:
            The terms and the points.

        Raises:
            UsageError: If the prior is not valid, or dominance is unknown for a term and asked for.
        """
        factor = np.linalg.cholesky(self.covariance(dims))
        term = rng.choice(len(self.terms), size=size, p=self._prior(prior)).astype(np.int64)
        noise = rng.standard_normal((size, _WIDTH[dims]))
        return Sample(term, self.mean[term, : _WIDTH[dims]] + np.einsum("nij,nj->ni", factor[term], noise))

    def _raw_covariance(self) -> Floats:
        """``(k, 3, 3)`` from standard deviations and correlations as given."""
        covariance = self.sd[:, :, None] * self.sd[:, None, :]
        for column, (i, j) in enumerate(_PAIRS):
            covariance[:, i, j] *= self.correlation[:, column]
            covariance[:, j, i] = covariance[:, i, j]
        return covariance

    def _moment_match(self, group: list[int]) -> tuple[Floats, Floats]:
        """Mean ``(3,)`` and covariance ``(3, 3)`` of the equal mixture of some terms."""
        mean = self.mean[group].mean(axis=0)
        offset = self.mean[group] - mean
        return mean, self._raw_covariance()[group].mean(axis=0) + offset.T @ offset / len(group)

    def _prior(self, prior: ArrayLike | None) -> Floats:
        weight = np.ones(len(self.terms)) if prior is None else np.asarray(prior, dtype=np.float64)
        if weight.shape != (len(self.terms),) or not (np.isfinite(weight) & (weight >= 0)).all() or weight.sum() <= 0:
            raise UsageError(
                "The prior needs one weight of 0 or more a term and a sum above 0.",
                code="bad_prior",
                value=prior,
                allowed=(f"{len(self.terms)} weights",),
            )
        return np.asarray(weight / weight.sum())

    def _index(self, term: str) -> int:
        if term not in self.terms:
            raise UsageError("Unknown emotion term.", code="unknown_term", value=term, allowed=self.terms)
        return self.terms.index(term)

    def _require_known(self, dims: str, index: NDArray[np.int64] | None = None) -> None:
        """Refuses ``dims`` that are not known, or that need the dominance of a term where it is unknown."""
        if dims not in _WIDTH:
            raise UsageError("Unknown dimensions.", code="unknown_dims", value=dims, allowed=tuple(_WIDTH))
        if dims == "VA":
            return
        lacking = np.flatnonzero(np.isnan(np.hstack([self.mean, self.sd, self.correlation])).any(axis=1))
        if index is not None:
            lacking = np.intersect1d(lacking, index)
        if len(lacking):
            raise UsageError(
                "Dominance is unknown for some terms.",
                code="unknown_dominance",
                value=", ".join(self.terms[i] for i in lacking),
                next_step='Use dims="VA" or complete the table.',
            )


def _cell(row: Mapping[str, object], column: str) -> object:
    if column not in row:
        raise InputError(
            f"The table of terms has no column {column!r}.",
            code="missing_column",
            value=column,
            allowed=tuple(map(str, row)),
        )
    return row[column]


def _number(row: Mapping[str, object], column: str, default: float | None) -> float:
    """A cell as a number; ``default`` when the column is absent or empty, NaN for an empty cell without default."""
    cell = _cell(row, column) if default is None else row.get(column)
    if cell is None or cell == "":
        return float("nan") if default is None else default
    try:
        return float(str(cell))
    except ValueError:
        raise InputError(
            f"The column {column!r} of the table of terms must hold numbers.", code="not_a_number", value=cell
        ) from None
