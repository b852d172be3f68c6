"""The application: what is shared, what guards it, and where everything is found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affectome.errors import RunError
from affectome.server import endpoints, streams
from affectome.server.access import Access
from affectome.server.batching import TextService
from affectome.server.failures import PlainJSONResponse, add_handlers, answer
from affectome.server.guard import Guard
from affectome.server.hearing import VoiceService
from affectome.server.metrics import Metrics
from affectome.server.running import JobRunner
from affectome.server.services import Services, services
from affectome.server.settings import ServerSettings
from affectome.server.sql_store import open_store
from affectome.version import __version__

_ABOUT = """Fine-grained affect in text, voice, faces, pictures and films.

Every error has one shape, and says what to do. Voices and faces are read for a declared purpose only."""
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def create_app(settings: ServerSettings | None = None) -> FastAPI:
    """The application with everything that it needs.

    Args:
        settings: Limits and folders.

    Raises:
        UsageError: A setting does not fit.
        RunError: The store cannot be opened.
    """
    settings = settings or ServerSettings()
    metrics = Metrics()
    store = open_store(settings.folder, settings.database)
    access = Access(store, settings)
    metrics.watch_jobs(store.counts)

    @contextlib.asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        voices = VoiceService(settings.streams)
        try:
            async with TextService(metrics) as texts, JobRunner(store, settings, metrics) as runner:
                app.state.services = Services(settings, store, access, texts, voices, runner, metrics)
                yield
                app.state.services.draining = True
        finally:
            voices.close()
            store.close()

    app = FastAPI(
        title="Affectome",
        version=__version__,
        description=_ABOUT,
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        default_response_class=PlainJSONResponse,
    )
    add_handlers(app)
    app.include_router(endpoints.router)
    app.include_router(streams.router)
    app.add_api_route("/health", health, tags=["about"])
    app.add_api_route("/ready", ready, tags=["about"])
    app.add_api_route("/metrics", show_metrics, tags=["about"], response_class=PlainTextResponse)
    app.mount("/", _Page(StaticFiles(directory=endpoints.studio_folder(), html=True)))
    app.add_middleware(Guard, access=access, metrics=metrics, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type"],
        )
    return app


async def health() -> dict[str, str]:
    """Whether the server runs."""
    return {"status": "ok"}


async def ready(request: Request) -> Response:
    """Whether it takes work: the reader is loaded and the store answers."""
    found: Services | None = getattr(request.app.state, "services", None)
    if found is None or found.draining:
        error = RunError("The server is starting or being stopped.", code="not_ready", next_step="Try again soon.")
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, error)
    await asyncio.to_thread(found.store.counts)
    return PlainJSONResponse({"status": "ready"})


async def show_metrics(request: Request) -> Response:
    """Counts in Prometheus's text format; behind a key where there are keys."""
    text = await asyncio.to_thread(services(request).metrics.text)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


class _Page:
    """The files of the studio, which may load from this server and from nowhere else."""

    def __init__(self, files: ASGIApp) -> None:
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _PAGE.encode())]
            await send(message)

        await self._files(scope, receive, allowed)
