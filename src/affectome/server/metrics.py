"""What Prometheus sees of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counts of one server; no text, file name or key is ever a label.

    Attributes:
        requests: Requests by method, route and status.
        seconds: How long requests took, by route.
        under_way: Requests under way.
        texts: Texts that were read, by status.
        batches: Texts that were read at once.
        waiting: Texts that wait to be read.
        streams: Open streams, by kind.
        jobs: Jobs that ended, by status.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        about = {"registry": self._registry, "namespace": "affectome"}
        ProcessCollector(registry=self._registry)
        self.requests = Counter("requests", "Requests", ["method", "route", "status"], **about)  # type: ignore[arg-type]
        self.seconds = Histogram("request_seconds", "Seconds a request took", ["route"], buckets=_SECONDS, **about)  # type: ignore[arg-type]
        self.under_way = Gauge("requests_under_way", "Requests under way", **about)  # type: ignore[arg-type]
        self.texts = Counter("texts", "Texts read", ["status"], **about)  # type: ignore[arg-type]
        self.batches = Histogram("batch_texts", "Texts read at once", buckets=(1, 2, 4, 8, 16, 32, 64), **about)  # type: ignore[arg-type]
        self.waiting = Gauge("texts_waiting", "Texts that wait to be read", **about)  # type: ignore[arg-type]
        self.streams = Gauge("streams", "Open streams", ["kind"], **about)  # type: ignore[arg-type]
        self.jobs = Counter("jobs_ended", "Jobs that ended", ["status"], **about)  # type: ignore[arg-type]

    def watch_jobs(self, counts: Callable[[], dict[str, int]]) -> None:
        """Show the number of jobs by status, asked for whenever the metrics are read."""
        self._registry.register(_Jobs(counts))

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class _Jobs:
    def __init__(self, counts: Callable[[], dict[str, int]]) -> None:
        self._counts = counts

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("affectome_jobs", "Jobs by status", labels=["status"])
        for status, count in sorted(self._counts().items()):
            family.add_metric([status], count)
        yield family
