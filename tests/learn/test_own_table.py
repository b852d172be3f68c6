"""From a table to a bundle: what is learnt, what is left out, what the bundle says and how it reads."""

import json
import tomllib

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError, ModelError, RunError, UsageError
from affectome.evaluate.assessment import assess
from affectome.evaluate.labelled import read_labelled
from affectome.models import default_model, find_model, verify
from affectome.perceive import TextReader

pytest.importorskip("torch", reason="needs the train extra")

from affectome.learn.features import AffectFeatures
from affectome.learn.own_table import train_on_table
from affectome.learn.table_bundle import BundleWords, train_bundle

pytestmark = pytest.mark.train

PLACES = [
    "at the harbour with my cousin", "in the long queue for the museum", "while the soup was on the stove",
    "before the last exam of the term", "behind the old cinema", "on the night train to the coast",
    "during my sister's wedding speech", "under the broken street lamp", "as the parcel finally came",
    "when the choir began its second song", "after eleven hours of driving", "beside the frozen pond",
    "halfway through the board meeting", "in the corner of the bakery", "with a borrowed tent in the rain",
    "over breakfast with the neighbours", "near the empty football ground", "since the letter from the bank",
]  # fmt: skip
FEELINGS = {
    "glad": ["What a lovely, happy hour {}.", "I laughed and felt wonderful {}.", "So grateful and cheerful {}!"],
    "gloomy": ["I wept and felt so alone {}.", "Nothing but grief and sorrow {}.", "Sad, tired and without hope {}."],
    "furious": ["I was so angry I shouted {}.", "How dare they, I hate them {}!", "Pure rage, what an insult {}."],
}
VALUES = {"glad": 9, "gloomy": 2, "furious": 1}


def rows():
    """Text, label, author; nine texts a place."""
    return [
        (form.format(place), label, f"writer{number}")
        for number, place in enumerate(PLACES)
        for label, forms in FEELINGS.items()
        for form in forms
    ]


def write(path, texts, labels, **columns):
    pl.DataFrame({"text": texts, "mood": labels, **columns}).write_csv(path)
    return read_labelled(path, label="mood")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def base():
    return default_model("text-affect")


@pytest.fixture(scope="module")
def choice(folder, base):
    """A table with its flaws, the bundle, and what training gave."""
    texts, labels, authors = zip(*rows(), strict=True)
    texts = [
        *texts,
        texts[0].upper(),
        "!!!",
        "Ein Text, den hier sicher niemand auf Englisch lesen kann.",
        "No label.",
        "Rare.",
    ]
    labels = [
        *(label.upper() if k % 9 == 0 else label for k, label in enumerate(labels)),
        "gloomy",
        "glad",
        "glad",
        None,
        "odd",
    ]
    table = write(folder / "diary.csv", texts, labels, author=[*authors, *[None] * 5])
    words = BundleWords(licence="CC-BY-4.0", commercial="yes", command="affectome train")
    return table, *train_bundle(table, folder, base=base, words=words, threads=1)


@pytest.fixture(scope="module")
def presence(folder, base):
    texts, labels, _ = zip(*rows(), strict=True)
    several = [f"{label}, {'unpleasant' if label != 'glad' else 'pleasant'}" for label in labels]
    table = write(folder / "several.csv", texts, several)
    return table, *train_bundle(table, folder, base=base, words=BundleWords(id="several"), threads=1)


@pytest.fixture(scope="module")
def measure(folder, base):
    texts, labels, _ = zip(*rows(), strict=True)
    table = write(folder / "measured.csv", texts, [VALUES[label] + k % 3 / 10 for k, label in enumerate(labels)])
    return table, *train_bundle(table, folder, base=base, words=BundleWords(), threads=1)


def values(trained):
    return {(row.role, row.metric): row.interval.value for row in trained.scores}


