"""A quick reader that learns from a toy reader."""

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.cli import main
from affectome.errors import InputError
from affectome.learn.quick_model import padded
from affectome.learn.quick_recipe import load_quick_recipe
from affectome.learn.quick_training import QuickTrainer, prepare_lesson, train_quick_recipe
from affectome.models import Bundle
from affectome.perceive import FastTextReader, TextReader
from affectome.perceive.quick_encoder import QuickEncoder

pytestmark = pytest.mark.train

RECIPE = """\
task = "text-affect-fast"
id = "toy-fast"
version = "0.1.0"
title = "A toy fast reader"
teacher = "{teacher}"
base = "minilm"
labels_from = "goemotions"
width = 16
channels = 12
hidden = 24
max_tokens = 24
pieces = 30
pieces_from = ["goemotions"]
raters_share = 0.3
passes = 30
batch = 16
learning_rate = 2e-2
warmup = 0.1
averaging = 0.9
dropout = 0.0
word_dropout = 0.05
escalate = 0.2
seed = 1

[card]
licence = "Apache-2.0"
commercial = true
commercial_note = ""
intended_use = "Tests."
limits = ["It knows a few hundred words."]

[weights]
goemotions = 1.0
emobank = 0.5
"""


@pytest.fixture(scope="module")
def recipe(recipes, trained):
    path = recipes / "fast.toml"
    path.write_text(RECIPE.format(teacher=trained[1].as_posix()))
    return path


@pytest.fixture(scope="module")
def fast(recipe, data, base, tmp_path_factory):
    out = tmp_path_factory.mktemp("fast")
    said, log = [], []
    bundle = train_quick_recipe(
        recipe, data=data, base=base, out=out, threads=1, report=lambda *line: log.append(line), prepared=said.append
    )
    return bundle, said, log


def test_it_reads_like_its_teacher(fast, trained, corpora):
    bundle, said, log = fast
    assert said[-1].startswith("toy-second@0.1.0 has read ")
    assert log[-1][0] == "fast.toml"
    assert log[-1][1].losses["labels"] < log[0][1].losses["labels"]
    reader = FastTextReader(Bundle.open(trained[1]), Bundle.open(bundle))
    test = corpora["goemotions"].part("test")
    quick, thorough = reader.encoder.fast.encode(test.texts), reader.encoder.full.encode(test.texts)
    teacher, student = (reader.read_out(each).argmax(1) for each in (thorough, quick))
    assert (teacher == student).mean() > 0.5
    assert (quick.vectors * thorough.vectors).sum(1).mean() > 0.5


def test_the_limit_leaves_the_share_that_was_asked_for(fast, trained, corpora):
    reader = FastTextReader(Bundle.open(trained[1]), Bundle.open(fast[0]))
    dev = corpora["goemotions"].part("dev").texts
    encoded, tokens = reader.encoder.fast.encode_with_lengths(dev)
    left = tokens[reader.encoder.uncertainty(encoded, tokens) > reader.encoder.limit].sum() / tokens.sum()
    assert 0.1 < left <= 0.2


def test_the_bundle_runs_what_was_trained(recipe, data, base, trained, tmp_path, corpora):
    settings = load_quick_recipe(recipe)
    teacher = TextReader(Bundle.open(trained[1]))
    chosen = {name: corpora[name] for name in settings.weights}
    lesson = prepare_lesson(settings, chosen, teacher, tmp_path)
    assert len(lesson.rows) == len(lesson.answers.labels) == len(lesson.raters)
    again = prepare_lesson(settings, chosen, teacher, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(lesson.answers, again.answers, strict=True))
    model = QuickTrainer(settings, lesson, teacher, base, None, threads=1).model.eval()
    encoder = QuickEncoder(model.arrays(), teacher.encoder.tokenizer)
    texts = chosen["goemotions"].texts[:20]
    ids = [e.ids for e in teacher.encoder.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    with torch.inference_mode():
        expected = model(padded(ids))
    for found, wanted in zip(encoder.encode(texts), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=0.05)


def test_with_the_command(recipe, data, base, fast, capsys):
    out = fast[0].parent
    words = ["train", recipe, "--data", data, "--base", base, "--out", out, "--threads", 1]
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, words)))
    assert ended.value.code == 0
    assert "toy-fast" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new"),
    [('labels_from = "goemotions"', 'labels_from = "poems"'), ("width = 16", "width = 1"), ("emobank", "unheard")],
)
def test_recipes_that_do_not_fit(old, new, recipe, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        load_quick_recipe(path)
    assert caught.value.code == "bad_recipe"
