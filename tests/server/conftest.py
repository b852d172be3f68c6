"""A server that listens on this machine, in a thread of the test."""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def listening():
    """Serves an application in a thread as long as a context lasts, and gives its port."""
    pytest.importorskip("uvicorn", reason="needs the serve extra")
    from affectome.server import create_app, listener

    @contextmanager
    def run(settings):
        settings = replace(settings, port=_free_port())
        server = listener(create_app(settings), settings)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        try:
            yield settings.port
        finally:
            server.should_exit = True
            thread.join(30)

    return run
