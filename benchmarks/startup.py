"""Seconds of whole processes: `affectome text`, `import affectome`. Run: python benchmarks/startup.py"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "affectome text": ["-m", "affectome", "text", "I can't believe you did this for me"],
    "import affectome": ["-c", "import affectome"],
    "python alone": ["-c", "pass"],
}


def main() -> None:
    result = {}
    for name, arguments in COMMANDS.items():
        seconds = []
        for _ in range(11):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - started)
        kept = sorted(seconds[1:])  # the first run fills the caches
        result[name] = {
            "median": round(statistics.median(kept), 3),
            "least": round(kept[0], 3),
            "most": round(kept[-1], 3),
        }
        print(name, result[name])
    Path(__file__).with_name("results").joinpath("startup.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
