"""Drawing posts, and the whole study on made-up posts with a scripted model."""

import csv

import pytest

from affectome.errors import InputError
from affectome.language import ScriptedModel
from affectome.studies import StudySettings, run_study
from affectome.studies import s22_apolo as study
from affectome.studies.s22_apolo import load_posts

NOUNS = ("apples", "books", "cats", "doors", "eggs", "forks", "gates", "hats", "inks", "jars", "kites", "lamps")
EDIT = "Answer yes if the writer sees no way out of a burden."


def post(part, k, label):
    """Texts of different words, every second one with some more, so that there are shorter and longer ones."""
    nouns = [NOUNS[(k * step + step) % len(NOUNS)] for step in (1, 5, 7, 11)]
    mood = "tense" if label == "1" else "calm"
    return f"{part} {k} {' '.join(nouns)} {k * 7} {mood} {'and ' * 5 * (k % 2)}".strip()


def write(folder, count=60):
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        with (folder / f"dreaddit-{part}.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["text", "label", "post_id"])
            rows.writerow(["word " * 80, "1", "long"])
            for k in range(count):
                rows.writerow([post(part, k, str(k // 2 % 2)), str(k // 2 % 2), f"{part}{k}"])
                rows.writerow([post(part, k, str(k // 2 % 2)) + " more", str(k // 2 % 2), f"{part}{k}"])


@pytest.fixture
def settings(tmp_path):
    write(tmp_path / "data" / study._FOLDER)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(tmp_path / "data", tmp_path / "out", base=tmp_path / "base", threads=1)


def test_parts_of_posts(settings):
    posts = load_posts(settings.data / study._FOLDER, {"dev": 4, "test": 6}, 0)
    golds = {name: [posts.examples[k].gold for k in rows] for name, rows in posts.rows.items()}
    assert {name: (some.count("yes"), some.count("no")) for name, some in golds.items()} == {
        "shown": (1, 1),
        "dev": (4, 4),
        "test": (6, 6),
    }
    texts = {name: [posts.examples[k].text for k in rows] for name, rows in posts.rows.items()}
    assert all(text.startswith("train") for text in texts["shown"] + texts["dev"])
    assert all(text.startswith("test") for text in texts["test"])
    assert all(len(text.split()) <= study._MAX_WORDS for example in posts.examples for text in [example.text])
    again = load_posts(settings.data / study._FOLDER, {"dev": 4, "test": 6}, 0)
    assert {name: rows.tolist() for name, rows in again.rows.items()} == {
        name: rows.tolist() for name, rows in posts.rows.items()
    }


def test_what_are_no_posts(tmp_path):
    (tmp_path / "dreaddit-train.csv").write_text("text,label\na,1\n")
    with pytest.raises(InputError) as error:
        load_posts(tmp_path, {"dev": 1, "test": 1}, 0)
    assert error.value.code == "bad_corpus"


def study_with(settings, monkeypatch, say):
    monkeypatch.setattr(study, "open_model", lambda *_, **__: ScriptedModel(say))
    monkeypatch.setattr(study, "_RUNS", 3)
    monkeypatch.setattr(study, "_EACH", {"dev": 5, "test": 12})
    return run_study(study.STUDY, settings)


@pytest.mark.train
def test_the_whole_study_with_an_edit_that_helps(settings, monkeypatch):
    """A model that sees tense writers once it is told when to answer yes."""

    def say(ask):
        content = ask.messages[0].content
        return "yes" if EDIT in content and "tense" in content.split("\n\n")[1] else "no"

    result = study_with(settings, monkeypatch, say)
    _, dev, test = result.outcome.tables
    assert [row.role for row in dev.rows] == ["baseline", "result"]
    assert [row.role for row in test.rows] == ["baseline", "baseline", "baseline", "control", "result"]
    values = {row.predictor: row.values for row in test.rows}
    assert (values["start"]["right"].value, values["agents"]["right"].value) == (0.5, 1)
    assert values[study._NEUTRAL]["right"].value == 0.5
    assert dev.rows[1].values["right, evaluation 1"] == 0.5
    claims = {claim.text: claim for claim in result.outcome.claims}
    assert claims["requests to the target that agents made beyond those of random edits"].holds
    assert claims["what agents found minus a neutral text of equal length, share of test posts right"].holds
    assert claims["what agents found: gain on the half of the test posts where it is worst"].value > 0.4
    assert result.vaults[0]["rows"] == 24
    assert "helped beyond chance" in result.outcome.notes[4]


@pytest.mark.train
def test_the_whole_study_with_nothing_that_helps(settings, monkeypatch):
    result = study_with(settings, monkeypatch, lambda ask: "no")
    test = result.outcome.tables[2]
    assert [row.predictor for row in test.rows] == ["always the same answer", "start", "random edits", "agents"]
    assert "no better instruction" in result.outcome.notes[2]
    assert "did not help" in result.outcome.notes[4]
    assert not any(claim.holds for claim in result.outcome.claims if "minus" in claim.text)
