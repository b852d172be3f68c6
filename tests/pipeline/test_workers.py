import errno
import os
import queue
import signal
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_fakes import (
    FakeScorer,
    breaks_contract,
    dies_at_start,
    fake,
    raises_model_error,
    raises_oddly,
    segments,
    slow,
)

from affectome.errors import RunError
from affectome.pipeline import workers
from affectome.pipeline.wire import Message, pack, unpack
from affectome.pipeline.workers import WorkerPool, pickled


def scored(texts, factory=fake, shard_timeout=600.0, size=1):
    """The estimates of one shard of texts."""
    outcomes = queue.SimpleQueue()
    with WorkerPool(pickled(factory), size, shard_timeout, outcomes) as pool:
        pool.submit(3, segments([f"i{n}" for n in range(len(texts))], texts))
        outcome = outcomes.get(timeout=600)
    if isinstance(outcome, BaseException):
        raise outcome
    assert outcome.index == 3
    assert outcome.estimates["id"].to_list() == [f"i{n}" for n in range(len(texts))]
    return outcome.estimates


@pytest.mark.parametrize("poison", ["die", "segfault"])
def test_rows_that_kill_a_worker_fail_alone(poison):
    assert scored(["a", "b", poison, "c", "raise"])["error"].to_list() == ["", "", "worker_died", "", "model_error"]


def test_rows_that_hang_fail_alone():
    assert scored(["a", "hang"], shard_timeout=1.5)["error"].to_list() == ["", "timed_out"]


def test_a_shard_full_of_poison_fails_row_by_row():
    assert scored(["die"] * 2)["error"].to_list() == ["worker_died"] * 2


def test_a_worker_killed_once_is_no_fault_of_its_rows(tmp_path):
    assert scored(["a", f"once:{tmp_path / 'mark'}", "b"])["error"].to_list() == ["", "", ""]


def test_a_row_is_blamed_at_its_second_chance_only(tmp_path):
    assert scored([f"once:{tmp_path / 'mark'}"])["status"].to_list() == ["scored"]


@pytest.fixture
def deadly(monkeypatch):
    """Workers that need no process and die on every text but ``x``."""

    def exchange(worker, request, seconds):
        table = unpack(request.body)
        if request.kind == "failed":
            return Message("estimates", {}, pack(FakeScorer().failed(table, request.values["code"])))
        if set(table["text"]) - {"x"}:
            worker.lost += 1
            raise workers._UnansweredError("worker_died")
        return Message("estimates", {}, pack(FakeScorer()(table)))

    worker = workers.Worker(b"", 60.0, workers._Trust())
    worker.lost = 0
    monkeypatch.setattr(workers.Worker, "_start", lambda _: None)
    monkeypatch.setattr(workers.Worker, "_exchange", exchange)
    return worker


def test_a_model_that_never_answers_ends_the_run(deadly):
    with pytest.raises(RunError) as caught:
        deadly.estimates(segments([f"i{n}" for n in range(2000)], ["y"] * 2000))
    assert caught.value.code == "workers_lost"
    assert deadly.lost == 256


def test_a_shard_of_poison_is_no_reason_once_something_was_scored(deadly):
    deadly.estimates(segments(["i"], ["x"]))
    estimates = deadly.estimates(segments([f"i{n}" for n in range(200)], ["y"] * 200))
    assert set(estimates["error"]) == {"worker_died"}
    assert deadly.lost > 256


@given(st.lists(st.sampled_from(["x", "x", "y"]), min_size=1, max_size=60))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_good_rows_among_any_poison_are_scored(deadly, texts):
    estimates = deadly.estimates(segments([f"i{n}" for n in range(len(texts))], texts))
    assert estimates["id"].to_list() == [f"i{n}" for n in range(len(texts))]
    assert estimates["error"].to_list() == ["" if text == "x" else "worker_died" for text in texts]


def test_a_trusted_model_may_lose_any_number_of_workers(monkeypatch):
    monkeypatch.setattr(workers, "_MOST_DEATHS", 1)
    outcomes = queue.SimpleQueue()
    with WorkerPool(pickled(fake), 1, 600.0, outcomes) as pool:
        pool.trust()
        pool.submit(1, segments(["a"], ["die"]))
        assert outcomes.get(timeout=600).estimates["error"].to_list() == ["worker_died"]


@pytest.mark.parametrize(
    ("factory", "code", "word"),
    [
        (raises_model_error, "missing_weights", "Pull them"),
        (raises_oddly, "scorer_build", "KeyError"),
        (dies_at_start, "worker_start", "3 times"),
        (breaks_contract("fewer"), "scorer_rows", "1 rows for 2"),
        (breaks_contract("failed"), "scorer_failed", "cannot"),
        (breaks_contract("failed dies"), "scorer_failed", "worker_died"),
    ],
)
def test_what_ends_the_run_is_named(factory, code, word):
    with pytest.raises(RunError, match=word) as caught:
        scored(["die"] if code == "scorer_failed" else ["a", "b"], factory)
    assert caught.value.code == code


def test_a_factory_that_cannot_travel_is_named():
    with pytest.raises(RunError) as caught:
        pickled(lambda: None)
    assert caught.value.code == "scorer_build"
    assert "module-level" in caught.value.next_step


def test_no_process_can_be_started(monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(workers.subprocess, "Popen", fail)
    with pytest.raises(RunError) as caught:
        scored(["a"])
    assert caught.value.code == "too_many_open_files"


def test_leaving_the_pool_stops_workers_at_work():
    threads = threading.active_count()
    outcomes = queue.SimpleQueue()
    with WorkerPool(pickled(slow(3600.0)), 2, 7200.0, outcomes) as pool:
        for index in range(4):
            pool.submit(index, segments(["a"], ["x"]))
        assert eventually(lambda: all(worker._process for worker in pool._workers))
        pids = [worker._process.pid for worker in pool._workers]
        time.sleep(0.5)
    assert outcomes.empty()
    assert eventually(lambda: threading.active_count() <= threads)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def eventually(condition):
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_stopped_worker_starts_no_process():
    worker = workers.Worker(pickled(fake), 60.0, workers._Trust())
    worker.stop()
    with pytest.raises(workers._StoppedError):
        worker.estimates(segments(["a"], ["x"]))
    assert worker._process is None


def test_an_idle_worker_killed_from_outside_is_replaced():
    outcomes = queue.SimpleQueue()
    with WorkerPool(pickled(fake), 1, 60, outcomes) as pool:
        for index in range(2):
            pool.submit(index, segments(["a"], ["x"]))
            assert outcomes.get(timeout=600).estimates["status"].to_list() == ["scored"]
            os.kill(pool._workers[0]._process.pid, signal.SIGKILL)
            time.sleep(0.1)
