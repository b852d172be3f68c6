"""A server that is killed with a job under way: after its restart the job is finished, and nothing is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="needs the serve extra")
pytest.importorskip("fastapi", reason="needs the serve extra")

pytestmark = pytest.mark.slow
SOURCE = Path(str(files("affectome"))).parent
ROWS = 3000


def ask(address, path, data=None, kind=None):
    request = urllib.request.Request(f"{address}{path}", data, {"content-type": kind} if kind else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read())


def start(port, folder, database):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    environment = kept | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    if database:
        environment["AFFECTOME_DATABASE"] = database
    command = [sys.executable, "-m", "affectome", "serve", "--port", str(port), "--folder", str(folder)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        assert process.poll() is None
        try:
            ask(f"http://127.0.0.1:{port}", "/ready")
            return process
        except OSError:
            time.sleep(0.1)
    raise AssertionError("The server does not get ready.")


def upload(content):
    boundary = "x" * 20
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="posts.csv"\r\n\r\n'
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """Address of the database, None for a file."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgresql")


def test_a_killed_server_goes_on_with_its_jobs(tmp_path, database):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    posts = "text\n" + "".join(f"I am so happy about number {k} that you sent\n" for k in range(ROWS))
    process = start(port, tmp_path / "server", database)
    try:
        job = ask(address, "/v1/jobs", *upload(posts.encode()))
        waiting = ask(address, "/v1/jobs", *upload(b"text\nthis one has to wait\n"))
        for _ in range(200):
            time.sleep(0.1)
            now = ask(address, job["links"]["self"])
            if now["status"] == "running" and now["progress"]["done"]:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = start(port, tmp_path / "server", database)
        for _ in range(900):
            jobs = {each["id"]: each for each in ask(address, "/v1/jobs")["jobs"]}
            if all(each["status"] in ("finished", "failed") for each in jobs.values()):
                break
            time.sleep(0.1)
        assert jobs[job["id"]]["status"] == jobs[waiting["id"]]["status"] == "finished"
        assert jobs[job["id"]]["counts"]["rows"] == ROWS
        found = ask(address, f"{job['links']['results']}?limit=10000")["rows"]
        assert len({row["id"] for row in found}) == ROWS
    finally:
        process.terminate()
        process.wait(30)
