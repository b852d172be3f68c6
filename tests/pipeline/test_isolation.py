import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_fakes import BreaksContract, FakeScorer, segments

from affectome.errors import RunError
from affectome.pipeline.isolation import bisect, score_rows

CODES = {"raise": "model_error", "raise:known": "bad_row", "raise:exit": "model_error"}


def table(texts):
    return segments([f"i{n}" for n in range(len(texts))], texts)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", *CODES]), max_size=40))
def test_good_rows_are_scored_and_bad_rows_have_their_code(texts):
    estimates = score_rows(FakeScorer(), table(texts))
    assert estimates["id"].to_list() == [f"i{n}" for n in range(len(texts))]
    assert estimates["error"].to_list() == [CODES.get(text, "") for text in texts]
    assert estimates["status"].to_list() == ["failed" if text in CODES else "scored" for text in texts]
    alone = pl.concat([FakeScorer()(table(["a"]))] + [FakeScorer()(table([t])) for t in texts if t not in CODES])
    assert estimates.filter(pl.col("status") == "scored")["valence"].to_list() == alone["valence"].to_list()[1:]


@settings(deadline=None)
@given(st.integers(1, 2000), st.data())
def test_attempts_are_few(rows, data):
    bad = data.draw(st.sets(st.integers(0, rows - 1), max_size=5))
    attempts = 0

    def attempt(piece):
        nonlocal attempts
        attempts += 1
        return "bad" if bad & set(piece["row"]) else piece

    whole = pl.DataFrame({"row": range(rows)})
    assert bisect(whole, attempt, lambda piece, code: piece).equals(whole)
    assert attempts <= 1 + 2 * len(bad) * math.ceil(math.log2(rows + 1))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("fewer", "scorer_rows"),
        ("order", "scorer_rows"),
        ("column", "scorer_columns"),
        ("kind", "scorer_columns"),
        ("status", "scorer_status"),
    ],
)
def test_a_broken_contract_is_named(fault, code):
    with pytest.raises(RunError) as caught:
        score_rows(BreaksContract(fault), table(["a", "b"]))
    assert caught.value.code == code
    assert "scorer" in caught.value.next_step


def test_a_scorer_that_cannot_write_failed_rows_is_named():
    with pytest.raises(RunError) as caught:
        score_rows(BreaksContract("failed"), table(["a", "raise"]))
    assert caught.value.code == "scorer_failed"


def test_a_scorer_that_fails_without_rows_is_named():
    with pytest.raises(RunError) as caught:
        score_rows(BreaksContract("empty"), table([]))
    assert caught.value.code == "scorer_empty"


def test_halves_that_do_not_fit_are_named():
    segs = segments(["a.csv#0", "a.csv#1", "a.csv#2"], ["a", "raise", "b"])
    with pytest.raises(RunError) as caught:
        score_rows(BreaksContract("schema"), segs)
    assert caught.value.code == "scorer_schema"
    assert caught.value.value == "extra"
