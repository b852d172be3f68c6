import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.api import ReaderOptions
from affectome.errors import UsageError
from affectome.language.inside import Judged, ReplyJudge
from affectome.language.inside.judging import other_themes
from affectome.language.inside.scenarios import Situation

pytestmark = pytest.mark.train
SITUATIONS = [Situation(f"theme {k // 2}", f"a b {'c ' * k}", "neutral") for k in range(4)]


@pytest.fixture(scope="module")
def reader():
    return ReaderOptions(taxonomy="ekman7").open()


def _judged(replies, tokens=(2, 2), log_probabilities=(-1.0, -3.0)):
    n = len(replies)
    return Judged(
        tuple(replies),
        ("joy", "")[:n],
        np.zeros((n, 6)),
        np.array(log_probabilities),
        np.array(tokens),
        np.array([True, False]),
    )


def test_figures_by_hand():
    judged = _judged(["I am glad", "I am sad"])
    assert judged.perplexity == pytest.approx(np.exp(4 / 4))
    assert judged.distinct_2 == pytest.approx(3 / 4)
    assert judged.hits("joy").tolist() == [1, 0]
    assert np.isnan(_judged(["", ""], tokens=(0, 0), log_probabilities=(0.0, 0.0)).perplexity)
    assert np.isnan(_judged(["", "yes"]).distinct_2)


def test_it_survives_json():
    judged = _judged(["I am glad", "I am sad"])
    found = Judged.of(json.loads(json.dumps(judged.as_dict())))
    assert found.as_dict() == judged.as_dict()
    assert found.perplexity == judged.perplexity


def test_replies_are_read_and_what_is_none_is_not(language_model, reader):
    judge = ReplyJudge(language_model, reader, SITUATIONS)
    judged = judge.judge(["I am so happy about it!", "", "This makes me furious.", "!!"])
    assert judged.read == ("joy", "", "anger", "")
    assert judged.probabilities[0].argmax() == 3
    assert not judged.probabilities[[1, 3]].any()
    assert judged.tokens[1] == 0


def test_a_reply_that_its_own_prompt_makes_more_probable_is_relevant(language_model, reader):
    judge = ReplyJudge(language_model, reader, SITUATIONS)
    replies = ["a", "b", "c", "yes"]
    own, _ = judge.prompts.score(replies)
    others, _ = ReplyJudge(language_model, reader, [SITUATIONS[k] for k in other_themes(SITUATIONS)]).prompts.score(
        replies
    )
    np.testing.assert_array_equal(judge.judge(replies).relevant, own > others)


def test_the_other_situation_is_of_another_theme():
    found = other_themes(SITUATIONS)
    assert all(SITUATIONS[k].theme != SITUATIONS[other].theme for k, other in enumerate(found))
    uneven = [*SITUATIONS[:1], *SITUATIONS[2:], *SITUATIONS[2:]]
    assert all(uneven[k].theme != uneven[other].theme for k, other in enumerate(other_themes(uneven)))


def test_one_theme_and_other_readers_are_refused(language_model, reader):
    with pytest.raises(UsageError) as caught:
        ReplyJudge(language_model, reader, SITUATIONS[:2])
    assert caught.value.code == "one_theme"
    with pytest.raises(UsageError) as caught:
        ReplyJudge(language_model, ReaderOptions(labels=("calm", "stressed")).open(), SITUATIONS)
    assert caught.value.code == "unfit_reader"
