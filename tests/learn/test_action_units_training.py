"""From drawn faces to a bundle: chance follows the rules, runs go on where they stopped, bundles read as trained."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("PIL")

from made_face import write_made_face

from affectome.affect import load_taxonomy
from affectome.affect.action_units import list_action_units, list_facial_expressions
from affectome.errors import InputError, RunError
from affectome.learn import action_units_training
from affectome.learn.action_units_corpus import SIDE, draw_faces, draw_strengths
from affectome.learn.action_units_recipe import load_action_units_recipe
from affectome.learn.action_units_scores import mean_ccc, presence_f1, sense_checks, shifted_people
from affectome.learn.action_units_trainer import distorted, principal_basis
from affectome.learn.action_units_training import train_action_units_recipe
from affectome.learn.face_rendering import load_face_shape
from affectome.models import Bundle
from affectome.perceive.action_units import SQUARE, ActionUnits

pytestmark = pytest.mark.train

RECIPE = Path(__file__).parents[2] / "recipes" / "action-units.toml"
SMALL = {"people": 4, "held_out": 2, "shots": 3, "components": 6, "width": 8, "reduced": 2, "batch": 6, "steps": 4}


def egg():
    """Points of a face that looks straight ahead, with pairs of mirrored ones."""
    rng = np.random.default_rng(0)
    half = np.stack([rng.uniform(0.02, 0.8, 234), rng.uniform(-0.4, 1.1, 234), rng.uniform(0, 0.6, 234)], axis=1)
    points = np.concatenate([half, half * [-1, 1, 1]])
    points[[33, 263]] = [(-0.5, 0, 0.1), (0.5, 0, 0.1)]
    points[[10, 152]] = [(0, -0.5, 0), (0, 1.2, 0)]
    return points.astype(np.float32)


def mesh(pictures):
    """Points that follow a little from what is drawn."""
    found = np.stack([egg() * 60 + [96, 80, 0] + p[60:63, 90:93].mean() * 0.05 for p in pictures]).astype(np.float32)
    found[:, 152, 1] += np.array([p[120:130, 90:100].mean() for p in pictures]) * 0.1
    return found, np.ones(len(pictures), np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    write_made_face(folder)
    return folder


@pytest.fixture
def recipe(tmp_path):
    text = RECIPE.read_text(encoding="utf-8")
    for name, value in SMALL.items():
        old = next(line for line in text.splitlines() if line.startswith(f"{name} = "))
        text = text.replace(old, f"{name} = {value}")
    path = tmp_path / "small.toml"
    path.write_text(text.replace("channels = [24, 40, 64, 96]", "channels = [4, 4, 4]"), encoding="utf-8")
    return path


def test_units_that_exclude_each_other_are_never_drawn_together():
    units = {unit.number: unit for unit in list_action_units()}
    rng = np.random.default_rng(0)
    drawn = [draw_strengths(rng) for _ in range(400)]
    for strengths in drawn:
        assert not any(other in strengths for number in strengths for other in units[number].excludes)
        assert all(0 <= side <= 1 for sides in strengths.values() for side in sides)
        assert all(left == right for number, (left, right) in strengths.items() if not units[number].sides)
    assert set().union(*drawn) == set(units), "every unit occurs"
    assert any(not strengths for strengths in drawn), "and so do faces at rest"


def test_faces_are_drawn_once_and_people_stay_in_one_part(data, tmp_path):
    shape = load_face_shape(data)
    said = []
    first = draw_faces(shape, mesh, tmp_path, part="dev", people=3, shots=2, seed=5, report=said.append)
    assert first.pictures.shape == (6, SIDE, SIDE)
    assert len(said) == 1

    def broken(pictures):
        raise AssertionError("nothing has to be drawn again")

    again = draw_faces(shape, broken, tmp_path, part="dev", people=3, shots=2, seed=5)
    np.testing.assert_array_equal(first.pictures, again.pictures)
    other = draw_faces(shape, mesh, tmp_path, part="test", people=3, shots=2, seed=5)
    assert not (first.pictures == other.pictures).all(axis=(1, 2)).any()
    assert first.strengths.min() >= 0
    assert first.strengths.max() <= 1


def test_a_folder_that_cannot_be_written_is_named(data, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RunError):
        draw_faces(load_face_shape(data), mesh, tmp_path / "taken", part="dev", people=1, shots=1, seed=0)


def test_a_run_goes_on_and_its_bundle_reads_as_trained(data, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(action_units_training, "landmark_mesh", lambda folder: mesh)
    told, steps = [], []
    arguments = {"data": data, "base": tmp_path, "threads": 1}
    folder = train_action_units_recipe(
        recipe,
        out=tmp_path / "out",
        report=lambda name, progress: steps.append(name),
        prepared=told.append,
        **arguments,
    )
    assert len(told) == 2, "training and development faces"
    bundle = Bundle.open(folder, commercial=True)
    assert bundle.card.task == "action-units"
    reader = ActionUnits.of(bundle)
    assert reader.units == tuple(unit.number for unit in list_action_units())
    points, _ = mesh(np.full((2, SIDE, SIDE, 3), 100, np.uint8))
    crops = np.random.default_rng(0).integers(0, 255, (2, SIDE, SIDE, 3)).astype(np.uint8)
    read = {by: reader.measure(points, crops, by=by) for by in ("both", "points", "picture")}
    assert all(((each > 0) & (each < 1)).all() for each in read.values())
    assert np.abs(read["points"] - read["picture"]).max() > 1e-4
    alone = np.concatenate([reader.measure(points[k : k + 1], crops[k : k + 1]) for k in range(2)])
    np.testing.assert_allclose(alone, read["both"], atol=1e-3, err_msg="a face does not depend on its neighbours")
    weights = bundle.file("model.onnx").read_bytes()
    again = train_action_units_recipe(recipe, out=tmp_path / "out", **arguments)
    assert (again / "model.onnx").read_bytes() == weights, "a finished run does not train again"


def test_a_graph_that_differs_is_not_written(data, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(action_units_training, "landmark_mesh", lambda folder: mesh)
    monkeypatch.setattr(action_units_training, "_TOLERANCE", -1.0)
    with pytest.raises(RunError) as caught:
        train_action_units_recipe(recipe, data=data, base=tmp_path, out=tmp_path / "out", threads=1)
    assert caught.value.code == "graph_differs"
    assert not (tmp_path / "out" / "action-units").exists()


def test_the_committed_recipe_is_valid_and_a_bad_one_is_refused(recipe):
    assert load_action_units_recipe(RECIPE).task == "action-units"
    recipe.write_text(recipe.read_text().replace("steps = 4", "steps = 0"))
    with pytest.raises(InputError):
        load_action_units_recipe(recipe)


def test_distorted_squares_are_standardised_and_follow_from_the_seed():
    squares = np.random.default_rng(0).integers(0, 255, (40, SQUARE, SQUARE)).astype(np.uint8)
    first, again = (distorted(squares, np.random.default_rng(7)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.allclose(first.mean((1, 2, 3)), torch.zeros(40), atol=1e-4)
    assert torch.allclose(first.std((1, 2, 3)), torch.ones(40), atol=1e-2)


def test_components_have_about_unit_size():
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(300, 3)) * [3, 1, 0.2]) @ rng.normal(size=(3, 1404)) + 5
    centre, basis = principal_basis(points.reshape(300, 468, 3).astype(np.float32), 3)
    size = ((points - centre) @ basis).std(axis=0)
    assert ((size > 0.5) & (size < 1.01)).all()


def test_presence_is_scored_over_all_units():
    truth = np.array([[0.5, 0.0], [0.1, 0.9], [0.2, 0.3]])
    read = np.array([[0.6, 0.2], [0.5, 0.1], [0.3, 0.8]])
    # Present: 0.5, 0.9, 0.2, 0.3. Read as present: 0.6, 0.5, 0.3, 0.8, of which three are right.
    assert presence_f1(truth=truth, probability=read, thresholds=[0.3, 0.3]) == pytest.approx(2 * 3 / (4 + 4))
    assert mean_ccc(truth=truth, prediction=truth) == pytest.approx(1)


def test_the_control_never_gives_a_face_its_own_person():
    people = np.repeat(np.arange(5), 6)
    given = shifted_people(people[:, None].astype(np.float32), people, seed=0)[:, 0]
    assert (given != people).all()


def test_a_unit_that_goes_with_an_expression_is_found_and_the_control_is_not():
    names, units = load_taxonomy("ferplus8").labels, tuple(unit.number for unit in list_action_units())
    readout = {"units": units, "present": [0.5] * len(units), "reference": egg().tolist()}
    reader = ActionUnits(None, json.loads(json.dumps(readout)))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(names), 600)
    strengths = rng.uniform(0, 0.6, (600, len(units))).astype(np.float32)
    strengths[labels == names.index("happiness"), units.index(12)] += 0.3
    found = {(each.expression, each.unit): each for each in sense_checks(reader, strengths, labels, seed=0)}
    assert set(found) == {(each.name, unit) for each in list_facial_expressions() for unit in each.core}
    smile, frown = found["happiness", 12], found["anger", 4]
    assert smile.difference.low > 0.2
    assert smile.auc > 0.8
    assert smile.present > smile.others_present + 0.2
    assert frown.difference.low < 0 < frown.difference.high
    mixed = {
        (each.expression, each.unit): each for each in sense_checks(reader, strengths, labels, seed=0, shuffled=True)
    }
    assert abs(mixed["happiness", 12].difference.value) < 0.1
    none = sense_checks(reader, strengths, np.zeros(600, np.int64), seed=0)
    assert np.isnan(none[0].difference.value)
