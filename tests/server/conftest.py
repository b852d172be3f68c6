"""A server that listens on this machine, in a thread of the test."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

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


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server of its own, on this machine, with an empty database; gives its address."""
    pytest.importorskip("psycopg", reason="needs the serve extra")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    program = str(found[-1]) if found else shutil.which("initdb")
    if program is None:
        pytest.skip("needs a PostgreSQL server, on Debian: apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="affectome-postgresql-"))
    owner = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
    data, port = folder / "data", _free_port()
    subprocess.run(
        [program, "-D", data, "-U", "affectome", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
        **owner,
    )
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [Path(program).with_name("pg_ctl"), "-D", data, "-w", "-s"]
    command = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **owner}
    subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **command)
    try:
        yield f"postgresql://affectome@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **command)
        shutil.rmtree(folder, ignore_errors=True)
