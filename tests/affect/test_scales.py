import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.affect import Scale, list_scales, load_scale
from affectome.errors import UsageError

PROMISED = ["0..1", "0..2", "0..4", "0..5", "0..7", "0..10", "0..100", "1..5", "1..9", "-1..1", "-3..3"]
SCALES = {scale_id: load_scale(scale_id) for scale_id in list_scales()}

any_scale = st.sampled_from(list(SCALES.values()))
continuous = st.sampled_from([scale for scale in SCALES.values() if scale.levels is None])
levelled = st.sampled_from([scale for scale in SCALES.values() if scale.levels is not None])
fractions = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def values_of(scale: Scale, position: list[float]) -> np.ndarray:
    return scale.low + np.array(position) * (scale.high - scale.low)


def grid(scale: Scale) -> np.ndarray:
    assert scale.levels is not None
    return np.linspace(scale.low, scale.high, scale.levels)


@pytest.mark.parametrize("scale_id", PROMISED)
def test_promised_scales_are_known_by_their_ends(scale_id):
    low, high = (float(end) for end in scale_id.split(".."))
    assert (SCALES[scale_id].low, SCALES[scale_id].high) == (low, high)


@given(any_scale, any_scale)
def test_ends_go_to_ends(scale, other):
    assert scale.to(other, [scale.low, scale.high]) == pytest.approx([other.low, other.high])


@given(continuous, continuous, fractions)
def test_continuous_scales_round_trip(scale, other, position):
    values = values_of(scale, position)
    assert other.to(scale, scale.to(other, values)) == pytest.approx(values, abs=1e-9)


@given(levelled, any_scale)
def test_levels_round_trip_through_a_scale_at_least_as_fine(scale, other):
    if other.levels is None or other.levels >= scale.levels:
        assert other.to(scale, scale.to(other, grid(scale))) == pytest.approx(grid(scale))


@given(any_scale, any_scale, fractions)
def test_order_is_kept(scale, other, position):
    converted = scale.to(other, np.sort(values_of(scale, position)))
    assert (np.diff(converted) >= 0).all()


@given(any_scale, levelled, fractions)
def test_a_levelled_scale_gets_only_its_levels(scale, other, position):
    for value in scale.to(other, values_of(scale, position)):
        assert np.abs(grid(other) - value).min() < 1e-9


def test_expert_levels_become_tens():
    assert load_scale("0..2").to(load_scale("0..10"), [0, 1, 2]).tolist() == [0, 5, 10]


def test_self_assessment_becomes_signed():
    assert load_scale("1..9").to(load_scale("-1..1"), [[1, 5], [7, 9]]).tolist() == [[-1, 0], [0.5, 1]]


def test_the_middle_between_two_levels_goes_up():
    assert load_scale("0..1").to(load_scale("0..2"), [0.24, 0.25, 0.75]).tolist() == [0, 1, 2]


def test_missing_stays_missing():
    converted = load_scale("0..1").to(load_scale("0..2"), [np.nan, 1.0])
    assert np.isnan(converted[0])
    assert converted[1] == 2


def test_a_value_has_the_name_of_its_nearest_level():
    scale = load_scale("-3..3")
    assert [scale.name(value) for value in (-3, -0.4, 0.6, 3)] == [
        "very negative",
        "neutral",
        "slightly positive",
        "very positive",
    ]


def test_levels_without_names_have_none_to_give():
    with pytest.raises(UsageError) as caught:
        Scale(0, 3, levels=4).name(1)
    assert caught.value.code == "unnamed_scale"


@pytest.mark.parametrize("value", [-0.1, 10.1, np.inf])
def test_values_outside_the_scale_are_refused(value):
    with pytest.raises(UsageError) as caught:
        load_scale("0..10").to(load_scale("0..1"), [5, value])
    assert (caught.value.code, caught.value.value) == ("value_out_of_range", value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"low": 1, "high": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": np.inf},
        {"low": 0, "high": 1, "levels": 1},
        {"low": 0, "high": 1, "levels": 3, "names": ("a", "b")},
        {"low": 0, "high": 1, "names": ("a", "b")},
    ],
)
def test_an_impossible_scale_is_refused(arguments):
    with pytest.raises(UsageError) as caught:
        Scale(**arguments)
    assert caught.value.code == "invalid_scale"


def test_unknown_scale_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        load_scale("0-10")
    assert caught.value.code == "unknown_scale"
    assert "0..10" in caught.value.allowed[:3]
