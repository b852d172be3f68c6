"""Commands run in this process, or in a child process that imports the package from its source."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from affectome.cli import main

_SOURCE = Path(__file__).parents[2] / "src"


class Outcome(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    def error(self):
        """The error as a program reads it."""
        return json.loads(self.err)["error"]


@pytest.fixture
def affectome(capsys, monkeypatch):
    """Runs a command in this process."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, words)))
        return Outcome(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def environment(monkeypatch):
    """Environment of a child process, not slowed down by measuring coverage."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    return kept | {"PYTHONPATH": str(_SOURCE), "PYTHONWARNINGS": "error"}


@pytest.fixture
def process(environment):
    """Runs Python in a child process."""

    def run(*arguments, stdin=b"", **variables):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], input=stdin, capture_output=True, env=environment | variables
        )
        return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    return run
