"""Readers of talks, and the whole study on made-up talks with a model that likes one strategy."""

import gzip
import json

import numpy as np
import pytest

from affectome.domains.support import SupportTurn, load_support_strategies, preference_bias
from affectome.domains.support_dialogues import (
    PUBLISHED,
    TALKS,
    apart_from,
    load_failed,
    load_published,
    load_talks,
    together,
)
from affectome.errors import InputError, LeakError
from affectome.evaluate import Part, assert_disjoint, f1
from affectome.language import Reply
from affectome.studies import StudySettings, run_study
from affectome.studies import s16_esc_preference_bias as study

NAMES = [strategy.name for strategy in load_support_strategies()]
SPELT = dict(zip(NAMES, NAMES, strict=True)) | {"Question": "Questions", "Others": "Other"}
FEELINGS = ("why", "what", "sad", "alone", "tired", "stuck", "unsure", "bye")


def said(number, name, long):
    """What the seeker says tells which strategy follows."""
    return f"I am {FEELINGS[number]} {FEELINGS[number]} {name} {'and so it goes on and on' if long else ''}".strip()


def dialogue(name, count, seed, long=True):
    rng = np.random.default_rng(seed)
    turns = []
    for place in range(count):
        number = int(rng.integers(8))
        turns += [("seeker", said(number, f"{name} {place}", long), None), ("supporter", f"ok {place}", NAMES[number])]
    return turns


def windows(turns):
    """Lines of the published table: each ends with a supporter's turn, with up to four turns before."""
    written = [
        f"{k % 3 / 2:.1f} {int(who == 'supporter')} {k} " + (f"[{SPELT[used]}] {text} " if used else f"{text} ")
        for k, (who, text, used) in enumerate(turns)
    ]
    return [" EOS ".join(written[max(0, k - 4) : k + 1]) for k, turn in enumerate(turns) if turn[0] == "supporter"]


def shown(turns):
    return "\n".join(
        f"{who}\n- Utterance: {text}" if used is None else f"{who}\n- Strategy: {used}\n- Utterance: {text}"
        for who, text, used in turns
    )


def moment(turns, situation, predicted):
    return {
        "context": shown(turns[:-1]),
        "strg_gold": turns[-1][2],
        "strg_pred": predicted,
        "situation": situation,
    }


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def invented(tmp_path):
    data = tmp_path / "data"
    for part, seed in (("dev", 0), ("test", 100)):
        lines = [line for k in range(16) for line in windows(dialogue(f"{part} {k}", 8, seed + k))]
        write(data / TALKS, f"{part}WithStrategy_short.tsv", "\n".join(lines) + "\n")
    failed = [
        {
            "dialog": [
                {
                    "speaker": {"seeker": "speaker", "supporter": "listener"}[who],
                    "annotation": {"strategy": SPELT[used]} if used else {},
                    "content": f"{text}\n",
                }
                for who, text, used in dialogue(f"failed {k}", 5, 200 + k)
            ]
        }
        for k in range(4)
    ]
    write(data / TALKS, "FailedESConv.json", json.dumps(failed))
    rng = np.random.default_rng(5)
    rows = []
    for k in range(12):
        turns = dialogue(f"published {k}", 8, 300 + k)
        for end in (6, 10, 16):
            gold = turns[end - 1][2]
            rows.append(moment(turns[:end], f"situation {k}", gold if rng.random() < 0.4 else NAMES[4]))
    write(data / PUBLISHED, "results.json", json.dumps(rows))
    return data


def test_published_moments(invented):
    choices, chosen = load_published(invented / PUBLISHED)
    assert (len(choices.contexts), len(chosen)) == (36, 36)
    turns = dialogue("published 0", 8, 300)
    assert [turn.text for turn in choices.contexts[0]] == [text for _, text, _ in turns[:5]]
    assert [turn.strategy for turn in choices.contexts[0]] == [
        NAMES.index(used) if used else -1 for *_, used in turns[:5]
    ]
    assert choices.strategies[0] == NAMES.index(turns[5][2])
    assert choices.talks[:4] == ["situation 0"] * 3 + ["situation 1"]


def test_a_turn_with_several_lines_is_one_turn(tmp_path):
    row = moment([("seeker", "one\ntwo\n- Utterance: three", None), ("supporter", "ok", "Question")], "s", "Others")
    write(tmp_path, "results.json", json.dumps([row]))
    choices, chosen = load_published(tmp_path)
    assert choices.contexts == [(SupportTurn("seeker", "one\ntwo\n- Utterance: three"),)]
    assert chosen.tolist() == [7]


def test_windows_are_put_together(invented):
    choices = load_talks(invented / TALKS, "dev")
    assert len(choices.contexts) == 16 * 8
    assert len(set(choices.talks)) == 16
    assert [len(context) for context in choices.contexts[:8]] == [1, 3, 5, 7, 9, 11, 13, 15]
    assert choices.contexts[7][0].text == said(choices.strategies[0], "dev 0 0", True)


def test_a_supporter_who_goes_on_is_no_moment(tmp_path):
    turns = [
        ("supporter", "hi", "Others"),
        ("seeker", "a", None),
        ("supporter", "b", "Question"),
        ("supporter", "c", "Others"),
    ]
    write(tmp_path, "devWithStrategy_short.tsv", "\n".join(windows(turns)))
    choices = load_talks(tmp_path, "dev")
    assert (len(choices.contexts), choices.strategies.tolist()) == (1, [0])


