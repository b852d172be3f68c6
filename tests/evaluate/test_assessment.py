"""An assessment: every row counted once, figures of hand-worked tables, errors in order, groups with the worst one."""

import json

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError
from affectome.evaluate.assessment import assess
from affectome.evaluate.labelled import read_labelled
from affectome.perceive import estimates_schema


class Reader:
    """Reads a text "joy .8" as the labels and probabilities it names; abstains from "quiet", fails on "broken"."""

    model = "stub@1.0.0"

    def __init__(self, labels, *, exclusive=True, thresholds=None, measure=None, learnt=()):
        self.labels, self.exclusive, self.thresholds = labels, exclusive, thresholds or {}
        self.head = type("Head", (), {"kind": "measure", "labels": (measure,)}) if measure else None
        self._learnt = learnt

    def learnt_from(self, texts):
        return np.array([text in self._learnt for text in texts])

    def perceive(self, segments):
        schema = estimates_schema(
            self.labels, segments.schema["meta"], {"rating": self.head.labels if self.head else ()}
        )
        rows = []
        for text in segments["text"]:
            status = {"quiet": "abstained", "broken": "failed"}.get(text, "scored")
            words = text.split()[:-1] if status == "scored" else []
            given = dict(zip(words[::2], map(float, words[1::2]), strict=True))
            row = {"status": status, "error": "" if status == "scored" else "too_short"}
            if status == "scored":
                row["emotion"] = {label: given.get(label, 0.0) for label in self.labels}
                if self.head:
                    row["rating"] = {self.head.labels[0]: given["value"]}
            rows.append(row)
        read = pl.DataFrame(rows, schema={name: schema[name] for name in ("status", "error", "emotion")}
                            | ({"rating": schema["rating"]} if self.head else {}))  # fmt: skip
        return read.with_columns(segments["id"], segments["text"])


@pytest.fixture
def table(tmp_path):
    def write(rows, header="text,label", **options):
        path = tmp_path / "table.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return read_labelled(path, label="label", **options)

    return write


CHOICE = [
    "joy .85 fear .15 a,joy",
    "joy .65 fear .35 b,fear",
    "fear .75 joy .25 c,fear",
    "joy .95 fear .05 d,fear",
    "joy .95 fear .05 d,fear",
    "quiet,joy",
    "broken,joy",
    "joy .5 fear .5 e,",
]


def test_every_row_is_counted_once(table):
    known = [f"joy .9 k{k},joy" for k in range(12)]
    rows = [*CHOICE, *known, "joy .9 s,envy"]
    found = assess(Reader(("joy", "fear"), learnt=("joy .9 k0",)), table(rows))
    assert found.rows == {
        "total": 21, "scored": 16, "abstained": 1, "failed": 1, "unlabelled": 1, "unknown_label": 1, "learnt": 1,
    }  # fmt: skip
    assert found.codes == {"too_short": 2}
    assert found.unknown == {"envy": 1}
    assert found.units == ("texts", 16)


def test_choice(table):
    found = assess(Reader(("joy", "fear")), table(CHOICE))
    np.testing.assert_array_equal(found.confusion, [[1, 0], [3, 1]])
    assert [(row.label, row.support, row.predicted) for row in found.classes] == [("joy", 1, 4), ("fear", 4, 1)]
    assert [(row.predictor, row.role) for row in found.scores[::4]] == [
        ("majority", "baseline"),
        ("texts shuffled", "control"),
        ("stub@1.0.0", "result"),
    ]
    values = {(row.role, row.metric): row.interval.value for row in found.scores}
    assert values["baseline", "accuracy"] == pytest.approx(4 / 5)
    assert values["result", "accuracy"] == pytest.approx(2 / 5)
    # The surest error first, equal texts once.
    assert [(error.text, error.truth, error.read) for error in found.errors] == [
        ("joy .95 fear .05 d", "fear", "joy"),
        ("joy .65 fear .35 b", "fear", "joy"),
    ]
    assert [(round(point.said, 2), point.found.value, point.answers) for point in found.curve] == [
        (0.65, 0, 1),
        (0.75, 1, 1),
        (0.85, 1, 1),
        (0.95, 0, 2),
    ]
    assert (found.groups, found.worst, found.group_counts) == ((), None, (0, 5))


