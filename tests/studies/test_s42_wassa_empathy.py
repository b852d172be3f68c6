"""Files, turns before and weights by hand, and the whole study on made-up essays and conversations."""

import csv
import gzip
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from affectome.errors import InputError, UsageError
from affectome.studies import StudySettings, run_study
from affectome.studies import s42_wassa_empathy as study
from affectome.studies.empathy import (
    ESSAYS,
    SHARED_TASKS,
    SHOWN,
    Turns,
    article_means,
    balanced_weights,
    join_turns,
    load_essays,
    load_later_essays,
    load_people,
    load_turns,
    talk_before,
    turns_before,
)

WORDS = ("calm", "sorry", "tragic", "heartbreaking")
TURN = ["conversation_id", "turn_id", "text", "speaker_number", "speaker_id"]
PERSON = ["gender", "race", "education", "age", "income"]


def write(path, header, rows, delimiter="\t"):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        lines.writerows([header, *rows] if header else rows)


def essay(k):
    return f"It is {WORDS[k % 4]} and {WORDS[k % 4]}, number {k}."


def conversations(count, first):
    """Turns in the order of their numbers as words, and the ratings, which follow the words."""
    rows, gold = [], []
    for name in range(first, first + count):
        for number in sorted(range(12), key=str):
            k = (name + number) % 4
            speaker = 1 + number % 2
            rows.append([name, number, f" {WORDS[k]} {name} {number} ", speaker, f"{2 * name + speaker}.0"])
            gold.append([2 * k / 3, k + number / 20, 4 - k + name / 100])
    return rows, gold


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in study.STUDY.data:
        (folder / name).mkdir()
    n, more = 80, 24
    scores = [[1 + 1.9 * (k % 4) + 0.01 * (k % 7), 6 - 1.5 * (k % 4) + 0.01 * (k % 5)] for k in range(n)]
    authors, articles = [f"R{k // 2}" for k in range(n)], [k // 8 for k in range(n)]
    rows = [[authors[k], articles[k], *scores[k], essay(k)] for k in range(n)]
    write(folder / ESSAYS / "messages.csv.gz", ["response_id", "article_id", "empathy", "distress", "essay"], rows, ",")
    shared = folder / SHARED_TASKS
    for year in ("2022", "2023"):
        (shared / year).mkdir()
    people = [[authors[k], 1 + k % 2, 1 + k % 6, 4, 20 + k, 1000 * k] for k in range(0, n, 2)]
    write(shared / "2022" / "messages_train_ready_for_WS.tsv.gz", ["response_id", *PERSON], people)
    header = ["response_id", "article_id", "essay"]
    write(
        shared / "2022" / "messages_dev_features_ready_for_WS_2022.tsv",
        header,
        [["A", k % 10, f"then {essay(k)}"] for k in range(more)],
    )
    write(shared / "2022" / "goldstandard_dev_2022.tsv", None, [[*scores[k], "sadness", 1] for k in range(more)])
    write(
        shared / "2023" / "WASSA23_essay_level_with_labels_train.tsv.gz",
        ["speaker_id", "article_id", "empathy", "distress", "essay"],
        [[k, k % 10, *scores[k], f"now {essay(k)}"] for k in range(more)],
    )
    known, ratings = conversations(20, 1)
    write(
        shared / "2023" / "WASSA23_conv_level_with_labels_train.tsv.gz",
        [*TURN, "EmotionalPolarity", "Emotion", "Empathy"],
        [[*row, *rated] for row, rated in zip(known, ratings, strict=True)],
    )
    rows, ratings = conversations(8, 30)
    write(shared / "2023" / "WASSA23_conv_level_dev.tsv", TURN, rows)
    write(shared / "2023" / "goldstandard_CONV_dev.tsv", None, ratings)
    return folder


def test_essays_and_their_authors(toys):
    essays = load_essays(toys / ESSAYS)
    assert (essays.texts[1], essays.authors[:3], essays.articles[8]) == (essay(1), ["R0", "R0", "R1"], "1")
    assert essays.scores[5].tolist() == pytest.approx([2.95, 4.5])
    assert essays.first(3).texts == essays.texts[:3]
    later = load_later_essays(toys / SHARED_TASKS)
    assert (len(later.texts), later.authors[0], later.authors[-1]) == (48, "2022 A", "2023 23")
    assert later.scores[0].tolist() == later.scores[24].tolist() == [1, 6]


def test_what_authors_said_of_themselves(toys):
    found = load_people(toys / SHARED_TASKS, ["R1", "nobody"])
    assert found[0].tolist() == pytest.approx([1, 0, 0, 0, 0, 1, 0, 0, 0, 4, 22, np.log(2001)])
    assert not found[1].any()


def test_turns_come_in_order_with_their_ratings(toys):
    turns = load_turns(toys / SHARED_TASKS, held_out=True)
    assert turns.numbers[:12].tolist() == list(range(12))
    assert turns.texts[2] == f"{WORDS[0]} 30 2"
    assert turns.scores[10].tolist() == pytest.approx([0, 0.5, 4.3])
    assert turns.people[:2] == ["61.0", "62.0"]


def test_ratings_must_be_as_many_as_turns(toys, tmp_path):
    (tmp_path / "2023").mkdir()
    for name in ("WASSA23_conv_level_dev.tsv", "goldstandard_CONV_dev.tsv"):
        content = (toys / SHARED_TASKS / "2023" / name).read_text()
        (tmp_path / "2023" / name).write_text(content if name.startswith("W") else content[: content.index("\n") + 1])
    with pytest.raises(InputError, match="96 turns and 1 ratings"):
        load_turns(tmp_path, held_out=True)


def some_turns():
    return Turns(
        list("abcde"),
        ["x", "x", "x", "y", "y"],
        np.array([0, 1, 2, 0, 1]),
        list("12112"),
        list("pqprs"),
        np.zeros((5, 3)),
    )


def test_what_was_said_before():
    turns = some_turns()
    assert turns_before(turns, 2) == ["", "a", "b | a", "", "d"]
    assert turns_before(turns, 1) == ["", "a", "b", "", "d"]
    assert join_turns([turns, turns.first(2)]).texts == list("abcdeab")


def test_what_is_known_before():
    read = np.array([[1.0], [2], [3], [4], [5]])
    found = talk_before(some_turns(), read, 10 * read)
    # the last, the last but one, all so far, wording of the last; number, its logarithm, first, first speaker
    assert found[2].tolist() == pytest.approx([2, 1, 1.5, 20, 2, np.log(3), 0, 1])
    assert found[3].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert found[4].tolist() == pytest.approx([4, 0, 4, 40, 1, np.log(2), 0, 0])


def test_rare_scores_count_more():
    weights = balanced_weights(np.array([1.0, 1, 1, 1, 7]), 1, 7)
    assert weights == pytest.approx(np.array([1, 1, 1, 1, 2]) / 1.2)


def test_the_mean_of_an_article_starts_from_that_of_all():
    scores = np.array([[1.0, 2], [3, 4], [5, 6], [0, 0], [0, 0]])
    found = article_means(np.array([0, 0, 1, 2, 0]), scores, np.array([0, 1, 2]), np.array([3, 4]))
    assert found[0].tolist() == [3, 4]  # nothing is known of its article
    assert found[1].tolist() == pytest.approx([(1 + 3 + 4 * 3) / 6, (2 + 4 + 4 * 4) / 6])


def seen(texts):
    found = np.array([[word in text for word in WORDS] for text in texts], np.float32)
    return np.hstack([found, np.array([[len(text)] for text in texts], np.float32)])


class FakeFeatures:
    """Knows which of the words are there."""

    def __init__(self, threads=1):
        encoder = SimpleNamespace(vectors=lambda texts: np.zeros((len(texts), 2)))
        self.reader = SimpleNamespace(encoder=encoder)

    def transform(self, texts):
        return seen(texts)


class FakeTuned:
    """Reads turns well if the turns before are theirs, which tell the number of the conversation."""

    def predict(self, texts, second=None):
        k = seen(texts)[:, :4] @ np.arange(4)
        same = [before == "" or before.split()[1] in text for text, before in zip(texts, second, strict=True)]
        shown = np.where(same, k, 3 - k)[:, None] * [2 / 3, 1, -1] + [0, 0, 4]
        return {"shown": shown}


@pytest.fixture
def tuning(monkeypatch):
    """What the encoder was asked to learn."""
    asked = {}

    def tune(texts, targets, heads, *, second, report, **settings):
        report(SimpleNamespace(step=1, steps=2, seconds=3.0))
        asked.update(settings, texts=texts, targets=targets, second=second)
        return FakeTuned()

    monkeypatch.setattr("affectome.learn.fine_tuning.fine_tune", tune)
    monkeypatch.setattr("affectome.learn.features.AffectFeatures", FakeFeatures)
    monkeypatch.setattr(study, "note_learnt", lambda context, texts, what: f"{len(texts)} {what}")
    for name in ("bootstrap", "claim_difference"):
        monkeypatch.setattr(study, name, partial(getattr(study, name), resamples=10))
    monkeypatch.setattr(study, "_FOLDS", 4)
    monkeypatch.setattr(study, "_INNER", 2)
    return asked


@pytest.fixture
def settings(toys, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    return StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1)


@pytest.mark.train
def test_the_whole_study_on_toys(settings, tuning):
    result = run_study(study.STUDY, settings)
    turns, by_author, by_article = result.outcome.tables
    value = {row.predictor: row.values["empathy"].value for row in turns.rows}
    assert value["blend"] > 0.9 > value["reader, shuffled targets"]
    assert value["tuned encoder"] > value["tuned encoder, turns before from elsewhere"] + 0.3
    assert [row.role for row in turns.rows] == ["baseline"] * 3 + ["control"] * 2 + ["result"] * 6
    value = {row.predictor: row.values["distress"].value for row in by_author.rows}
    assert value["blend"] > 0.9 > value["reader, shuffled targets"]
    assert [row.role for row in by_author.rows] == ["baseline"] * 4 + ["control"] + ["result"] * 6
    absent = {row.predictor for row in by_author.rows} - {row.predictor for row in by_article.rows}
    assert absent == {"mean of the article", "words, with later essays", "reader + lexicons, with later essays"}
    assert len(result.outcome.claims) == 3 + 1 + 2
    assert all(claim.holds for claim in result.outcome.claims if "r of the blend" in claim.text)
    assert len(result.vaults) == 2 * 4
    # No held-out turn was learnt from, and the first of each 12 turns has none before it.
    assert not set(tuning["texts"]) & set(load_turns(settings.data / SHARED_TASKS, held_out=True).texts)
    assert tuning["targets"]["shown"].shape == (len(tuning["texts"]), len(SHOWN))
    assert sum(before == "" for before in tuning["second"]) == len(tuning["texts"]) / 12


def test_a_base_is_needed(toys, tmp_path):
    with pytest.raises(UsageError) as error:
        run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1, quick=True))
    assert error.value.code == "missing_base"