def test_failed_talks(invented):
    choices = load_failed(invented / TALKS)
    assert len(choices.contexts) == 20
    assert set(choices.talks) == {f"FailedESConv {k}" for k in range(4)}


def test_talks_that_share_a_long_turn_are_left_out(invented):
    dev = load_talks(invented / TALKS, "dev")
    part = dev.at(np.arange(3))
    with pytest.raises(LeakError):
        assert_disjoint(train=Part(rows=dev.long_turns()), test=Part(rows=part.long_turns()))
    kept = apart_from(dev, [part])
    assert set(dev.talks) - set(kept.talks) == {"dev 0"}
    assert_disjoint(train=Part(rows=kept.long_turns()), test=Part(rows=part.long_turns()))
    assert len(together(kept, part).contexts) == 15 * 8 + 3
    assert not any(turn.startswith("ok") for turn in dev.long_turns())


@pytest.mark.parametrize(
    ("name", "text", "load"),
    [
        ("results.json", "[", load_published),
        ("results.json", '[{"context": "nobody"}]', load_published),
        (
            "results.json",
            json.dumps([moment([("seeker", "a", None), ("supporter", "b", "Song")], "s", "Others")]),
            load_published,
        ),
        ("FailedESConv.json", '[{"dialog": [{}]}]', load_failed),
        ("devWithStrategy_short.tsv", "no turn", lambda folder: load_talks(folder, "dev")),
        ("devWithStrategy_short.tsv", "1.0 1 0 [Song] la", lambda folder: load_talks(folder, "dev")),
        ("none", "", load_failed),
    ],
)
def test_what_is_no_corpus(tmp_path, name, text, load):
    write(tmp_path, name, text)
    with pytest.raises(InputError) as error:
        load(tmp_path)
    assert error.value.code == "bad_corpus"


@pytest.mark.data
def test_the_published_figures(corpora):
    choices, chosen = load_published(corpora / PUBLISHED)
    given = {"truth": choices.strategies, "prediction": chosen}
    assert len(chosen) == 1611
    assert f1(**given).value == pytest.approx(0.21890, abs=1e-4)
    assert f1(**given, average="weighted").value == pytest.approx(0.22498, abs=1e-4)
    found = preference_bias(**given)
    assert found.bias == pytest.approx(0.76658, abs=1e-4)
    published = [0.632, 0.310, 1.021, 0.479, 2.536, 1.915, 0.219, 0.888]
    assert found.preferences == pytest.approx(published, abs=1e-3)


class Fond:
    """Reads the seeker a little, but likes affirmation."""

    name = fingerprint = "fond"
    scripted = True

    def answer(self, ask, /):
        talk = ask.messages[-1].content.partition("Which strategy")[0]
        last = talk.strip().splitlines()[-1]
        scores = {letter: 2.0 * last.count(FEELINGS[k]) for k, letter in enumerate(ask.choices)}
        scores["E"] += 5.0
        best = max(scores, key=scores.get)
        return Reply(best, choice=best, scores=scores)


@pytest.fixture
def settings(invented, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "open_model", lambda name, threads: Fond())
    monkeypatch.setattr(study, "_RESAMPLES", 20)
    monkeypatch.setattr(study, "_ASKED", 30)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(invented, tmp_path / "out", base=tmp_path / "base", threads=1)


def test_the_whole_study_on_toys(settings):
    pytest.importorskip("sklearn")
    result = run_study(study.STUDY, settings)
    scored, preferences, later, asked = result.outcome.tables
    values = {row.predictor: row.values for row in scored.rows}
    assert [row.role for row in scored.rows][:4] == ["baseline"] * 3 + ["control"]
    assert values["majority"]["bias"].value == pytest.approx(7**0.5)
    assert values[study._WORDS]["Q"].value > 0.8
    assert values[study._PLANNER]["Q"].value > values[study._SHUFFLED]["Q"].value + 0.3
    assert values[study._POOLED]["Q"].value > values[study._MODEL]["Q"].value
    assert {row.predictor: row.values[NAMES[4]] for row in preferences.rows}[study._MODEL] == pytest.approx(8, abs=0.01)
    assert later.title == "128 moments of the test talks"
    fond, corrected, both = (
        [row.values for row in asked.rows if row.predictor.startswith("fond")][k] for k in (0, 2, 3)
    )
    assert fond["bias"].value == pytest.approx(7**0.5)
    assert corrected["Q"].value > fond["Q"].value
    assert both["bias"].value < fond["bias"].value
    claims = {claim.text: claim for claim in result.outcome.claims}
    assert not claims["published choices: distance of Q from 0.2189"].holds
    assert claims["fond, without its liking in other talks: share of the bias that is gone"].holds
    assert [entry["rows"] for entry in result.vaults] == [36, 128]


def test_no_bias_cannot_be_taken_away():
    needed, one = np.arange(8), np.zeros(8, int)
    assert np.isnan(study._gone(truth=needed, first=one, second=needed))
    assert study._gone(truth=needed, first=needed, second=one) == 1
    assert study._gone(truth=needed, first=one, second=one) == 0
