"""Erasing from the command line while a server runs, and by itself once the time is over."""

import time

import pytest

testing = pytest.importorskip("fastapi.testclient", reason="needs the serve extra")
pytest.importorskip("multipart", reason="needs the serve extra")
pytest.importorskip("prometheus_client", reason="needs the serve extra")

from affectome.cli import main
from affectome.server import ServerSettings, create_app, make_key, open_store

BIG = b"text\n" + b"so happy to see you\n" * 40_000


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def erase(*words):
    with pytest.raises(SystemExit) as ended:
        main(["serve", "erase", *map(str, words)])
    return ended.value.code


def test_a_job_under_way_is_stopped_and_erased_from_the_command_line(tmp_path):
    store = open_store(tmp_path)
    keys = {name: {"authorization": f"Bearer {make_key(store, name)}"} for name in ("ann", "ben")}
    with testing.TestClient(create_app(ServerSettings(folder=tmp_path, lease_seconds=3))) as client:
        sent = {
            name: client.post("/v1/jobs", files={"files": ("big.csv", BIG)}, headers=keys[name]).json()["id"]
            for name in keys
        }
        until(lambda: client.get(f"/v1/jobs/{sent['ann']}", headers=keys["ann"]).json()["status"] == "running")
        assert erase("--folder", tmp_path, "--key", "ann") == 0
        assert client.get(f"/v1/jobs/{sent['ann']}", headers=keys["ann"]).status_code == 404
        # The next job is taken up, so the process of the erased one is gone; nothing of it comes back.
        until(lambda: client.get(f"/v1/jobs/{sent['ben']}", headers=keys["ben"]).json()["status"] == "running")
        assert [path.name for path in (tmp_path / "jobs").iterdir()] == [sent["ben"]]
        client.delete("/v1/jobs", headers=keys["ben"])
        assert list((tmp_path / "jobs").iterdir()) == []
    store.close()


def test_what_to_erase_has_to_be_said(tmp_path, capsys):
    assert erase("--folder", tmp_path) == 2
    assert erase("--folder", tmp_path, "--key", "nobody") == 2
    assert "nobody" in capsys.readouterr().err
    assert erase("--folder", tmp_path, "--all") == 0


def test_jobs_are_erased_when_their_time_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.server.running._SWEEP_SECONDS", 0.2)
    settings = ServerSettings(folder=tmp_path, keep_hours=1 / 3600)
    with testing.TestClient(create_app(settings), base_url="http://localhost") as client:
        client.post("/v1/jobs", files={"files": ("big.csv", BIG)})
        until(lambda: client.get("/v1/jobs").json() == {"jobs": []})
        until(lambda: list((tmp_path / "jobs").iterdir()) == [])
