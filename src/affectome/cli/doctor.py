"""``affectome doctor``: is everything there, and does it work?"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version

from affectome.api import ReaderOptions, read
from affectome.cli.output import console, print_json, print_table
from affectome.errors import AffectomeError, ModelError
from affectome.models import base_models, cache_folder, list_models, locate, verify
from affectome.version import __version__

# A requirement in the metadata of a package looks like: torch==2.13.0; extra == 'train'
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)""")
_NAME = re.compile(r"[^\w.-]")


def doctor(*, json: bool = False) -> int:
    """Check the installation: packages, weights, a first reading, speed.

    Args:
        json: Print JSON.
    """
    checks = [
        {"check": name, "state": state, "found": found}
        for name, run in (
            ("python", _python),
            ("core packages", lambda: _packages(None)),
            ("training packages", lambda: _packages("train", "training")),
            ("voice packages", lambda: _packages("voice", "recordings")),
            ("transcription packages", lambda: _packages("transcribe", "transcripts")),
            ("face packages", lambda: _packages("face", "pictures")),
            ("server packages", lambda: _packages("serve", "affectome serve")),
            ("language model packages", lambda: _packages("language", "servers with language models")),
            ("speech detector", lambda: _weights("silero-vad", "recordings")),
            ("speaker encoder", lambda: _weights("speaker-encoder", "who speaks")),
            ("face detector and mesh", lambda: _weights("face-mesh", "faces")),
            ("shipped models", _models),
            ("reading", _reading),
            ("base weights", _bases),
        )
        for state, found in [_guarded(run)]
    ]
    if json:
        print_json({"affectome": __version__, "checks": checks})
    else:
        console().print(f"affectome {__version__}\n", markup=False)
        print_table(checks)
    return 1 if any(check["state"] == "broken" for check in checks) else 0


def _guarded(run: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    try:
        return run()
    except AffectomeError as error:
        return "broken", str(error)


def _python() -> tuple[str, str]:
    return "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def _packages(extra: str | None, purpose: str = "") -> tuple[str, str]:
    try:
        requirements = requires("affectome") or []
    except PackageNotFoundError:
        return "unknown", "affectome runs from its source and is not installed; run: pip install ."
    found, missing = [], []
    for requirement in requirements:
        named = _EXTRA.search(requirement)
        if (named and named[1]) != extra:
            continue
        name = _NAME.split(requirement, maxsplit=1)[0]
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if not missing:
        return "ok", ", ".join(found)
    if extra:
        return "absent", f'{", ".join(missing)}; for {purpose} run: pip install "affectome[{extra}]"'
    return "broken", f"missing: {', '.join(missing)}; run: pip install affectome"


def _models() -> tuple[str, str]:
    listed = list_models()
    reports = [verify(installed.path) for installed in listed.models]
    wrong = [str(problem) for report in reports for problem in report.problems]
    wrong += [f"{problem.provider}: {problem.message}" for problem in listed.problems]
    if wrong or not reports:
        return "broken", "; ".join(wrong) or "no model is installed"
    return "ok", ", ".join(installed.card.versioned_id for installed in listed.models)


def _weights(name: str, purpose: str) -> tuple[str, str]:
    try:
        return "ok", str(locate(name))
    except ModelError as error:
        return "absent", f"for {purpose}; {error.next_step}"


def _reading() -> tuple[str, str]:
    started = time.perf_counter()
    reader = ReaderOptions().open(threads=2)
    loaded = time.perf_counter()
    reading = read("I am so happy you came!", reader=reader)
    done = time.perf_counter()
    top = next(iter(reading.emotion))
    return "ok", f"model loaded in {loaded - started:.2f} s, one text in {1000 * (done - loaded):.0f} ms ({top})"


def _bases() -> tuple[str, str]:
    folder = cache_folder() / "base"
    there = [name for name in base_models() if (folder / name).is_dir()]
    return ("ok" if there else "absent"), ", ".join(there) or "none; needed for training only"
