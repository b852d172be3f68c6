import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import InputError, UsageError
from affectome.language.inside import (
    Probe,
    Site,
    ask_for_emotion,
    persistence,
    prompt_shift,
    read_activations,
    read_pieces,
)

pytestmark = pytest.mark.train
SITE = Site("block_output", 1)


@pytest.fixture
def probe(language_model):
    texts = [f"{word} {rest}" for rest in ("a", "b", "c", "how are", "you fine") for word in ("joy", "anger")]
    labels = np.array([0, 1] * 5)
    cells = read_activations(language_model, texts, [SITE])[SITE]
    return texts, labels, Probe().fit(cells, labels, cells, labels)


def test_pieces_are_parts_of_the_whole(language_model):
    whole = read_activations(language_model, ["joy how are you", "a b c"], [SITE])[SITE]
    pieces = read_pieces(language_model, [("joy", "how are you"), ("a", "b c")], SITE)
    assert pieces.shape == (2, 2, 16)
    np.testing.assert_allclose((pieces[0, 0] + 3 * pieces[0, 1]) / 4, whole[0], atol=1e-5)
    np.testing.assert_allclose((pieces[1, 0] + 2 * pieces[1, 1]) / 3, whole[1], atol=1e-5)
    with pytest.raises(InputError):
        read_pieces(language_model, [("a", "")], SITE)


def test_what_was_read_is_clear_at_first(language_model, probe):
    texts, labels, fitted = probe
    found = persistence(language_model, fitted, SITE, texts, labels)
    assert found.accuracies[0].value > 0.8
    assert len(found.accuracies) == len(found.offsets) == 9
    assert found.offsets[0] == 0
    assert list(found.offsets) == sorted(found.offsets)


def test_a_prompt_that_names_a_feeling_is_held_against_one_that_does_not(language_model, probe):
    texts, _, fitted = probe
    shifts = prompt_shift(language_model, fitted, SITE, texts, ["joy", "anger"])
    assert shifts.keys() == {"joy", "anger"}
    assert all(np.isfinite(shift.value) for shift in shifts.values())
    with pytest.raises(UsageError) as caught:
        prompt_shift(language_model, fitted, SITE, texts, ["boredom"])
    assert caught.value.code == "unknown_emotion"


def test_answers_are_log_probabilities_whatever_the_batch(language_model):
    texts = ["a", "how are you fine", "b c"]
    found = ask_for_emotion(language_model, texts, ["joy", "anger"])
    alone = [ask_for_emotion(language_model, [text], ["joy", "anger"])[0] for text in texts]
    np.testing.assert_allclose(found, alone, atol=1e-5)
    assert (np.exp(found).sum(axis=1) < 1).all()
    with pytest.raises(UsageError) as caught:
        ask_for_emotion(language_model, texts, ["joy", "joy a"])
    assert caught.value.code == "ambiguous_labels"
