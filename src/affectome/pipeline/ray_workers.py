"""Workers on a Ray cluster: the runner stays as it is, its worker processes are Ray actors."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

from affectome.errors import MissingExtraError, UsageError
from affectome.pipeline.contracts import Scorer
from affectome.pipeline.wire import Message
from affectome.pipeline.worker import answer, build
from affectome.pipeline.workers import WORKER_ENVIRONMENT, Worker


def connect(workers: int) -> type[Worker]:
    """Join the cluster that the variable RAY_ADDRESS names, or start one on this machine.

    Args:
        workers: Workers that are wanted; each takes a processor of the cluster.

    Returns:
        What a worker is there.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: ``bad_workers`` if the cluster has fewer processors.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError.for_extra("ray", "ray") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    processors = int(ray.cluster_resources().get("CPU", 0))
    if workers > processors:
        raise UsageError(
            f"The Ray cluster has {processors} processors, too few for {workers} workers.",
            code="bad_workers",
            value=workers,
            next_step="Ask for fewer workers, or add machines to the cluster.",
        )
    return RayWorker


class RayWorker(Worker):
    """One actor at a time, replaced when it dies."""

    _actor: Any = None

    def stop(self) -> None:
        """End the actor at once; the thread that waits for it gives up."""
        with self._lock:
            self._stopped = True
            actor = self._actor  # the thread may be about to forget it
        if actor is not None:
            _kill(actor)

    def close(self) -> None:
        """End the actor and free its processor."""
        actor, self._actor = self._actor, None
        if actor is not None:
            _kill(actor)

    def _is_open(self) -> bool:
        return self._actor is not None

    def _open(self) -> None:
        """Start the actor; the runner decides what is tried again."""
        import ray

        remote = ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, runtime_env={"env_vars": WORKER_ENVIRONMENT}
        )
        self._actor = remote(_Scoring).remote([str(path) for path in sys.path])

    def _ask(self, request: Message, seconds: float) -> Message | str:
        """The reply, or ``timed_out`` or ``worker_died``."""
        import ray

        try:
            reply: Message = ray.get(self._actor.ask.remote(request), timeout=seconds)
        except ray.exceptions.GetTimeoutError:
            return "timed_out"
        except (ray.exceptions.RayError, AttributeError):  # it died, or was ended while it was being asked
            return "worker_died"
        return reply


class _Scoring:
    """What runs in an actor.

    Args:
        paths: Where the runner finds modules, that of the factory among them.
    """

    def __init__(self, paths: list[str]) -> None:
        sys.path += [path for path in paths if path not in sys.path]
        self._scorer: Scorer | None = None

    def ask(self, request: Message) -> Message:
        """Build the scorer, then answer requests."""
        if request.kind == "build":
            built = build(request.body)
            if isinstance(built, Message):
                return built
            self._scorer = built
            return Message("ready", {})
        assert self._scorer is not None
        return answer(self._scorer, request)


def _kill(actor: Any) -> None:  # noqa: ANN401 - Ray's handles have no public type
    import ray

    if ray.is_initialized():
        ray.kill(actor)
