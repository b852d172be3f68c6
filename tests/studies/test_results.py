"""A result is read back as it was written, and says what it was made from."""

import hashlib
import json
import math
import platform

import numpy as np
import pytest

from affectome.errors import InputError, RunError
from affectome.evaluate import Interval
from affectome.studies import Claim, Digest, Outcome, Result, Row, Table, load_result, write_result
from affectome.studies.results import describe_machine, digest_folder


def result(**changes):
    undefined = Interval(math.nan, math.nan, math.inf, 0.95, 10, 10, 1)
    rows = [
        Row("mean", "baseline", {"KL": math.inf, "n": np.int64(7)}),
        Row("reader", "result", {"KL": Interval(0.5, 0.4, 0.6, 0.95, 10, 0, 1), "n": 7, "r": undefined}),
    ]
    claims = [Claim("KL", np.float64(0.5), 0.6, "<", rows[1].values["KL"]), Claim("r", math.nan, 0, ">")]
    given = {
        "study": "toy",
        "number": 1,
        "outcome": Outcome([Table("Toys", ("KL", "n", "r"), rows)], claims, ["Wörter."]),
        "quick": False,
        "command": "affectome study run toy --data DIR",
        "seed": 0,
        "threads": 2,
        "seconds": 1.5,
        "data": {"toys": Digest(1, 5, "ab")},
        "vaults": [{"name": "test", "rows": 2}],
        "reader": {"model": "text-en@0.1.0", "sha256": "cd"},
        "base": None,
        "machine": {"processors": 2},
        "affectome": "0.1.0",
    }
    return Result(**(given | changes))


def test_a_result_comes_back(tmp_path):
    path = tmp_path / "new" / "toy.json"
    write_result(result(), path)
    found = load_result(path)
    assert found.data == {"toys": Digest(1, 5, "ab")}
    assert (found.study, found.seed, found.seconds, found.vaults) == ("toy", 0, 1.5, [{"name": "test", "rows": 2}])
    (table,) = found.outcome.tables
    mean, reader = table.rows
    assert (table.title, list(table.metrics)) == ("Toys", ["KL", "n", "r"])
    assert mean.values == {"KL": math.inf, "n": 7}
    assert isinstance(reader.values["n"], int)
    assert reader.values["KL"] == Interval(0.5, 0.4, 0.6, 0.95, 10, 0, 1)
    assert math.isnan(reader.values["r"].value)
    assert reader.values["r"].high == math.inf
    assert [claim.holds for claim in found.outcome.claims] == [True, False]
    assert found.outcome.notes == ["Wörter."]


def test_a_result_is_plain_json_that_says_which_claims_hold(tmp_path):
    write_result(result(), tmp_path / "toy.json")
    text = (tmp_path / "toy.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert [claim["holds"] for claim in content["outcome"]["claims"]] == [True, False]
    assert content["outcome"]["claims"][1]["value"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["toy.json"]


def test_a_result_that_comes_back_is_written_the_same(tmp_path):
    write_result(result(), tmp_path / "one.json")
    write_result(load_result(tmp_path / "one.json"), tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"outcome": {"tables": []}}', "\udcff"])
def test_a_file_that_is_no_result(tmp_path, content):
    path = tmp_path / "toy.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as error:
        load_result(path)
    assert error.value.code == "bad_result"


def test_a_result_without_a_baseline_in_front_is_no_result(tmp_path):
    path = tmp_path / "toy.json"
    write_result(result(), path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["outcome"]["tables"][0]["rows"].reverse()
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="must start with its baselines"):
        load_result(path)


def test_a_result_that_is_not_there(tmp_path):
    with pytest.raises(InputError):
        load_result(tmp_path / "toy.json")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        write_result(result(), tmp_path / "file" / "toy.json")


def test_digest_of_a_folder(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.txt").write_bytes(b"two")
    (tmp_path / "a.txt").write_bytes(b"one")
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    expected = hashlib.sha256(f"a.txt {one}\nb/two.txt {two}\n".encode()).hexdigest()
    assert digest_folder(tmp_path) == Digest(2, 6, expected)
    (tmp_path / "a.txt").rename(tmp_path / "c.txt")
    assert digest_folder(tmp_path).sha256 != expected


def test_the_machine():
    found = describe_machine()
    assert found["python"] == platform.python_version()
    assert {"numpy", "polars", "onnxruntime"} <= set(found["libraries"])
    assert platform.node() not in json.dumps(found)
