"""Posts, lists of names and blends by hand, and the whole study on made-up posts."""

import csv
import gzip
from functools import partial
from typing import ClassVar

import numpy as np
import pytest

from affectome.errors import InputError, UsageError
from affectome.evaluate import bootstrap
from affectome.studies import Context, StudySettings, run_study
from affectome.studies import s49_emtract as study
from affectome.studies.s49_emtract import blend, choose_blend, word_read_out
from affectome.studies.stock_posts import (
    EMOTION,
    SENTIMENT,
    TASKS,
    Posts,
    labels_of,
    load_cleaner,
    load_posts,
)

COLUMNS = ["id", "date", "ticker", "emo_label", "senti_label", "original", "processed"]
FEELINGS = (
    *("hmm", "haha", "furious", "nervous", "trust", "puzzled", "hopeless"),
    *("yuck", "thrilled", "rosy", "help", "wow"),
)
PICTURES = "🤔😂😡😰💎😕😭🤮🎉🌈😱😲"
PLACES = ("open", "close", "dip", "peak", "call", "chart", "split")
DAYS = ("monday", "tuesday", "friday", "weekend", "holiday")
SIDES = ("sell", "buy")
LABELS = 12


def made_up(count, first):
    """Posts whose feeling is a word in every other one and a pictograph in the others; a verb tells the side."""
    rows, rng = [], np.random.default_rng(first)
    for k in range(first, first + count):
        label, side = k % LABELS, (k // LABELS + k) % 2
        felt = FEELINGS[label] if (k // LABELS) % 2 else PICTURES[label]
        said = "".join(rng.choice(list("bcdfgjk"), 15))  # so that no post nearly repeats another
        text = f"$ABC {SIDES[side]} the {PLACES[k % 7]} on {DAYS[k % 5]} {said} {felt}"
        month = f"2020-{1 + k % 6:02d}-03"
        rows.append([k, month, ("ABC", "XYZ")[k % 2], labels_of(EMOTION)[label], labels_of(SENTIMENT)[side], text, "-"])
    return rows


def write(path, rows, header=COLUMNS):
    with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([header, *rows])


def write_lists(folder, symbols="symbol,ambiguous_ticker\nABC,FALSE\nAll,TRUE\n"):
    folder.mkdir()
    (folder / "symbol_df.csv").write_text(symbols)
    (folder / "company_name_df.csv").write_text("title,ambiguous_title\nAcme Mills,FALSE\nGap,TRUE\n")


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tweets = folder / "stockemotions" / "tweet"
    tweets.mkdir(parents=True)
    test = made_up(96, 600)
    test[0][5] = f"{made_up(1, 0)[0][5]}!"  # a training post but for its end
    for part, rows in (("train", made_up(408, 0)), ("val", made_up(96, 500)), ("test", test)):
        write(tweets / f"{part}_stockemo.csv.gz", rows)
    write_lists(folder / "emtract_lexicons")
    return folder


def some_posts(emotions, sentiments):
    n = len(emotions)
    texts = [f"{FEELINGS[e]} {SIDES[s]} {k}" for k, (e, s) in enumerate(zip(emotions, sentiments, strict=True))]
    return Posts(texts, np.array(emotions), np.array(sentiments), ["ABC"] * n, ["2020-01"] * n)


def test_posts_as_published(tmp_path):
    rows = [
        [1, "2020-01-31", "ABC", "surprise", "bullish", 'so "high",\nwow 🚀', "-"],
        [2, "2020-12-01", "XYZ", "ambiguous", "bearish", "hm", "-"],
    ]
    write(tmp_path / "posts.csv.gz", rows)
    posts = load_posts(tmp_path / "posts.csv.gz")
    assert posts.texts == ['so "high",\nwow 🚀', "hm"]
    assert (posts.truth(EMOTION).tolist(), posts.truth(SENTIMENT).tolist()) == ([11, 0], [1, 0])
    assert (posts.tickers, posts.months) == (["ABC", "XYZ"], ["2020-01", "2020-12"])
    assert posts.targets(SENTIMENT).tolist() == [[0, 1], [1, 0]]
    assert posts.targets(EMOTION).shape == (2, LABELS)
    assert posts.targets(EMOTION)[0].argmax() == 11


def test_some_posts_and_labels_of_others():
    posts = some_posts([3, 4, 5], [0, 1, 1])
    part = posts.at(np.array([2, 0]))
    assert part.texts == [posts.texts[2], posts.texts[0]]
    assert (part.emotions.tolist(), part.sentiments.tolist()) == ([5, 3], [1, 0])
    assert (len(part.tickers), len(part.months)) == (2, 2)
    other = posts.with_labels_of(np.array([1, 2, 0]))
    assert other.texts == posts.texts
    assert (other.emotions.tolist(), other.sentiments.tolist()) == ([4, 5, 3], [1, 1, 0])


def damaged():
    content = bytearray(gzip.compress(("\n".join([",".join(COLUMNS)] * 50)).encode()))
    content[12] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"no archive",
        gzip.compress(b"a,b\n1,2\n"),
        gzip.compress(b"emo_label,senti_label,ticker,original,date\njoy,bullish,ABC,x,2020-01-01\n"),
        gzip.compress(b"emo_label,senti_label,ticker,original,date\nanger,bullish,ABC,x\n"),
        gzip.compress(b"emo_label,senti_label,ticker,original,date\nanger,bullish,ABC,\xff,2020-01-01\n"),
        gzip.compress(b"emo_label")[:-6],
        damaged(),
    ],
    ids=["absent", "not compressed", "other columns", "other label", "short row", "no text", "cut", "damaged"],
)
def test_posts_that_cannot_be_read(tmp_path, content):
    if content is not None:
        (tmp_path / "posts.csv.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"'posts\.csv\.gz' cannot be read") as error:
        load_posts(tmp_path / "posts.csv.gz")
    assert error.value.code == "bad_corpus"


def test_names_that_are_words_count_only_behind_a_dollar_sign(toys):
    cleaner = load_cleaner(toys / "emtract_lexicons")
    assert (cleaner.tickers, cleaner.companies) == ({"abc", "all"}, {"acme mills"})
    assert cleaner("$ALL of Acme Mills, a gap in $XYZ 🚀") == "<ticker> of <company> , a gap in <unknown> 🚀"


def test_lists_in_another_layout(tmp_path):
    write_lists(tmp_path / "lists", symbols="ticker\nABC\n")
    with pytest.raises(InputError, match=r"'symbol_df\.csv' cannot be read") as error:
        load_cleaner(tmp_path / "lists")
    assert error.value.code == "bad_corpus"
    with pytest.raises(InputError, match="cannot be read"):
        load_cleaner(tmp_path)


@pytest.mark.train
def test_words_tell_labels_of_other_posts():
    train = some_posts([1, 2, 3] * 8, [0, 1] * 12)
    asked = []

    def cleaner(text):
        asked.append(text)
        return text

    read = word_read_out(train, cleaner)
    found = read(["yes, furious and sell", "nervous and buy"])
    assert asked[: len(train.texts)] == train.texts
    assert found[EMOTION].argmax(axis=1).tolist() == [2, 3]
    assert found[SENTIMENT].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.train
def test_words_give_one_column_a_label_though_some_never_occur():
    train = some_posts([1, 2, 3] * 8, [0, 1] * 12)
    found = word_read_out(train, str)(["haha", "furious"])
    assert {task: answers.shape for task, answers in found.items()} == {EMOTION: (2, LABELS), SENTIMENT: (2, 2)}
    assert not found[EMOTION][:, [0, *range(4, LABELS)]].any()
    assert found[EMOTION].sum(axis=1) == pytest.approx([1, 1])


def test_blends_are_weighted_means():
    first = {EMOTION: np.array([[1.0, 0]]), SENTIMENT: np.array([[0.6, 0.4]])}
    second = {EMOTION: np.array([[0.0, 1]]), SENTIMENT: np.array([[0.2, 0.8]])}
    found = blend([first, second], {EMOTION: np.array([0.25, 0.75]), SENTIMENT: np.array([0.5, 0.5])})
    assert found[EMOTION].tolist() == [[0.25, 0.75]]
    assert found[SENTIMENT] == pytest.approx(np.array([[0.4, 0.6]]))


@pytest.mark.train
def test_weights_and_tilts_are_those_that_suit_the_development_posts():
    train = some_posts(list(range(10)), [0] * 8 + [1] * 2)
    dev = some_posts(list(range(10)), [0] * 5 + [1] * 5)
    # A bullish post gets 0.3 where 1 in 5 is bullish, so it is found where 4 ** tilt is above 7 / 3.
    shy = np.where(dev.sentiments[:, None] == 1, [0.7, 0.3], [0.9, 0.1])
    good = {EMOTION: dev.targets(EMOTION), SENTIMENT: shy}
    bad = {EMOTION: np.roll(dev.targets(EMOTION), 1, axis=1), SENTIMENT: 1 - dev.targets(SENTIMENT)}
    weights, tilts = choose_blend({"bad": bad, "good": good}, train, dev)
    assert weights[EMOTION] == pytest.approx([0, 1])
    assert weights[SENTIMENT] == pytest.approx([0, 1])
    assert tilts == pytest.approx({EMOTION: 0, SENTIMENT: 0.7})


def test_an_answer_may_lean_towards_rare_labels():
    probability, frequency = np.array([[0.6, 0.4, 0], [0.6, 0.4, 0]]), np.array([0.8, 0.2, 0])
    assert study._answer(probability, frequency, 0).tolist() == [0, 0]
    assert study._answer(probability, frequency, 1).tolist() == [1, 1]  # never the label that does not occur


def test_posts_that_repeat_others_stand_apart(monkeypatch):
    monkeypatch.setattr(study, "measure", partial(study.measure, resamples=10))
    train, test = some_posts([0, 1, 2, 3], [0, 1] * 2), some_posts([0, 1, 2, 3], [0, 0, 1, 1])
    found = {EMOTION: test.targets(EMOTION)[[0, 1, 2, 0]], SENTIMENT: test.targets(SENTIMENT)}
    table = study._apart(train, test, found, dict.fromkeys(TASKS, 0.0), np.array([True, True, False, False]), 0)
    value = {row.predictor: row.values["accuracy"].value for row in table.rows}
    assert value == {
        "emotion, all posts": 0.75,
        "sentiment, all posts": 1,
        "emotion, without repeated posts": 0.5,
        "sentiment, without repeated posts": 1,
    }
    assert next(iter(value)) == "emotion, all posts"


def seen(texts):
    """Which feeling a post tells, and which side."""
    pairs = list(zip(FEELINGS, PICTURES, strict=True))
    felt = [[word in text or picture in text for word, picture in pairs] for text in texts]
    return np.hstack([felt, [[side in text for side in SIDES] for text in texts]]).astype(np.float32)


class FakeFeatures:
    """Sees feelings but no sides."""

    asked: ClassVar[list[int]] = []

    def __init__(self, threads):
        assert threads == 1

    def transform(self, texts):
        self.asked.append(len(texts))
        return seen(texts)[:, :LABELS]


class FakeTuned:
    """Knows sides, and takes every feeling for the next one."""

    def predict(self, texts):
        return {EMOTION: np.roll(seen(texts)[:, :LABELS], 1, axis=1), SENTIMENT: seen(texts)[:, LABELS:]}


@pytest.fixture
def tuning(monkeypatch):
    """What the encoder was asked to learn."""
    asked = {}

    def tune(texts, targets, heads, **settings):
        asked.update(settings, texts=texts, targets=targets, heads=heads)
        return FakeTuned()

    monkeypatch.setattr("affectome.learn.fine_tuning.fine_tune", tune)
    monkeypatch.setattr("affectome.learn.features.AffectFeatures", FakeFeatures)
    monkeypatch.setattr(FakeFeatures, "asked", [])
    for name in ("measure", "claim_difference"):
        monkeypatch.setattr(study, name, partial(getattr(study, name), resamples=10))
    monkeypatch.setattr("affectome.evaluate.guards.bootstrap", partial(bootstrap, resamples=10))
    return asked


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, tuning):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    result = run_study(study.STUDY, StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1))
    emotion, sentiment, apart = result.outcome.tables
    for table in (emotion, sentiment):
        assert [row.role for row in table.rows] == ["baseline"] * 2 + ["control"] + ["result"] * 6
        assert table.rows[-1].predictor == "blend"
    value = {row.predictor: row.values["macro-F1"].value for row in emotion.rows if "macro-F1" in row.values}
    assert value["reader"] == value["blend"] == 1
    assert value["words"] > 0.9 > value["words, labels of other posts"] + 0.5
    assert value["tuned encoder"] == 0
    assert value["words without pictographs"] < value["words"] - 0.2
    value = {row.predictor: row.values["accuracy"].value for row in sentiment.rows if "accuracy" in row.values}
    assert value["tuned encoder"] == value["blend"] == 1
    assert value["majority"] == pytest.approx(0.5)
    claims = {claim.text: claim for claim in result.outcome.claims}
    assert len(claims) == 8
    assert claims["twelve emotions: macro-F1"].value == claims["bearish, bullish: accuracy"].value == 1
    assert claims["twelve emotions: words with pictographs minus without, macro-F1"].holds
    assert not claims["bearish, bullish: words with pictographs minus without, accuracy"].holds
    # What each part is for: learnt from, chosen on, looked at once.
    train = load_posts(toys / "stockemotions" / "tweet" / "train_stockemo.csv.gz")
    assert tuning["texts"] == train.texts
    assert {name: target.shape[1] for name, target in tuning["targets"].items()} == {EMOTION: LABELS, SENTIMENT: 2}
    assert [(plan.name, plan.kind, len(plan.columns)) for plan in tuning["heads"]] == [
        (EMOTION, "choice", LABELS),
        (SENTIMENT, "choice", 2),
    ]
    assert FakeFeatures.asked == [408, 96, 96]
    assert [(entry["name"], entry["rows"]) for entry in result.vaults] == [("test", 96)]
    assert "Test posts that nearly repeat a post of the other parts: 1." in result.outcome.notes
    assert len(apart.rows) == 4


@pytest.mark.train
@pytest.mark.parametrize(("quick", "epochs"), [(True, 0.2), (False, 3.0)])
def test_a_quick_run_tunes_for_a_short_time(toys, tmp_path, tuning, quick, epochs):
    context = Context(data=toys, seed=3, threads=1, base=tmp_path, work=tmp_path, quick=quick)
    read = study._tuned_read_out(some_posts([1, 2], [0, 1]), context)
    assert (tuning["epochs"], tuning["seed"], tuning["base"]) == (epochs, 3, tmp_path)
    found = read(["sell", "buy"])
    assert found[SENTIMENT].tolist() == [[1, 0], [0, 1]]
    assert found[SENTIMENT].dtype == np.float64


@pytest.mark.train
def test_a_base_is_needed(toys, tmp_path, tuning):
    with pytest.raises(UsageError) as error:
        run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1, quick=True))
    assert error.value.code == "missing_base"
    assert FakeFeatures.asked == [400]  # a quick run learns from the first posts only
