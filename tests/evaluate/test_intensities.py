"""Ratings and answers worked out by hand; what is refused, left open or undefined is counted and never a zero."""

import numpy as np
import pytest

from affectome.affect import Scale, load_scale, map_labels
from affectome.errors import UsageError
from affectome.evaluate.intensities import Answers, Intensities, ask, coarse_presence, cronbach, score_intensities

LABELS = ("anger", "awe")
EXPERTS, MODEL, COMMON = load_scale("0..2"), load_scale("0..4"), load_scale("0..10")
NAN = float("nan")
# Four clips by two emotions by two raters. Means on 0 to 10: anger 0, 5, 10, 7.5; awe 0, 0, 5, 10.
LEVELS = np.array([[[0, 0], [0, 0]], [[1, 1], [0, 0]], [[2, 2], [1, 1]], [[1, 2], [2, 2]]], float)
RATINGS = Intensities(LABELS, LEVELS, EXPERTS)


def score(values, ratings=RATINGS, scale=COMMON, **options):
    answers = Answers(ratings.labels, np.asarray(values, float), scale)
    return score_intensities(answers, ratings, seed=0, resamples=50, **options)


def test_by_hand():
    # On 0 to 4; as 0 to 10: anger 2.5, 5, 10, 7.5 and awe 10, 5, 0, 0.
    scores = score([[1, 4], [2, 2], [4, 0], [3, 0]], scale=MODEL)
    anger, awe = scores.emotions
    assert [each.label for each in scores.emotions] == list(LABELS)
    assert (anger.rated, anger.answered) == (4, 4)
    assert anger.spearman.value == pytest.approx(1)
    assert anger.mae == pytest.approx(2.5 / 4)
    assert anger.rmse == pytest.approx((2.5**2 / 4) ** 0.5)
    # Ranks of awe 1.5, 1.5, 3, 4 and 4, 3, 1.5, 1.5: deviations -1, -1, .5, 1.5 and 1.5, .5, -1, -1.
    assert awe.spearman.value == pytest.approx((-1.5 - 0.5 - 0.5 - 1.5) / 4.5)
    assert awe.mae == pytest.approx((10 + 5 + 5 + 10) / 4)
    assert scores.spearman.value == pytest.approx((1 - 4 / 4.5) / 2)
    assert scores.spearman.value == scores.spearman_where_defined
    assert scores.mae.value == pytest.approx((0.625 + 7.5) / 2)
    assert (scores.clips, scores.refused, scores.unanswered, scores.undefined, scores.unrated) == (4, 0, 0, (), ())


def test_a_model_that_says_nothing_but_zero():
    scores = score(np.zeros((4, 2)))
    assert scores.mae.value == pytest.approx((22.5 / 4 + 15 / 4) / 2)  # the mean rating
    assert np.isnan([each.spearman.value for each in scores.emotions]).all()
    assert np.isnan([scores.spearman.value, scores.spearman_where_defined, scores.pearson.value]).all()
    assert np.isnan(scores.spearman.low)
    assert scores.spearman.undefined == 50
    assert scores.undefined == LABELS


def test_one_undefined_emotion_makes_the_mean_undefined():
    scores = score([[1, 3], [5, 3], [10, 3], [8, 3]])
    assert np.isnan(scores.spearman.value)
    assert scores.undefined == ("awe",)
    assert scores.spearman_where_defined == scores.emotions[0].spearman.value == pytest.approx(1)


def test_a_refusal_is_counted_and_no_zero():
    answered = [[0, 0], [5, 0], [10, 5]]
    scores = score([*answered, [NAN, NAN]])
    assert (scores.clips, scores.refused, scores.refusal_rate, scores.unanswered) == (4, 1, 0.25, 0)
    assert [(each.rated, each.answered) for each in scores.emotions] == [(4, 3), (4, 3)]
    assert scores.mae.value == 0  # as a zero it would be off by 7.5 and 10
    assert score([*answered, [0, 0]]).mae.value == pytest.approx((7.5 / 4 + 10 / 4) / 2)


def test_what_is_left_open_is_counted_apart():
    scores = score([[0, 0], [5, NAN], [10, NAN], [NAN, NAN]])
    assert (scores.refused, scores.unanswered) == (1, 2)
    assert [each.answered for each in scores.emotions] == [3, 1]
    assert scores.undefined == ("awe",)  # a single answer has no rank


def test_all_refused():
    scores = score(np.full((4, 2), NAN))
    assert scores.refusal_rate == 1
    assert scores.undefined == LABELS
    assert np.isnan([scores.spearman.value, scores.mae.value, scores.rmse.value]).all()


def test_emotions_that_nobody_rated():
    levels = LEVELS.copy()
    levels[:, 1] = NAN
    scores = score([[0, 9], [5, NAN], [10, 9], [7.5, 9]], Intensities(LABELS, levels, EXPERTS))
    assert scores.unrated == ("awe",)
    assert [each.label for each in scores.emotions] == ["anger"]
    assert scores.spearman.value == pytest.approx(1)
    assert scores.unanswered == 0  # what was not rated need not be answered
    with pytest.raises(UsageError, match="Nobody rated"):
        score(np.zeros((4, 2)), Intensities(LABELS, np.full_like(LEVELS, NAN), EXPERTS))


