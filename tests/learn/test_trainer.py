import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch
from safetensors import safe_open
from tokenizers import Tokenizer

from affectome.errors import RunError
from affectome.learn import load_recipe, load_vocabulary
from affectome.learn.batches import pad, tokenize
from affectome.learn.trainer import TextTrainer, pool

pytestmark = pytest.mark.train


class InterruptionError(Exception):
    """What a person at the keyboard does."""


@pytest.fixture
def make_trainer(recipes, corpora, base):
    vocabulary = load_vocabulary(recipes / "vocabulary.tsv")

    def make(out, recipe="first.toml", teachers=(), **changes):
        chosen = replace(load_recipe(recipes / recipe), **changes)
        return TextTrainer(chosen, corpora, base, vocabulary, out, teachers=teachers, threads=1)

    return make


@pytest.fixture(scope="module")
def tokenizer(base):
    return Tokenizer.from_file(str(base / "tokenizer.json"))


@pytest.fixture
def first(make_trainer, trained):
    """The model of the first recipe, its log and its checkpoints."""
    out = trained[0] / "checkpoints/first"
    return make_trainer(out).train(), [now for name, now in trained[2] if name == "first.toml"], out


def equal(a, b):
    state = b.state_dict()
    return all(torch.equal(value, state[name]) for name, value in a.state_dict().items())


def test_the_loss_falls(first):
    _, log, _ = first
    assert [now.step for now in log] == list(range(50, log[0].steps + 1, 50))
    assert log[-1].losses["goemotions"] < 0.6 * log[0].losses["goemotions"]
    assert {"goemotions", "situations", "emobank", "vader_ratings", "toxicity"} == {k for p in log for k in p.losses}
    assert all(math.isfinite(loss) for now in log for loss in now.losses.values())
    assert 0 < log[0].seconds <= log[-1].seconds


def test_an_interrupted_run_ends_in_the_same_weights(make_trainer, tmp_path):
    def interrupt(now):
        raise InterruptionError

    short = tuple(replace(source, passes=2.5) for source in make_trainer(tmp_path).recipe.sources)
    undisturbed = make_trainer(tmp_path / "undisturbed", sources=short).train()
    with pytest.raises(InterruptionError):
        make_trainer(tmp_path, sources=short).train(report=interrupt, checkpoint_every=7)
    with safe_open(tmp_path / "checkpoint.safetensors", "pt") as stored:
        assert stored.metadata()["step"] == "49"
    log = []
    assert equal(make_trainer(tmp_path, sources=short).train(report=log.append, checkpoint_every=1000), undisturbed)
    assert [now.step for now in log] == [50]
    assert not list(tmp_path.glob("*.partial"))


def test_a_finished_run_takes_no_further_step(first, make_trainer):
    trainer = make_trainer(first[2])
    assert equal(trainer.train(report=lambda now: pytest.fail("a step was taken")), first[0])
    assert trainer.descent.step == len(trainer.plan)


def test_another_recipe_does_not_go_on_from_the_checkpoint(first, make_trainer):
    with pytest.raises(RunError, match="another recipe") as caught:
        make_trainer(first[2], seed=2).train()
    assert caught.value.code == "other_recipe"


def test_a_damaged_checkpoint_is_refused(first, make_trainer, tmp_path):
    whole = (first[2] / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match="cannot be read") as caught:
        make_trainer(tmp_path).train()
    assert caught.value.code == "bad_checkpoint"


def test_a_checkpoint_that_cannot_be_written_is_an_error(make_trainer, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Not a directory") as caught:
        make_trainer(tmp_path / "file" / "out").train(checkpoint_every=1)
    assert caught.value.code == "not_a_folder"


def test_training_moves_all_but_the_word_vectors(first, make_trainer, tmp_path):
    fresh, trained = make_trainer(tmp_path).model.state_dict(), first[0].state_dict()
    same = {name for name, value in fresh.items() if torch.equal(value, trained[name])}
    assert "encoder.embeddings.word_embeddings.weight" in same
    assert not {name for name in same if "pooler" not in name and "word_embeddings" not in name}
    assert not first[0].training


def test_lower_layers_learn_more_slowly(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path)
    descent = trainer.descent
    peak = dict(zip(descent.trained, descent.peaks, strict=True))
    weight_decay = dict(zip(descent.trained, (g["weight_decay"] for g in descent.optimizer.param_groups), strict=True))
    rate = trainer.recipe.learning_rate
    assert peak["encoder.encoder.layer.1.output.dense.weight"] == pytest.approx(rate)
    assert peak["encoder.encoder.layer.0.output.dense.weight"] == pytest.approx(0.9 * rate)
    assert peak["encoder.embeddings.position_embeddings.weight"] == pytest.approx(0.81 * rate)
    assert peak["label_head.weight"] == pytest.approx(5 * rate)
    assert peak["scale"] == 0.01
    assert weight_decay["label_head.weight"] == 0.01
    assert weight_decay["label_head.bias"] == 0


def test_the_heads_start_at_the_prior(make_trainer, corpora, tmp_path):
    bias = make_trainer(tmp_path).model.label_head.bias.detach().numpy()
    share = corpora["goemotions"].part("train").targets.mean(axis=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), share, rtol=1e-4)


def test_a_student_starts_from_the_mean_of_its_teachers_and_learns_from_them(first, make_trainer, corpora, tmp_path):
    before = {name: corpora[name].targets.copy() for name in ("goemotions", "emobank")}
    other = make_trainer(tmp_path / "other", seed=3).model.eval()
    student = make_trainer(tmp_path, "second.toml", teachers=[first[0], other])
    alone = make_trainer(tmp_path / "alone", "second.toml")
    states = [model.state_dict() for model in (student.model, first[0], other)]
    assert all(torch.equal(mean, (states[1][name] + states[2][name]) / 2) for name, mean in states[0].items())
    parts = {source.corpus.name: source for source in student.sources}
    answers = {
        "goemotions": lambda teacher, pooled: torch.sigmoid(teacher.label_logits(pooled)),
        "emobank": lambda teacher, pooled: teacher.measures(pooled)[0][:, :3],
    }
    for name, answer in answers.items():
        with torch.no_grad():
            taught = [answer(each, each.pool(*pad(parts[name].ids))).numpy() for each in (first[0], other)]
        rated = corpora[name].part("train").targets
        np.testing.assert_allclose(parts[name].corpus.targets, 0.5 * rated + 0.5 * np.mean(taught, axis=0), atol=0.02)
        np.testing.assert_array_equal(corpora[name].targets, before[name])
    crowd = {source.corpus.name: source for source in alone.sources}["crowdflower"].corpus
    np.testing.assert_array_equal(parts["crowdflower"].corpus.targets, crowd.targets)


def test_it_learns_what_the_texts_say(first, corpora, tokenizer):
    dev = corpora["goemotions"].part("dev")
    with torch.no_grad():
        logits = first[0].label_logits(first[0].pool(*pad(tokenize(dev.texts, tokenizer, 24)))).numpy()
    right = dev.targets[np.arange(len(logits)), logits.argmax(axis=1)] == 1
    assert right.mean() > 0.8


def test_padding_does_not_reach_the_text_vector(first, tokenizer):
    rows = tokenize(["the garden is joy", "fear", "a bad, bad phone they said " * 3], tokenizer, 24)
    with torch.no_grad():
        together = first[0].pool(*pad(rows))
        alone = torch.cat([first[0].pool(*pad([row])) for row in rows])
        rounded = pool(first[0], rows)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rounded, alone, atol=0.1, rtol=0.1)
