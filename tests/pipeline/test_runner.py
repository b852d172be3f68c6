import signal
import threading

import polars as pl
import pytest
from pipeline_fakes import (
    FakeScorer,
    ListSource,
    breaks_contract,
    dies_at_start,
    fake,
    raises_model_error,
    segments,
    slow,
)

from affectome.errors import RunError
from affectome.pipeline import RunSettings, run
from affectome.pipeline.storage import locked

MIXED = [f"text {n}" for n in range(60)]
MIXED[5], MIXED[11], MIXED[12], MIXED[40] = "raise", "", "raise:exit", "raise:known"


def go(source, out, factory=fake, identity=None, progress=None, **settings):
    return run(source, factory, out, settings=RunSettings(**settings), identity=identity or {}, progress=progress)


def test_every_row_ends_in_one_status(tmp_path):
    result = go(ListSource(["die" if n == 50 else text for n, text in enumerate(MIXED)]), tmp_path)
    table = pl.read_parquet(result.estimates)
    assert table["id"].to_list() == [f"a.csv#{n}" for n in range(60)]
    assert (result.rows, result.scored, result.abstained, result.failed) == (60, 55, 1, 4)
    assert result.by_code == {"bad_row": 1, "empty": 1, "model_error": 2, "worker_died": 1}
    assert result.seconds > 0
    assert not result.already_complete
    assert table.filter(pl.col("status") == "failed")["id"].to_list() == [f"a.csv#{n}" for n in (5, 12, 40, 50)]
    alone = FakeScorer()(segments(["a.csv#0"], ["text 0"]))
    assert table[:1].equals(alone)


@pytest.mark.parametrize("file_format", ["parquet", "csv", "jsonl"])
def test_the_number_of_workers_does_not_show(tmp_path, file_format):
    texts = ["print" if n == 3 else "raise" if n % 13 == 5 else f"t{n}" for n in range(60)]
    files = [
        go(ListSource(texts, ids=[f"i{n % 50}" for n in range(60)]), tmp_path / str(n), workers=n, format=file_format)
        for n in (1, 2, 3)
    ]
    assert len({result.estimates.read_bytes() for result in files}) == 1


def test_a_second_call_does_nothing(tmp_path):
    first = go(ListSource(MIXED[:4]), tmp_path)
    second = go(ListSource(MIXED[:4]), tmp_path, factory=dies_at_start)
    assert second.already_complete
    assert {**second.as_dict(), "already_complete": False} == first.as_dict()
    third = go(ListSource(MIXED[:4]), tmp_path, overwrite=True)
    assert not third.already_complete


def test_another_source_or_identity_is_refused(tmp_path):
    go(ListSource(["a"]), tmp_path, identity={"model": "x"})
    for source, model in ((ListSource(["a"], fingerprint="f1"), "x"), (ListSource(["a"]), "y")):
        with pytest.raises(RunError) as caught:
            go(source, tmp_path, identity={"model": model})
        assert caught.value.code == "other_run"


def test_what_is_stored_is_not_scored_again(tmp_path):
    def stop():
        raise ConnectionError("the source broke")

    whole = go(ListSource(MIXED), tmp_path / "whole")
    with pytest.raises(ConnectionError):
        go(ListSource(MIXED, after={40: stop}), tmp_path / "cut")
    stored = sorted((tmp_path / "cut" / ".parts").glob("*.arrow"))
    assert stored
    seen = []
    resumed = go(ListSource(MIXED), tmp_path / "cut", progress=seen.append)
    assert resumed.estimates.read_bytes() == whole.estimates.read_bytes()
    assert resumed.by_code == whole.by_code
    assert seen[0].done == 8
    assert seen[0].rate == 0


