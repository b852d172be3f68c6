"""The server as its callers see it: readings, jobs, streams, keys and everything that it refuses."""

import gzip
import io
import json
import time

import polars as pl
import pytest

fastapi = pytest.importorskip("fastapi", reason="needs the serve extra")
pytest.importorskip("multipart", reason="needs the serve extra")
pytest.importorskip("prometheus_client", reason="needs the serve extra")
testing = pytest.importorskip("fastapi.testclient", reason="needs a client for tests")

from affectome.server import ServerSettings, create_app, make_key, open_store

POSTS = b"id,text\n1,I am so happy that you came!\n2,This makes me furious.\n3,\n"
HERE = {"host": "localhost"}
SHAPE = {"code", "message", "value", "allowed", "next_step"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def client(folder):
    settings = ServerSettings(folder=folder, body_megabytes=1, files=3, text_characters=500, unpacked_megabytes=1)
    with testing.TestClient(create_app(settings), base_url="http://localhost") as opened:
        yield opened


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == SHAPE
    assert error["code"] == code
    return error


def send(client, *files, headers=None, **fields):
    parts = [("files", (name, content)) for name, content in files]
    return client.post("/v1/jobs", files=parts, data=fields, headers=headers)


def finished(client, answer, headers=None):
    """The job once it has ended."""
    assert answer.status_code == 202, answer.text
    link = answer.json()["links"]["self"]
    for _ in range(1800):
        job = client.get(link, headers=headers).json()
        if job["status"] not in ("queued", "running"):
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def test_a_text_is_read(client):
    answer = client.post("/v1/text", json={"text": "I am so happy that you came!"})
    (reading,) = answer.json()["readings"]
    assert next(iter(reading["emotion"])) == "joy"
    assert reading["status"] == "scored"
    assert "content-security-policy" in answer.headers


def test_texts_are_read_in_their_order_and_in_sentences(client):
    texts = ["I am happy. I am sad.", "", "so proud of you"]
    readings = client.post("/v1/text", json={"texts": texts, "sentences": True}).json()["readings"]
    assert [each["index"] for each in readings] == [0, 0, 1, 2]
    assert [texts[each["index"]][each["start"] : each["end"]] for each in readings][:2] == ["I am happy.", "I am sad."]
    assert readings[2]["status"] == "abstained"


def test_own_words_and_why(client):
    answer = client.post("/v1/text", json={"text": "thank you", "labels": ["grateful", "hurt"], "why": True})
    (reading,) = answer.json()["readings"]
    assert set(reading["emotion"]) == {"grateful", "hurt"}
    assert {"word", "start", "end", "change"} == set(reading["why"][0])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_request"),
        ({"text": "a", "texts": ["b"]}, "bad_request"),
        ({"text": 3}, "bad_request"),
        ({"texts": ["a"] * 65}, "bad_request"),
        ({"text": "a", "colour": "red"}, "bad_request"),
        ({"text": "a", "taxonomy": "nothing"}, "unknown_taxonomy"),
        ({"text": "a", "model": "../../etc/passwd"}, "unknown_model"),
        ({"text": "a", "labels": ["x", "x"]}, "bad_label"),
    ],
)
def test_what_cannot_be_read_is_refused(client, body, code):
    refused(client.post("/v1/text", json=body), 422, code)


def test_sizes_and_bodies_are_bounded(client):
    refused(client.post("/v1/text", json={"text": "a" * 501}), 413, "text_too_long")
    refused(client.post("/v1/text", content=b"x" * (2 << 20)), 413, "body_too_large")
    refused(client.post("/v1/text", content=b"{", headers={"content-type": "application/json"}), 422, "bad_request")
    refused(send(client, ("a.csv", b"x" * (2 << 20))), 413, "body_too_large")
    refused(send(client, *[(f"{k}.txt", b"hello") for k in range(4)]), 413, "too_many_files")
    refused(client.post("/v1/jobs"), 422, "no_files")


