"""Tweets of all tasks, labels in common, and the whole study on made-up tweets, reviews and comments."""

import csv
import gzip
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from affectome.affect import load_taxonomy
from affectome.errors import InputError, UsageError
from affectome.studies import StudySettings, affect_sets, run_study
from affectome.studies import s38_emollms as study
from affectome.studies.s38_emollms import jaccard
from affectome.studies.tweet_affect import EMOTIONS, FOLDER, PRESENT, VALENCE_LEVELS, load_tweets

WORDS = ("wonderful", "good", "bad", "horrible")  # from pleasant to unpleasant
SIZES = {"train": 160, "dev": 80, "test": 80}
MYSTERY = 30
LABELS = load_taxonomy("goemotions28").labels


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as out:
        csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None).writerows(rows)


def places(texts):
    """Which of the words each text has, 0 to 3."""
    return np.array([next((k for k, word in enumerate(WORDS) if word in text), 1) for text in texts], np.float64)


def some_text(rng, k):
    return " ".join([WORDS[k], *("".join(rng.choice(list("bcdfghjkqvwxz"), 9)) for _ in range(3))])


def strengths(k):
    """Four intensities; all but joy go with what is unpleasant."""
    return np.stack([k / 3, k / 3, 1 - k / 3, k / 3], axis=-1)


def presence(k):
    pleasant = {"anticipation", "joy", "love", "optimism", "surprise", "trust"}
    return np.stack([k < 2 if label in pleasant else k > 1 for label in PRESENT], axis=-1).astype(float)


def tweets(folder):
    """Every second tweet is rated for valence, every fourth for one intensity, two of three for emotions."""
    rng = np.random.default_rng(0)
    for part, size in SIZES.items():
        kind = "test-gold" if part == "test" else part
        ks = rng.permutation(size) % 4
        texts = [some_text(rng, k) for k in ks]
        if part == "train":
            kept = (texts[4], ks[4])
        if part == "test":
            texts[0], ks[0] = f"{kept[0].upper()} @ann", kept[1]
        names = [f"2018-En-{part}{i}" for i in range(size)]
        every = [list(range(0, size, 2)), *[list(range(e, size, 4)) for e in range(4)]]
        for number, rows in enumerate(every):
            feeling = EMOTIONS[number - 1] if number else "valence"
            amounts = [float(strengths(ks[i])[number - 1]) if number else 1 - ks[i] / 3 for i in rows]
            scores = [[names[i], texts[i], feeling, f"{amount:.3f}"] for i, amount in zip(rows, amounts, strict=True)]
            levels = [round(3 * amount) if number else round(6 * amount) - 3 for amount in amounts]
            levels = [[*row[:3], f"{level}: some {feeling}"] for row, level in zip(scores, levels, strict=True)]
            if number == 0 and part == "test":
                scores += [[f"2018-En-mystery-{i}", some_text(rng, i % 4), "valence", "0"] for i in range(MYSTERY)]
            task, name = ("EI", f"-En-{feeling}") if number else ("V", "-En")
            for what, column, found in (("reg", "Intensity Score", scores), ("oc", "Intensity Class", levels)):
                start = f"EI-{what}" if number else f"Valence-{what}"
                path = folder / f"{task}-{what}" / f"{start}{name}-{kind}.txt{'.gz' if part == 'test' else ''}"
                write(path, [["ID", "Tweet", "Affect Dimension", column], *found])
        rows = [[names[i], texts[i], *presence(ks[i]).astype(int)] for i in range(size) if i % 3]
        write(folder / "E-c" / f"E-c-En-{kind}.txt", [["ID", "Tweet", *PRESENT], *rows])


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tweets(folder / FOLDER)
    rng = np.random.default_rng(1)
    for name, file in affect_sets._VADER_SETS.items():
        ks = [3 * (i % 2) if name == "tweets" else i % 4 for i in range(100)]
        ratings = [(4 - 2 * k + (name != "tweets") * rng.normal()) / 2 for k in ks]
        rows = [[i + 1, rating, some_text(rng, k)] for i, (rating, k) in enumerate(zip(ratings, ks, strict=True))]
        write(folder / "vader" / "icwsm2014" / f"{file}_GroundTruth.txt.gz", rows)
    (folder / "emobank" / "corpus").mkdir(parents=True)
    with gzip.open(folder / "emobank" / "corpus" / "emobank.csv.gz", "wt", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "split", "V", "A", "D", "text"])
        rows.writerows(
            [i, "test" if i < 40 else "train", 5 - i % 4, 1 + i % 4, 3 + i % 3, some_text(rng, i % 4)]
            for i in range(50)
        )
    for part in ("train", "dev", "test"):
        comments = [[f"so much {LABELS[i % 28]} {i}", i % 28, f"e{i}"] for i in range(56)]
        write(folder / "goemotions" / f"{part}.tsv.gz", comments)
    (folder / "goemotions" / "emotions.txt").write_text("\n".join(LABELS))
    return folder