def test_a_run_with_all_parts_stored_starts_no_worker(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.pipeline.output.OutputFolder.finish", lambda *_: None)
    go(ListSource(MIXED), tmp_path)
    monkeypatch.undo()
    assert go(ListSource(MIXED), tmp_path, factory=dies_at_start).rows == 60


def test_a_damaged_part_is_scored_again(tmp_path, monkeypatch):
    monkeypatch.setattr("affectome.pipeline.output.OutputFolder.finish", lambda *_: None)
    go(ListSource(MIXED[:16]), tmp_path)
    monkeypatch.undo()
    for part in (tmp_path / ".parts").glob("*.arrow"):
        part.write_bytes(part.read_bytes()[:-7])
    assert pl.read_parquet(go(ListSource(MIXED[:16]), tmp_path).estimates).height == 16


def test_progress_is_told(tmp_path):
    seen = []
    go(ListSource(MIXED[:20]), tmp_path / "known", progress=seen.append)
    assert [state.done for state in seen] == [8, 16, 20]
    assert {state.total for state in seen} == {20}
    assert [state.failed for state in seen] == [1, 2, 2]
    assert seen[0].seconds_left > 0
    assert seen[-1].seconds_left == 0
    assert seen[-1].rate > 0

    class Unknown:
        fingerprint = "f"

        def shards(self):
            return ListSource(MIXED[:20], shard_rows=4).shards()

    seen.clear()
    go(Unknown(), tmp_path / "unknown", progress=seen.append)
    assert seen[0].total is None
    assert seen[0].seconds_left is None
    assert seen[-1].total == 20


def test_later_rows_with_an_id_that_is_taken_fail(tmp_path):
    ids = ["a", "b", "a", "a~2", "c", "a"]
    result = go(ListSource(["x"] * 6, ids=ids, shard_rows=2), tmp_path)
    table = pl.read_parquet(result.estimates)
    assert table["id"].to_list() == ["a", "b", "a~3", "a~2", "c", "a~4"]
    assert table["error"].to_list() == ["", "", "duplicate_id", "", "", "duplicate_id"]
    assert result.by_code == {"duplicate_id": 2}


@pytest.mark.parametrize("file_format", ["parquet", "csv", "jsonl"])
def test_a_source_without_rows_gives_an_empty_table(tmp_path, file_format):
    result = go(ListSource([]), tmp_path, format=file_format)
    assert result.rows == 0
    assert result.by_code == {}
    if file_format == "parquet":
        assert pl.read_parquet(result.estimates).schema == FakeScorer()(segments([], [])).schema


def test_a_source_without_a_table_gives_an_empty_one_too(tmp_path):
    class Nothing:
        fingerprint = "f"

        def shards(self):
            return iter(())

    result = go(Nothing(), tmp_path)
    assert pl.read_parquet(result.estimates).schema == FakeScorer()(segments([], [])).schema


@pytest.mark.parametrize(
    ("factory", "code"),
    [
        (raises_model_error, "missing_weights"),
        (breaks_contract("order"), "scorer_rows"),
        (breaks_contract("schema"), "scorer_schema"),
    ],
)
def test_faults_of_the_scorer_end_the_run(tmp_path, factory, code):
    with pytest.raises(RunError) as caught:
        go(ListSource([f"text {n}" for n in range(60)]), tmp_path, factory=factory)
    assert caught.value.code == code
    assert not (tmp_path / "estimates.parquet").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_keeps_what_is_scored(tmp_path, number):
    before = signal.getsignal(number)

    def interrupt(state):
        if state.done == 16:
            signal.raise_signal(number)

    with pytest.raises(RunError, match="Run the same command again to resume") as caught:
        go(ListSource(MIXED), tmp_path / "cut", progress=interrupt)
    assert caught.value.code == "interrupted"
    assert caught.value.value == number.name
    assert signal.getsignal(number) is before
    assert len(list((tmp_path / "cut" / ".parts").glob("*.arrow"))) >= 2
    whole = go(ListSource(MIXED), tmp_path / "whole")
    assert go(ListSource(MIXED), tmp_path / "cut").estimates.read_bytes() == whole.estimates.read_bytes()


def test_a_second_signal_acts_as_usual(tmp_path):
    def interrupt(state):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    # A test run started in the background of a shell inherits an ignored SIGINT, which is not what is meant here.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            go(ListSource(MIXED), tmp_path, progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, inherited)


def test_a_run_in_a_thread_works_without_signals(tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(go(ListSource(MIXED[:4]), tmp_path)))
    thread.start()
    thread.join()
    assert results[0].rows == 4


def test_one_run_at_a_time_in_a_folder(tmp_path):
    with locked(tmp_path), pytest.raises(RunError) as caught:
        go(ListSource(MIXED), tmp_path)
    assert caught.value.code == "folder_busy"


def test_shards_under_way_are_few(tmp_path):
    given, stored = 0, 0
    ahead = []

    class Counting(ListSource):
        def shards(self):
            nonlocal given
            for shard in super().shards():
                given += 1
                yield shard
                ahead.append(given - stored)

    def count(_):
        nonlocal stored
        stored += 1

    go(Counting([f"t{n}" for n in range(40)], shard_rows=2), tmp_path, factory=slow(0.005), workers=2, progress=count)
    assert given == stored == 20
    assert max(ahead) <= 5


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """The peak at 60,000 rows is that at 20,000 within the 8 bytes an id and the noise of the allocator."""

    class Generated:
        fingerprint = "f"

        def shards(self):
            for start in range(0, 60_000, 1000):
                ids = [f"row {n}" for n in range(start, start + 1000)]
                yield (
                    segments(ids[:1], [""])
                    .select(pl.all().repeat_by(1000).explode())
                    .with_columns(pl.Series("id", ids), text=pl.lit("word " * 100))
                )

    sizes = {}

    def measure(state):
        sizes[state.done] = resident()

    go(Generated(), tmp_path, progress=measure)
    assert max(sizes.values()) - max(size for done, size in sizes.items() if done <= 20_000) < 20_000_000


def resident():
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * 4096
    except FileNotFoundError:
        pytest.skip("needs /proc")


def test_what_follows_from_the_shards_stands_behind_them(tmp_path):
    def conclude(tables):
        for table in tables:
            yield table.head(1).with_columns(id=pl.concat_str(pl.lit("sum of "), "id"))

    source = ListSource([f"t{n}" for n in range(20)])
    result = run(source, fake, tmp_path, settings=RunSettings(), identity={}, conclude=conclude)
    ids = pl.read_parquet(result.estimates)["id"].to_list()
    assert ids == [f"a.csv#{n}" for n in range(20)] + [f"sum of a.csv#{n}" for n in (0, 8, 16)]
    assert (result.rows, result.scored) == (23, 23)


def test_what_follows_is_the_same_after_an_interruption(tmp_path):
    def breaks(tables):
        yield next(tables).head(1).with_columns(id=pl.lit("x"))
        raise RunError("no", code="broken")

    def goes_on(tables):
        return (table.head(1).with_columns(id=pl.lit(f"x{k}")) for k, table in enumerate(tables))

    source = ListSource([f"t{n}" for n in range(20)])
    with pytest.raises(RunError, match="no"):
        run(source, fake, tmp_path / "a", settings=RunSettings(), identity={}, conclude=breaks)
    files = [
        run(source, fake, tmp_path / name, settings=RunSettings(), identity={}, conclude=goes_on).estimates.read_bytes()
        for name in ("a", "b")
    ]
    assert files[0] == files[1]
