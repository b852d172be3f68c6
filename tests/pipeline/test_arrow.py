import pickle
import sys

import polars as pl
import pytest
from pipeline_fakes import BreaksContract, FakeScorer, fake, segments

from affectome.errors import MissingExtraError, RunError
from affectome.pipeline import arrow_scorer

TABLE = segments(["a", "b", "c"], ["x", "raise", ""])


def batches(table):
    pyarrow = pytest.importorskip("pyarrow")
    arrow = table.to_arrow()
    return [pyarrow.RecordBatch.from_arrays([c.combine_chunks() for c in arrow.columns], schema=arrow.schema)]


@pytest.mark.parametrize("table", [TABLE, TABLE[:0]])
def test_a_batch_of_segments_gives_a_batch_of_estimates(table):
    score = pickle.loads(pickle.dumps(arrow_scorer(fake)))
    for batch in batches(table):
        estimates = score(batch)
        assert type(estimates).__name__ == "RecordBatch"
        assert estimates.num_rows == table.height
        assert pl.DataFrame(estimates).schema == FakeScorer()(table[:0]).schema
        assert pl.DataFrame(estimates)["error"].to_list() == ["", "model_error", "empty"][: table.height]
        assert score(batch).equals(estimates)


def test_a_broken_contract_is_named():
    score = arrow_scorer(lambda: BreaksContract("fewer"))
    with pytest.raises(RunError):
        score(batches(TABLE)[0])


def test_without_pyarrow_the_install_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"affectome\[arrow\]"):
        arrow_scorer(fake)
