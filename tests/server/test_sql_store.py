"""The records of jobs and keys keep their promises in every database."""

import threading
import time

import pytest

pytest.importorskip("fastapi", reason="needs the serve extra")

from affectome.errors import MissingExtraError, RunError, UsageError
from affectome.server import open_store
from affectome.server.jobs import Job, Key

REQUEST = {"files": ["posts.csv"], "modalities": ["text"], "purpose": ""}


def _job(number, owner="ann", **more):
    return Job(id=f"{number:032x}", owner=owner, request=REQUEST, created=float(number), expires=1e12, **more)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """Folder and address of an empty database."""
    if request.param == "sqlite":
        return tmp_path, None
    address = request.getfixturevalue("postgresql")
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS affectome CASCADE")
    return tmp_path, address


@pytest.fixture
def store(database):
    found = open_store(*database)
    yield found
    found.close()


def test_gives_a_job_back_as_it_was_to_its_owner_alone(store):
    job = _job(1)
    assert store.add(job, queued=5, kept=5) is None
    assert store.get(job.id, "ann") == job
    assert store.get(job.id, "ben") is None
    assert store.jobs("ben") == []


def test_jobs_of_an_owner_come_newest_first(store):
    for number in (2, 1, 3):
        store.add(_job(number), queued=5, kept=5)
    assert [job.created for job in store.jobs("ann")] == [3.0, 2.0, 1.0]


def test_takes_no_more_than_may_wait_or_be_kept(store):
    assert store.add(_job(1), queued=2, kept=1) is None
    assert store.add(_job(2), queued=2, kept=1) == "kept"
    assert store.add(_job(3, "ben"), queued=2, kept=1) is None
    assert store.add(_job(4, "cas"), queued=2, kept=1) == "queued"
    assert store.known() == {_job(1).id, _job(3).id}


def test_lends_the_oldest_job_until_its_lease_is_over(store):
    for number in (2, 1):
        store.add(_job(number), queued=5, kept=5)
    first = store.claim("w1", 0.2)
    assert first is not None
    assert (first.id, first.status, first.attempts) == (_job(1).id, "running", 1)
    assert store.claim("w2", 60).id == _job(2).id
    assert store.claim("w2", 60) is None
    time.sleep(0.25)
    again = store.claim("w2", 60)
    assert (again.id, again.attempts, again.started) == (first.id, 2, first.started)
    assert not store.beat(first.id, "w1", 60, {})
    assert not store.end(first.id, "w1", "finished", {})
    assert store.beat(first.id, "w2", 60, {"done": 7})
    assert store.get(first.id, "ann").progress == {"done": 7}


def test_notes_how_a_job_ended_once(store):
    store.add(_job(1), queued=5, kept=5)
    job = store.claim("w1", 60)
    assert store.end(job.id, "w1", "finished", {"counts": {"rows": 3}})
    assert not store.end(job.id, "w1", "failed", {})
    ended = store.get(job.id, "ann")
    assert (ended.status, ended.outcome) == ("finished", {"counts": {"rows": 3}})
    assert ended.finished is not None
    assert store.cancel(job.id, "ann").status == "finished"
    assert store.counts() == {"finished": 1}


@pytest.mark.parametrize(("counted", "attempts"), [(True, 2), (False, 1)])
def test_a_job_given_back_waits_again(store, counted, attempts):
    store.add(_job(1), queued=5, kept=5)
    job = store.claim("w1", 60)
    store.release(job.id, "w1", counted=counted)
    assert store.counts() == {"queued": 1}
    assert store.claim("w2", 60).attempts == attempts


def test_cancels_for_the_owner_alone(store):
    store.add(_job(1), queued=5, kept=5)
    assert store.cancel(_job(1).id, "ben") is None
    assert store.cancel(_job(1).id, "ann").status == "cancelled"
    assert store.claim("w1", 60) is None


def test_erases_what_fits_everything_given(store):
    store.add(_job(1), queued=9, kept=9)
    store.add(_job(2), queued=9, kept=9)
    store.add(_job(3, "ben"), queued=9, kept=9)
    assert store.erase(owner="ben", job_id=_job(1).id) == []
    assert store.erase(owner="ann", job_id=_job(1).id) == [_job(1).id]
    assert store.erase(before=1.0) == []
    assert set(store.erase()) == {_job(2).id, _job(3).id}
    assert store.known() == set()


def test_keeps_one_key_of_a_name(store):
    key = Key(id="k1", name="ann", digest="d", created=1.5, requests_a_minute=7)
    store.add_key(key)
    with pytest.raises(UsageError) as raised:
        store.add_key(Key(id="k2", name="ann", digest="e", created=2.0))
    assert raised.value.code == "key_exists"
    store.add_key(Key(id="k3", name="ben", digest="f", created=3.0))
    assert store.all_keys() == [key, Key(id="k3", name="ben", digest="f", created=3.0)]
    assert store.key("k1") == key
    assert store.remove_key("ann") == key
    assert store.key("k1") is None
    assert store.remove_key("ann") is None


def test_text_of_all_kinds_comes_back(store):
    request = {**REQUEST, "files": ["'; DROP TABLE jobs; --", "100 % ?.csv", 'ä 🙂 \\ "x"']}
    job = Job(id="f" * 32, owner="%s ?", request=request, created=1.0, expires=2.0)
    store.add(job, queued=5, kept=5)
    assert store.get(job.id, "%s ?") == job


def test_no_job_is_lent_twice_to_servers_that_share_a_database(database):
    stores = [open_store(*database) for _ in range(4)]
    for number in range(40):
        stores[0].add(_job(number), queued=99, kept=99)
    lent = []

    def work(name, one):
        while (job := one.claim(name, 60)) is not None:
            lent.append(job.id)

    threads = [threading.Thread(target=work, args=(str(number), one)) for number, one in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for one in stores:
        one.close()
    assert sorted(lent) == [_job(number).id for number in range(40)]


def test_finds_its_records_again_after_the_connection_broke(postgresql, tmp_path):
    import psycopg

    store = open_store(tmp_path, postgresql)
    store.erase()
    store.add(_job(1), queued=5, kept=5)
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with pytest.raises(RunError) as raised:
        store.counts()
    assert raised.value.code == "store_unreachable"
    assert store.counts() == {"queued": 1}
    store.close()


@pytest.mark.parametrize("address", ["mysql://ann:secret@h/d", "nowhere", "postgresql://h:port:secret/x?nonsense=1"])
def test_an_address_that_cannot_be_read_is_refused_without_repeating_it(tmp_path, address):
    pytest.importorskip("psycopg", reason="needs the serve extra")
    with pytest.raises(UsageError) as raised:
        open_store(tmp_path, address)
    assert raised.value.code == "bad_database"
    assert "secret" not in str(raised.value)


def test_a_database_that_is_down_says_so(tmp_path):
    pytest.importorskip("psycopg", reason="needs the serve extra")
    with pytest.raises(RunError) as raised:
        open_store(tmp_path, "postgresql://ann:secret@127.0.0.1:1/none")
    assert raised.value.code == "store_unreachable"
    assert "secret" not in str(raised.value)


def test_says_how_to_install_what_a_database_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(MissingExtraError):
        open_store(tmp_path, "postgresql://h/d")