def test_presence(table):
    rows = ['joy .9 fear .6 a,"joy"', 'joy .3 fear .1 b,"joy, fear"', 'joy .1 fear .2 c,"fear"']
    reader = Reader(("joy", "fear"), exclusive=False, thresholds={"joy": 0.25})
    found = assess(reader, table(rows))
    np.testing.assert_array_equal(found.confusion, [[2, 1], [1, 0]])
    assert [row.predictor for row in found.scores[::3]] == ["prior", "every label", "texts shuffled", "stub@1.0.0"]
    # Missed with probability .1: sure by .9; missed with .2: .8; wrongly given with .6.
    assert [(error.truth, error.read, round(error.error, 2)) for error in found.errors] == [
        ("joy, fear", "joy 0.30", 0.9),
        ("fear", "none", 0.8),
        ("joy", "joy 0.90, fear 0.60", 0.6),
    ]
    assert sum(point.answers for point in found.curve) == 6


def test_measure(table):
    rows = [f"value {k} r{k},{k + (2 if k == 7 else 0)}" for k in range(20)]
    found = assess(Reader(("joy", "fear"), measure="warmth"), table(rows))
    assert (found.kind, found.labels, found.confusion, found.classes) == ("measure", ("warmth",), None, ())
    values = {(row.role, row.metric): row.interval.value for row in found.scores}
    assert values["result", "MAE"] == pytest.approx(2 / 20)
    assert [(error.truth, error.read, error.error) for error in found.errors] == [("9", "7", 2.0)]
    assert [point.answers for point in found.curve] == [2] * 10
    assert found.curve[3].found.value == pytest.approx((6 + 9) / 2)


def test_a_reader_of_a_measure_reads_labels_too(table):
    found = assess(Reader(("joy", "fear"), measure="warmth"), table(["value 1 joy .9 a,joy", "value 2 fear .9 b,fear"]))
    assert found.kind == "choice"


def test_the_worst_group_is_large_enough(table):
    rows = [f"joy .9 a{k},{'joy' if k % 2 else 'fear'},large" for k in range(40)]
    rows += [f"{'joy' if k % 2 else 'fear'} .9 b{k},{'joy' if k % 2 else 'fear'},good" for k in range(40)]
    rows += ["joy .9 c,fear,tiny", "joy .9 d,joy,"]
    found = assess(Reader(("joy", "fear")), table(rows, "text,label,site", group_column="site"))
    assert [(group.group, group.texts) for group in found.groups] == [("good", 40), ("large", 40), ("tiny", 1)]
    assert found.worst == found.groups[1]
    assert found.worst.score.value == pytest.approx((2 / 3) / 2)
    assert found.group_counts == (3, 1)


def test_speakers_are_drawn_whole(table):
    rows = [f"joy .9 a{k},joy,Ada" for k in range(5)] + [f"joy .9 b{k},fear,Ben" for k in range(5)]
    found = assess(Reader(("joy", "fear")), table(rows, "text,label,author"))
    assert found.units == ("speakers", 2)
    accuracy = next(row.interval for row in found.scores if row.role == "result")
    assert (accuracy.low, accuracy.high) == (0, 1)


def test_as_json(table):
    found = assess(Reader(("joy", "fear", "envy")), table(CHOICE))
    written = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert written["per_class"][2] == {
        "label": "envy", "precision": None, "recall": None, "f1": None, "support": 0, "predicted": 0,
    }  # fmt: skip
    assert written["confusion"] == [[1, 0, 0], [3, 1, 0], [0, 0, 0]]
    assert written["intervals"] == {"drawn": "texts", "count": 5, "level": 0.95, "seed": 0}
    assert written["slices"]["worst"] is None


def test_nothing_to_score(table):
    with pytest.raises(InputError, match="No text is left") as caught:
        assess(Reader(("joy", "fear")), table(["quiet,joy", "broken,fear"]))
    assert caught.value.code == "nothing_scored"
    assert "abstained 1" in caught.value.value