def test_agreement_of_the_raters():
    anger, awe = score(np.zeros((4, 2))).emotions
    # Ratings 0 0, 1 1, 2 2, 1 2: variances of the raters 2/3 and 11/12, of their sum 19/6 - 1/4.
    first, second = np.array([0, 1, 2, 1]), np.array([0, 1, 2, 2])
    total = (first + second).var(ddof=1)
    assert anger.cronbach == pytest.approx(2 * (1 - (2 / 3 + 11 / 12) / total))
    # Krippendorff: one pair of eight ratings differs by 1. Observed 2 / 8; of the 56 ordered pairs of the values
    # 0 (2), 1 (3) and 2 (3), 12 + 18 differ by 1 and 12 by 2.
    assert anger.alpha == pytest.approx(1 - (2 / 8) / ((12 + 18 + 12 * 4) / 56))
    assert (awe.alpha, awe.cronbach) == pytest.approx((1, 1))


def test_a_third_rater_on_some_clips_alone():
    levels = np.concatenate([LEVELS, np.full((4, 2, 1), NAN)], axis=2)
    levels[3, 0] = [NAN, 1, 2]  # the first two that there are
    (anger, _) = score(np.zeros((4, 2)), Intensities(LABELS, levels, EXPERTS)).emotions
    (same, _) = score(np.zeros((4, 2))).emotions
    assert (anger.cronbach, anger.alpha) == (same.cronbach, pytest.approx(same.alpha))
    (alone, _) = score(np.zeros((4, 2)), Intensities(LABELS, LEVELS[:, :, :1], EXPERTS)).emotions
    assert np.isnan([alone.cronbach, alone.alpha]).all()


def test_cronbach():
    assert cronbach(ratings=[[1, 1], [2, 2], [3, 3]]).value == pytest.approx(1)
    # Sums 4, 4, 4 have no variance; the third item is not complete.
    score = cronbach(ratings=[[1, 3], [2, 2], [NAN, 1], [3, 1]])
    assert np.isnan(score.value)
    assert (score.n, score.missing) == (3, 1)
    assert cronbach(ratings=[[1, 2], [2, 1], [3, 4]]).value == pytest.approx(2 * (1 - (1 + 7 / 3) / (16 / 3)))
    with pytest.raises(UsageError, match="two raters"):
        cronbach(ratings=[[1], [2]])


def test_asking():
    said = {
        "refuses": None,
        "names": {"awe": 4, "anger": None},
        "names one": {"anger": 1.5},
        "numbers": (0.0, 2.5),
        "half": [NAN, 3],
        "nothing": [NAN, None],
    }
    answers = ask(said.__getitem__, said, labels=LABELS, scale=MODEL)
    expected = [[NAN, NAN], [NAN, 4], [1.5, NAN], [0, 2.5], [NAN, 3], [NAN, NAN]]
    assert np.array_equal(answers.values, expected, equal_nan=True)
    assert answers.refused.tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize(
    ("scored", "code"),
    [
        ({"joy": 1}, "unknown_label"),
        ([1, 2, 3], "shape_mismatch"),
        ([1, 7], "value_out_of_range"),
        ([1, float("inf")], "value_out_of_range"),
    ],
)
def test_answers_that_do_not_fit(scored, code):
    with pytest.raises(UsageError) as refused:
        ask(lambda clip: scored, ["clip"], labels=LABELS, scale=MODEL)
    assert refused.value.code == code


def test_a_crash_is_no_refusal():
    def broken(clip):
        raise OSError(clip)

    with pytest.raises(OSError, match="clip"):
        ask(broken, ["clip"], labels=LABELS, scale=MODEL)


def test_answers_and_ratings_of_different_clips():
    with pytest.raises(UsageError, match="same clips"):
        score(np.zeros((3, 2)))
    other = Answers(("awe", "anger"), np.zeros((4, 2)), COMMON)
    with pytest.raises(UsageError, match="same order"):
        score_intensities(other, RATINGS, seed=0)
    with pytest.raises(UsageError, match="one layer a rater"):
        Intensities(LABELS, LEVELS[:, :, 0], EXPERTS)


def test_speakers_are_drawn_whole():
    # Within a speaker nothing varies, so that no resample of a single speaker has a rank correlation.
    levels = np.repeat([[[0.0]], [[2.0]]], 2, axis=0)
    ratings = Intensities(("anger",), levels, EXPERTS)
    speakers = ["a", "a", "b", "b"]
    scores = score([[1], [1], [9], [9]], ratings, groups=speakers)
    assert 10 < scores.spearman.undefined < 40
    assert scores.spearman.low == pytest.approx(1)


def test_scales_need_not_be_the_same():
    percent = score([[0, 0], [50, 0], [100, 50], [75, 100]], scale=Scale(0, 100))
    assert percent.mae.value == pytest.approx(0)


def test_presence_is_no_right_answer():
    mapping = map_labels("emonet40", "ravdess8")
    fine, coarse = mapping.source.labels, mapping.target.labels
    scores = np.zeros((3, len(fine)))
    scores[1, fine.index("anger")] = 4
    scores[2, [fine.index("elation"), fine.index("sadness")]] = 4
    present = coarse_presence(scores, mapping)
    assert not present[0].any()  # at chance nothing is
    assert [coarse[k] for k in np.flatnonzero(present[1])] == ["angry"]
    assert {coarse[k] for k in np.flatnonzero(present[2])} == {"happy", "sad"}
    lust = np.zeros((1, len(fine)))
    lust[0, fine.index("sexual lust")] = 4  # has no counterpart, and takes no share from the others
    assert not coarse_presence(lust, mapping).any()
    with pytest.raises(UsageError, match="finite"):
        coarse_presence(scores * NAN, mapping)
    with pytest.raises(UsageError, match="finite"):
        coarse_presence(scores[:, :3], mapping)
