"""Each room says what it offers, in order, and every name it offers is documented."""

import importlib
import inspect
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "affectome"
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
MODULES = ["affectome", *(f"affectome.{room}" for room in ROOMS)]


def test_no_folder_is_without_a_room():
    folders = {path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.py") if path.parent != SOURCE}
    assert folders == set(ROOMS)


def test_every_room_has_its_floor(project):
    (contract,) = project["tool"]["importlinter"]["contracts"]
    floors = {name.strip() for layer in contract["layers"] for name in layer.split(":")}
    single = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    assert floors == {f"affectome.{name}" for name in {*ROOMS, *single}}


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_sorted_and_present(name):
    module = importlib.import_module(name)
    assert inspect.getdoc(module)
    assert module.__all__ == sorted(module.__all__)
    assert len(module.__all__) == len(set(module.__all__))
    for public in module.__all__:
        assert hasattr(module, public), f"{name} offers {public}, which it does not have"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_documented(name):
    module = importlib.import_module(name)
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isroutine(value):
            text = value.__doc__ or ""
            assert text.strip(), f"{name}.{public} has no docstring"
            assert not text.startswith(f"{public}("), f"{name}.{public} has only the docstring that dataclass writes"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_listed_by_dir(name):
    module = importlib.import_module(name)
    assert set(module.__all__) <= set(dir(module))


def test_unknown_name_of_the_package():
    import affectome

    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = affectome.analyse
