"""How a server runs: where it listens, what it keeps, and the limits it sets."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from affectome.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How a server runs.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        folder: Where uploads and results lie, and the records of the jobs unless there is a database for them.
        database: Address of a PostgreSQL database for the records; servers that share one share the folder too.
        origins: Web pages of these origins may call the server, such as https://example.org; by default none.
        job_workers: Jobs that run at a time.
        keep_hours: Hours after which the upload and the results of a job are erased, counted from its arrival.
        requests_a_minute: Requests that a key may make in a minute, unless the key says otherwise.
        queued_jobs: Jobs that may wait in all.
        jobs_a_key: Jobs that a key may keep, finished ones included.
        body_megabytes: Size of an upload.
        files: Files of an upload.
        text_characters: Characters of one request for a reading, all texts together.
        text_seconds: Seconds within which a reading is given or refused.
        body_seconds: Seconds within which the body of a request arrives.
        job_minutes: Minutes that a job may run.
        job_rows: Rows that a job may have.
        unpacked_megabytes: Size that the compressed files of an upload may have once they are unpacked.
        job_megabytes: Memory that each process of a job may take beyond its libraries.
        streams: Streams of sound that are heard at a time.
        stream_minutes: Minutes that a stream may last.
        idle_seconds: Seconds after which a silent stream or connection is closed.
        connections: Connections at a time.
        lease_seconds: Seconds after which a job whose server is gone is taken up by another one.
        shutdown_seconds: Seconds that requests under way get when the server is stopped.
        transcribe: Whisper model for what is said in recordings, as for ``affectome analyze --transcribe``; without it
            nothing is written down.
        commercial: Refuse weights whose training data forbid commercial use, whatever a request says.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    folder: Path = Path("affectome-server")
    database: str | None = field(default=None, repr=False)
    origins: tuple[str, ...] = ()
    job_workers: int = 1
    keep_hours: float = 24.0
    requests_a_minute: int = 600
    queued_jobs: int = 100
    jobs_a_key: int = 200
    body_megabytes: int = 200
    files: int = 100
    text_characters: int = 20_000
    text_seconds: float = 20.0
    body_seconds: float = 300.0
    job_minutes: float = 60.0
    job_rows: int = 2_000_000
    unpacked_megabytes: int = 2_000
    job_megabytes: int = 4_000
    streams: int = 8
    stream_minutes: float = 60.0
    idle_seconds: float = 30.0
    connections: int = 500
    lease_seconds: float = 15.0
    shutdown_seconds: float = 10.0
    transcribe: str | None = None
    commercial: bool = False

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and (value < 0 or (value == 0 and name != "port")):
                raise UsageError(
                    f"The setting {name} cannot be {value}.",
                    code="bad_server_setting",
                    value=value,
                    next_step="Give a number above 0.",
                )

    @property
    def local(self) -> bool:
        """Whether it listens on this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def jobs_folder(self) -> Path:
        """Where each job has a folder of its own."""
        return self.folder / "jobs"
