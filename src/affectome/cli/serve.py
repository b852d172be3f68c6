"""``affectome serve``: an HTTP server with jobs, streams and a web page."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from affectome.cli.output import at_commas, console, print_json, print_table
from affectome.errors import MissingExtraError, UsageError

app = App(name="serve", help="Serve over HTTP: texts at once, files as jobs, streams, and a web page.")
keys = App(name="keys", help="Who may call a server.")
app.command(keys)
_PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "multipart")
_FOLDER = Path("affectome-server")
Database = Annotated[str | None, Parameter(env_var="AFFECTOME_DATABASE", show_env_var=False)]


@app.default
def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    folder: Path = _FOLDER,
    database: Database = None,
    origins: tuple[str, ...] = (),
    job_workers: int = 1,
    keep_hours: float = 24.0,
    requests_a_minute: int = 600,
    body_megabytes: int = 200,
    transcribe: str | None = None,
    commercial: bool = False,
    behind_proxy: bool = False,
) -> int:
    """Serve until it is stopped; a job that runs then goes on when the server is started again.

    Without a key it answers programs and pages of this machine only. Anywhere else it needs one:

        affectome serve keys add alice
        affectome serve --host 0.0.0.0

    Args:
        host: Address to listen on.
        port: Port to listen on.
        folder: Where uploads, results and the records of the jobs lie.
        database: PostgreSQL database for the records instead, postgresql://USER@HOST/NAME; better in the variable
            AFFECTOME_DATABASE than in the command if there is a password in it.
        origins: Web pages of these origins may call, with commas between them; by default none.
        job_workers: Jobs that run at a time.
        keep_hours: Hours after which upload and results of a job are erased.
        requests_a_minute: Requests that a key may make in a minute.
        body_megabytes: Size of an upload.
        transcribe: Whisper model for what is said in recordings, as for affectome analyze.
        commercial: Refuse weights whose training data forbid commercial use.
        behind_proxy: Trust the headers of a proxy on this machine that say who calls and how.
    """
    _require_packages()
    from affectome.server import ServerSettings, create_app, listener, open_store

    settings = ServerSettings(
        host=host,
        port=port,
        folder=folder,
        database=database,
        origins=at_commas(origins),
        job_workers=job_workers,
        keep_hours=keep_hours,
        requests_a_minute=requests_a_minute,
        body_megabytes=body_megabytes,
        transcribe=transcribe,
        commercial=commercial,
    )
    store = open_store(folder, database)
    strangers = not settings.local and not store.all_keys()
    store.close()
    if strangers:
        raise UsageError(
            f"A server on {host} can be reached from elsewhere and needs a key.",
            code="key_needed",
            value=host,
            next_step=f"Run: affectome serve keys add NAME --folder {folder}",
        )
    console().print(f"Affectome on http://{host}:{port}, records in {folder}", markup=False, soft_wrap=True)
    listener(create_app(settings), settings, behind_proxy=behind_proxy).run()
    return 0


@app.command
def erase(
    *,
    folder: Path = _FOLDER,
    database: Database = None,
    key: str | None = None,
    job: str | None = None,
    all: bool = False,
) -> int:
    """Erase uploads, results and records of jobs, whether the server runs or not; a job under way is stopped.

    For example:

        affectome serve erase --key alice
        affectome serve erase --all

    Args:
        folder: Folder of the server.
        database: Its database, if it has one; by default AFFECTOME_DATABASE.
        key: All jobs of the key of this name.
        job: The job of this id.
        all: All jobs.
    """
    _require_packages()
    from affectome.server import ServerSettings, open_store

    if not (key or job or all):
        raise UsageError(
            "It is not said what to erase.", code="bad_usage", next_step="Give --key NAME, --job ID or --all."
        )
    store = open_store(folder, database)
    owners = {each.name: each.id for each in store.all_keys()}
    if key is not None and key not in owners:
        store.close()
        raise UsageError(f"There is no key of {key!r}.", code="unknown_key", value=key, allowed=list(owners))
    erased = store.erase(owner=owners[key] if key else None, job_id=job)
    store.close()
    for job_id in erased:  # a server that runs one of them notices, stops it and clears up after it
        shutil.rmtree(ServerSettings(folder=folder).jobs_folder / job_id, ignore_errors=True)
    console().print(f"{len(erased)} jobs erased.", markup=False)
    return 0


@keys.command(name="add")
def add_key(
    name: str, /, *, folder: Path = _FOLDER, database: Database = None, requests_a_minute: int | None = None
) -> int:
    """Make a key and print it; nobody can show it again.

    Args:
        name: Whose it is.
        folder: Folder of the server.
        database: Its database, if it has one; by default AFFECTOME_DATABASE.
        requests_a_minute: Its own rate limit.
    """
    _require_packages()
    from affectome.server import make_key, open_store

    store = open_store(folder, database)
    try:
        key = make_key(store, name, requests_a_minute)
    finally:
        store.close()
    sys.stdout.write(f"{key}\n")
    return 0


@keys.command(name="list")
def list_keys(*, folder: Path = _FOLDER, database: Database = None, json: bool = False) -> int:
    """List whose keys there are.

    Args:
        folder: Folder of the server.
        database: Its database, if it has one; by default AFFECTOME_DATABASE.
        json: Print JSON.
    """
    _require_packages()
    from affectome.server import open_store

    store = open_store(folder, database)
    found = [
        {
            "name": key.name,
            "made": datetime.fromtimestamp(key.created, UTC).isoformat(timespec="seconds"),
            "requests a minute": str(key.requests_a_minute or ""),
        }
        for key in store.all_keys()
    ]
    store.close()
    if json:
        print_json(found)
    else:
        print_table(found)
    return 0


@keys.command(name="remove")
def remove_key(name: str, /, *, folder: Path = _FOLDER, database: Database = None) -> int:
    """Remove a key; the jobs sent with it are erased when their time is over.

    Args:
        name: Whose it is.
        folder: Folder of the server.
        database: Its database, if it has one; by default AFFECTOME_DATABASE.
    """
    _require_packages()
    from affectome.server import open_store

    store = open_store(folder, database)
    known = [key.name for key in store.all_keys()]
    gone = store.remove_key(name)
    store.close()
    if gone is None:
        raise UsageError(f"There is no key of {name!r}.", code="unknown_key", value=name, allowed=known)
    console().print(f"The key of {gone.name} opens nothing any more.", markup=False)
    return 0


def _require_packages() -> None:
    """Say how to install what is missing."""
    from importlib.util import find_spec

    for package in _PACKAGES:
        if find_spec(package) is None and not (package == "multipart" and find_spec("python_multipart")):
            raise MissingExtraError.for_extra("serve", package)
