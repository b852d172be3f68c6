"""Golden values of the tests, what counts as help, and how often chance does."""

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.language.paired_effects import holm, paired_effects, share_right


def test_holm_by_hand():
    # 3 * .01, 2 * .03, and .04 that may not be below the one before it.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_a_change_by_hand():
    plain = [0] * 6 + [1] * 4
    (effect,) = paired_effects(plain, {"a": [1] * 6 + [1] * 4})
    # Six won and none lost: two-sided 2 / 2**6.
    assert (effect.won, effect.lost) == (6, 0)
    assert effect.p_value == effect.adjusted == pytest.approx(0.03125)
    assert effect.gain.value == effect.net_gain.value == 0.6
    assert effect.helped
    (worse,) = paired_effects([1] * 10, {"a": plain})
    assert worse.p_value == pytest.approx(0.03125)
    assert not worse.helped


def test_what_its_control_does_as_well_does_not_help():
    plain, better = [0] * 10, [1] * 10
    (effect,) = paired_effects(plain, {"a": better}, {"a": better})
    assert (effect.gain.value, effect.net_gain.value, effect.p_value) == (1, 0, 1)
    assert not effect.helped
    (alone,) = paired_effects(plain, {"a": better}, {"a": plain})
    assert alone.helped


def test_several_changes_are_corrected():
    plain, better = [0] * 6, [1] * 6
    assert [effect.adjusted for effect in paired_effects(plain, {"a": better, "b": plain})] == pytest.approx(
        [0.0625, 1]
    )


def test_unread_answers_are_counted_apart():
    (effect,) = paired_effects([0, 0, np.nan, 1], {"a": [1, np.nan, 1, 1]}, {"a": [0, 0, 0, 0]})
    assert (effect.unread, effect.won, effect.lost, effect.gain.value) == (2, 1, 0, 0.5)


def test_the_share_of_right_answers():
    assert share_right([1, 0, np.nan, 1, 1]).value == 0.75
    assert np.isnan(share_right([np.nan]))


@pytest.mark.parametrize(
    ("plain", "changed", "controls", "code"),
    [
        ([0, 1], {"a": [1]}, {}, "unpaired"),
        ([np.nan], {"a": [1]}, {}, "unpaired"),
        ([], {"a": []}, {}, "unpaired"),
        ([[0]], {"a": [[1]]}, {}, "unpaired"),
        ([0], {"a": [1]}, {"b": [1]}, "unknown_change"),
    ],
)
def test_what_is_no_pair(plain, changed, controls, code):
    with pytest.raises(UsageError) as error:
        paired_effects(plain, changed, controls)
    assert error.value.code == code
