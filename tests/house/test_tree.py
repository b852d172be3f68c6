"""What lies in the checkout: nothing of one person's machine, nothing unfinished, no module that grew too long."""

import os
import re

import pytest

TEXT = {".cfg", ".csv", ".in", ".ini", ".json", ".md", ".py", ".toml", ".tsv", ".txt", ".yaml", ".yml", ""}
BUILT = {"__pycache__", "_build", "build", "demo-output", "dist", "htmlcov", "node_modules", "runs"}
LARGEST = 1_000_000  # bytes; larger text files are data such as a tokenizer's vocabulary
LONGEST = 700  # lines of a module

# A character class inside each word keeps this file from finding itself.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.:/~-])/(?:wor[k]|roo[t]|hom[e]|User[s]|op[t])/"),
    "a neighbouring folder": re.compile(r"\.\./share[d]|\.librar[y]"),
    "a mark of unfinished work": re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b|NotImplementedErro[r]"),
}


def _texts(root):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in BUILT)
        for name in sorted(files):
            path = root.__class__(folder, name)
            if not name.startswith(".") and path.suffix in TEXT and path.stat().st_size <= LARGEST:
                yield path, path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_tree_is_free_of(what, root):
    found = [
        f"{path.relative_to(root)}: {match.group()}"
        for path, text in _texts(root)
        for match in FORBIDDEN[what].finditer(text)
    ]
    assert found == []


def test_modules_stay_readable(package):
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in package.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_no_module_is_named_for_nothing(package):
    vague = {"common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
    assert [path for path in package.rglob("*.py") if path.stem.strip("_") in vague] == []


def test_no_pickled_file(root):
    kinds = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
    shipped = (path for top in ("src", "recipes", "examples") for path in (root / top).rglob("*"))
    assert [path for path in shipped if path.suffix in kinds] == []


def test_the_version_has_its_place_in_the_changelog(root):
    import affectome

    assert affectome.__version__ in (root / "CHANGELOG.md").read_text(encoding="utf-8")
