"""Thresholds and errors by hand, tweets as published, and the whole study on made-up tweets."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError, UsageError
from affectome.studies import Context, StudySettings, run_study
from affectome.studies import s03_beyond_hate as study
from affectome.studies.s03_beyond_hate import balance, imbalance, load_incivility, threshold_at

TWEETS = 240
RUDE, CRUEL = ("idiot", "moron", "clown"), ("banish", "jail", "silence")
PLACES = ("senate", "house", "court", "city", "harbour", "school", "library", "station")


def tweet(k, impolite, intolerant):
    said = "".join(np.random.default_rng(k).choice(list("bcdfgjk"), 25))  # so that no tweet nearly repeats another
    return f"The {PLACES[k % 8]} {RUDE[k % 3] * impolite} {CRUEL[k % 3] * intolerant} {said}"


def write(folder, texts, labels):
    folder.mkdir(parents=True, exist_ok=True)
    table = {"text": texts, "impoliteness": [a for a, _ in labels], "intolerance": [b for _, b in labels]}
    pl.DataFrame(table).write_parquet(folder / "train.parquet")


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in study.STUDY.data:
        (folder / name).mkdir()
    labels = [(int(k % 3 == 0), int(k % 4 == 0)) for k in range(TWEETS)]
    texts = [tweet(k, *pair) for k, pair in enumerate(labels)]
    texts[12] = f"{texts[0]}!"  # and has the same labels
    write(folder / "political_incivility_mupid", texts, labels)
    return folder


def test_tweets_as_published(tmp_path):
    write(tmp_path, ["a 🦅", "b\nc"], [(1, 0), (0, 1)])
    texts, labels = load_incivility(tmp_path)
    assert texts == ["a 🦅", "b\nc"]
    assert labels.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("labels", [[(2, 0)], [(None, 1)]], ids=["two", "none"])
def test_labels_are_zero_or_one(tmp_path, labels):
    write(tmp_path, ["a"], labels)
    with pytest.raises(InputError, match="neither 0 nor 1") as error:
        load_incivility(tmp_path)
    assert error.value.code == "bad_corpus"


def test_tweets_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_incivility(tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read"):
        load_incivility(tmp_path)
    pl.DataFrame({"text": ["a"], "impoliteness": [1]}).write_parquet(tmp_path / "train.parquet")
    with pytest.raises(InputError, match="intolerance"):
        load_incivility(tmp_path)


def test_the_lowest_threshold_with_so_many_false_alarms():
    absent = np.array([0.4, 0.1, 0.3, 0.2])
    for allowed, reached in ((0, []), (0.25, [0.4]), (0.5, [0.3, 0.4]), (1, [0.1, 0.2, 0.3, 0.4])):
        assert sorted(absent[absent >= threshold_at(absent, allowed)]) == reached
    assert threshold_at(absent, 0.5) == pytest.approx(0.2)
    assert threshold_at(absent, 1) == 0.1
    # Of equal scores, all or none.
    assert not (np.array([0.4, 0.4, 0.1, 0.1]) >= threshold_at(np.array([0.4, 0.4, 0.1, 0.1]), 0.25)).any()


def test_misses_against_false_alarms():
    truth, given = [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0]
    assert balance(truth=truth, prediction=given) == pytest.approx(3 / 4 - 1 / 2)
    assert imbalance(truth=truth, prediction=given) == pytest.approx(1 / 4)
    assert balance(truth=truth, prediction=[1, 1, 1, 1, 1, 0]) == pytest.approx(-1 / 2)
    assert imbalance(truth=truth, prediction=[1, 1, 1, 1, 1, 0]) == pytest.approx(1 / 2)


def test_thresholds_come_from_development_tweets():
    targets = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]], float)
    corpus = SimpleNamespace(targets=targets, dev=np.arange(7))
    dev = {
        study._COARSE: np.array([0.6, 0.1, 0.2, 0.1, 0.7, 0.8, 0.3]),
        study._JOINT: np.array([0.2, 0.15, 0.1, 0.05, 0.25, 0.3, 0.4]),
    }
    found = study._thresholds(corpus, dev)
    assert set(found[study._HALF].values()) == {0.5}
    alarms = {name: (dev[name][:4] >= threshold).mean() for name, threshold in found[study._EQUAL].items()}
    assert alarms == {study._COARSE: 0.25, study._JOINT: 0.25}
    # At its best F1, joint training finds all three and no other.
    best = dev[study._JOINT] >= found[study._CHOSEN][study._JOINT]
    assert best.tolist() == [False] * 4 + [True] * 3


def shown(texts):
    """Whether each tweet is impolite, intolerant, either."""
    found = np.array([[any(word in text for word in words) for words in (RUDE, CRUEL)] for text in texts], float)
    return np.column_stack([found, found.max(axis=1)])


class FakeFeatures:
    """Sees both labels; its toxicity is the length of the tweet, last digit."""

    def __init__(self, threads):
        assert threads == 1
        self.reader = SimpleNamespace(encoder=self)

    def encode(self, texts):
        means = np.array([[0, len(text) % 10] for text in texts], np.float32)
        return SimpleNamespace(features=lambda: shown(texts)[:, :2].astype(np.float32), means=means)


class FakeTuned:
    """Never gives half to what is intolerant and polite, if it was taught no difference; else 0.6 to each label."""

    def __init__(self, name, columns):
        self.name, self.columns = name, columns

    def predict(self, texts):
        sure = 0.1 + 0.5 * shown(texts)
        if self.name == "coarse":
            sure[:, 2] = 0.1 + 0.5 * shown(texts)[:, 0] + 0.2 * shown(texts)[:, 1]
        return {self.name: sure[:, self.columns]}


@pytest.fixture
def tuning(monkeypatch):
    """What each encoder was asked to learn, by the name of the training."""
    asked = {}

    def tune(texts, targets, heads, *, report, **settings):
        (plan,) = heads
        report(SimpleNamespace(step=1, steps=2, seconds=3.0))
        asked[plan.name] = SimpleNamespace(texts=texts, targets=targets[plan.name], plan=plan, settings=settings)
        return FakeTuned(plan.name, [study._LABELS.index(column) for column in plan.columns])

    monkeypatch.setattr("affectome.learn.fine_tuning.fine_tune", tune)
    monkeypatch.setattr("affectome.learn.features.AffectFeatures", FakeFeatures)
    monkeypatch.setattr(study, "note_learnt", lambda context, texts, what: f"{len(texts)} {what}")
    for name in ("bootstrap", "claim_difference"):
        monkeypatch.setattr(study, name, partial(getattr(study, name), resamples=10))
    return asked


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, tuning):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    heard = []
    settings = StudySettings(toys, tmp_path, base=tmp_path / "base", threads=1)
    result = run_study(study.STUDY, settings, heard.append)
    assert "joint training, step 1 of 2, 3 s" in heard
    scores, half, equal, chosen = result.outcome.tables
    assert [row.role for row in scores.rows] == ["baseline"] * 2 + ["control"] * 2 + ["result"] * 5
    value = {row.predictor: {name: found.value for name, found in row.values.items()} for row in scores.rows}
    assert value["reader"] == value["blend of all"] == value["joint training"] == dict.fromkeys(study._LABELS, 1)
    assert min(value["reader, shuffled labels"].values()) < 0.6
    # Coarse training gives one score, and fine training the third by noisy or.
    assert list(value["coarse training"]) == ["either"]
    assert value["fine training"] == dict.fromkeys(study._LABELS, 1)
    for table in (half, equal, chosen):
        assert [row.predictor for row in table.rows[:2]] == ["nothing reported", "words"]
        assert [row.role for row in table.rows] == ["baseline"] * 2 + ["result"] * 4
        assert {name: found.value for name, found in table.rows[0].values.items()} == {
            "missed": 1,
            "false alarms": 0,
            "difference": 1,
        }
    missed = {row.predictor: row.values["missed"].value for row in half.rows}
    assert missed["coarse training"] > 0.2
    assert missed["fine training, noisy or"] == missed["fine training, any"] == missed["joint training"] == 0
    # It is a matter of the threshold: chosen on development tweets, nothing is missed.
    assert all(row.values["difference"].value == 0 for row in chosen.rows if row.role == "result")
    claims = {claim.text: claim for claim in result.outcome.claims}
    assert len(claims) == 2 + 3 * 2 + 1
    fine = "misses minus false alarms, fine training (noisy or) minus coarse training"
    assert claims[f"at one half: {fine}"].value == pytest.approx(-missed["coarse training"])
    assert claims[f"at one half: {fine}"].holds
    assert not claims[f"at the best F1 of development tweets: {fine}"].holds
    assert claims["impoliteness: AUC of the blend"].holds


@pytest.mark.train
def test_each_training_sees_its_labels_of_training_tweets_alone(toys, tmp_path, tuning, monkeypatch):
    heads = []

    def read_out(seen, targets, **settings):
        heads.append(targets)
        return lambda train, test: targets[test]

    monkeypatch.setattr(study, "feature_read_out", read_out)
    context = Context(data=toys, seed=0, threads=1, base=tmp_path, work=tmp_path, quick=False)
    outcome = study.run(context)
    assert {name: asked.plan.columns for name, asked in tuning.items()} == {
        "coarse": ("either",),
        "fine": ("impoliteness", "intolerance"),
        "joint": ("impoliteness", "intolerance", "either"),
    }
    corpus = study._load(context)
    for asked in tuning.values():
        assert asked.texts == [corpus.texts[i] for i in corpus.train]
        columns = [study._LABELS.index(label) for label in asked.plan.columns]
        assert np.array_equal(asked.targets, shown(asked.texts)[:, columns])
        assert (asked.plan.kind, asked.settings["epochs"]) == ("presence", 2)
    assert len({asked.settings["checkpoints"] for asked in tuning.values()}) == 3
    assert [(entry["name"], entry["rows"]) for entry in context.vaults[0].record()] == [("test", len(corpus.test))]
    assert "2 tweets have a near-duplicate." in outcome.notes
    shuffled, known = heads
    assert known is not shuffled
    assert np.array_equal(known, shown(corpus.texts))
    assert not np.array_equal(shuffled[corpus.train], known[corpus.train])
    assert shuffled[corpus.train].sum(axis=0).tolist() == known[corpus.train].sum(axis=0).tolist()
    parts = [{*corpus.train}, {*corpus.dev}, {*corpus.test}]
    assert sum(map(len, parts)) == len(set.union(*parts)) == TWEETS
    assert any({0, 12} <= part for part in parts)


def test_a_quick_run_reads_the_first_tweets(tmp_path):
    labels = [(k % 2, k // 2 % 2) for k in range(510)]
    write(tmp_path / "political_incivility_mupid", [tweet(k, *pair) for k, pair in enumerate(labels)], labels)
    corpus = study._load(Context(data=tmp_path, seed=0, threads=1, base=None, work=tmp_path, quick=True))
    assert len(corpus.texts) == len(corpus.targets) == 500
    assert corpus.targets[:4].tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert corpus.copies == 0


@pytest.mark.train
def test_a_base_is_needed(toys, tmp_path, tuning):
    with pytest.raises(UsageError) as error:
        run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1, quick=True))
    assert error.value.code == "missing_base"
    assert not tuning