def test_each_tweet_comes_once_with_all_that_is_known(toys):
    found = load_tweets(toys / FOLDER, "dev")
    assert len(found.texts) == len(set(found.texts)) == SIZES["dev"]
    k = places(found.texts)
    rated = ~np.isnan(found.valence[:, 0])
    assert rated.sum() == found.rows["V-reg"] == 40
    assert found.valence[rated, 0] == pytest.approx(1 - k[rated] / 3, abs=1e-3)
    assert found.valence_level[rated].tolist() == (6 - 2 * k[rated]).tolist()
    known = ~np.isnan(found.strength)
    assert known.sum(axis=0).tolist() == [20] * 4
    assert found.strength[known] == pytest.approx(strengths(k)[known], abs=1e-3)
    assert (found.strength_level[known] == np.round(3 * strengths(k)[known])).all()
    asked = ~np.isnan(found.present[:, 0])
    assert (found.present[asked] == presence(k)[asked]).all()
    assert (found.rows["E-c"], found.rows["EI-oc joy"], found.mystery) == (53, 20, [])
    targets = found.targets()
    assert targets.keys() == {"V-reg", "EI-reg", "E-c", *study._LEVELS}
    assert np.array_equal(targets["EI-oc joy"], found.strength_level[:, 2], equal_nan=True)


def test_planted_sentences_are_no_tweets(toys):
    found = load_tweets(toys / FOLDER, "test")
    assert (len(found.texts), len(found.mystery), found.rows["V-reg"]) == (SIZES["test"], MYSTERY, 40)
    assert not set(found.mystery) & set(found.texts)


def test_a_level_must_be_on_the_scale(toys, tmp_path):
    tweets(tmp_path)
    path = tmp_path / "V-oc" / "Valence-oc-En-dev.txt"
    path.write_text(path.read_text().replace("\tvalence\t3:", "\tvalence\t4:"))
    with pytest.raises(InputError):
        load_tweets(tmp_path, "dev")
    with pytest.raises(InputError):
        load_tweets(tmp_path / "elsewhere", "dev")


def test_labels_in_both_over_labels_in_either():
    truth = np.array([[1.0, 1, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]])
    probability = np.array([[0.9, 0.1, 0.9], [0, 0, 0], [0, 0, 0.9], [0, 0.9, 0]])
    assert jaccard(truth=truth, probability=probability, thresholds=np.full(3, 0.5)) == (1 / 3 + 1 + 1 + 0) / 4


def test_a_level_is_the_median_of_a_head_over_numbers():
    scores = np.repeat([[0.0], [1], [2]], 20, axis=0)
    levels = scores[:, 0].copy()
    levels[:3] = np.nan
    found = study._median_level(np.vstack([scores, [[-1], [1], [3]]]), levels)
    assert found.tolist() == [0, 1, 2]


class FakeTuned:
    """Knows the words; of emotions it says the contrary."""

    def predict(self, texts):
        k = places(texts)
        valence, strength = 1 - k / 3, strengths(k)
        found = {"V-reg": valence[:, None], "EI-reg": strength, "E-c": 1 - presence(k)}
        found["V-oc"] = np.eye(len(VALENCE_LEVELS))[np.round(6 * valence).astype(int)]
        levels = np.eye(4)[np.round(3 * strength).astype(int)]
        return found | {f"EI-oc {emotion}": levels[:, e] for e, emotion in enumerate(EMOTIONS)}


class FakeReader:
    """Reads valence off the words, and emotions that are named."""

    def __init__(self, bundle, taxonomy, *, threads):
        assert (bundle, taxonomy) == ("text-affect", "goemotions28")
        self.encoder = self

    def encode(self, texts):
        k = places(texts)
        return SimpleNamespace(means=np.stack([-k, k, np.array([len(text) for text in texts]), -k], axis=1))

    def probabilities(self, texts):
        return np.array([[0.9 * (label in text.split()) for label in LABELS] for text in texts], np.float32)


class FakeFeatures:
    """Knows which of the words are there."""

    def __init__(self, threads):
        assert threads == 1

    def transform(self, texts):
        return np.array([[word in text for word in WORDS] for text in texts], np.float32)


