"""What the endpoints share."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.websockets import WebSocket

from affectome.server.access import Access
from affectome.server.batching import TextService
from affectome.server.hearing import VoiceService
from affectome.server.jobs import Store
from affectome.server.metrics import Metrics
from affectome.server.running import JobRunner
from affectome.server.settings import ServerSettings


@dataclass
class Services:
    """What the endpoints share.

    Attributes:
        settings: The limits.
        store: Jobs and keys.
        access: Who may call.
        texts: Reads texts.
        voices: Hears streams.
        runner: Runs jobs.
        metrics: What is counted.
        draining: Whether the server is about to stop.
    """

    settings: ServerSettings
    store: Store
    access: Access
    texts: TextService
    voices: VoiceService
    runner: JobRunner
    metrics: Metrics
    draining: bool = False


def services(connection: Request | WebSocket) -> Services:
    """The services of the application that a request came to."""
    found: Services = connection.app.state.services
    return found
