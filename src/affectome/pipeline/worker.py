"""The worker process: builds one scorer, then answers requests until the runner is gone."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import IO

from affectome.errors import AffectomeError
from affectome.pipeline.contracts import Scorer
from affectome.pipeline.isolation import failed_rows, score_rows
from affectome.pipeline.wire import Message, pack, receive, send, unpack

_LAST_RESORT = 2.0
"""A worker lives at most this many times the time limit of a request."""


def main() -> None:
    """Run as the child of a runner that speaks on standard input and listens on standard output."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    # From here on whatever a library prints goes to standard error, and nothing reads what was meant for us.
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  - the null device has no portable Path
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, inbox.put), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        serve((inbox.get() for _ in itertools.count()), replies)


def serve(requests: Iterator[Message], replies: IO[bytes]) -> None:
    """Build the scorer named by the first request and answer all that follow.

    Requests are ``build`` (the pickled factory), ``score`` and ``failed`` (a table of segments, for ``failed`` with a
    ``code``). Replies are ``ready``, ``estimates`` and, for what ends the run, ``error``.

    Args:
        requests: The requests, waiting for each.
        replies: Where the replies go.
    """
    scorer = build(next(requests).body)
    if isinstance(scorer, Message):
        send(replies, scorer)
        return
    send(replies, Message("ready", {}))
    for request in requests:
        _set_alarm(request.values["seconds"] * _LAST_RESORT)
        reply = answer(scorer, request)
        _set_alarm(0)
        send(replies, reply)


def build(factory: bytes) -> Scorer | Message:
    """The scorer of a pickled factory, or the ``error`` to reply with."""
    try:
        # The bytes come from the run that this process works for, never from a file.
        scorer: Scorer = pickle.loads(factory)()
    except BaseException as error:  # whatever it is, the runner has to hear of it
        return Message("error", _described(error))
    return scorer


def answer(scorer: Scorer, request: Message) -> Message:
    """The reply to a ``score`` or ``failed`` request."""
    segments = unpack(request.body)
    try:
        if request.kind == "score":
            estimates = score_rows(scorer, segments)
        else:
            estimates = failed_rows(scorer, segments, request.values["code"])
    except AffectomeError as error:
        return Message("error", error.as_dict())
    return Message("estimates", {}, pack(estimates))


def _listen(requests: IO[bytes], put: Callable[[Message], None]) -> None:
    with requests:
        while (request := receive(requests)) is not None:
            put(request)
    os._exit(0)  # the runner is gone: nobody waits for what the main thread is doing


def _set_alarm(seconds: float) -> None:
    # A scorer stuck with the interpreter lock held keeps _listen from running. Python never handles this signal, so
    # the system itself ends the process even when the runner, which would do so, is dead.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _described(error: BaseException) -> dict[str, object]:
    if isinstance(error, AffectomeError):
        return error.as_dict()
    return {
        "code": "scorer_build",
        "message": f"The scorer cannot be built: {type(error).__name__}: {error}.",
        "value": type(error).__name__,
        "allowed": [],
        "next_step": "The factory has to be importable in a new process and to build its scorer there without fail.",
    }
