"""Arguments the benchmarks share: where the corpora and the base weights are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from affectome.models import pull

RESULTS = Path(__file__).parent / "results"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with ``--data`` (by default AFFECTOME_DATA) and ``--base`` (by default the user's cache)."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    made.add_argument("--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora")
    made.add_argument("--base", type=Path, help="folder of all-MiniLM-L6-v2; by default `affectome models pull minilm`")
    return made


def base_folder(given: Path | None) -> Path:
    """The folder of the base model, brought if it is not there."""
    return given or pull("minilm")