def test_the_head_beats_the_baseline_and_the_control_does_not(choice):
    _, _, trained = choice
    found = values(trained)
    assert found["result", "accuracy"] > 0.8
    assert found["baseline", "accuracy"] < 0.6
    assert found["control", "accuracy"] < 0.7
    assert [row.role for row in trained.scores] == ["baseline"] * 4 + ["control"] * 4 + ["result"] * 4
    assert sum(row.support for row in trained.classes) == len(trained.split.test)


def test_what_was_left_out_is_counted(choice):
    _, _, trained = choice
    assert trained.rows.labels == ("furious", "glad", "gloomy")
    assert len(trained.rows.texts) == 163
    assert trained.rows.notes == (
        "rows left out, without a word in the text: 1",
        "rows left out, with a text that does not look like English: 1",
        "rows left out, without a label: 1",
        "labels that differ from another one in case only and count as that one: 1",
        "labels left out, with fewer than 5 rows: 1 (odd)",
        "rows left out, with such labels only: 1",
        "rows that repeat the text of an earlier one and stay in one part with it: 1; "
        "texts with different labels in different rows: 1",
    )


def test_no_speaker_is_in_two_parts(choice):
    _, _, trained = choice
    parts = [set(trained.rows.units[part].tolist()) for part in trained.split]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert sum(map(len, trained.split)) == len(trained.rows.texts)


def test_the_bundle_is_sound_and_says_what_it_is(choice, base):
    table, bundle, trained = choice
    assert bundle.name == "diary-mood"
    assert verify(bundle).ok
    card = find_model(bundle, task="text-affect").card
    assert (card.id, card.licence, card.commercial) == ("diary-mood", "CC-BY-4.0", True)
    assert card.base_model.name == base.card.versioned_id
    assert card.training_data[0].name == "diary.csv"
    assert card.training_data[0].rows == len(trained.split.train)
    assert card.training_data[1:] == base.card.training_data
    assert [metric.note for metric in card.metrics[::4]] == [
        "baseline: majority", "control that should fail: labels shuffled", "",
    ]  # fmt: skip
    record = json.loads((bundle / "training.json").read_text(encoding="utf-8"))
    assert record["fingerprint"] == table.fingerprint
    assert record["rows"] == {"table": 167, "used": 163} | {p: len(r) for p, r in trained.split._asdict().items()}
    assert record["notes"] == list(trained.rows.notes)


def test_the_reader_reads_as_the_head_was_scored(choice):
    _, bundle, trained = choice
    reader = TextReader(find_model(bundle))
    assert (reader.labels, reader.taxonomy, reader.exclusive) == (trained.rows.labels, "diary-mood", True)
    texts = [trained.rows.texts[row] for row in trained.split.test]
    expected = trained.head.read(AffectFeatures(find_model(bundle), threads=1).transform(texts))
    np.testing.assert_allclose(reader.probabilities(texts), expected, atol=1e-6)
    np.testing.assert_allclose(reader.probabilities(texts).sum(axis=1), 1, atol=1e-6)


def test_the_affect_space_still_answers_every_other_vocabulary(choice, base):
    _, bundle, _ = choice
    own, shipped = find_model(bundle), base
    for options in ({"taxonomy": "ekman7"}, {"taxonomy": "goemotions28"}, {"labels": ["calm", "furious"]}):
        theirs = TextReader(shipped, **options).probabilities(["I hate this."])
        np.testing.assert_array_equal(TextReader(own, **options).probabilities(["I hate this."]), theirs)
    with pytest.raises(UsageError, match="exclude each other") as caught:
        TextReader(own, multi_label=True)
    assert caught.value.code == "fixed_labels"


def test_no_text_of_the_training_is_scored_on(choice):
    table, bundle, trained = choice
    reader = TextReader(find_model(bundle))
    found = assess(reader, table)
    assert found.rows["scored"] == len(trained.split.test)
    assert found.rows["unknown_label"] == 1
    result = {(row.role, row.metric): row.interval.value for row in found.scores}
    assert result["result", "accuracy"] == pytest.approx(values(trained)["result", "accuracy"])
    assert TextReader(find_model(bundle), "ekman7").learnt_from([trained.rows.texts[0]]).tolist() == [False]


