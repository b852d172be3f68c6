import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import RunError
from affectome.pipeline.identifiers import TakenIds


def table(ids, error=""):
    return pl.DataFrame({"id": ids, "error": [error] * len(ids)}, schema={"id": pl.String, "error": pl.String})


def reference(shards):
    """The rule in plain words: first come, first served; own ids of a shard before new names."""
    taken, result = set(), []
    for shard in shards:
        fresh = [n for n, name in enumerate(shard) if name not in taken and name not in shard[:n]]
        taken |= {shard[n] for n in fresh}
        rows = []
        for n, name in enumerate(shard):
            if n in fresh:
                rows.append((name, ""))
                continue
            number = 2
            while f"{name}~{number}" in taken:
                number += 1
            taken.add(f"{name}~{number}")
            rows.append((f"{name}~{number}", "duplicate_id"))
        result.append(rows)
    return result


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "a~2", "a~3", "a~2~2", ""]) | st.text(max_size=2), max_size=12)))
def test_later_rows_are_renamed(shards):
    taken = TakenIds()
    marked = [taken.mark_duplicates(table(ids)).rows() for ids in shards]
    assert marked == reference(shards)
    names = [name for rows in marked for name, _ in rows]
    assert len(names) == len(set(names))


def test_many_ids_take_little_memory():
    taken = TakenIds()
    for start in range(0, 300_000, 2000):
        assert (
            not taken.mark_duplicates(table([f"row {n}" for n in range(start, start + 2000)]))["error"]
            .str.len_bytes()
            .sum()
        )
    again = taken.mark_duplicates(table(["row 0", "row 299999", "row 300000"]))
    assert again["id"].to_list() == ["row 0~2", "row 299999~2", "row 300000"]
    assert sum(hashes.nbytes for hashes in taken._sorted) == 8 * 300_003
    assert len(taken._sorted) < 20


@pytest.mark.parametrize(
    "segments",
    [
        pl.DataFrame({"id": ["a"]}),
        pl.DataFrame({"id": [1], "error": [""]}),
        pl.DataFrame({"id": ["a", None], "error": ["", ""]}),
        pl.DataFrame({"id": ["a"], "error": [None]}, schema={"id": pl.String, "error": pl.String}),
    ],
)
def test_a_source_without_ids_is_named(segments):
    with pytest.raises(RunError) as caught:
        TakenIds().mark_duplicates(segments)
    assert caught.value.code == "bad_shard"
