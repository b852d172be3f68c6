"""Imports point downward only, and what is heavy waits until it is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("altair", "onnx", "onnxruntime", "pandas", "scipy", "sklearn", "torch", "transformers", "vl_convert")


def _loaded_by(statement, environment):
    script = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_imports_point_downward_only(root, plain_environment):
    lint = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    done = subprocess.run(lint, cwd=root, env=plain_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_package_alone_loads_next_to_nothing(plain_environment):
    loaded = _loaded_by("import affectome", plain_environment)
    assert not loaded & {*HEAVY, "numpy", "polars", "rich", "cyclopts", "tokenizers"}


@pytest.mark.parametrize("module", ["affectome.api", "affectome.cli", "affectome.learn", "affectome.evaluate"])
def test_heavy_libraries_wait_until_they_are_needed(module, plain_environment):
    assert not _loaded_by(f"import {module}", plain_environment) & set(HEAVY)


def test_heavy_libraries_wait_until_a_study_runs(plain_environment):
    loaded = _loaded_by("from affectome.studies import find_studies; find_studies()", plain_environment)
    assert not loaded & {*HEAVY, "textblob", "vaderSentiment"}


def test_import_time(plain_environment):
    clock = "import time; t = time.perf_counter(); import affectome; print(time.perf_counter() - t)"
    seconds = min(
        float(subprocess.check_output([sys.executable, "-c", clock], env=plain_environment, text=True))
        for _ in range(3)
    )
    assert seconds <= 0.3
