import gzip
import json
import subprocess
import sys
import tomllib
from importlib import resources

import numpy as np
import pytest

from affectome.domains import load_risk_routing
from affectome.errors import InputError
from affectome.studies.risk_messages import class_names, load_messages, urgencies
from affectome.studies.risk_reader import RiskReader, normalised
from affectome.studies.risk_words import Denial, RiskWords
from affectome.studies.s19_psyguard import STUDY
from affectome.studies.study import Context

DENIAL = Denial(
    by=["没有", "不想", "不会"],
    between=["想", "过"],
    of=["wish"],
    also=["死"],
    nouns=["念头"],
    unless_before=["的勇气"],
    unless_with=["如果"],
    asking=["吗", "?"],
)
WORDS = RiskWords(
    words={"wish": ["想死"], "deny": ["不想"]},
    pairs=[("wish", "deny")],
    rules=[(["wish", "deny"], "unrelated")],
    writer=["我"],
    others=["他"],
    acts=["wish"],
    denial=DENIAL,
)
TABLE = tomllib.loads((resources.files("affectome.studies") / "data" / "psyguard.toml").read_text(encoding="utf-8"))
KEYS = (
    *("自杀未遂", "遗书已备", "计划跳楼", "我想自杀", "活着没意思", "割伤自己", "想划自己", "我要打人"),
    *("他打我", "自杀会痛吗", "今天天气"),
)
PLACES = list("家校司路园院站海山楼河舍厅店")
TIMES = ["早晨", "中午", "傍晚", "深夜", "昨天", "上周", "前年", "春天", "秋季", "雨后"]


def write(path, part, count):
    names = [risk.chinese for risk in load_risk_routing().classes]
    rng, rows = np.random.default_rng(part), []
    for i in range(count):
        label = i % 22 if i % 22 < 11 else 10  # half of the messages and more are unrelated
        marks = [float(k == label) for k in range(11)]
        if i % 22 == 3:
            marks[4] = 1.0
        filler = "".join(map(chr, rng.integers(0x5000, 0x8000, 12)))
        text = f"{PLACES[i % 14]}{KEYS[label]}{TIMES[i % 10]}{filler}"
        own = [name for name, mark in zip(names, marks, strict=True) if mark]
        rows.append({"text": text, "label": marks, "labels": own, "data_source": f"source {i % 2 + part}"})
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "psysuicide_psyguard"
    folder.mkdir()
    write(folder / "valid.json.gz", 0, 220)
    write(folder / "test.json.gz", 1, 132)
    return Context(data=tmp_path, seed=0, threads=1, base=None, work=tmp_path, quick=False)


def test_the_study_reads_messages_that_can_be_told_apart(context):
    outcome = STUDY.run(context)
    claims = {claim.text: claim for claim in outcome.claims}
    assert claims["accuracy"].value > 0.8
    assert claims["urgent messages that alert"].value > 0.7
    assert 0 < claims["messages that alert"].value < 0.5
    assert any("one or two characters" in note for note in outcome.notes)
    assert [len(vault.record()) for vault in context.vaults] == [1]
    alerts = next(table for table in outcome.tables if table.title.startswith("Alerts"))
    rates = [row.values["alert rate"] for row in alerts.rows if "at recall" in row.predictor]
    assert rates == sorted(rates)
    assert len(rates) == 3


def test_messages(context):
    messages = load_messages(context.data / "psysuicide_psyguard" / "valid.json.gz")
    assert (len(messages.texts), (~messages.single).sum()) == (220, 10)
    assert class_names()[messages.labels[3]] == "active ideation"  # the more urgent of two
    assert messages.urgency[3] == urgencies().max()


@pytest.mark.parametrize(
    "row",
    [{"text": "x"}, {"text": "x", "label": [1.0], "labels": []}, {"text": "x", "label": [1.0] * 11, "labels": []}],
)
def test_damaged_messages_are_refused(tmp_path, row):
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(json.dumps([row]).encode()))
    with pytest.raises(InputError):
        load_messages(path)


def test_words_by_hand():
    counts = WORDS.counts(["想死想死", "不想想死"])
    nobody = [0, 0, 0, 0]
    np.testing.assert_allclose(counts[0], [np.log(3), 0, 0, np.log(5) / 5, *nobody])
    np.testing.assert_allclose(counts[1], [np.log(2), np.log(2), np.log(2) ** 2, np.log(5) / 5, *nobody])
    assert WORDS.by_rule("好") == "unrelated"
    assert normalised(" ＡＢ ") == "ab"


@pytest.mark.parametrize(
    ("message", "people"),
    [
        ("我很想死", [1, 0, 0, 0]),
        ("我说他想死", [0, 1, 0, 0]),  # the nearest before it
        ("他来了。想死我", [0, 0, 1, 0]),  # a sentence ends what reaches it
        ("他想死,我想死了他", [1, 1, 0, 1]),
    ],
)
def test_who_acts_on_whom(message, people):
    np.testing.assert_allclose(WORDS.counts([message])[0, -4:], np.log1p(people))


@pytest.mark.parametrize(
    ("message", "meant", "said"),
    [
        ("我没有想过死", "我", "我有想过死"),
        ("我没有死的念头。好", "我。好", "我有死的念头。好"),
        ("我不想死,但累", "我,但累", "我想死,但累"),
        ("我不会想死!他想死", "我!他想死", "我会想死!他想死"),
    ],
)
def test_what_is_denied(message, meant, said):
    assert WORDS.denial_of(message) == (meant, said)


@pytest.mark.parametrize(
    "message", ["", "想死", "有没有想死", "想不想死", "没有死的勇气", "如果不想死", "你不想死吗", "没有人在,想死"]
)
def test_what_denies_nothing(message):
    assert WORDS.denial_of(message) == (message, message)


def test_words_of_the_table():
    words = RiskWords.from_table(TABLE)
    assert {*words.acts, *words.denial.of, *(name for pair in words.pairs for name in pair)} <= set(words.words)
    assert {name for needed, _ in words.rules for name in needed} <= set(words.words)
    assert {label for _, label in words.rules} <= set(class_names())
    assert not set(words.writer) & set(words.others)
    assert words.denial_of("我从来没有想过自杀")[0] == "我"
    assert words.denial_of("我不想活了")[0] == "我不想活了"  # itself a wish


def test_a_denied_risk_is_read_as_no_more_than_the_same_said():
    calm = class_names().index("unrelated")
    texts = ["今天天气好", "明天天气好", "我今天好", "我明天好", "我想死了", "他也想死"]
    reader = RiskReader(WORDS).fit(texts, np.array([calm, calm, calm, calm, 3, 3]))
    said, denied = "我会想死", "我不会想死"
    found = reader.classes([said, denied])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[1, 3] < found[0, 3] / 2
    # A denial calls off no alert.
    assert reader.urgency([denied])[0] > reader.urgency(["今天天气好"])[0] + 0.2


def test_a_reader_of_one_class_gives_it():
    calm = class_names().index("unrelated")
    texts = ["今天天气好", "明天天气好", "我想死了", "他也想死"]
    reader = RiskReader(WORDS).fit(texts, np.array([calm, calm, 3, 3]))
    found = reader.classes(texts)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.argmax(axis=1).tolist() == [calm, calm, 3, 3]
    assert reader.urgency(texts)[2] > reader.urgency(texts)[0]


def test_the_import_loads_no_scientific_extra():
    code = (
        "import sys, affectome.studies.s19_psyguard; sys.exit(bool({'sklearn', 'scipy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
