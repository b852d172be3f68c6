import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.api import ReaderOptions
from affectome.language.inside import ReplyJudge, Trials, stream_dial
from affectome.language.inside.scenarios import EMOTIONS, Situation

pytestmark = pytest.mark.train
SITUATIONS = [Situation(f"theme {k}", f"a b {'c ' * k}", "neutral") for k in range(4)]


@pytest.fixture(scope="module")
def judge(language_model):
    return ReplyJudge(language_model, ReaderOptions(taxonomy="ekman7").open(), SITUATIONS)


@pytest.fixture(scope="module")
def dial(language_model):
    draw = np.random.default_rng(0).normal(size=(6, 2, 16))
    return stream_dial(draw, np.full(2, 5.0), np.ones(2))


def test_what_was_tried_is_not_tried_again(judge, dial, tmp_path):
    told = []
    trials = Trials(judge, tmp_path, tokens=4, report=told.append)
    first = trials.dialled(dial, 1.0, emotions=["joy", "fear"])
    assert len(told) == len(list(tmp_path.iterdir())) == 2
    again = Trials(judge, tmp_path, tokens=4, report=told.append).dialled(dial, 1.0, emotions=["joy"])
    assert len(told) == 2
    assert again.judged["joy"].replies == first.judged["joy"].replies
    trials.dialled(dial, 0.5, emotions=["joy"])
    trials.dialled(dial, 1.0, emotions=["joy"], steps="prompt")
    Trials(judge, tmp_path, tokens=3, report=told.append).dialled(dial, 1.0, emotions=["joy"])
    assert len(told) == 5


def test_a_half_written_file_is_written_anew(judge, tmp_path):
    trials = Trials(judge, tmp_path, tokens=4)
    found = trials.plain().judged["joy"].replies
    [path] = tmp_path.iterdir()
    path.write_text(path.read_text()[:20])
    assert trials.plain().judged["joy"].replies == found


def test_no_dose_is_no_steering(judge, dial, tmp_path):
    trials = Trials(judge, tmp_path, tokens=4)
    plain, none = trials.plain(), trials.dialled(dial, 0.0)
    for emotion in EMOTIONS:
        assert none.judged[emotion].replies == plain.judged[emotion].replies
    assert none.perplexity == plain.perplexity
    far = trials.dialled(dial, 8.0)
    assert any(far.judged[emotion].replies != plain.judged[emotion].replies for emotion in EMOTIONS)


def test_figures_are_means_over_emotions(judge, tmp_path):
    trial = Trials(judge, tmp_path, tokens=4).prompted(examples=True)
    assert tuple(trial.judged) == EMOTIONS
    assert trial.hits.shape == (6, 4)
    assert trial.probabilities.shape == (6,)
    for name in ("relevance", "distinct_2"):
        assert 0 <= getattr(trial, name) <= 1
    assert trial.tokens <= 4
    assert trial.perplexity > 1