def test_what_is_not_there(client):
    refused(client.get("/v1/nothing"), 404, "not_found")
    refused(client.put("/v1/text"), 405, "method_not_allowed")
    refused(client.get(f"/v1/jobs/{'0' * 32}"), 404, "no_job")
    refused(client.get("/v1/jobs/..%2F..%2Fetc"), 404, "not_found")
    refused(client.get("/v1/jobs/x"), 422, "bad_request")


def test_a_job_from_its_files_to_its_results(client):
    job = finished(client, send(client, ("../../posts.csv", POSTS), ("posts.csv", POSTS), report="true"))
    assert job["status"] == "finished", job
    assert job["files"] == ["posts.csv", "posts-2.csv"]
    assert job["counts"]["rows"] == 6
    link = job["links"]["results"]
    page = client.get(link, params={"limit": 2, "offset": 1}).json()
    assert (len(page["rows"]), page["total"]) == (2, 6)
    assert page["notice"]
    assert page["intended_use"]
    table = pl.read_parquet(io.BytesIO(client.get(link, params={"format": "parquet"}).content))
    assert table["top"][0] == "joy"
    assert client.get(link, params={"format": "csv"}).text.startswith("id,")
    assert len(client.get(link, params={"format": "jsonl"}).text.splitlines()) == 6
    html = client.get(link, params={"format": "html"})
    assert "sandbox" in html.headers["content-security-policy"]
    assert client.get(link, params={"format": "zip"}).content[:2] == b"PK"
    refused(client.get(link, params={"format": "pickle"}), 422, "bad_request")
    assert client.post(f"{job['links']['self']}/cancel").json()["status"] == "finished"
    assert client.get(link).status_code == 200
    assert client.delete(job["links"]["self"]).json() == {"erased": 1}
    refused(client.get(job["links"]["self"]), 404, "no_job")


def test_results_hold_no_path_of_the_server(client, folder):
    job = finished(client, send(client, ("posts.csv", POSTS), ("broken.csv", b"\x00\x01\x02" * 99), report="true"))
    link = job["links"]["results"]
    told = json.dumps(job) + client.get(link, params={"format": "html"}).text + client.get(link).text
    assert str(folder) not in told


def test_a_bomb_is_not_unpacked(client):
    job = finished(client, send(client, ("bomb.csv.gz", gzip.compress(b"text\n" + b"hello\n" * 400_000))))
    assert (job["status"], job["error"]["code"]) == ("failed", "unpacks_too_large")


@pytest.mark.parametrize(
    ("files", "fields", "status", "code"),
    [
        ([("talk.wav", b"RIFF")], {}, 422, "purpose_needed"),
        ([("talk.wav", b"RIFF")], {"purpose": "fun"}, 422, "unknown_purpose"),
        ([("talk.wav", b"RIFF")], {"purpose": "workplace"}, 403, "purpose_forbidden"),
        ([("film.mp4", b"....ftyp")], {"purpose": "education"}, 403, "purpose_forbidden"),
        ([("photo.jpg", b"\xff\xd8\xff")], {}, 422, "purpose_needed"),
        ([("posts.csv", POSTS)], {"transcribe": "true"}, 422, "no_transcription"),
        ([("posts.csv", POSTS)], {"taxonomy": "nothing"}, 422, "unknown_taxonomy"),
        ([("posts.csv", POSTS)], {"modalities": "smell"}, 422, "bad_request"),
    ],
)
def test_jobs_that_may_not_be_done_leave_nothing(client, folder, files, fields, status, code):
    before = set((folder / "jobs").iterdir())
    refused(send(client, *files, **fields), status, code)
    assert set((folder / "jobs").iterdir()) == before


def test_a_broken_file_fails_with_a_code(client):
    job = finished(client, send(client, ("talk.wav", b"RIFF"), purpose="research"))
    assert job["status"] in ("finished", "failed")
    assert job["problems"] or job["error"]


