"""Carrying probabilities from one taxonomy to another without hiding what has no counterpart.

A mapping is a matrix whose row says where a source label goes. Rows may sum to less than one; the rest is *unmapped*,
is returned beside every result and is never spread over the other labels.

How rows combine depends on the source. Labels that exclude each other are parts of one whole, so their shares are
added and total mass is conserved. Labels that may be present together are events: a target is present if at least one
of its sources is, and the probability of that is taken as a noisy-or, 1 - prod(1 - p_i * m_ij). It lies between the
two bounds that hold whatever the dependence, the largest p_i and the capped sum; the largest alone would ignore that
several weak signs of one feeling support each other, the sum would exceed one.
"""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.affect.datafiles import file_ids, read_toml
from affectome.affect.taxonomy import Taxonomy, load_taxonomy
from affectome.errors import UsageError

Method = Literal["auto", "table", "cluster", "vad", "embedding"]

# float32 probabilities of many labels add up to one only to within this.
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Mapping:
    """Where each label of ``source`` goes in ``target``.

    Args:
        source: Taxonomy of the probabilities to be mapped.
        target: Taxonomy of the result.
        matrix: Shares in [0, 1], shape ``(len(source), len(target))``; a row sums to at most 1.
        method: How the matrix was found: ``table``, ``cluster``, ``vad`` or ``embedding``.

    Raises:
        UsageError: ``invalid_mapping`` if the matrix has another shape, a negative share or a row above 1.
    """

    source: Taxonomy
    target: Taxonomy
    matrix: NDArray[np.float64]
    method: Method

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        shape = (len(self.source), len(self.target))
        if matrix.shape != shape or not (matrix >= 0).all() or (matrix.sum(axis=1) > 1 + 1e-9).any():
            raise UsageError(
                f"A mapping from {self.source.id!r} to {self.target.id!r} needs a matrix of shape {shape} with shares "
                "of at least 0 and rows that sum to at most 1.",
                code="invalid_mapping",
                value=matrix.shape,
                next_step="Give one row a source label and one column a target label.",
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @property
    def unmapped(self) -> NDArray[np.float64]:
        """Share of each source label that has no counterpart, in [0, 1], shape ``(len(source),)``."""
        return np.asarray(np.clip(1.0 - self.matrix.sum(axis=1), 0.0, 1.0))

    def apply(self, probabilities: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Map probabilities over the source labels.

        Args:
            probabilities: Values in [0, 1], shape ``(..., len(source))``; for an exclusive source they sum to at most
                1 along the last axis.

        Returns:
            The probabilities over the target labels, shape ``(..., len(target))``, and the unmapped mass, shape
            ``(...)``. For an exclusive source the two add up to the mass that came in; otherwise each is the noisy-or
            presence probability, so the result is of the same nature as the input, whatever the target declares.

        Raises:
            UsageError: ``invalid_probabilities`` if the shape or a value does not fit.
        """
        p = self._checked(probabilities)
        shares = np.column_stack([self.matrix, self.unmapped])
        mapped = p @ shares if self.source.exclusive else _noisy_or(p, shares)
        return mapped[..., :-1], mapped[..., -1]

    def _checked(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        p = np.asarray(probabilities, dtype=np.float64)
        if p.ndim == 0 or p.shape[-1] != len(self.source):
            problem = f"the last axis must have length {len(self.source)}, the shape is {p.shape}"
        elif not ((p >= -_TOLERANCE) & (p <= 1 + _TOLERANCE)).all():
            problem = "a value is missing or outside [0, 1]"
        elif self.source.exclusive and (p.sum(axis=-1) > 1 + _TOLERANCE).any():
            problem = f"the labels of {self.source.id!r} exclude each other, yet their probabilities sum to more than 1"
        else:
            return np.clip(p, 0.0, 1.0)
        raise UsageError(
            f"These are no probabilities over {self.source.id!r}: {problem}.",
            code="invalid_probabilities",
            value=p.shape,
            next_step="Map scored rows only, with the labels in the order of the taxonomy.",
        )


def map_labels(
    source: Taxonomy | str,
    target: Taxonomy | str,
    *,
    method: Method = "auto",
    positions: abc.Mapping[str, ArrayLike] | None = None,
    reject: float | None = None,
    temperature: float = 0.0,
) -> Mapping:
    """Find where the labels of one taxonomy go in another.

    Args:
        source: Taxonomy, or its id, to map from.
        target: Taxonomy, or its id, to map to.
        method: ``table``: a written table, or for a target of one label a valence sign (``sentiment3``) the signs of
            the source labels. ``cluster``: labels that share their name, otherwise labels that share synonyms,
            weighted by how many. ``vad``: nearest position by Euclidean distance. ``embedding``: nearest position by
            cosine distance. ``auto``: the table if there is one, otherwise the cluster.
        positions: For ``vad`` and ``embedding``: a vector of equal length for every label of both taxonomies.
        reject: For ``vad`` and ``embedding``: targets further away than this are out of reach (cosine distance is
            1 - cosine, in [0, 2]); a label with none in reach is unmapped.
        temperature: For ``vad`` and ``embedding``: 0 gives all to the nearest target (ties share); above 0, shares
            are the softmax of -distance / temperature over the targets in reach.

    Raises:
        UsageError: ``unknown_taxonomy``; ``kind_mismatch`` between, say, categories and appraisals; ``unknown_method``;
            ``no_mapping_table``; ``no_mapping`` if ``auto`` finds neither table nor shared words;
            ``missing_positions``, ``invalid_positions`` and ``invalid_temperature`` for what does not fit;
            ``unused_argument`` for positions given to a method that does not use them.
    """
    source = load_taxonomy(source) if isinstance(source, str) else source
    target = load_taxonomy(target) if isinstance(target, str) else target
    if source.kind != target.kind:
        raise UsageError(
            f"{source.id!r} lists labels of kind {source.kind}, {target.id!r} of kind {target.kind}.",
            code="kind_mismatch",
            value=target.id,
            next_step="Map between taxonomies of the same kind.",
        )
    if method in ("vad", "embedding"):
        matrix = _by_position(source, target, method, positions, np.inf if reject is None else reject, temperature)
        return Mapping(source, target, matrix, method)
    if positions is not None or reject is not None or temperature:
        raise UsageError(
            f"The method {method!r} uses no positions.",
            code="unused_argument",
            value=method,
            allowed=("vad", "embedding"),
            next_step="Choose the method 'vad' or 'embedding', or leave out positions, reject and temperature.",
        )
    if method == "table":
        return Mapping(source, target, _required_table(source, target), "table")
    if method == "cluster":
        return Mapping(source, target, _by_cluster(source, target), "cluster")
    if method == "auto":
        return _by_table_or_cluster(source, target)
    raise UsageError(
        f"There is no mapping method {method!r}.",
        code="unknown_method",
        value=method,
        allowed=("auto", "table", "cluster", "vad", "embedding"),
    )


def _noisy_or(p: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - prod_i(1 - p_i * shares_ij), shape ``(..., n_target)``; only the labels that feed a target are touched."""
    result = np.empty((*p.shape[:-1], shares.shape[1]))
    for column, share in enumerate(shares.T):
        feeding = share > 0
        result[..., column] = 1.0 - np.prod(1.0 - p[..., feeding] * share[feeding], axis=-1)
    return result


def _by_table_or_cluster(source: Taxonomy, target: Taxonomy) -> Mapping:
    table = _by_table(source, target)
    if table is not None:
        return Mapping(source, target, table, "table")
    matrix = _by_cluster(source, target)
    if matrix.any():
        return Mapping(source, target, matrix, "cluster")
    raise UsageError(
        f"No table leads from {source.id!r} to {target.id!r}, and no label of one shares a word with the other.",
        code="no_mapping",
        value=target.id,
        allowed=_table_targets(source),
        next_step="Give positions of all labels and the method 'vad' or 'embedding', or map to one with a table.",
    )


def _required_table(source: Taxonomy, target: Taxonomy) -> NDArray[np.float64]:
    table = _by_table(source, target)
    if table is None:
        raise UsageError(
            f"There is no table from {source.id!r} to {target.id!r}.",
            code="no_mapping_table",
            value=target.id,
            allowed=_table_targets(source),
            next_step="Use the method 'cluster', 'vad' or 'embedding'.",
        )
    return table


def _table_targets(source: Taxonomy) -> list[str]:
    pairs = [name.split("__") for name in file_ids("mappings")]
    return [target_id for source_id, target_id in pairs if source_id == source.id]


def _by_table(source: Taxonomy, target: Taxonomy) -> NDArray[np.float64] | None:
    name = f"{source.id}__{target.id}"
    if name not in file_ids("mappings"):
        return _by_valence(source, target)
    matrix = np.zeros((len(source), len(target)))
    for label, goal in read_toml(f"mappings/{name}")["labels"].items():
        for target_label, share in ({goal: 1.0} if isinstance(goal, str) else goal).items():
            matrix[source.index(label), target.index(target_label)] = share
    return matrix


def _by_valence(source: Taxonomy, target: Taxonomy) -> NDArray[np.float64] | None:
    """The table that valence signs amount to, if the target has exactly one label for each of the three signs."""
    by_sign = {sign: target.index(label) for label, sign in target.valence.items()}
    if len(target) != 3 or set(by_sign) != {-1, 0, 1} or not source.valence:
        return None
    matrix = np.zeros((len(source), len(target)))
    for label, sign in source.valence.items():
        matrix[source.index(label), by_sign[sign]] = 1.0
    return matrix


def _by_cluster(source: Taxonomy, target: Taxonomy) -> NDArray[np.float64]:
    names = [set(target.names(label)) for label in target.labels]
    words = [name | set(target.synonyms.get(label, ())) for name, label in zip(names, target.labels, strict=True)]
    matrix = np.zeros((len(source), len(target)))
    for row, label in zip(matrix, source.labels, strict=True):
        own = set(source.names(label))
        row[:] = [len(own & name) for name in names]
        if not row.any():
            own |= set(source.synonyms.get(label, ()))
            row[:] = [len(own & cluster) for cluster in words]
        row /= max(row.sum(), 1.0)
    return matrix


def _by_position(
    source: Taxonomy,
    target: Taxonomy,
    method: Literal["vad", "embedding"],
    positions: abc.Mapping[str, ArrayLike] | None,
    reject: float,
    temperature: float,
) -> NDArray[np.float64]:
    if not temperature >= 0:
        raise UsageError(
            f"The temperature must be 0 or more, not {temperature}.",
            code="invalid_temperature",
            value=temperature,
            next_step="Use 0 for the nearest target alone, more to share.",
        )
    a, b = _vectors(source, target, positions or {}, directions=method == "embedding")
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1) if method == "vad" else np.maximum(1.0 - a @ b.T, 0.0)
    nearest = distance.min(axis=1, keepdims=True)
    if temperature > 0:
        weight = np.exp((nearest - distance) / temperature)
    else:
        weight = np.isclose(distance, nearest, rtol=0.0, atol=1e-12).astype(np.float64)
    weight[distance > reject] = 0.0
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(weight / np.where(total > 0, total, 1.0))


def _vectors(
    source: Taxonomy, target: Taxonomy, positions: abc.Mapping[str, ArrayLike], *, directions: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions of the two taxonomies' labels, shapes ``(len(source), d)`` and ``(len(target), d)``.

    With ``directions`` they are scaled to unit length.
    """
    labels = (*source.labels, *target.labels)
    missing = [label for label in dict.fromkeys(labels) if label not in positions]
    if missing:
        raise UsageError(
            f"{len(missing)} labels have no position.",
            code="missing_positions",
            value=", ".join(missing),
            next_step="Give a vector for every label of both taxonomies.",
        )
    vectors = [np.asarray(positions[label], dtype=np.float64) for label in labels]
    for label, vector in zip(labels, vectors, strict=True):
        if vector.ndim != 1 or vector.shape != vectors[0].shape or not np.isfinite(vector).all():
            raise _invalid_position(label, "is not a finite vector as long as the others")
        if directions and not vector.any():
            raise _invalid_position(label, "has no direction")
    stacked = np.stack(vectors)
    if directions:
        stacked /= np.linalg.norm(stacked, axis=1, keepdims=True)
    return stacked[: len(source)], stacked[len(source) :]


def _invalid_position(label: str, problem: str) -> UsageError:
    return UsageError(
        f"The position of {label!r} {problem}.",
        code="invalid_positions",
        value=label,
        next_step="Give every label a vector from the same space.",
    )
