import hashlib

import numpy as np
import pytest

from affectome.errors import LeakError, UsageError
from affectome.evaluate import Vault


def test_a_part_is_opened_once_and_recorded():
    vault = Vault({"test": [4, 2, 300], "other": np.array([7])}, run="seed 1")
    assert vault.record() == []
    rows = vault.open("test", purpose="final figures")
    assert rows.tolist() == [4, 2, 300]
    (entry,) = vault.record()
    assert (entry["run"], entry["name"], entry["rows"], entry["purpose"]) == ("seed 1", "test", 3, "final figures")
    assert entry["sha256"] == hashlib.sha256(np.array([4, 2, 300], dtype="<i8").tobytes()).hexdigest()
    assert str(entry["time"]).endswith("+00:00")
    with pytest.raises(LeakError) as error:
        vault.open("test", purpose="one more look")
    assert error.value.code == "opened_twice"
    assert "final figures" in str(error.value)
    vault.open("other", purpose="transfer")
    assert [entry["name"] for entry in vault.record()] == ["test", "other"]


def test_what_was_handed_out_cannot_be_changed_from_outside():
    given = np.array([1, 2])
    vault = Vault({"test": given}, run="r")
    given[0] = 9
    rows = vault.open("test", purpose="figures")
    assert rows.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 5
    vault.record()[0]["purpose"] = "changed"
    assert vault.record()[0]["purpose"] == "figures"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: Vault({}, run="r"), "no_parts"),
        (lambda: Vault({"test": []}, run="r"), "not_rows"),
        (lambda: Vault({"test": [0.5]}, run="r"), "not_rows"),
        (lambda: Vault({"test": [-1]}, run="r"), "not_rows"),
        (lambda: Vault({"test": [1]}, run="r").open("dev", purpose="x"), "unknown_part"),
        (lambda: Vault({"test": [1]}, run="r").open("test", purpose=" "), "no_purpose"),
    ],
)
def test_what_does_not_fit_is_refused(call, code):
    with pytest.raises(UsageError) as error:
        call()
    assert error.value.code == code
