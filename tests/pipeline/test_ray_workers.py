"""The runner with its workers on a local Ray cluster of several processes."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from pipeline_fakes import TEXTS, FakeScorer, ListSource, fake, raises_model_error

import affectome.errors
from affectome.api import ReaderOptions
from affectome.errors import AffectomeError, MissingExtraError, UsageError
from affectome.media import read_segments
from affectome.pipeline import RunSettings, arrow_scorer, run
from affectome.pipeline.ray_workers import connect

# Ray takes many seconds to start, and warns of its own making.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

HERE, SOURCE = Path(__file__).parent, Path(affectome.errors.__file__).parents[1]
PROGRAM = """
import logging, sys, ray, pipeline_fakes
from pathlib import Path
from affectome.pipeline import RunSettings, run
ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
source = pipeline_fakes.ListSource(pipeline_fakes.TEXTS, shard_rows=4)
settings = RunSettings(workers=2, engine="ray")
run(source, pipeline_fakes.slow(0.05), Path(sys.argv[1]), settings=settings, identity={"model": "m"},
    progress=lambda now: print(now.done, flush=True))
"""


@pytest.fixture(scope="module")
def cluster():
    """Two processors of this machine."""
    ray = pytest.importorskip("ray", reason='needs the ray extra: pip install "affectome[ray]"')
    import logging

    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture
def both(tmp_path):
    """Runs a source on this machine and on the cluster, and gives the two results."""

    def run_both(texts, factory=fake, **options):
        results = []
        for engine in ("local", "ray"):
            settings = RunSettings(workers=2, engine=engine, **options)
            out = tmp_path / engine
            results.append(run(ListSource(texts), factory, out, settings=settings, identity={"model": "m"}))
        return results

    return run_both


def test_the_same_bytes(cluster, both):
    local, ray = both(TEXTS)
    assert ray.estimates.read_bytes() == local.estimates.read_bytes()
    assert (ray.rows, ray.failed) == (len(TEXTS), 1)


def test_rows_that_raise_kill_or_hang(cluster, both):
    texts = [*TEXTS[15:22], "die", "raise:known", "segfault", *TEXTS[36:44], "hang"]
    local, ray = both(texts, shard_timeout=3.0)
    assert (
        ray.by_code == local.by_code == {"bad_row": 1, "empty": 1, "model_error": 1, "timed_out": 1, "worker_died": 2}
    )
    assert ray.estimates.read_bytes() == local.estimates.read_bytes()


def test_a_worker_that_is_lost_costs_no_row(cluster, tmp_path):
    texts = [*TEXTS[:20], f"once:{tmp_path / 'mark'}", *TEXTS[20:40]]
    settings = RunSettings(workers=2, engine="ray")
    result = run(ListSource(texts), fake, tmp_path / "out", settings=settings, identity={"model": "m"})
    assert (tmp_path / "mark").exists()
    assert (result.rows, result.by_code) == (41, {"model_error": 1})


def test_a_scorer_that_cannot_be_built(cluster, tmp_path):
    settings = RunSettings(engine="ray")
    with pytest.raises(AffectomeError) as caught:
        run(ListSource(TEXTS), raises_model_error, tmp_path, settings=settings, identity={"model": "m"})
    assert caught.value.code == "missing_weights"


def test_more_workers_than_processors(cluster):
    with pytest.raises(UsageError) as caught:
        connect(3)
    assert caught.value.code == "bad_workers"


def test_a_killed_driver_resumes_to_the_same_bytes(cluster, tmp_path):
    local = run(
        ListSource(TEXTS, shard_rows=4),
        partial(FakeScorer, 0.0),
        tmp_path / "local",
        settings=RunSettings(),
        identity={"model": "m"},
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "RAY"))}
    environment = kept | {"PYTHONPATH": f"{HERE}{os.pathsep}{SOURCE}"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path / "ray")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as driver:
        assert 0 < int(driver.stdout.readline()) < len(TEXTS)
        driver.kill()
    assert driver.returncode == -signal.SIGKILL
    assert not (tmp_path / "ray" / "estimates.parquet").exists()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "ray" / "estimates.parquet").read_bytes() == local.estimates.read_bytes()


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"affectome\[ray\]"):
        connect(1)


def test_unknown_engine():
    with pytest.raises(UsageError) as caught:
        RunSettings(engine="abacus")
    assert (caught.value.code, caught.value.allowed) == ("bad_engine", ("local", "ray"))


def test_ray_data_reads_and_writes_files_of_segments(cluster, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the arrow extra")
    pytest.importorskip("pandas", reason="Ray Data needs pandas")
    from ray import data

    score = arrow_scorer(partial(ReaderOptions().open, 1))

    def estimate(table):
        return pyarrow.Table.from_batches([score(batch) for batch in table.to_batches()])

    posts = tmp_path / "posts.csv"
    posts.write_text("text\nWe won and I am so happy!\nThis is awful.\n?\n")
    segments = pl.concat(list(read_segments([posts]).shards()))
    (tmp_path / "segments").mkdir()
    segments.write_parquet(tmp_path / "segments" / "one.parquet")
    read = data.read_parquet(str(tmp_path / "segments"))
    read.map_batches(estimate, batch_format="pyarrow", batch_size=2).write_parquet(str(tmp_path / "estimates"))
    found = pl.read_parquet(tmp_path / "estimates" / "*.parquet").sort("id")
    assert found["id"].to_list() == segments["id"].sort().to_list()
    assert found["status"].to_list() == ["scored", "scored", "abstained"]