def test_several_labels(presence):
    _, bundle, trained = presence
    assert trained.rows.kind == "presence"
    found = values(trained)
    assert found["result", "micro F1"] > max(0.75, found["baseline", "micro F1"])
    reader = TextReader(find_model(bundle))
    assert not reader.exclusive
    assert set(reader.thresholds) == {"furious", "glad", "gloomy", "pleasant", "unpleasant"}
    p = reader.probabilities(["I laughed and felt wonderful today."])[0]
    assert [label for label, value in zip(reader.labels, p, strict=True) if value >= reader.thresholds[label]] == [
        "glad", "pleasant",
    ]  # fmt: skip


def test_a_card_that_nobody_cleared_is_not_commercial(presence):
    _, bundle, _ = presence
    card = tomllib.loads((bundle / "card.toml").read_text(encoding="utf-8"))
    assert (card["commercial"], card["licence"]) == (False, "LicenseRef-unstated")
    assert card["commercial_note"].startswith("Whether the table several.csv allows commercial use: unclear.")
    with pytest.raises(ModelError, match="not cleared"):
        find_model(bundle, commercial=True)


def test_a_measure(measure):
    table, bundle, trained = measure
    assert (trained.rows.kind, trained.rows.labels, trained.classes) == ("measure", ("mood",), ())
    found = values(trained)
    assert found["result", "Pearson r"] > 0.8
    assert found["result", "MAE"] < found["baseline", "MAE"] < found["control", "MAE"] + 1
    reader = TextReader(find_model(bundle))
    assert reader.taxonomy == "goemotions28"
    estimates = reader.perceive(
        table.segments.head(3).with_columns(text=pl.Series(["I weep.", "", "I laugh, so happy!"]))
    )
    rating = estimates["rating"].struct.field("mood").to_list()
    assert rating[1] is None
    assert 1 <= rating[0] < rating[2] <= 9.2
    assert reader.failed(table.segments.head(1), "worker_died")["rating"].to_list() == [None]
    assert assess(reader, table).rows["learnt"] == len(trained.split.train) + len(trained.split.dev)


def test_numbers_may_be_class_names(folder, base):
    texts, labels, _ = zip(*rows(), strict=True)
    table = write(folder / "codes.csv", texts, [list(FEELINGS).index(label) for label in labels])
    assert train_on_table(table, base=base, kind="choice", threads=1).rows.labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "kind", "code"),
    [
        (["glad"] * 60, None, "too_few_labels"),
        ([f"label {k}" for k in range(60)], None, "too_few_labels"),
        (["glad, quiet"] * 60, None, "too_few_labels"),
        (["glad", "gloomy"] * 10 + [None] * 40, None, "too_few_rows"),
        (["3"] * 60, "measure", "constant_measure"),
        (["3", "four"] * 30, "measure", "not_a_number"),
    ],
)
def test_tables_that_give_nothing_to_learn(tmp_path, base, labels, kind, code):
    table = write(tmp_path / "thin.csv", [text for text, _, _ in rows()[:60]], labels)
    with pytest.raises(InputError) as caught:
        train_on_table(table, base=base, kind=kind, threads=1)
    assert caught.value.code == code


def test_refused_before_the_training(folder, base, tmp_path):
    texts, labels, _ = zip(*rows(), strict=True)
    table = write(tmp_path / "diary.csv", texts, labels)
    for taken in ("text-en", "ekman7"):
        with pytest.raises(UsageError, match="belongs to") as caught:
            train_bundle(table, tmp_path, base=base, words=BundleWords(id=taken))
        assert caught.value.code == "id_taken"
    with pytest.raises(ModelError, match="lower-case"):
        train_bundle(table, tmp_path, base=base, words=BundleWords(id="My Model"))
    with pytest.raises(ModelError, match="contradicts"):
        train_bundle(table, tmp_path, base=base, words=BundleWords(licence="CC-BY-NC-4.0", commercial="yes"))
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="not replaced"):
        train_bundle(table, tmp_path, base=base, words=BundleWords(id="mine"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diary.csv", "mine"]