def test_a_job_is_cancelled(client):
    big = b"text\n" + b"so happy to see you\n" * 40_000
    job = send(client, ("big.csv", big)).json()
    cancelled = client.post(f"{job['links']['self']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    refused(client.get(job["links"]["results"]), 409, "no_results")


def test_what_there_is_is_described(client):
    assert {card["id"] for card in client.get("/v1/models").json()["models"]} >= {"text-en"}
    taxonomies = {each["id"]: each for each in client.get("/v1/taxonomies").json()["taxonomies"]}
    assert len(taxonomies["ekman7"]["labels"]) == 7
    assert "workplace" in client.get("/v1/purposes").json()["restricted"]
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").status_code == 200
    assert "affectome_requests_total" in client.get("/metrics").text
    described = client.get("/openapi.json").json()
    assert "/v1/jobs/{job_id}/results" in described["paths"]


def test_pages_of_other_origins_may_not_call(client):
    refused(
        client.post("/v1/text", json={"text": "a"}, headers={"origin": "https://evil.example"}), 403, "other_origin"
    )
    refused(client.post("/v1/text", json={"text": "a"}, headers={"host": "evil.example"}), 403, "other_origin")


def test_a_stream_of_texts(client):
    with client.websocket_connect("/v1/stream/text", headers=HERE) as stream:
        stream.send_json({"labels": ["calm", "tense"]})
        assert stream.receive_json() == {"type": "ready"}
        for k in range(3):
            stream.send_json({"id": str(k), "text": "I am calm"})
        found = [stream.receive_json() for _ in range(3)]
        assert [each["id"] for each in found] == ["0", "1", "2"]
        assert set(found[0]["emotion"]) == {"calm", "tense"}
        stream.send_json({"type": "end"})
        assert stream.receive_json() == {"type": "end"}


@pytest.mark.parametrize(
    ("path", "first", "code"),
    [
        ("text", "hello", "bad_message"),
        ("text", '{"taxonomy": 3}', "bad_message"),
        ("audio", "{}", "purpose_needed"),
        ("audio", '{"purpose": "workplace"}', "purpose_forbidden"),
        ("text", '{"key": "aff_wrong"}', "bad_key"),
    ],
)
def test_streams_that_are_refused(client, path, first, code):
    with client.websocket_connect(f"/v1/stream/{path}", headers=HERE) as stream:
        stream.send_text(first)
        message = stream.receive_json()
        assert (message["type"], message["error"]["code"]) == ("error", code)
        assert set(message["error"]) == SHAPE


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with two keys, one of which may call four times a minute."""
    folder = tmp_path_factory.mktemp("guarded")
    store = open_store(folder)
    keys = {"ann": make_key(store, "ann"), "ben": make_key(store, "ben"), "cas": make_key(store, "cas", 4)}
    store.close()
    with testing.TestClient(create_app(ServerSettings(folder=folder)), base_url="http://localhost") as opened:
        yield opened, {name: {"authorization": f"Bearer {key}"} for name, key in keys.items()}


def test_without_a_key_nothing_is_answered_once_there_are_keys(guarded):
    client, _ = guarded
    refused(client.get("/v1/jobs"), 401, "key_needed")
    refused(client.get("/metrics"), 401, "key_needed")
    refused(client.get("/v1/jobs", headers={"authorization": "Bearer aff_000000000000_x"}), 401, "bad_key")
    assert client.get("/health").status_code == 200


def test_what_belongs_to_another_key_is_not_there(guarded):
    client, headers = guarded
    job = finished(client, send(client, ("posts.csv", POSTS), headers=headers["ann"]), headers["ann"])
    for method, link in (("GET", "self"), ("GET", "results"), ("DELETE", "self")):
        refused(client.request(method, job["links"][link], headers=headers["ben"]), 404, "no_job")
    assert client.get("/v1/jobs", headers=headers["ben"]).json() == {"jobs": []}
    assert client.delete("/v1/jobs", headers=headers["ben"]).json() == {"erased": 0}
    assert client.get(job["links"]["results"], headers=headers["ann"]).status_code == 200


def test_who_calls_too_often_waits(guarded):
    client, headers = guarded
    answers = [client.get("/v1/models", headers=headers["cas"]) for _ in range(6)]
    assert [each.status_code for each in answers[:4]] == [200] * 4
    refused(answers[-1], 429, "too_many_requests")
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_keys_are_kept_as_digests(guarded, tmp_path):
    store = open_store(tmp_path)
    key = make_key(store, "dee")
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    store.close()
    assert key.encode() not in content
    assert key.split("_")[-1].encode() not in content
