"""How a picture looks, on pictures whose figures are worked out by hand."""

import math
import time

import numpy as np
import pytest

from affectome.perceive.look import look_digest, look_features, measure_look

RED, CYAN, BLUE, YELLOW = (255, 0, 0), (0, 255, 255), (0, 0, 255), (255, 255, 0)


def grid(*rows, side=16):
    """Fields of one colour each."""
    return np.kron(np.array(rows, np.uint8), np.ones((side, side, 1), np.uint8))


def plain(colour, high=32, wide=48):
    return np.full((high, wide, 3), colour, np.uint8)


def grey(values):
    return np.repeat(np.rint(np.asarray(values) * 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def scene():
    """A smooth coloured picture with some structure, (180, 256, 3)."""
    y, x = np.mgrid[0:180, 0:256] / 256
    waves = [np.sin(7 * x + 3 * y), np.cos(5 * y - 4 * x * x), np.sin(9 * x * y + 1)]
    picture = np.stack([0.5 + 0.3 * wave + 0.15 * x for wave in waves], axis=-1)
    picture[60:110, 150:190] = (0.9, 0.2, 0.1)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def test_every_feature_is_defined():
    features = look_features()
    assert len({feature.name for feature in features}) == len(features) == 28
    for feature in features:
        assert feature.low < feature.high
        assert feature.formula
    assert {"brightness", "contrast", "colourfulness", "hue", "saturation", "warmth"} <= {
        each.name for each in features
    }
    assert len(look_digest()) == 64


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (2, 2), (3, 3), (40, 33), (288, 512), (700, 900)])
def test_values_lie_in_their_ranges(shape):
    for picture in (
        np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8),
        np.zeros((*shape, 3), np.uint8),
        np.full((*shape, 3), 255, np.uint8),
        np.random.default_rng(1).choice(np.array([0, 255], np.uint8), (*shape, 3)),
    ):
        found = measure_look(picture)
        for feature in look_features():
            value = found[feature.name]
            assert math.isnan(value) or feature.low - 1e-6 <= value <= feature.high + 1e-6, (feature.name, value)


def test_a_grid_of_four_colours():
    found = measure_look(grid([RED, CYAN], [BLUE, (255, 255, 255)]))
    across, along = [255, -255, 0, 0], [127.5, -127.5, -255, 0]
    colourfulness = math.hypot(np.std(across), np.std(along)) + 0.3 * math.hypot(np.mean(across), np.mean(along))
    assert found["colourfulness"] == pytest.approx(colourfulness, rel=0.01)
    assert found["brightness"] == pytest.approx(1.0, rel=0.01)
    assert found["saturation"] == pytest.approx(0.75, rel=0.01)
    assert found["hue"] == pytest.approx(240, rel=0.01)  # red and cyan cancel out
    assert found["hue_concentration"] == pytest.approx(1 / 3, rel=0.01)
    assert found["hue_entropy"] == pytest.approx(math.log(3) / math.log(12), rel=0.01)
    lightness = np.array([53.24, 91.11, 32.30, 100.0])  # of these colours in CIELAB
    assert found["lightness"] == pytest.approx(lightness.mean(), rel=0.01)
    assert (found["dark_share"], found["bright_share"]) == (0.0, 0.5)
    assert found["contrast"] == pytest.approx(np.std([0.2126, 0.7874, 0.0722, 1.0]), rel=0.01)
    assert found["warmth"] == pytest.approx((math.cos(math.pi / 6) * 0 + math.cos(math.radians(210))) / 4, rel=0.01)


def test_colourfulness_of_two_dyes():
    """Half red, half grey: both opponents differ by hand-worked amounts."""
    found = measure_look(grid([(200, 100, 100), (100, 100, 100)]))
    assert found["colourfulness"] == pytest.approx(math.hypot(50, 25) + 0.3 * math.hypot(50, 25), rel=0.001)


@pytest.mark.parametrize("level", [0, 1, 100, 128, 255])
def test_grey_has_no_colour(level):
    found = measure_look(plain((level,) * 3))
    assert found["colourfulness"] == found["saturation"] == found["warmth"] == found["contrast"] == 0
    assert found["brightness"] == pytest.approx(level / 255)
    for name in ("hue", "hue_concentration", "hue_entropy", "saliency_x", "symmetry", "anisotropy", "light_direction"):
        assert math.isnan(found[name])
    ramp = measure_look(grey(np.linspace(0, 1, 64)[None].repeat(8, axis=0)))
    assert ramp["colourfulness"] == 0


@pytest.mark.parametrize("degrees", range(0, 360, 15))
def test_hue_of_one_colour(degrees):
    sixth, part = divmod(degrees / 60, 1)
    rising, falling = part, 1 - part
    corners = [(1, rising, 0), (falling, 1, 0), (0, 1, rising), (0, falling, 1), (rising, 0, 1), (1, 0, falling)]
    found = measure_look(plain(np.rint(np.array(corners[int(sixth)]) * 255).astype(np.uint8)))
    assert abs((found["hue"] - degrees + 180) % 360 - 180) < 0.3
    assert found["hue_concentration"] == pytest.approx(1)
    assert found["hue_entropy"] == 0
    assert found["warmth"] == pytest.approx(math.cos(math.radians(degrees - 30)), abs=0.01)


def test_two_reds_do_not_make_cyan():
    """Hues of 340 and 20 degrees have the mean 0; as plain numbers they would have 180."""
    found = measure_look(grid([(255, 0, 85), (255, 85, 0)]))
    assert min(found["hue"], 360 - found["hue"]) < 0.5
    assert found["hue_concentration"] == pytest.approx(math.cos(math.radians(20)), rel=0.001)


