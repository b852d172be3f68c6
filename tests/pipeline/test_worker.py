import io
import os
import pickle
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
from pipeline_fakes import breaks_contract, fake, raises_model_error, raises_oddly, segments

from affectome.pipeline import wire, worker, workers
from affectome.pipeline.wire import Message, pack, receive, unpack


def served(*requests):
    replies = io.BytesIO()
    worker.serve(iter(requests), replies)
    replies.seek(0)
    return list(iter(lambda: receive(replies), None))


def build(factory):
    return Message("build", {}, pickle.dumps(factory))


def test_requests_are_answered():
    table = pack(segments(["a", "b"], ["x", "raise"]))
    ready, scored, failed = served(
        build(fake),
        Message("score", {"seconds": 100}, table),
        Message("failed", {"seconds": 100, "code": "timed_out"}, table),
    )
    assert ready.kind == "ready"
    assert unpack(scored.body)["error"].to_list() == ["", "model_error"]
    assert unpack(failed.body)["error"].to_list() == ["timed_out", "timed_out"]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize(("factory", "code"), [(raises_model_error, "missing_weights"), (raises_oddly, "scorer_build")])
def test_a_factory_that_fails_is_described(factory, code):
    (error,) = served(build(factory))
    assert error.kind == "error"
    assert error.values["code"] == code
    assert error.values["next_step"]
    assert "weights" in error.values["message"]


def test_bytes_that_are_no_factory_are_described():
    (error,) = served(Message("build", {}, b"cpipeline_fakes\nno_such_name\n."))
    assert error.values["code"] == "scorer_build"


def test_a_broken_contract_is_described():
    _, error = served(build(breaks_contract("fewer")), Message("score", {"seconds": 100}, pack(segments(["a"], ["x"]))))
    assert error.kind == "error"
    assert error.values["code"] == "scorer_rows"


def test_main_keeps_its_pipes_to_itself(monkeypatch):
    ours, theirs = os.pipe(), os.pipe()
    saved = [os.dup(n) for n in range(3)]
    ended = []

    def serve(requests, replies):
        wire.send(replies, next(requests))
        os.write(1, b"noise")
        assert os.read(0, 10) == b""
        replies.close()

    monkeypatch.setattr(worker, "serve", serve)
    monkeypatch.setattr(worker.os, "_exit", ended.append)
    with os.fdopen(ours[1], "wb") as to_worker, os.fdopen(theirs[0], "rb") as from_worker:
        wire.send(to_worker, Message("hello", {"n": 1}, b"body"))
        try:
            os.dup2(ours[0], 0)
            os.dup2(theirs[1], 1)
            worker.main()
        finally:
            for number, descriptor in enumerate(saved):
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.close(ours[0])
            os.close(theirs[1])
        assert receive(from_worker) == Message("hello", {"n": 1}, b"body")
        assert from_worker.read() == b""
        assert not ended
        to_worker.close()
        deadline = time.monotonic() + 120
        while not ended and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ended == [0]


@pytest.mark.parametrize("text", ["hang", "hang:locked"])
def test_a_worker_ends_with_its_parent(text):
    """The end of the pipe ends it, or its alarm if the interpreter lock is held."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", workers._PROGRAM, workers.json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        wire.send(process.stdin, build(fake))
        assert receive(process.stdout).kind == "ready"
        wire.send(process.stdin, Message("score", {"seconds": 0.5}, pack(segments(["a"], [text]))))
        time.sleep(0.2)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=300) in (0, -signal.SIGALRM)


def test_estimates_are_ipc_without_rows_too():
    _, scored = served(build(fake), Message("score", {"seconds": 100}, pack(segments([], []))))
    assert unpack(scored.body).is_empty()
    assert unpack(scored.body).schema["emotion"] == pl.Struct(
        {"joy": pl.Float32, "anger": pl.Float32, "fear": pl.Float32}
    )
