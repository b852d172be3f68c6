import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.evaluate import prevalence, prevalence_change

NAN = float("nan")
# 10 present, 9 of them reported; 20 absent, 4 of them reported: sensitivity 0.9, specificity 0.8.
DEV = {"dev_truth": [1] * 10 + [0] * 20, "dev_prediction": [1] * 9 + [0] + [1] * 4 + [0] * 16}


def read(truth, rng, sensitivity=0.8, specificity=0.9):
    return np.where(truth == 1, rng.random(len(truth)) < sensitivity, rng.random(len(truth)) > specificity).astype(
        float
    )


def test_correction_by_hand():
    result = prevalence(prediction=[1] * 3 + [0] * 7 + [NAN], **DEV)
    assert (result.uncorrected, result.sensitivity, result.specificity) == (0.3, 0.9, 0.8)
    assert result.value == pytest.approx((0.3 + 0.8 - 1) / 0.7)
    assert (result.n, result.abstained, result.level) == (10, 1, 0.95)
    assert 0 == result.low < result.value < result.high < 1
    assert prevalence(prediction=[0] * 10, **DEV).value == 0  # a negative share is cut
    assert prevalence(prediction=[1] * 10, **DEV).value == 1


def test_change_by_hand():
    result = prevalence_change(before=[1] * 3 + [0] * 7, after=[1] * 5 + [0] * 5 + [NAN], **DEV)
    assert result.uncorrected == pytest.approx(0.2)
    assert result.value == pytest.approx(0.2 / 0.7)
    assert (result.n, result.abstained) == (20, 1)
    assert result.low < 0 < result.high
    narrow = prevalence_change(before=[1] * 3 + [0] * 7, after=[1] * 5 + [0] * 5, level=0.5, **DEV)
    assert narrow.high - narrow.low < result.high - result.low


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_intervals_cover_the_true_share(share):
    rng = np.random.default_rng(5)
    covered = corrected = uncorrected = 0
    for _ in range(400):
        dev, items = (rng.random(300) < 0.4).astype(float), (rng.random(1000) < share).astype(float)
        result = prevalence(prediction=read(items, rng), dev_truth=dev, dev_prediction=read(dev, rng))
        covered += result.low <= share <= result.high
        corrected += result.value / 400
        uncorrected += result.uncorrected / 400
    assert 0.92 <= covered / 400 <= 0.995
    assert corrected == pytest.approx(share, abs=0.012)
    assert uncorrected == pytest.approx(0.8 * share + 0.1 * (1 - share), abs=0.01)


def test_a_planted_change_is_found_again():
    rng = np.random.default_rng(6)
    covered = found = 0
    for _ in range(200):
        dev, before, after = ((rng.random(n) < p).astype(float) for n, p in ((500, 0.4), (1000, 0.3), (1000, 0.38)))
        result = prevalence_change(
            before=read(before, rng), after=read(after, rng), dev_truth=dev, dev_prediction=read(dev, rng)
        )
        covered += result.low <= 0.08 <= result.high
        found += result.value / 200
    assert 0.9 <= covered / 200 <= 0.995
    assert found == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"prediction": []}, "prediction_not_binary"),
        ({"prediction": [0.4]}, "prediction_not_binary"),
        ({"prediction": [NAN]}, "prediction_not_binary"),
        ({"dev_truth": [1] * 30}, "one_sided_truth"),
        ({"dev_truth": [0] * 30}, "one_sided_truth"),
        ({"dev_prediction": [1, 0] * 15}, "no_better_than_chance"),
        ({"dev_prediction": [1]}, "shape_mismatch"),
        ({"dev_truth": [0.5] * 30}, "truth_not_binary"),
        ({"level": 1.0}, "bad_level"),
    ],
)
def test_what_cannot_be_corrected_is_refused(changed, code):
    with pytest.raises(UsageError) as error:
        prevalence(**({"prediction": [0, 1]} | DEV | changed))
    assert error.value.code == code
