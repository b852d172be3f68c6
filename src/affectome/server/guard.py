"""What every request passes before its body is read: key, rate, size and time limits; and what is counted."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affectome.errors import RunError, UsageError
from affectome.server.access import Access
from affectome.server.failures import answer_for, refused
from affectome.server.metrics import Metrics
from affectome.server.settings import ServerSettings

JOBS = "/v1/jobs"
_PROTECTED = ("/v1/", "/metrics")
_JSON_BYTES = 1 << 20
_SHARE_FOR_REQUESTS = 0.8  # of the connections; the others are streams and clients that wait
_CLOSED = "default-src 'none'; frame-ancestors 'none'"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": _CLOSED,
}


class Guard:
    """ASGI middleware.

    Args:
        app: What is guarded.
        access: Who may call.
        metrics: Where requests are counted.
        settings: The limits.
    """

    def __init__(self, app: ASGIApp, *, access: Access, metrics: Metrics, settings: ServerSettings) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._settings = settings
        self._under_way = 0
        self._most = max(1, int(settings.connections * _SHARE_FOR_REQUESTS))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(receive, headers, self._limit(scope["path"]), self._settings.body_seconds)
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, scope["path"], unread=not body.read)
            await send(message)

        started = time.perf_counter()
        self._under_way += 1
        self._metrics.under_way.set(self._under_way)
        try:
            try:
                await self._admit(scope, headers, body)
            except HTTPException as error:
                await answer_for(error)(scope, receive, told)
            else:
                await self._app(scope, body.receive, told)
        finally:
            self._under_way -= 1
            self._metrics.under_way.set(self._under_way)
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(_method(scope["method"]), route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)

    async def _admit(self, scope: Scope, headers: Headers, body: _Body) -> None:
        if scope["path"].startswith(_PROTECTED):
            if self._under_way > self._most:
                raise refused(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    RunError("The server is busy.", code="busy", next_step="Try again in a moment."),
                    retry_after=1,
                )
            scope.setdefault("state", {})["owner"] = await self._access.owner(headers)
        body.check_length()

    def _limit(self, path: str) -> int:
        return self._settings.body_megabytes << 20 if path == JOBS else _JSON_BYTES


class _Body:
    """The body of a request, which may not be larger or slower than it should."""

    def __init__(self, receive: Receive, headers: Headers, most: int, seconds: float) -> None:
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._deadline: float | None = None
        self._size = 0
        self._length = headers.get("content-length", "0")
        self.read = self._length == "0" and "transfer-encoding" not in headers

    def check_length(self) -> None:
        if self._length.isdecimal() and int(self._length[:20]) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        if self.read:
            return await self._receive()  # which says when the client has gone
        self._deadline = self._deadline or time.monotonic() + self._seconds
        try:
            message = await asyncio.wait_for(self._receive(), self._deadline - time.monotonic())
        except TimeoutError as error:
            raise refused(
                HTTPStatus.REQUEST_TIMEOUT,
                UsageError(
                    f"The body of the request did not arrive within {self._seconds:g} seconds.",
                    code="body_too_slow",
                    next_step="Send it faster, or in smaller parts.",
                ),
            ) from error
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self.read = not message.get("more_body", False)
            if self._size > self._most:
                self.read = False  # what is still to come is not waited for
                raise self._too_large()
        return message

    def _too_large(self) -> HTTPException:
        return refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            UsageError(
                f"The body of the request is larger than {self._most >> 20} MiB.",
                code="body_too_large",
                value=self._length if self._size == 0 else self._size,
                next_step="Send it in several parts.",
            ),
        )


def _add_headers(message: Message, path: str, *, unread: bool) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if path.startswith(_PROTECTED):
        headers.setdefault("cache-control", "no-store")
    if unread:
        headers["connection"] = "close"


def _method(method: str) -> str:
    """The method, of a bounded number of them: what a client invents must not grow the metrics."""
    return method if method in {"GET", "HEAD", "POST", "DELETE", "OPTIONS"} else "other"
