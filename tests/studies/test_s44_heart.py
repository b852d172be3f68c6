"""Questions with lettered feelings, a gold that only a verifier can read, and the whole study on toys."""

import csv
import gzip
import json

import numpy as np
import pytest

from affectome.language import ScriptedModel
from affectome.language.chat import Reply
from affectome.language.feedback import ALTERNATE, NEUTRAL, POLICIES, SealedGold, list_phrases
from affectome.studies import StudySettings, run_study
from affectome.studies import s44_heart as study
from affectome.studies.s44_heart import Item, ask_items, item_of

FEELINGS = (*study._FEELINGS, "neutral")
NOUNS = ("apples", "books", "cats", "doors", "eggs", "forks", "gates", "hats")


def test_a_question():
    item = item_of("I lost my dog.", "sadness", ["joy", "sadness", "fear"])
    assert item.gold == "B"
    assert item.prompt.choices == ("A", "B", "C")
    assert item.prompt.text == "I lost my dog.\n\nA. joy\nB. sadness\nC. fear"


def test_only_a_verifier_is_given_the_gold(monkeypatch):
    given = []

    def record(*arguments, gold, mode, **options):
        given.append((mode, type(gold) is SealedGold))

    monkeypatch.setattr(study, "run_feedback", record)
    item = Item(item_of("?", "joy", ["joy", "fear"]).prompt, "A")
    for mode in study._MODES:
        ask_items(ScriptedModel(lambda ask: "A"), [item], ALTERNATE, mode, 0)
    assert given == [("verifier", False), ("verifier-free", True)]


def test_shuffled_golds_change_nothing_without_a_verifier():
    order = ["joy", "fear", "anger"]
    items = [item_of(f"text {k}", order[k % 3], order) for k in range(9)]
    shuffled = [item._replace(gold=items[(k + 1) % 9].gold) for k, item in enumerate(items)]
    model = ScriptedModel(lambda ask: "ABC"[(len(ask.messages[-1].content) + ask.seed) % 3])
    for policy in POLICIES:
        one, other = (ask_items(model, some, policy, "verifier-free", 0) for some in (items, shuffled))
        assert one == other
        with_gold, without = (ask_items(model, some, policy, "verifier", 0) for some in (items, shuffled))
        assert with_gold != without  # so the runs could have differed


def write(folder):
    """Eight comments of each feeling in each part."""
    folder.mkdir(parents=True)
    (folder / "mappings.json").write_text(json.dumps({"ekman": {feeling: [feeling] for feeling in FEELINGS}}))
    (folder / "emotions.txt").write_text("\n".join(FEELINGS))
    for part in ("train", "dev", "test"):
        with gzip.open(folder / f"{part}.tsv.gz", "wt", newline="") as stream:
            rows = csv.writer(stream, delimiter="\t")
            for number, feeling in enumerate(FEELINGS):
                for noun in NOUNS:
                    rows.writerow([f"{noun} {part} for {feeling} {noun} {noun}", number, f"{part}{number}"])


@pytest.fixture
def settings(tmp_path):
    write(tmp_path / "data" / study.FOLDER)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(tmp_path / "data", tmp_path / "out", base=tmp_path / "base", threads=1)


class Moved:
    """Knows the answer once it has heard a joyful phrase; before, every letter is as probable to it."""

    scripted, name, fingerprint = True, "moved", "moved"

    def answer(self, ask, /):
        said = ask.messages[-1].content
        text = ask.messages[0].content
        feeling = text.split(" for ")[1].split()[0]
        right = next(line[0] for line in text.splitlines() if line.endswith(f". {feeling}"))
        joyful = any(phrase in said for tone in ("joy", "surprise") for phrase in list_phrases(tone))
        scores = {letter: 50.0 * (joyful and letter == right) for letter in ask.choices}
        return Reply(right if joyful else "A", choice=right if joyful else "A", scores=scores, input_tokens=7)

    def score(self, messages, continuations, /):
        raise AssertionError("asked through answers")


@pytest.mark.train
def test_the_whole_study_on_toys(settings, monkeypatch):
    monkeypatch.setattr(study, "open_model", lambda *_, **__: Moved())
    monkeypatch.setattr(study, "_RUNS", 5)
    result = run_study(study.STUDY, settings)
    planted, curve, final = result.outcome.tables
    assert [row.role for row in planted.rows] == ["baseline", "control", "result", "ceiling"]
    assert [row.role for row in curve.rows] == ["baseline"] * 4 + ["control", "result"]
    never, guesses = curve.rows[1].values, curve.rows[0].values
    assert never["solved by round 3"] == pytest.approx(4 / 6)
    assert guesses["solved by round 1"] == pytest.approx(1 - (5 / 6) ** 2)
    rows = {row.predictor: row.values for row in curve.rows}
    assert rows[ALTERNATE.name]["solved by round 2"].value == 1
    assert rows[NEUTRAL.name]["solved by round 3"].value < 0.9
    first = {rows[policy.name]["solved by round 0"].value for policy in POLICIES}
    assert len(first) == 1
    assert {row.values["calls a comment"] for row in final.rows[2:]} == {5}
    claims = {claim.text.split(":")[0]: claim for claim in result.outcome.claims}
    assert claims["with a verifier"].holds
    assert claims["phrases whose valence, as the reader of this package sees it, has the sign of their tone"].holds
    assert result.vaults[0]["rows"] == 36
    assert "it helped beyond chance" in result.outcome.notes[3]


def test_an_answer_that_cannot_be_read_is_not_wrong():
    assert np.array_equal(study._matches(["A", "B", ""], ["A", "A", "A"]), [1, 0, np.nan], equal_nan=True)
