"""``affectome mood`` from what is said to its page."""

import io
import json

import pytest

from affectome import language
from affectome.cli.mood import mood
from affectome.errors import InputError, UsageError
from affectome.language import ScriptedModel, shop_talk

ANGRY, GLAD = "I am furious, this is awful.", "Thank you so much, that is wonderful!"


@pytest.fixture
def asked(monkeypatch):
    """The requests a scripted model was sent."""
    requests = []

    def say(ask):
        requests.append(ask)
        return f"Reply {len(requests)}."

    monkeypatch.setattr(language, "open_model", lambda *_, **__: ScriptedModel(say))
    return requests


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.txt"
    path.write_text("\n".join([ANGRY] * 3 + ["", GLAD, GLAD, GLAD]))
    return str(path)


def _moods(out):
    found = json.loads((out / "mood.json").read_text())
    return [turn["state"]["position"][0] for turn in found["turns"]]


def test_the_shipped_talk(asked, tmp_path, capsys):
    assert mood(model="toy", out=tmp_path / "out") == 0
    found = json.loads((tmp_path / "out" / "mood.json").read_text())
    assert [turn["heard"] for turn in found["turns"]] == list(shop_talk().lines)
    assert len(asked) == 25
    assert asked[0].messages[0].content.startswith("You are Robin")
    assert found["trajectory"]["nadir"] == min(_moods(tmp_path / "out")) < -0.1
    printed = capsys.readouterr().out
    assert "Reply 25." in printed
    assert "nadir" in printed
    page = (tmp_path / "out" / "inside.html").read_text()
    assert 'id="mood"' in page
    assert "Reply 25." in page


def test_a_talk_goes_on_where_it_stopped(asked, talk, tmp_path):
    assert mood(model="toy", out=tmp_path / "whole", talk=talk, order=2, persona="You sell tea.") == 0
    lines = [ANGRY] * 3 + [GLAD] * 3
    for part, name in ((lines[:4], "first"), (lines[4:], "second")):
        (tmp_path / f"{name}.txt").write_text("\n".join(part))
    mood(model="toy", out=tmp_path / "parts", talk=str(tmp_path / "first.txt"), order=2, persona="You sell tea.")
    before = tmp_path / "parts" / "mood.json"
    mood(model="toy", out=tmp_path / "more", talk=str(tmp_path / "second.txt"), earlier=before)
    assert [ask.seed for ask in asked] == [0, 1, 2, 3, 4, 5] * 2
    for told in ("whole", "more"):
        found = json.loads((tmp_path / told / "mood.json").read_text())
        assert found["persona"] == "You sell tea."
        assert [turn["state"]["dynamics"]["momentum"] for turn in found["turns"]] == [0.5] * 6
    # The replies differ by their number alone, which the reader hardly hears.
    assert _moods(tmp_path / "more") == pytest.approx(_moods(tmp_path / "whole"), abs=0.02)


def test_a_second_run_asks_nothing_again(asked, talk, tmp_path):
    for _ in range(2):
        assert mood(model="toy", out=tmp_path, talk=talk) == 0
    assert len(asked) == 6


def test_orders(asked, talk, tmp_path):
    for order in (0, 1):
        mood(model="toy", out=tmp_path / str(order), talk=talk, order=order, listens_to="user")
    flat, slow = _moods(tmp_path / "0"), _moods(tmp_path / "1")
    assert flat[3] > 0.3 > slow[3] > slow[2]
    assert slow[0] > slow[1] > slow[2]


def test_one_speaker_of_a_dialogue(asked, tmp_path):
    table = tmp_path / "dialogue.csv"
    table.write_text("speaker,text\nAna,Hello.\nBo,Good morning.\nAna,I lost my key.\n")
    mood(model="toy", out=tmp_path / "out", talk=str(table), speaker="Ana")
    assert [ask.messages[-1].content for ask in asked] == ["Hello.", "I lost my key."]
    with pytest.raises(InputError) as caught:
        mood(model="toy", out=tmp_path / "other", talk=str(table), speaker="Cy")
    assert caught.value.code == "unknown_speaker"
    assert caught.value.allowed == ("Ana", "Bo")


def test_lines_are_answered_as_they_are_typed(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{ANGRY}\n\n{GLAD}\n"))
    assert mood(model="toy", out=tmp_path, talk="-") == 0
    assert capsys.readouterr().out.count("heard") == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(InputError):
        mood(model="toy", out=tmp_path / "none", talk="-")


def test_json(asked, talk, tmp_path, capsys):
    assert mood(model="toy", out=tmp_path, talk=talk, json=True) == 0
    assert len(json.loads(capsys.readouterr().out)["turns"]) == 6


@pytest.mark.parametrize("content", ["", "[]", '{"persona": "x", "turns": []}'])
def test_what_is_no_earlier_talk(asked, tmp_path, content):
    (tmp_path / "mood.json").write_text(content)
    with pytest.raises(InputError) as caught:
        mood(model="toy", out=tmp_path / "out", earlier=tmp_path / "mood.json")
    assert caught.value.code == "bad_result"


def test_dynamics_are_checked_before_anything_is_asked(asked, tmp_path):
    with pytest.raises(UsageError) as caught:
        mood(model="toy", out=tmp_path / "out", gain=2)
    assert caught.value.code == "bad_dynamics"
    assert not (tmp_path / "out").exists()
