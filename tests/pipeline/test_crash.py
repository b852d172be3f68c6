"""Real processes that are killed, starved and locked out; the result must not show it.

AFFECTOME_CRASH_SEEDS sets how many random crashes are tried.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from pipeline_fakes import TEXTS, drive

import affectome.errors

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

SEEDS = int(os.environ.get("AFFECTOME_CRASH_SEEDS", "12"))
# Coverage would try to write its files from processes that are killed or may not write.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
HERE = Path(__file__).parent
SOURCE = Path(affectome.errors.__file__).parent.parent


def start(out, limit="pass", **options):
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    program = f"import resource, pipeline_fakes; {limit}; pipeline_fakes.drive({str(out)!r}{arguments})"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**ENVIRONMENT, "PYTHONPATH": f"{HERE}{os.pathsep}{SOURCE}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def finished(out, **options):
    """The code, and the last word, of a run that is left alone."""
    with start(out, **options) as process:
        words = process.stdout.read().split()
    return process.returncode, words[-1] if words else ""


def workers_of(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            if task.name != str(pid)
            for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The bytes of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("clean")
    drive(out)
    return (out / "estimates.parquet").read_bytes()


def same(out, clean):
    assert (out / "estimates.parquet").read_bytes() == clean
    assert {path.name for path in out.iterdir()} == {"estimates.parquet", ".complete.json"}
    ids = pl.read_parquet(out / "estimates.parquet")["id"].to_list()
    assert len(set(ids)) == len(ids) == len(TEXTS)
    return True


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_killed_run_resumes_to_the_same_bytes(tmp_path, clean, seed):
    """Kills at a random time, at a random storage step, or of workers first; then the run is left alone."""
    chance = random.Random(seed)
    out = tmp_path / "out"
    orphans = []
    for _ in range(chance.choice([1, 1, 2])):
        way = ("time", "step", "workers")[seed % 3]
        step = chance.randint(1, 150) if way == "step" else 0
        with start(out, workers=chance.choice([1, 2]), kill_at_step=step) as process:
            if way != "step":
                process.stdout.readline()  # the first shard is stored
            time.sleep(chance.uniform(0, 0.5))
            orphans += workers_of(process.pid)
            if way == "workers":
                for worker in workers_of(process.pid):
                    os.kill(worker, signal.SIGKILL)
                time.sleep(chance.uniform(0, 0.5))
            if way == "step":
                process.stdout.read()
            else:
                process.kill()
        if process.returncode == -signal.SIGKILL:
            estimates = out / "estimates.parquet"
            assert not estimates.exists() or estimates.read_bytes() == clean
    assert finished(out)[0] == 0
    assert same(out, clean)
    deadline = time.monotonic() + 120
    while any(map(alive, orphans)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, orphans))


def test_killed_at_the_steps_of_finishing(tmp_path, clean):
    """The last steps one by one: joining, naming, noting the end, removing the parts."""
    stored = tmp_path / "stored"
    parts = (len(TEXTS) + 3) // 4
    # One step clears the folder, four write the manifest, and as many each part; the next one is the first of the end.
    assert finished(stored, kill_at_step=1 + 4 * (1 + parts) + 1, seconds_a_row=0)[0] == -signal.SIGKILL
    assert len(list((stored / ".parts").glob("*.arrow"))) == parts
    for step in range(1, 10):
        out = shutil.copytree(stored, tmp_path / str(step))
        assert finished(out, kill_at_step=step)[0] == -signal.SIGKILL
        assert finished(out)[0] == 0
        assert same(out, clean)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_resumes_to_the_same_bytes(tmp_path, clean, number):
    out = tmp_path / "out"
    with start(out, workers=2) as process:
        process.stdout.readline()
        workers = workers_of(process.pid)
        process.send_signal(number)
        assert process.stdout.read().split()[-2:] == ["error", "interrupted"]
    assert process.returncode == 5
    assert not any(map(alive, workers))
    assert finished(out)[0] == 0
    assert same(out, clean)


def test_two_runs_do_not_share_a_folder(tmp_path, clean):
    out = tmp_path / "out"
    with start(out) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)  # or it could end before the other has begun
        try:
            assert finished(out) == (5, "folder_busy")
        finally:
            process.send_signal(signal.SIGCONT)
        process.stdout.read()
    assert process.returncode == 0
    assert same(out, clean)


@pytest.mark.parametrize("room_for", ["nothing", "manifest", "parts"])
def test_a_file_that_may_not_grow(tmp_path, clean, room_for):
    out = tmp_path / "out"
    size = {"nothing": 0, "manifest": 1000, "parts": len(clean) - 1}[room_for]
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    assert finished(out, limit=limit) == (5, "disk_full")
    assert not (out / "estimates.parquet").exists()
    assert not list(out.glob("**/*.tmp"))
    assert (out / ".parts" / "manifest.json").exists() == (room_for != "nothing")
    assert len(list(out.glob(".parts/*.arrow"))) == ((len(TEXTS) + 3) // 4 if room_for == "parts" else 0)
    assert finished(out)[0] == 0
    assert same(out, clean)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs root to mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk, clean):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 40_000)
    out = small_disk / "out"
    assert finished(out) == (5, "disk_full")
    assert not (out / "estimates.parquet").exists()
    assert not list(out.glob("**/*.tmp"))
    assert list((out / ".parts").glob("*.arrow"))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    assert finished(out)[0] == 0
    assert same(out, clean)


def test_a_read_only_disk(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert finished(small_disk) == (5, "not_writable")
    assert finished(small_disk / "out") == (5, "not_writable")


def test_a_folder_without_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    assert finished(tmp_path / "out") == (5, "not_writable")
    tmp_path.chmod(0o700)


def test_too_few_file_handles(tmp_path, clean):
    out = tmp_path / "out"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > 12
    limit = f"resource.setrlimit(resource.RLIMIT_NOFILE, (7, {hard}))"
    assert finished(out, limit=limit) == (5, "too_many_open_files")
    assert finished(out)[0] == 0
    assert same(out, clean)
