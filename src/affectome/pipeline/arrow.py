"""The scorer as a function of Arrow record batches, the shape that distributed engines take."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from affectome.errors import MissingExtraError
from affectome.pipeline.contracts import Scorer, ScorerFactory
from affectome.pipeline.isolation import score_rows

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]


def arrow_scorer(factory: ScorerFactory) -> Callable[[pyarrow.RecordBatch], pyarrow.RecordBatch]:
    """A function from a record batch of segments to a record batch of estimates, for an engine's map over batches.

    It builds its scorer once in each process, at the first batch, and can be pickled. A row the scorer raises on
    becomes a ``failed`` row; the process itself dying is for the engine to handle.

    Args:
        factory: Builds the scorer.

    Returns:
        The function. It raises `RunError` if the scorer does not keep to its contract.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.for_extra("arrow", "pyarrow") from error
    return _ArrowScorer(factory)


class _ArrowScorer:
    def __init__(self, factory: ScorerFactory) -> None:
        self._factory = factory

    def __call__(self, batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        import pyarrow

        estimates = score_rows(self._scorer, pl.DataFrame(batch))
        table = estimates.to_arrow(compat_level=pl.CompatLevel.oldest())  # engines do not know string views
        return pyarrow.RecordBatch.from_arrays([c.combine_chunks() for c in table.columns], schema=table.schema)

    def __reduce__(self) -> tuple[Any, ...]:
        return _ArrowScorer, (self._factory,)

    @cached_property
    def _scorer(self) -> Scorer:
        return self._factory()
