"""Readers of grades and labels, and the whole study on made-up posts with a model that looks for one word."""

import csv
import gzip
import io

import numpy as np
import pytest

from affectome.domains.explanations import log_length
from affectome.errors import InputError
from affectome.evaluate import pearson
from affectome.language import Reply
from affectome.language.wellbeing_prompts import PostAnswer, load_post_strategies
from affectome.studies import StudySettings, run_study
from affectome.studies import s40_interpretable_mental_health as study
from affectome.studies.explained_posts import (
    ASPECTS,
    EXPLAINED,
    STRESS,
    WRITERS,
    count_tests,
    load_explanations,
    load_stress,
)

FILES = ("chatgpt_data.csv.gz", "chatgpt_false_data.csv", "gpt3_data.csv")
COLUMNS = ("gpt-3.5-turbo", "gpt-3.5-turbo", "curie-instruct-beta")
WORDS = "rent boss dog lake sleep mother exam train coffee garden phone street".split()  # noqa: SIM905


def write(path, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    content = "\ufeff".encode() + text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def words(rng, count):
    return " ".join(rng.choice(WORDS, count))


@pytest.fixture
def invented(tmp_path):
    """The weak writer is short and graded low; among the others length means nothing."""
    data, rng = tmp_path / "data", np.random.default_rng(0)
    for file, column, length, grade in zip(FILES, COLUMNS, (40, 40, 4), (3, 2, 0), strict=True):
        rows = [
            {
                "text": words(rng, 12),
                "label": "1",
                column: f"Yes.\n\nReasoning: {words(rng, rng.integers(length - 3, length + 9))}",
                **{aspect: str([grade, max(grade - 1, 0), min(3, grade + k % 2)]) for aspect in ASPECTS},
            }
            for k in range(8)
        ]
        rows[0]["text"] = "the same post for all"
        write(data / EXPLAINED / "human_evaluation" / "DR_annotation" / file, rows)
    for name, count in (("DR", 5), ("SAD", 3)):
        write(data / EXPLAINED / "test_data" / "test_complete" / f"{name}.csv.gz", [{"query": "a"}] * count)
    for part, count in (("train", 80), ("test", 40)):
        rows = [
            {
                "text": f"{words(rng, 15)} {('fine', 'panic')[k % 2]} {part}{k}",
                "post_id": f"{part} {k // 2}",
                "label": k % 2,
            }
            for k in range(count)
        ]
        if part == "train":
            rows[0]["post_id"] = "test 0"
        write(data / STRESS / f"dreaddit-{part}.csv.gz", rows)
    return data


def test_graded_explanations(invented):
    found = load_explanations(invented / EXPLAINED)
    assert (len(found.posts), len(found.texts)) == (24, 24)
    assert [found.writers.count(writer) for writer in WRITERS] == [8, 8, 8]
    assert found.grades["overall"][:2] == pytest.approx([8 / 3, 8 / 3])
    assert found.grades["fluency"][16:18] == pytest.approx([0, 1 / 3])
    assert count_tests(invented / EXPLAINED) == {"DR": 5, "SAD": 3}


@pytest.mark.data
def test_length_follows_grades_only_over_writers(corpora):
    found = load_explanations(corpora / EXPLAINED)
    assert len(found.texts) == 285
    chat = np.array([writer != "weak model" for writer in found.writers])
    length, grade = log_length(found.texts), found.grades["overall"]
    assert pearson(truth=grade, prediction=length).value == pytest.approx(0.78, abs=0.005)
    assert pearson(truth=grade[chat], prediction=length[chat]).value == pytest.approx(0.12, abs=0.005)


def test_labelled_posts(invented):
    posts = load_stress(invented / STRESS, "test")
    assert (len(posts.texts), posts.stressed.sum()) == (40, 20)
    assert posts.at(np.array([3])).posts == ["test 1"]


@pytest.mark.parametrize("content", [b"", b"text,label\na,b\n", b"\xff\xfe", b"text,post_id,label\na,b,many\n"])
def test_what_is_no_corpus(tmp_path, content):
    (tmp_path / "dreaddit-test.csv").write_bytes(content)
    if content == b"":
        assert load_stress(tmp_path, "test").texts == []
        return
    with pytest.raises(InputError) as error:
        load_stress(tmp_path, "test")
    assert error.value.code == "bad_corpus"


@pytest.mark.parametrize("content", [b"text,label\na,1\n", b"text,label,gpt-3.5-turbo,fluency\na,1,b,[\n"])
def test_what_are_no_grades(tmp_path, content):
    folder = tmp_path / "human_evaluation" / "DR_annotation"
    folder.mkdir(parents=True)
    (folder / FILES[0]).write_bytes(gzip.compress(content))
    with pytest.raises(InputError) as error:
        load_explanations(tmp_path)
    assert error.value.code == "bad_corpus"


def test_a_missing_corpus(tmp_path):
    with pytest.raises(InputError):
        load_stress(tmp_path, "train")


def test_how_far_an_answer_leans():
    assert study._leaning(PostAnswer("Yes", "", {"Yes": np.log(0.3), "No": np.log(0.1)}), "Yes") == pytest.approx(0.75)
    assert study._leaning(PostAnswer("No", "", {}), "Yes") == 0
    assert np.isnan(study._leaning(PostAnswer("", "no_choice", {}), "Yes"))


def test_unread_answers_are_not_wrong():
    right = study._right(np.array([0.9, 0.2, np.nan, 0.7]), np.array([1, 0, 1, 0]))
    assert right[[0, 1, 3]].tolist() == [1, 1, 0]
    assert np.isnan(right[2])


class Searching:
    """Sees panic only if it is told to look at emotions, says Yes to everything else, and reasons in one line."""

    name = fingerprint = "searching"
    scripted = True

    def answer(self, ask, /):
        said = " ".join(message.content for message in ask.messages)
        if not ask.choices:
            return Reply("No, it is fine.")
        if ask.choices != ("Yes", "No"):
            return Reply(ask.choices[0], choice=ask.choices[0], scores={ask.choices[0]: -3.0 * len(ask.choices[0])})
        stressed = "panic" in said or "which emotions" not in said
        scores = {"Yes": -0.1, "No": -2.0} if stressed else {"Yes": -2.0, "No": -0.1}
        return Reply("Yes" if stressed else "No", choice="Yes" if stressed else "No", scores=scores)


@pytest.fixture
def settings(invented, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "open_model", lambda name, threads: Searching())
    monkeypatch.setattr(study, "_POSTS", 30)
    monkeypatch.setattr(study, "_REASONED", 20)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(invented, tmp_path / "out", base=tmp_path / "base", threads=1)


@pytest.mark.train
def test_the_whole_study_on_toys(settings):
    result = run_study(study.STUDY, settings)
    means, measures, aspects, trained, asked, reasoned, effects = result.outcome.tables
    assert [row.predictor for row in means.rows] == ["weak model", "chat model, right", "chat model, wrong"]
    values = {row.predictor: row.values for row in measures.rows}
    assert [row.role for row in measures.rows][:2] == ["baseline", "control"]
    assert values["length"][study._POOLED].value > 0.7
    assert abs(values["length"][study._WITHIN].value) < 0.6
    assert set(aspects.metrics) == set(ASPECTS)
    assert trained.title.startswith("Stress in 40 posts")
    assert {row.predictor: row.values for row in trained.rows}[study._WORDS][study._ACCURACY].value > 0.8
    assert len(asked.rows) == 9
    assert len(reasoned.rows) == 11
    ways = {row.predictor: row.values for row in asked.rows}
    assert ways["emotion cue"][study._ACCURACY].value == 1
    assert ways["zero-shot"][study._YES] == 1
    gains = {row.predictor: row.values for row in effects.rows}
    assert set(gains) == set(load_post_strategies()) - {"zero-shot"}
    assert effects.rows[0].predictor == study._NEUTRAL
    assert gains[study._NEUTRAL][study._GAIN].value == 0
    assert gains["emotion cue"][study._HOLM] < 0.05
    assert gains["emotion cue"][study._OVER].value > 0.3
    assert (gains["chain of thought"][study._N], gains["few-shot"][study._N]) == (20, 30)
    claims = {claim.text: claim for claim in result.outcome.claims}
    assert claims["answers that can be read"].value == 1
    assert not claims["test sets: largest distance from the published counts"].holds
    assert claims["ways of asking that help beyond chance and beyond the neutral cue"].holds
    assert "Left out of training: 1 parts" in result.outcome.notes[1]
    assert "Of 40 reasons 40 begin" in result.outcome.notes[3]
