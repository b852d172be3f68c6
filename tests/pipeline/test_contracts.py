import json
import math
from pathlib import Path

import pytest

from affectome.errors import UsageError
from affectome.pipeline import RunResult, RunSettings


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"workers": 0}, "bad_workers"),
        ({"format": "xlsx"}, "bad_format"),
        ({"shard_timeout": 0}, "bad_timeout"),
        ({"shard_timeout": math.inf}, "bad_timeout"),
        ({"shard_timeout": math.nan}, "bad_timeout"),
    ],
)
def test_settings_out_of_range_are_refused(settings, code):
    with pytest.raises(UsageError) as caught:
        RunSettings(**settings)
    assert caught.value.code == code
    assert caught.value.next_step


def test_result_is_plain_json():
    result = RunResult(
        rows=1, scored=0, abstained=1, failed=0, by_code={"empty": 1}, seconds=0.5, estimates=Path("a/b.csv")
    )
    assert json.loads(json.dumps(result.as_dict())) == {
        "rows": 1,
        "scored": 0,
        "abstained": 1,
        "failed": 0,
        "by_code": {"empty": 1},
        "seconds": 0.5,
        "estimates": "b.csv",
        "already_complete": False,
    }
