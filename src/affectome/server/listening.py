"""Listening for connections: impatient with clients that begin a request and do not go on."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from affectome.errors import UsageError
from affectome.server.failures import answer
from affectome.server.services import Services
from affectome.server.settings import ServerSettings

_HEAD_SECONDS = 10.0  # within which the first line and the headers of a request arrive
_MESSAGE_BYTES = 1 << 20


def listener(app: FastAPI, settings: ServerSettings, *, behind_proxy: bool = False) -> uvicorn.Server:
    """What serves an application once its ``run`` is called.

    It serves until a signal comes; then requests under way get some seconds to end.

    Args:
        app: The application.
        settings: Address and limits.
        behind_proxy: Trust the headers of a proxy on this machine that say who calls and how.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=_Protocol,
        ws_max_size=_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a small message must not unpack to a large one
        log_level="warning",
        access_log=False,  # addresses and paths of callers are nobody's business
        proxy_headers=behind_proxy,
        forwarded_allow_ips="127.0.0.1" if behind_proxy else "",
        server_header=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=int(settings.idle_seconds),
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
    )
    return _Server(config)


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Say that no new work is taken before the connections are closed."""
        found: Services | None = getattr(self.config.app.state, "services", None)  # type: ignore[union-attr]
        if found is not None:
            found.draining = True
        super().handle_exit(sig, frame)


class _Protocol(H11Protocol):
    """Ends connections on which a request is begun and not gone on with, or that are too many."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.limit_concurrency and len(self.connections) > self.limit_concurrency:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the headers are here; what follows is the application's to time
            self._stop_waiting()
        elif self._patience is None:
            self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._patience is None and self.conn.trailing_data[0]:  # the next request has begun meanwhile
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the one shape of errors too."""
        error = UsageError("This is no valid HTTP request.", code="bad_http", next_step="Use an HTTP client.")
        told = answer(HTTPStatus.BAD_REQUEST, error)
        headers = [*told.raw_headers, (b"connection", b"close")]
        events = (
            h11.Response(status_code=told.status_code, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(told.body)),
            h11.EndOfMessage(),
        )
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(_HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
