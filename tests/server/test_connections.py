"""Connections that are slow, broken, too many or too large: limits hold, and nothing of them stays."""

import json
import socket
import time

import pytest

pytest.importorskip("fastapi", reason="needs the serve extra")
pytest.importorskip("uvicorn", reason="needs the serve extra")
pytest.importorskip("multipart", reason="needs the serve extra")
pytest.importorskip("prometheus_client", reason="needs the serve extra")
client = pytest.importorskip("websockets.sync.client", reason="needs the serve extra")

from affectome.errors import ModelError
from affectome.models import locate
from affectome.server import ServerSettings

SHAPE = {"code", "message", "value", "allowed", "next_step"}
HEAD = b"POST /v1/text HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder, listening):
    """The port of a server without patience."""
    patch = pytest.MonkeyPatch()
    patch.setattr("affectome.server.listening._HEAD_SECONDS", 0.4)
    with listening(
        ServerSettings(folder=folder, body_megabytes=1, body_seconds=0.6, connections=40, streams=2)
    ) as port:
        yield port
    patch.undo()


def exchange(port, *pieces):
    """Everything that the server says until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        said = b""
        while block := connection.recv(1 << 16):
            said += block
    return said


def refused(said, status, code):
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.split()[1] == str(status).encode(), said
    error = json.loads(body)["error"]
    assert set(error) == SHAPE
    assert error["code"] == code


def test_half_a_head_is_not_waited_for(server):
    started = time.monotonic()
    assert exchange(server, b"GET /health HTTP/1.1\r\nhost: loc") == b""
    assert time.monotonic() - started < 5


def test_silence_is_not_waited_for(server):
    assert exchange(server) == b""


def test_half_a_second_request_is_not_waited_for(server):
    first = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    started = time.monotonic()
    said = exchange(server, first, b"GET /heal")
    assert said.count(b"HTTP/1.1 200") == 1
    assert time.monotonic() - started < 5


def test_half_a_body_is_not_waited_for(server):
    refused(exchange(server, HEAD + b'content-length: 100\r\n\r\n{"text"'), 408, "body_too_slow")


def test_what_is_no_http_is_told_so(server):
    refused(exchange(server, b"\x16\x03\x01\x00\xa5hello\r\n\r\n"), 400, "bad_http")


def test_a_body_of_unknown_length_is_bounded(server):
    chunks = [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 16 + [b"1\r\nx\r\n"]
    refused(exchange(server, HEAD + b"transfer-encoding: chunked\r\n\r\n", *chunks), 413, "body_too_large")


def test_a_length_is_believed_before_the_body_comes(server):
    refused(exchange(server, HEAD + b"content-length: 99999999999999999999\r\n\r\n"), 413, "body_too_large")


def test_an_upload_that_breaks_off_leaves_nothing(server, folder):
    head = b"POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n"
    part = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a.csv"\r\n\r\ntext\nhello\n'
    with socket.create_connection(("127.0.0.1", server)) as connection:
        connection.sendall(head + b"content-length: 9999\r\n\r\n" + part)
    time.sleep(0.2)
    assert list((folder / "jobs").iterdir()) == []


def test_more_connections_than_may_be_are_closed_and_others_served(server):
    idle = [socket.create_connection(("127.0.0.1", server), timeout=10) for _ in range(60)]
    time.sleep(0.2)
    closed = 0
    for connection in idle:
        connection.settimeout(0.01)
        try:
            closed += connection.recv(1) == b""
        except TimeoutError:
            continue
        except OSError:
            closed += 1
    for connection in idle:
        connection.close()
    assert closed >= 20
    time.sleep(0.6)
    assert b" 200 " in exchange(server, b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")


def stream(port):
    return client.connect(f"ws://127.0.0.1:{port}/v1/stream/audio", compression=None, proxy=None)


def test_a_piece_of_sound_is_bounded(server):
    with stream(server) as opened:
        opened.send(json.dumps({"purpose": "research"}))
        assert json.loads(opened.recv(timeout=10))["type"] == "ready"
        opened.send(bytes((1 << 18) + 2))
        assert json.loads(opened.recv(timeout=30))["error"]["code"] == "piece_too_large"


@pytest.mark.data
def test_rows_come_while_somebody_goes_on_speaking(server, corpora):
    soundfile, soxr = (pytest.importorskip(name, reason="needs the voice extra") for name in ("soundfile", "soxr"))
    try:
        locate("silero-vad")
    except ModelError as error:
        pytest.skip(str(error))
    recordings = sorted(corpora.glob("emodb/audio/*.ogg"))[:3]
    if not recordings:
        pytest.skip("The data folder holds no recordings of EmoDB")
    sound = b""
    for path in recordings:
        samples, rate = soundfile.read(path)
        sound += (soxr.resample(samples, rate, 16_000) * 32_767).astype("<i2").tobytes() + bytes(64_000)
    with stream(server) as opened:
        opened.send(json.dumps({"purpose": "research", "taxonomy": "ekman7"}))
        ready = json.loads(opened.recv(timeout=10))
        assert ready["notice"]
        for start in range(0, len(sound), 6400):
            opened.send(sound[start : start + 6400])
        opened.send(bytes(64_000))
        first = json.loads(opened.recv(timeout=60))  # before the end of the sound is told
        assert (first["type"], first["modality"], first["status"]) == ("row", "voice", "scored")
        assert len(first["emotion"]) == 7
        opened.send(json.dumps({"type": "end"}))
        messages = [json.loads(message) for message in opened]
    assert messages[-1] == {"type": "end"}
    assert all(message["type"] == "row" for message in messages[:-1])
