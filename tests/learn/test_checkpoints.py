import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.errors import RunError
from affectome.learn.checkpoints import Checkpoint, check_target, read_checkpoint, whole_folder, write_checkpoint

pytestmark = pytest.mark.train


@pytest.fixture
def checkpoint():
    return Checkpoint(7, "flour, water", {"model/a": torch.arange(6.0).reshape(2, 3).T, "average/a": torch.ones(2)})


def test_a_checkpoint_comes_back(checkpoint, tmp_path):
    write_checkpoint(tmp_path / "new", checkpoint)
    again = read_checkpoint(tmp_path / "new", "flour, water")
    assert (again.step, again.recipe) == (7, "flour, water")
    assert all(torch.equal(again.tensors[key], value) for key, value in checkpoint.tensors.items())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["checkpoint.safetensors"]


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert read_checkpoint(tmp_path / "none", "flour, water") is None


def test_another_recipe_is_refused(checkpoint, tmp_path):
    write_checkpoint(tmp_path, checkpoint)
    with pytest.raises(RunError, match="another recipe") as caught:
        read_checkpoint(tmp_path, "flour, milk")
    assert caught.value.code == "other_recipe"


def test_a_damaged_checkpoint_is_refused(checkpoint, tmp_path):
    write_checkpoint(tmp_path, checkpoint)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RunError, match="cannot be read") as caught:
        read_checkpoint(tmp_path, "flour, water")
    assert caught.value.code == "bad_checkpoint"


def test_what_fails_to_be_written_leaves_the_checkpoint_before(checkpoint, tmp_path):
    write_checkpoint(tmp_path, checkpoint)
    (tmp_path / "checkpoint.partial").mkdir()  # nothing can be written in its place
    with pytest.raises(RunError) as caught:
        write_checkpoint(tmp_path, checkpoint._replace(step=8))
    assert caught.value.code == "storage_error"
    assert read_checkpoint(tmp_path, "flour, water").step == 7


def test_a_folder_appears_whole_and_replaces_one_of_its_kind(tmp_path):
    out = tmp_path / "deep" / "out"
    for word in ("old", "new"):
        with whole_folder(out, "mark.txt") as staged:
            assert not (out / word).exists()
            (staged / "mark.txt").touch()
            (staged / word).touch()
    assert sorted(path.name for path in out.iterdir()) == ["mark.txt", "new"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_folder_and_no_trace(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mark.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "out", "mark.txt") as staged:
        (staged / "mark.txt").write_text(str(1 / 0))
    assert (tmp_path / "out/mark.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_of_another_kind_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(RunError, match=r"holds no mark\.txt, so it is not replaced") as caught:
        check_target(tmp_path, "mark.txt")
    assert caught.value.code == "not_replaced"
    with pytest.raises(RunError), whole_folder(tmp_path, "mark.txt"):
        pytest.fail("something was written")
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"
    check_target(tmp_path / "free", "mark.txt")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError) as caught, whole_folder(tmp_path / "file" / "out", "mark.txt"):
        pytest.fail("something was written")
    assert caught.value.code == "not_a_folder"
