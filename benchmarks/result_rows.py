"""The rows of a result, which benchmarks of accuracy share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from affectome.evaluate import bootstrap

SEED = 0


class Results:
    """Rows of set, predictor, metric, value and interval."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(
        self, data: str, predictor: str, metric: str, function: Callable[..., Any], groups: Any = None, **arrays: Any
    ) -> None:
        """Measure, resampled by row or by group, and print.

        Args:
            data: What was measured on.
            predictor: What predicted.
            metric: What is measured.
            function: Called with ``arrays``.
            groups: What belongs together, such as the speakers (n,).
            arrays: Truth and prediction (n, ...).
        """
        interval = bootstrap(function, seed=SEED, resamples=500, groups=groups, **arrays)
        n = len(next(iter(arrays.values())))
        row = {"set": data, "predictor": predictor, "metric": metric, "value": round(interval.value, 4)}
        self.rows.append({**row, "low": round(interval.low, 4), "high": round(interval.high, 4), "n": n})
        span = f"[{interval.low:.3f}, {interval.high:.3f}]"
        print(f"{data:34} {predictor:40} {metric:18} {interval.value:.3f}  {span}", flush=True)
