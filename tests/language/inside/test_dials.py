import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.language.inside import ActivationCache, Site, find_dials, middle_blocks
from affectome.language.inside.scenarios import Situation

pytestmark = pytest.mark.train
SITUATIONS = [Situation(f"theme {k}", f"a b {'c ' * k}", "neutral") for k in range(4)]


def test_dials_are_found_in_situations(language_model, tmp_path):
    dials = find_dials(language_model, SITUATIONS, cache=ActivationCache(tmp_path))
    assert dials.directions.shape == (6, 2, 16)
    assert {cells.shape[:2] for cells in dials.groups.values()} == {(4, 6)}
    one = dials.layers([1])
    assert [site.layer for site in one.vectors["joy"]] == [1]
    assert np.linalg.norm(next(iter(one.vectors["joy"].values()))) <= dials.lengths[1] * 1.0001
    assert dials.circuit(language_model).read_at == Site("block_output", 1)
    assert len(list(tmp_path.rglob("*.safetensors"))) == len(set(SITUATIONS)) * 6


def test_the_middle_of_a_model():
    assert middle_blocks(30) == range(8, 20)
    assert len(middle_blocks(1)) == len(middle_blocks(2)) == 1


def test_of_many_situations_some_are_read_from_beginning_to_end(language_model):
    many = [Situation(f"theme {k % 4}", "a " * (1 + k % 7), "neutral") for k in range(50)]
    read = find_dials(language_model, many).situations
    assert len(read) == 36
    assert (read[0], read[-1]) == (many[0], many[-1])
