"""What is in front is drawn, people and pictures follow from their seed, and truth follows from the mesh."""

import numpy as np
import pytest

from affectome.affect.action_units import action_unit
from affectome.errors import InputError
from affectome.learn.face_rendering import LEFT_EYE, Camera, load_face_shape, rasterise, rotation

pytest.importorskip("PIL")

from made_face import write_made_face

from affectome.learn.face_rendering_people import Canvas, Skin, draw_person
from affectome.learn.face_rendering_pictures import Pose, Studio, develop

SIZE = 96


@pytest.fixture(scope="module")
def shape(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    write_made_face(folder)
    return load_face_shape(folder)


def at_rest(shape, **changes):
    values = {"movements": shape.weights({}), "strengths": {}, "angles": (0.0, 0.0, 0.0), "gaze": (0.0, 0.0)}
    return Pose(**(values | changes))


def test_the_nearer_triangle_hides_the_other():
    square = np.array([[0, 0], [8, 0], [8, 8], [0, 8]], np.float32)
    near, far = (np.column_stack([square, np.full(4, depth)]) for depth in (1, 5))
    half = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0]], np.float32)
    positions = np.concatenate([near + np.array([4, 4, 0]), far + np.array([2, 2, 0]), half]).astype(np.float32)
    clockwise = np.array([[0, 2, 1], [0, 3, 2]])
    triangles = np.concatenate([clockwise + 4, clockwise, [[8, 9, 10]]])
    found = rasterise(positions, triangles, 16)
    picture = np.full(256, -1)
    picture[found.pixels] = found.triangles // 2
    picture = picture.reshape(16, 16)
    assert (picture[5:12, 5:12] == 1).all(), "the near square is whole"
    assert (picture[3, 3:10] == 0).all(), "the far one shows beside it"
    assert picture[0, 0] == picture[1, 1] == -1, "what faces away is not drawn"
    np.testing.assert_allclose(found.shares.sum(axis=1), 1, atol=1e-6)
    placed = np.einsum("mkc,mk->mc", positions[triangles[found.triangles]], found.shares)
    np.testing.assert_allclose(placed[:, 1] * 16 + placed[:, 0], found.pixels, atol=1e-2)


def test_a_picture_outside_the_frame_is_empty():
    positions = np.array([[50, 50, 0], [60, 60, 0], [60, 50, 0]], np.float32)
    assert not len(rasterise(positions, np.array([[0, 1, 2]]), 16).pixels)


def test_a_head_that_turns_to_its_left_looks_to_the_right_of_the_picture():
    front = np.array([[0, 0, 10]], np.float32)
    assert Camera(rotation(20, 0, 0), 100).project(front)[0, 0] > 1
    assert Camera(rotation(0, 20, 0), 100).project(front)[0, 1] > 1, "nods down"
    assert Camera(rotation(0, 0, 20), 100).project(np.array([[0, 10, 3]], np.float32))[0, 0] > 1, "tilts clockwise"
    near, far = (
        Camera(rotation(0, 0, 0), distance).project(np.array([[5, 0, 10]], np.float32)) for distance in (40, 1e6)
    )
    assert near[0, 0] > far[0, 0] == pytest.approx(5, abs=1e-3), "perspective"


def test_another_file_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        load_face_shape(tmp_path)
    assert caught.value.code == "bad_corpus"


def test_movements_add_up_and_normals_point_out(shape):
    rest = shape.at_rest(np.zeros(50, np.float32))
    np.testing.assert_array_equal(rest, shape.neutral)
    one, other = shape.weights({"jawOpen": 0.5}), shape.weights({"browDown_L": 1.0})
    both = shape.moved(rest, one + other)
    np.testing.assert_allclose(both - rest, shape.moved(rest, one) + shape.moved(rest, other) - 2 * rest, atol=1e-5)
    normals, hollow = shape.normals(rest)
    nose = shape.landmarks["nose"][2]
    assert normals[nose, 2] > 0.9
    assert hollow[nose] < 0, "a nose is not hollow"
    assert set(np.unique(shape.part_of_vertices()[shape.landmarks["jaw"]])) == {0}


def test_pictures_follow_from_the_seed(shape):
    studio = Studio(shape, SIZE)
    first, again, other = (
        studio.take(studio.seat(draw_person(rng)), at_rest(shape), rng).picture
        for rng in map(np.random.default_rng, (3, 3, 4))
    )
    assert first.shape == (SIZE, SIZE, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


def test_all_kinds_of_people_can_be_drawn(shape):
    studio = Studio(shape, 48)
    rng = np.random.default_rng(0)
    people = [draw_person(rng) for _ in range(40)]
    assert any(p.glasses for p in people)
    assert any(max(p.beard) > 0 for p in people)
    assert any(p.hairline[2] for p in people)
    for person in people:
        pose = at_rest(shape, angles=(float(rng.normal(0, 30)), 10.0, 5.0), gaze=(12.0, -8.0))
        picture = studio.take(studio.seat(person), pose, rng).picture
        assert picture.std() > 1


def test_lips_that_part_are_measured(shape):
    studio, rng = Studio(shape, SIZE), np.random.default_rng(1)
    sitter = studio.seat(draw_person(rng))
    apart = [
        studio.take(sitter, at_rest(shape, movements=shape.weights({"jawOpen": strength})), rng).lips_apart
        for strength in (0.0, 0.4, 0.8)
    ]
    assert apart[0] < 0.2 < apart[1] < apart[2]


def test_eyes_turn_and_nothing_else_does(shape):
    studio = Studio(shape, SIZE)
    rest = shape.at_rest(np.zeros(50, np.float32))
    looking = rest.copy()
    studio._look(looking, rest, (20.0, 0.0))
    moved = np.flatnonzero(np.abs(looking - rest).max(axis=1) > 1e-3)
    assert set(np.unique(shape.part_of_vertices()[moved])) == {LEFT_EYE, LEFT_EYE + 1}
    front = moved[np.argmax(rest[moved, 2])]
    assert looking[front, 0] > rest[front, 0], "to the person's left"


def test_a_frown_creases_the_skin(shape):
    person = draw_person(np.random.default_rng(2))
    skin = Skin(shape, person)
    smooth, creased = skin.texture({}), skin.texture({4: (1.0, 1.0)})
    assert (creased <= smooth + 1e-6).all()
    assert (smooth - creased).max() > 0.02 * person.creasing


def test_a_canvas_has_two_sides():
    canvas = Canvas()
    canvas.both([(2, 3), (4, 3)], 0.3, (1.0, 0.0))
    mask = canvas.mask(0.1)
    middle = mask.shape[1] // 2
    assert mask[:, middle:].max() > 0.5
    assert mask[:, :middle].max() == 0


def test_developing_keeps_the_size():
    rng = np.random.default_rng(0)
    for _ in range(12):
        assert develop(np.full((SIZE, SIZE, 3), 0.4, np.float32), rng).shape == (SIZE, SIZE, 3)


def test_units_have_movements_of_the_mesh(shape):
    for number in (1, 12, 26, 28):
        assert shape.weights(action_unit(number).moved(1.0, 1.0)).max() > 0.5