def test_hue_is_that_of_the_saturated():
    found = measure_look(grid([BLUE, (255, 250, 250), (255, 250, 250), (255, 250, 250)]))
    assert found["hue"] == pytest.approx(240, abs=4)


def test_a_mirrored_picture(scene):
    found, mirrored = measure_look(scene), measure_look(scene[:, ::-1])
    assert mirrored["saliency_x"] == pytest.approx(1 - found["saliency_x"], abs=1e-4)
    assert (180 - mirrored["light_direction"]) % 360 == pytest.approx(found["light_direction"], abs=1e-2)
    for name in found.keys() - {"saliency_x", "light_direction", "line_entropy"}:
        assert mirrored[name] == pytest.approx(found[name], rel=1e-3, abs=1e-4), name


def test_a_larger_copy_looks_the_same(scene):
    found, larger = measure_look(scene), measure_look(scene.repeat(3, axis=0).repeat(3, axis=1))
    for name in found.keys() - {"sharpness"}:
        assert larger[name] == pytest.approx(found[name], rel=1e-3, abs=1e-4), name


def test_what_is_brighter_or_greyer_is_told(scene):
    found = measure_look(scene)
    assert measure_look(scene // 2)["brightness"] == pytest.approx(found["brightness"] / 2, rel=0.01)
    washed = np.rint(0.5 * scene + 0.5 * scene.mean(axis=2, keepdims=True)).astype(np.uint8)
    assert measure_look(washed)["colourfulness"] == pytest.approx(found["colourfulness"] / 2, rel=0.02)
    assert measure_look(washed)["hue"] == pytest.approx(found["hue"], abs=10)


def test_where_it_stands_out():
    picture = plain((90, 90, 90), 90, 150)
    picture[25:35, 95:105] = RED
    found = measure_look(picture)
    assert found["saliency_x"] == pytest.approx(0.64, abs=0.04)
    assert found["saliency_y"] == pytest.approx(0.34, abs=0.03)
    assert found["thirds_distance"] < 0.04
    picture = plain((90, 90, 90), 90, 150)
    picture[40:50, 70:80] = RED
    assert measure_look(picture)["thirds_distance"] == pytest.approx(1 / 6, abs=0.005)


def test_symmetry():
    half = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    assert measure_look(np.concatenate([half, half[:, ::-1]], axis=1))["symmetry"] == pytest.approx(1, abs=1e-5)
    ramp = grey(np.linspace(0, 1, 64)[None].repeat(32, axis=0))
    assert measure_look(ramp)["symmetry"] == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "x", "y"), [("vertical_share", 1, 0), ("horizontal_share", 0, 1), ("diagonal_share", 1, 1)]
)
def test_directions_of_lines(name, x, y):
    down, right = np.mgrid[0:128, 0:128]
    found = measure_look(grey(0.5 + 0.4 * np.sin((x * right + y * down) / 4)))
    assert found[name] > 0.98
    assert found["anisotropy"] > 0.98
    assert found["line_entropy"] < 0.1
    assert found["edge_density"] > 0.4


def test_lines_of_all_directions():
    down, right = np.mgrid[-64:64, -64:64] + 0.5
    radius = np.hypot(down, right)
    found = measure_look(grey(0.5 + 0.4 * np.sin(radius / 3) * np.clip((62 - radius) / 20, 0, 1)))
    assert found["line_entropy"] > 0.98
    assert found["anisotropy"] < 0.05
    assert found["horizontal_share"] == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(("degrees", "turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_where_the_light_comes_from(degrees, turns):
    ramp = np.rot90(np.linspace(0.1, 0.9, 64)[None].repeat(64, axis=0), turns)
    found = measure_look(grey(ramp))
    assert abs((found["light_direction"] - degrees + 180) % 360 - 180) < 0.5
    assert found["light_slope"] > 0.5


def test_fields_of_light():
    found = measure_look(grid([(255,) * 3, (0,) * 3]))
    assert found["light_unevenness"] == pytest.approx(1.0, rel=0.01)
    assert found["light_slope"] == pytest.approx(1.5, rel=0.01)  # of a step
    assert found["contrast"] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(("name", "field"), [("texture_fine", 1), ("texture_medium", 4), ("texture_coarse", 16)])
def test_texture_of_a_chequerboard(name, field):
    down, right = np.mgrid[0:128, 0:128] // field
    found = measure_look(grey((down + right) % 2 * 0.4 + 0.2))
    assert found[name] == pytest.approx(0.2, rel=0.01)
    others = {"texture_fine", "texture_medium", "texture_coarse"} - {name}
    assert all(found[other] < 0.01 for other in others)


def test_what_is_blurred_is_less_sharp():
    sharp = np.zeros((64, 64))
    sharp[:, 32:] = 1
    step = measure_look(grey(sharp))["sharpness"]
    assert step == pytest.approx(2 * 255**2 / 62, rel=0.01)  # two columns of 62 bend by full scale
    soft = np.clip((np.arange(64) - 28) / 8, 0, 1)[None].repeat(64, axis=0)
    assert measure_look(grey(soft))["sharpness"] < step / 10


def test_it_is_fast():
    picture = np.random.default_rng(0).integers(0, 256, (288, 512, 3), dtype=np.uint8)
    measure_look(picture)
    spent = []
    for _ in range(5):
        started = time.process_time()
        measure_look(picture)
        spent.append(time.process_time() - started)
    assert min(spent) < 0.05
