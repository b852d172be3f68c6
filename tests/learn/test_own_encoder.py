"""Fine-tuning on a table: the encoder learns, what it read before is kept, and an interrupted run goes on."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError, LeakError, UsageError
from affectome.evaluate.assessment import assess
from affectome.evaluate.labelled import read_labelled
from affectome.models import default_model, find_model, verify
from affectome.perceive import TextReader

pytest.importorskip("torch", reason="needs the train extra")

from affectome.learn.fine_tuning import FineTuned
from affectome.learn.own_encoder import FineTuning
from affectome.learn.table_bundle import BundleWords, train_bundle

pytestmark = pytest.mark.train

PLACES = ("harbour", "museum", "kitchen", "school", "cinema", "train", "wedding", "street", "office", "choir", "pond")
FORMS = {
    "glad": ("I felt happy and free near the {}", "We laughed at the {}"),
    "gloomy": ("I felt sad near the {}", "We wept at the {}"),
    "proud": ("I won the prize near the {}", "They praised us at the {}"),
}
ROWS = [(form.format(place), label) for place in PLACES for label, forms in FORMS.items() for form in forms]


def write(path, rows=ROWS):
    pl.DataFrame(rows, schema=["text", "mood"], orient="row").write_csv(path)
    return read_labelled(path, label="mood")


@pytest.fixture(scope="module")
def reader():
    return default_model("text-affect")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, base, reader):
    """Training that was stopped after its second line of progress and given again: the bundle, the rest, the lines."""
    folder = tmp_path_factory.mktemp("tuned")
    table = write(folder / "days.csv")
    lines = []

    def stopped(line):
        if line.startswith("step 100"):
            raise KeyboardInterrupt

    def train(report):
        words = BundleWords(licence="CC-BY-4.0", commercial="yes")
        tuning = FineTuning(base=base, epochs=100)
        return train_bundle(table, folder, base=reader, words=words, tuning=tuning, threads=1, report=report)

    with pytest.raises(KeyboardInterrupt):
        train(stopped)
    assert (folder / "days-mood-checkpoints" / "checkpoint.safetensors").is_file()
    assert not (folder / "days-mood").exists()
    return table, *train(lines.append), lines


def test_an_interrupted_training_goes_on(tuned):
    *_, lines = tuned
    steps = [line for line in lines if line.startswith("step ")]
    assert steps[0].startswith("step 100 of ")  # the last checkpoint was at step 50
    assert "s left" in steps[0]


def test_the_bundle_is_sound_and_says_what_it_is(tuned, base, reader):
    _, bundle, trained, _ = tuned
    assert verify(bundle).ok
    card = find_model(bundle, task="text-affect").card
    assert (card.base_model.name, card.base_model.licence) == (base.name, "LicenseRef-unstated")
    assert not card.commercial
    assert f"The licence of the encoder {base.name} is not known." in card.commercial_note
    assert card.training_data[1:] == reader.card.training_data
    assert any(limit.startswith("Fine-tuning moved the affect space") for limit in card.limits)
    record = json.loads((bundle / "training.json").read_text(encoding="utf-8"))["fine_tuning"]
    assert (record["epochs"], record["teacher"], record["base"]) == (100, None, base.name)
    assert record["agreement"] == trained.encoder.agreement
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["days-mood", "days-mood-encoder", "days.csv"]
    assert FineTuned.load(bundle.parent / "days-mood-encoder").heads[0].columns == trained.rows.labels


def test_it_is_scored_beside_the_head_on_the_encoder_as_it_was(tuned):
    table, bundle, trained, _ = tuned
    names = list(dict.fromkeys((row.predictor, row.role) for row in trained.scores))
    assert names == [
        ("majority", "baseline"),
        ("head, encoder as it was", "baseline"),
        ("labels shuffled", "control"),
        ("fine-tuned", "result"),
    ]
    found = {(row.predictor, row.metric): row.interval.value for row in trained.scores}
    assert found["fine-tuned", "accuracy"] > found["majority", "accuracy"]
    again = assess(TextReader(find_model(bundle)), table)
    assert again.rows["scored"] == len(trained.split.test)
    value = next(row for row in again.scores if (row.role, row.metric) == ("result", "accuracy")).interval.value
    assert value == pytest.approx(found["fine-tuned", "accuracy"])


def test_it_still_reads_what_the_shipped_reader_reads(tuned):
    _, bundle, *_ = tuned
    own = find_model(bundle)
    for options in ({"taxonomy": "ekman7"}, {"taxonomy": "goemotions28"}, {"labels": ["calm", "furious"]}):
        p = TextReader(own, **options).probabilities(["We laughed at the museum"])
        assert np.isfinite(p).all()
    estimates = TextReader(own).perceive(read_labelled(bundle.parent / "days.csv", label="mood").segments)
    assert estimates["valence"].is_between(-1, 1).all()


def test_the_encoder_of_the_reader_is_the_base_by_default(tmp_path, reader):
    teacher, _ = train_bundle(
        write(tmp_path / "few.csv"), tmp_path, base=reader, words=BundleWords(id="teaching"), threads=1
    )
    tuning = FineTuning(epochs=0.1, teacher=find_model(teacher))
    bundle, trained = train_bundle(
        write(tmp_path / "few.csv"), tmp_path, base=reader, words=BundleWords(id="taught"), tuning=tuning, threads=1
    )
    assert find_model(bundle).card.base_model.name == reader.card.versioned_id
    assert min(trained.encoder.agreement.values()) > 0.8
    assert json.loads((bundle / "training.json").read_text())["fine_tuning"]["teacher"] == "teaching@0.1.0"
    assert "few.csv" in [data.name for data in find_model(bundle).card.training_data[1:]]


def test_teachers_that_do_not_fit(tmp_path, base, reader):
    def train(teacher):
        tuning = FineTuning(base=base, epochs=0.1, teacher=teacher)
        train_bundle(
            write(tmp_path / "days.csv"),
            tmp_path,
            base=reader,
            words=BundleWords(id="taught"),
            tuning=tuning,
            threads=1,
        )

    with pytest.raises(UsageError, match="other labels") as mismatch:
        train(reader)
    assert mismatch.value.code == "teacher_mismatch"
    table = write(tmp_path / "other.csv", [*ROWS[::-1], *((f"{text} in May", label) for text, label in ROWS)])
    bundle, _ = train_bundle(table, tmp_path, base=reader, words=BundleWords(id="other"), threads=1)
    with pytest.raises(LeakError, match="of the test rows"):
        train(find_model(bundle))
    assert not (tmp_path / "taught").exists()


def test_bases_that_do_not_fit(tmp_path, base):
    with pytest.raises(InputError, match="lacks") as missing:
        FineTuning(base=tmp_path).check()
    assert "leave --base out" in missing.value.next_step
    other = tmp_path / "other"
    shutil.copytree(base, other)
    config = json.loads((other / "config.json").read_text())
    changes = {"model_type": "roberta", "max_position_embeddings": 64, "position_embedding_type": "relative_key"}
    (other / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(InputError, match=r"roberta.*relative_key.*64") as unfit:
        FineTuning(base=other).check()
    assert unfit.value.code == "bad_base_model"
    (other / "config.json").write_text("[1")
    with pytest.raises(InputError, match="cannot be read"):
        FineTuning(base=other).check()
    with pytest.raises(UsageError, match="epochs"):
        FineTuning(epochs=0).check()
