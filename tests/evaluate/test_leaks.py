"""Leaks planted on purpose, each of which must be caught."""

import inspect

import numpy as np
import pytest

from affectome import evaluate
from affectome.errors import LeakError, UsageError
from affectome.evaluate import (
    Fold,
    Part,
    Vault,
    accuracy,
    assert_disjoint,
    auc,
    choose_thresholds,
    decide_across_folds,
    ece,
    f1,
    multilabel_f1,
    quadratic_kappa,
    split_rows,
    uar,
)

SPEAKERS = np.repeat([f"speaker {i}" for i in range(20)], 5)


def test_same_speaker_in_train_and_test():
    blind = split_rows(100, seed=0)
    with pytest.raises(LeakError) as error:
        assert_disjoint(train=Part(groups=SPEAKERS[blind.train]), test=Part(groups=SPEAKERS[blind.test]))
    assert error.value.code == "shared_groups"
    assert "speaker" in str(error.value)
    fair = split_rows(100, groups=SPEAKERS, seed=0)
    assert_disjoint(train=Part(groups=SPEAKERS[fair.train]), test=Part(groups=SPEAKERS[fair.test]))


def test_near_duplicate_across_parts():
    texts = [f"{chr(97 + i) * 6} is the first word of this post and {chr(122 - i) * 9} the last" for i in range(26)]
    texts += [text.upper() + " https://share.example/x" for text in texts]  # every post was shared once
    blind, fair = split_rows(52, seed=0), split_rows(52, texts=texts, seed=0)
    with pytest.raises(LeakError) as error:
        assert_disjoint(train=_texts_of(texts, blind.train), test=_texts_of(texts, blind.test))
    assert error.value.code == "shared_texts"
    assert_disjoint(
        train=_texts_of(texts, fair.train), dev=_texts_of(texts, fair.dev), test=_texts_of(texts, fair.test)
    )


def _texts_of(texts, rows):
    return Part(texts=[texts[row] for row in rows])


@pytest.fixture
def presence():
    rng = np.random.default_rng(0)
    truth = (rng.random((100, 3)) < 0.3).astype(float)
    return truth, np.clip(0.4 * truth + 0.6 * rng.random((100, 3)), 0, 1)


def test_threshold_chosen_on_test(presence):
    truth, probability = presence
    vault = Vault({"test": np.arange(50, 100)}, run="thresholds")
    rows = vault.open("test", purpose="choose thresholds")
    choose_thresholds(dev_truth=truth[rows], dev_probability=probability[rows])
    with pytest.raises(LeakError) as error:
        vault.open("test", purpose="report F1")
    assert error.value.code == "opened_twice"
    assert [entry["purpose"] for entry in vault.record()] == ["choose thresholds"]


def test_threshold_chosen_on_the_fold_it_decides(presence):
    truth, probability = presence
    everything = np.arange(100)
    with pytest.raises(LeakError) as error:
        decide_across_folds(truth=truth, probability=probability, folds=[Fold(everything, everything)])
    assert error.value.code == "shared_rows"


def test_layer_chosen_on_test():
    vault = Vault({"test": np.arange(10)}, run="layers")
    truth = np.arange(10) % 2
    layers = {layer: np.random.default_rng(layer).integers(0, 2, 10) for layer in range(4)}

    def score(layer):
        rows = vault.open("test", purpose=f"layer {layer}")
        return accuracy(truth=truth[rows], prediction=layers[layer][rows]).value

    with pytest.raises(LeakError) as error:
        max(layers, key=score)
    assert error.value.code == "opened_twice"


def _metrics():
    for name in evaluate.__all__:
        function = getattr(evaluate, name)
        if inspect.isfunction(function):
            parameters = inspect.signature(function).parameters
            if {"truth", "dev_truth", "train_truth", "votes"} & set(parameters):
                yield name, parameters


METRICS = dict(_metrics())
SIDES = {"truth", "prediction", "probability", "first", "second", "dev_truth", "dev_prediction", "dev_probability"}


@pytest.mark.parametrize("name", METRICS)
def test_truth_and_output_cannot_be_given_by_position(name):
    assert len(METRICS) > 30
    for side in SIDES & set(METRICS[name]):
        assert METRICS[name][side].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("metric", [accuracy, auc, ece, f1, quadratic_kappa, uar])
def test_a_positional_call_fails(metric):
    with pytest.raises(TypeError):
        metric([0, 1], [0, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda labels, scores: accuracy(truth=scores, prediction=labels),
        lambda labels, scores: f1(truth=labels, prediction=scores),
        lambda labels, scores: uar(truth=scores, prediction=labels),
        lambda labels, scores: auc(truth=scores, probability=labels),
        lambda labels, scores: ece(truth=scores, probability=labels),
        lambda labels, scores: quadratic_kappa(truth=labels, prediction=scores),
        lambda labels, scores: multilabel_f1(truth=[scores], probability=[labels]),
    ],
)
def test_scores_where_labels_belong_are_refused(call):
    with pytest.raises(UsageError) as error:
        call([0, 1, 1], [0.2, 0.7, 0.9])
    assert error.value.code in {"not_labels", "truth_not_binary", "not_levels"}
    assert "swapped" in error.value.next_step
