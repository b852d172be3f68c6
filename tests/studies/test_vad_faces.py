"""What networks of faces are taught, by hand, and what is claimed of them."""

import tomllib

import numpy as np
import pytest

from affectome.affect import EmotionGaussians, label_entropy, load_taxonomy
from affectome.learn.face_corpus import FaceCorpus
from affectome.studies import s12_vad_distributions as study
from affectome.studies import vad_faces

LABELS = load_taxonomy("ferplus8").labels
HAPPY, SAD, ANGRY = (LABELS.index(label) for label in ("happiness", "sadness", "anger"))


@pytest.fixture(scope="module")
def terms():
    return EmotionGaussians.from_table(tomllib.loads(study._TABLE.read_text(encoding="utf-8"))["terms"])


def voted(*shares):
    n = len(shares)
    votes = np.zeros((n, 8), np.float32)
    for row, given in zip(votes, shares, strict=True):
        for label, share in given.items():
            row[label] = share
    return FaceCorpus(
        np.arange(n).astype(str), np.zeros((n, 48, 48), np.uint8), votes, np.zeros(n, np.int64), np.full(n, "train")
    )


def test_lessons_of_two_faces(terms):
    faces = voted({HAPPY: 1.0}, {SAD: 0.7, ANGRY: 0.3})
    lessons = vad_faces._lessons(faces, terms)
    for lesson in lessons.values():
        assert lesson.sum(axis=1) == pytest.approx(np.ones(2))
        assert lesson.argmax(axis=1).tolist() == [HAPPY, SAD]
    assert lessons["votes"] == pytest.approx(faces.votes)
    assert lessons["majority label"].tolist() == np.eye(8)[[HAPPY, SAD]].tolist()
    # The published posteriors at the means of happy and sad.
    of_label, surprise, disgust = lessons["posterior of the label's point"], *map(LABELS.index, ("surprise", "disgust"))
    assert of_label[0, [HAPPY, surprise]] == pytest.approx([0.811, 0.180], abs=1e-3)
    assert of_label[1, [SAD, disgust]] == pytest.approx([0.694, 0.209], abs=1e-3)
    of_votes = lessons["posterior of the votes' point"]
    assert of_votes[0] == pytest.approx(of_label[0])  # all votes for one: its mean is their point
    assert of_votes[1, ANGRY] > of_label[1, ANGRY]
    entropy = [label_entropy(lessons[name], exclusive=True).mean() for name in (vad_faces._SMOOTH, vad_faces._OF_VOTES)]
    assert entropy[0] == pytest.approx(entropy[1])


def test_claims_follow_from_the_outputs():
    votes = voted(*[{HAPPY: 0.8, SAD: 0.2}, {SAD: 0.9, HAPPY: 0.1}] * 20).votes.astype(float)
    sharp = np.clip(np.eye(8)[votes.argmax(axis=1)], 1e-3, None)
    sharp /= sharp.sum(axis=1, keepdims=True)
    soft = np.clip(votes, 1e-6, None)
    soft /= soft.sum(axis=1, keepdims=True)
    names = (vad_faces._ONE_HOT, vad_faces._SMOOTH, vad_faces._OF_LABEL, vad_faces._OF_VOTES, vad_faces._CONSISTENT)
    outputs = dict.fromkeys(names, [sharp] * 2) | {vad_faces._VOTES: [soft] * 2}
    votes_first, of_label, *_, joint, price = vad_faces._claims(votes, outputs, seed=0)
    assert votes_first.holds
    assert not of_label.holds  # the same outputs are not better
    assert joint.holds
    assert joint.value == pytest.approx(
        (sharp[:, HAPPY] * sharp[:, SAD]).mean() / (soft[:, HAPPY] * soft[:, SAD]).mean()
    )
    assert not price.holds
