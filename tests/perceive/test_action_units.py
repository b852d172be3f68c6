"""Faces are turned straight, cut out and read the same however they lie in their crop."""

import numpy as np
import pytest

from affectome.perceive.action_units import SQUARE, STABLE, ActionUnits, standardised, straighten, turn_straight


@pytest.fixture
def reference():
    """Points on the front of an egg, the forehead at 10 and the chin at 152."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-0.8, 0.8, 468), rng.uniform(-0.4, 1.2, 468)
    x[[10, 152]], y[10], y[152] = 0, -0.5, 1.2
    return np.stack([x, y, x**2 + 0.3 * y**2], axis=1).astype(np.float32)


def turned(points, yaw, pitch, roll):
    turn = np.eye(3)
    for angle, (i, j) in ((yaw, (0, 2)), (pitch, (1, 2)), (roll, (0, 1))):
        each = np.eye(3)
        each[[i, j], [i, j]] = np.cos(angle)
        each[i, j], each[j, i] = np.sin(angle), -np.sin(angle)
        turn = each @ turn
    return points @ turn.T, turn


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.5, -0.3, 0.2), (-0.6, 0.1, -0.4)])
def test_a_face_is_turned_back_to_the_reference(reference, angles):
    found, turn = turned(reference, *angles)
    straight, way = turn_straight((found * 130 + [100, 90, -5])[None].astype(np.float32), reference)
    np.testing.assert_allclose(straight[0], reference, atol=1e-4)
    np.testing.assert_allclose(way[0], (turn @ [0, 0, 1]) * [1, 1, -1], atol=1e-4)


def test_what_moves_stays_after_the_turn(reference):
    """A chin that drops is no stable point: it must not be explained away."""
    face = reference.copy()
    face[152, 1] += 0.2
    found, _ = turned(face, 0.4, 0.2, 0.1)
    straight, _ = turn_straight(found[None].astype(np.float32), reference)
    np.testing.assert_allclose(straight[0, 152] - reference[152], [0, 0.2, 0], atol=1e-4)


def picture_of(points, side):
    rows, columns = np.mgrid[:side, :side]
    picture = np.full((side, side), 90.0)
    for number, value in ((33, 220), (263, 20), (152, 250), (10, 5)):
        x, y = points[number, :2]
        picture += (value - 90) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (side / 32) ** 2))
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("side", "size", "roll"), [(192, 60, 0.0), (256, 90, 0.3), (256, 130, -0.2)])
def test_a_face_fills_its_square_however_it_lies(reference, side, size, roll):
    points = turned(reference, 0, 0, roll)[0] * size + [side / 2, side * 0.35, 0]
    found = straighten(picture_of(points, side)[None], points[None].astype(np.float32), reference)[0]
    assert found.shape == (SQUARE, SQUARE)
    assert found[-11:, 40:56].max() > 150, "the chin is light and near the lower edge"
    assert found[:8, 40:56].min() < 60, "the forehead is dark and at the upper edge"
    same = straighten(np.repeat(picture_of(points, side)[None, :, :, None], 3, axis=3), points[None], reference)[0]
    assert np.abs(same.astype(int) - found).max() <= 1, "a grey picture in colour"


def test_squares_are_standardised():
    squares = np.random.default_rng(0).integers(0, 255, (3, SQUARE, SQUARE)).astype(np.uint8)
    squares[2] = 100
    found = standardised(squares)
    assert found.shape == (3, 1, SQUARE, SQUARE)
    np.testing.assert_allclose(found[:2].mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(found[:2].std(axis=(1, 2, 3)), 1, atol=1e-3)
    assert not found[2].any(), "a plain square stays finite"


class Session:
    """Gives the height of the chin, so that the order of faces shows."""

    def run(self, outputs, inputs):
        assert {name: each.dtype for name, each in inputs.items()} == dict.fromkeys(
            ("points", "turn", "crop"), np.float32
        )
        self.asked = outputs
        return [np.repeat(inputs["points"][:, 152, 1:2], 2, axis=1)]


def test_any_number_of_faces_is_read(reference):
    session = Session()
    reader = ActionUnits(session, {"units": [1, 12], "present": [0.5, 2.0], "reference": reference.tolist()})
    assert reader.names == ("AU01", "AU12")
    points = np.repeat(reference[None] * 60 + 96, 70, axis=0)
    drops = np.linspace(0, 0.5, 70)
    points[:, 152, 1] += drops * 60
    crops = np.zeros((70, 192, 192, 3), np.uint8)
    strengths = reader.measure(points, crops)
    np.testing.assert_allclose(strengths[:, 0], 1.2 + drops, atol=1e-3)
    assert session.asked == ["strengths"]
    reader.measure(points[:1], crops[:1], by="points")
    assert session.asked == ["by_points"]
    np.testing.assert_array_equal(reader.present(strengths).all(axis=0), [True, False])
    assert reader.measure(points[:0], crops[:0]).shape == (0, 2)


def test_stable_points_are_points_of_the_mesh():
    assert len(set(STABLE)) == len(STABLE)
    assert max(STABLE) < 468
