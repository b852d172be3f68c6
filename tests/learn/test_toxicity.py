"""The read-out of toxicity, on features that are invented and on the reader that is shipped."""

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the train extra")

from affectome.affect.space import sigmoid
from affectome.api import ReaderOptions
from affectome.learn.corpora import Corpus
from affectome.learn.toxicity import fit_toxicity, harmless_texts
from affectome.perceive.encoder import Encoded


class Numbers:
    """Encodes a text, which is a number, as that number beside noise."""

    def encode(self, texts):
        value = np.array([float(text) for text in texts], np.float32)[:, None]
        noise = np.random.default_rng(0).normal(size=(len(texts), 3)).astype(np.float32)
        return Encoded(np.hstack([value, noise]), noise[:, :2], np.hstack([noise, noise[:, :2]]), noise)


def rated(values, split="train"):
    """Texts whose share of raters is the logistic of twice the number."""
    texts = [f"{value:.4f}" for value in values]
    shares = sigmoid(2 * np.asarray(values, np.float32))[:, None]
    return Corpus("toxicity", texts, ("toxicity",), shares, np.array([split] * len(texts)), "measure")


def read(fitted, numbers):
    features = Numbers().encode([str(number) for number in numbers]).features()
    return sigmoid(features @ np.array(fitted["weights"], np.float32) + fitted["bias"])


def test_the_shares_of_the_raters_are_learnt():
    values = np.random.default_rng(1).normal(size=3000)
    fitted = fit_toxicity(Numbers(), [rated(values)], [])
    assert read(fitted, [-1, 0, 1]) == pytest.approx(sigmoid(np.array([-2, 0, 2])), abs=0.04)


def test_harmless_texts_count_half_however_many_they_are():
    values = np.random.default_rng(1).normal(size=1000)
    means = [read(fit_toxicity(Numbers(), [rated(values)], ["0.0"] * count), [0])[0] for count in (0, 500, 5000)]
    assert means[0] == pytest.approx(0.5, abs=0.02)
    assert means[1] == pytest.approx(means[2], abs=0.02)
    assert means[1] < 0.4


def test_rows_that_are_not_for_training_have_no_part():
    values = np.random.default_rng(1).normal(size=300)
    alone = fit_toxicity(Numbers(), [rated(values)], [])
    assert fit_toxicity(Numbers(), [rated(values), rated(-values, "dev")], []) == alone


def test_comments_with_a_hostile_label_are_not_taken_as_harmless():
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    texts = ["thanks", "idiot", "thanks, idiot", "so"]
    corpus = Corpus("comments", texts, ("gratitude", "anger"), targets, np.array(["train"] * 4), "presence")
    assert harmless_texts(corpus) == ["thanks", "so"]


def test_the_shipped_reader_tells_abuse_from_everyday_text():
    reader = ReaderOptions().open(threads=1)
    harmless = [
        "The meeting is at three.",
        "I love my dog.",
        "My grandmother died yesterday.",
        "Could you call me back?",
    ]
    abuse = ["You are a worthless idiot.", "Shut up, nobody likes you, you disgusting pig."]
    read = reader.toxicity(reader.encoder.encode(harmless + abuse))
    assert read[:4].max() < 0.2
    assert read[4:].min() > 0.5
