"""Keeping one bad row from taking its neighbours along."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from affectome.errors import AffectomeError, RunError
from affectome.pipeline.contracts import STATUSES, Scorer


def bisect(
    segments: pl.DataFrame,
    attempt: Callable[[pl.DataFrame], pl.DataFrame | str],
    failed: Callable[[pl.DataFrame, str], pl.DataFrame],
) -> pl.DataFrame:
    """Score segments, halving whatever fails until the rows to blame stand alone.

    k bad rows among n cost about 2 k log2(n / k) further attempts.

    Args:
        segments: The table to score.
        attempt: Gives the estimates, or the failure code when there are none for this table as a whole.
        failed: Gives the estimates of a single segment that failed with a code.

    Returns:
        The estimates, one row a segment in the same order.

    Raises:
        RunError: A table without rows fails (code ``scorer_empty``), or the halves do not fit together
            (``scorer_schema``).
    """
    outcome = attempt(segments)
    if isinstance(outcome, pl.DataFrame):
        return outcome
    if segments.is_empty():
        raise _scorer_error("scorer_empty", "The scorer fails on a table without rows.", outcome)
    if segments.height == 1:
        return failed(segments, outcome)
    half = segments.height // 2
    upper, lower = (bisect(piece, attempt, failed) for piece in (segments[:half], segments[half:]))
    if upper.schema != lower.schema:
        raise schema_error(upper.schema, lower.schema)
    return pl.concat([upper, lower])


def score_rows(scorer: Scorer, segments: pl.DataFrame) -> pl.DataFrame:
    """Score segments with a scorer that may raise: the rows to blame become ``failed`` rows.

    Their code is that of the raised `AffectomeError`, ``model_error`` for any other exception.

    Args:
        scorer: The scorer.
        segments: The table to score.

    Returns:
        The estimates, one row a segment in the same order.

    Raises:
        RunError: The scorer does not keep to its contract (codes ``scorer_rows``, ``scorer_columns``,
            ``scorer_status``, ``scorer_schema``, ``scorer_empty``, ``scorer_failed``).
    """

    def attempt(piece: pl.DataFrame) -> pl.DataFrame | str:
        try:
            estimates = scorer(piece)
        except AffectomeError as error:
            return error.code
        except BaseException:  # panics of compiled extensions and SystemExit are no Exception
            return "model_error"
        return _checked(piece, estimates)

    return bisect(segments, attempt, lambda piece, code: failed_rows(scorer, piece, code))


def failed_rows(scorer: Scorer, segments: pl.DataFrame, code: str) -> pl.DataFrame:
    """The estimates of segments that failed with a code.

    Args:
        scorer: The scorer, which knows the columns.
        segments: The segments to give up.
        code: The failure code.

    Returns:
        One ``failed`` row a segment in the same order.

    Raises:
        RunError: The scorer cannot do this (codes as in `score_rows`).
    """
    try:
        estimates = scorer.failed(segments, code)
    except Exception as error:
        raise _scorer_error("scorer_failed", f"The scorer cannot write failed rows: {error!r}.", code) from error
    return _checked(segments, estimates)


def schema_error(first: pl.Schema, other: pl.Schema) -> RunError:
    """The error for estimates whose columns differ from those before."""
    names = [name for name in dict.fromkeys([*first, *other]) if first.get(name) != other.get(name)] or ["(order)"]
    return _scorer_error(
        "scorer_schema", "The scorer's columns or their types change between shards.", ", ".join(names)
    )


def _checked(segments: pl.DataFrame, estimates: object) -> pl.DataFrame:
    if not isinstance(estimates, pl.DataFrame):
        kind = type(estimates).__name__
        raise _scorer_error("scorer_columns", f"The scorer returned a {kind}, not a table.", kind)
    for column in ("id", "status", "error"):
        if estimates.schema.get(column) != pl.String:
            raise _scorer_error("scorer_columns", f"The scorer returns no text column {column!r}.", column)
    if estimates.height != segments.height:
        message = f"The scorer returned {estimates.height} rows for {segments.height} segments."
        raise _scorer_error("scorer_rows", message, estimates.height)
    moved = segments["id"].ne_missing(estimates["id"]).arg_true()
    if len(moved):
        row = int(moved[0])
        message = f"The scorer returned the id {estimates['id'][row]!r} where {segments['id'][row]!r} was asked."
        raise _scorer_error("scorer_rows", message, estimates["id"][row])
    unknown = estimates["status"].filter(~estimates["status"].is_in(STATUSES).fill_null(False))
    if len(unknown):
        raise _scorer_error("scorer_status", f"The scorer returned the status {unknown[0]!r}.", unknown[0], STATUSES)
    return estimates


def _scorer_error(code: str, message: str, value: object, allowed: tuple[str, ...] = ()) -> RunError:
    next_step = "This is a fault of the scorer, not of the data: correct the scorer, then run again."
    return RunError(message, code=code, value=value, allowed=allowed, next_step=next_step)
