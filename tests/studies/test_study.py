"""Tables start with what has no skill, claims are numbers beside thresholds, and a study knows only its context."""

import math

import numpy as np
import pytest

from affectome.errors import InputError, LeakError, UsageError
from affectome.evaluate import Interval
from affectome.studies import Claim, Row, Table, show_value

BASELINE = Row("majority", "baseline", {"accuracy": 0.3})
RESULT = Row("reader", "result", {"accuracy": 0.6})


def test_a_table_with_its_baselines_first():
    table = Table("Posts", ("accuracy", "n"), [BASELINE, RESULT])
    assert [row.role for row in table.rows] == ["baseline", "result"]


@pytest.mark.parametrize("rows", [[], [RESULT], [RESULT, BASELINE], [BASELINE, RESULT, BASELINE]])
def test_a_table_without_its_baselines_first_is_refused(rows):
    with pytest.raises(UsageError, match="must start with its baselines") as error:
        Table("Posts", ("accuracy",), rows)
    assert error.value.code == "baselines_first"


def test_a_metric_without_a_column_is_refused():
    with pytest.raises(UsageError, match="not a column") as error:
        Table("Posts", ("F1",), [BASELINE])
    assert (error.value.value, error.value.allowed) == ("accuracy", ("F1",))


def test_an_unknown_role_is_refused():
    with pytest.raises(UsageError) as error:
        Row("reader", "winner", {})
    assert error.value.code == "unknown_role"


@pytest.mark.parametrize(
    ("value", "comparison", "holds"),
    [
        *[(0.4, ">=", False), (0.5, ">=", True), (0.5, ">", False), (0.6, ">", True)],
        *[(0.6, "<=", False), (0.5, "<=", True), (0.5, "<", False), (0.4, "<", True)],
        *[(math.nan, sign, False) for sign in (">=", ">", "<=", "<")],
    ],
)
def test_claims(value, comparison, holds):
    assert Claim("", value, 0.5, comparison).holds is holds


def test_a_claim_of_numpy_numbers_is_plain():
    assert Claim("", np.float64(0.6), np.float32(0.5), ">=").holds is True


def test_an_unknown_comparison_is_refused():
    with pytest.raises(UsageError) as error:
        Claim("", 0.5, 0.5, "=")
    assert error.value.allowed == (">=", "<=", ">", "<")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (1234567, "1,234,567"), (np.int64(1200), "1,200"), (math.nan, "nan"), (-math.inf, "-inf")],
)
def test_values_for_people(value, shown):
    assert show_value(value) == shown


def test_an_interval_for_people():
    assert show_value(Interval(0.5, 0.4, 0.6001, 0.95, 10, 0, 1)) == "0.500 [0.400, 0.600]"


def test_a_folder_of_the_context_is_remembered(context, data):
    assert context.folder("toys") == data / "toys"
    assert context.used == {"toys"}


def test_a_folder_that_is_not_there(context, data):
    with pytest.raises(InputError, match="has no folder 'games'") as error:
        context.folder("games")
    assert error.value.value == str(data / "games")
    assert context.used == set()


def test_a_base_encoder_that_was_not_given(context, tmp_path):
    with pytest.raises(UsageError, match="--base"):
        context.base_encoder()
    context.base = tmp_path
    assert context.base_encoder() == tmp_path


def test_a_vault_gives_rows_once_and_is_remembered(context):
    vault = context.vault({"test": [4, 5]})
    assert vault.open("test", purpose="report").tolist() == [4, 5]
    with pytest.raises(LeakError):
        vault.open("test", purpose="choosing a threshold")
    assert [entry["name"] for entry in context.vaults[0].record()] == ["test"]


def test_notes_reach_who_listens(context):
    heard = []
    context.note("nobody listens")
    context.report = heard.append
    context.note("half done")
    assert heard == ["half done"]
