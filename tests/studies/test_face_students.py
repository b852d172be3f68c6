"""Networks are kept, told apart by their names, and a weight is chosen on development faces alone."""

import numpy as np
import pytest

from affectome.errors import LeakError, RunError
from affectome.studies import face_students
from affectome.studies.face_students import FaceStudents, see_faces

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train


@pytest.fixture
def students(context, made_faces):
    made_faces(context.data)
    return FaceStudents(context)


def test_a_network_is_kept(students, context):
    first = students.learn("plain", 0)
    assert (context.work / "face-students-plain-0" / "checkpoint.safetensors").is_file()
    again = students.learn("plain", 0)
    seen, same, other = (see_faces(each, students.dev) for each in (first, again, students.learn("plain", 1)))
    assert np.array_equal(seen.probability, same.probability)
    assert not np.array_equal(seen.probability, other.probability)
    assert seen.probability.sum(axis=1) == pytest.approx(np.ones(24))
    assert np.linalg.norm(seen.features, axis=1) == pytest.approx(np.ones(24))


def test_a_name_stands_for_one_recipe(students):
    students.learn("plain", 0)
    with pytest.raises(RunError) as caught:
        students.learn("plain", 0, consistency=1.0)
    assert caught.value.code == "other_recipe"


def test_the_test_faces_are_opened_once(students):
    assert len(students.open_test().names) == 24


def test_the_parts_share_no_face(students, context, monkeypatch):
    from affectome.learn import face_corpus

    monkeypatch.setattr(face_corpus, "load_faces", lambda data: students.train)
    monkeypatch.setattr(face_corpus.FaceCorpus, "part", lambda self, split: self)
    with pytest.raises(LeakError):
        FaceStudents(context)


@pytest.mark.parametrize(
    ("costs", "chosen"),
    [({1.0: 1.0, 2.0: 1.005, 4.0: 1.2}, 2.0), ({1.0: 1.1, 2.0: 1.0, 4.0: 1.0}, 0.0), ({1.0: 1, 2.0: 1, 4.0: 1}, 4.0)],
)
def test_the_largest_weight_before_the_cost_rises(students, monkeypatch, costs, chosen):
    monkeypatch.setattr(FaceStudents, "_cost", lambda self, model: model)
    assert students.largest_weight(1.0, sorted(costs), costs.get) == chosen


def test_the_mean_is_over_faces_and_networks():
    found = face_students.over_networks([np.array([0.0, 1.0]), np.array([1.0, 1.0])], seed=0)
    assert found.value == 0.75