@pytest.fixture
def asked(monkeypatch):
    """What the encoder was asked to learn."""
    found = {}

    def tune(texts, targets, heads, *, report, **settings):
        report(SimpleNamespace(step=1, steps=2, seconds=3.0))
        found.update(settings, texts=texts, targets=targets, heads=heads)
        return FakeTuned()

    monkeypatch.setattr("affectome.learn.fine_tuning.fine_tune", tune)
    monkeypatch.setattr("affectome.learn.features.AffectFeatures", FakeFeatures)
    monkeypatch.setattr(affect_sets, "TextReader", FakeReader)
    monkeypatch.setattr(affect_sets, "default_model", lambda name: name)
    monkeypatch.setattr(affect_sets, "_COMPUTED", {"tweets": "1.000", **dict.fromkeys(("products", "films"), "-2.000")})
    monkeypatch.setitem(affect_sets._COMPUTED, "editorials", "2.000")
    monkeypatch.setitem(study._INSTRUCTIONS, "V-reg", (800, 400))
    monkeypatch.setitem(study._INSTRUCTIONS, "E-c", (1060, 0))
    for module in (study, affect_sets):
        for name in ("bootstrap", "measure"):
            monkeypatch.setattr(module, name, partial(getattr(module, name), resamples=10))
    return found


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, asked):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    settings = StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1)
    result = run_study(study.STUDY, settings)
    numbers, levels, emotions, mystery, rated, new, sentences, comments = result.outcome.tables
    values = [{row.predictor: row.values for row in table.rows} for table in result.outcome.tables]

    number = values[0]
    assert [row.role for row in numbers.rows] == ["baseline"] * 2 + ["control"] + ["result"] * 3
    assert numbers.title.endswith("40, 20, 20, 20, 20 tweets")
    for column in ("V-reg", study._INTENSITY):
        assert number["blend of all"][column].value > 0.99
        assert number["VADER"][column].value > 0.8  # joy goes with it and the others against it
        assert number["reader, shuffled targets"][column].value < number["reader"][column].value - 0.3
    assert levels.metrics == study._LEVELS
    assert values[1]["tuned encoder"]["V-oc"].value > 0.99
    assert values[1]["blend of all"]["EI-oc fear"].value > 0.9

    emotion = values[2]
    assert emotions.title.endswith("53 tweets")
    assert emotion["tuned encoder"]["macro-F1"].value < emotion["reader"]["macro-F1"].value
    assert emotion["blend of all"]["Jaccard"].value > 0.95  # the development tweets tell that the encoder is wrong

    assert mystery.metrics == ("rated rows", "with unrated rows")
    assert mystery.title.endswith("40, 70 rows of the published gold")
    row = values[3]["tuned encoder"]
    assert row["rated rows"].value > 0.99 > row["with unrated rows"].value + 0.3

    assert rated.title.endswith("100, 100, 100, 100 texts")
    assert [row.role for row in new.rows] == ["baseline"] + ["result"] * 3
    assert [values[5]["reader"]["tweets"].value, values[4]["VADER"]["tweets"].value] == pytest.approx([1, 1])
    assert values[6]["reader"]["valence"].value == pytest.approx(1)
    assert sentences.title.endswith("40 sentences")
    assert values[7]["reader"]["macro-F1"].value == 1 > values[7]["frequency of each label"]["macro-F1"].value
    assert comments.title.endswith("56 comments")

    claims = [(claim.value, claim.holds) for claim in result.outcome.claims]
    assert claims[3:] == [(3, False), (1, False)]
    assert [holds for _, holds in claims[:3]] == [True] * 3

    # The training tweet that comes again in the test was not learnt from.
    assert "1 training and development tweets" in result.outcome.notes[1]
    assert len(asked["texts"]) == SIZES["train"] - 1
    assert not {text.lower() for text in asked["texts"]} & {
        text.lower().removesuffix(" @ann") for text in load_tweets(toys / FOLDER, "test").texts
    }
    assert {head.name: (head.kind, head.weight) for head in asked["heads"]}["V-oc"] == ("ordinal", study._LEVEL_WEIGHT)
    assert all(len(target) == len(asked["texts"]) for target in asked["targets"].values())
    assert [entry["rows"] for entry in result.vaults] == [SIZES["test"]]


def test_a_base_is_needed(toys, tmp_path, asked):
    with pytest.raises(UsageError) as error:
        run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1))
    assert error.value.code == "missing_base"
    assert not asked
