"""Child processes of these tests import the package from its source."""

from pathlib import Path

import pytest

_SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture(autouse=True)
def source_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(_SOURCE))
