"""Paths and settings that the tests of the house share."""

import os
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return _ROOT


@pytest.fixture(scope="session")
def package():
    """The folder of the package's source."""
    return _ROOT / "src" / "affectome"


@pytest.fixture(scope="session")
def project():
    """The content of pyproject.toml."""
    return tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def plain_environment():
    """Environment for a child process that imports from the source and is not slowed down by measuring coverage."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    return environment | {"PYTHONPATH": str(_ROOT / "src")}
