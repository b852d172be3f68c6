"""Kill `affectome analyze` at random moments, run it again, compare with an undisturbed run byte by byte.

Run: python benchmarks/kill_resume.py [--times 30]

The parent is killed with SIGKILL, which nothing can catch; its workers have to notice by themselves.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

EXAMPLES = Path(__file__).parents[1] / "examples/posts.csv"


def command(table: Path, out: Path) -> list[str]:
    words = ["analyze", str(table), "--out", str(out), "--workers", "2", "--no-report"]
    return [sys.executable, "-m", "affectome", *words]


def digest(out: Path) -> str:
    return hashlib.sha256((out / "estimates.parquet").read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--rows", type=int, default=12_000)
    arguments = parser.parse_args()
    rng = random.Random(0)
    with EXAMPLES.open(encoding="utf-8", newline="") as lines:
        texts = [row["text"] for row in csv.DictReader(lines)]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "posts.csv"
        with table.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["id", "text"])
            writer.writerows((i, f"{texts[i % len(texts)]} {i}") for i in range(arguments.rows))
        started = time.perf_counter()
        subprocess.run(command(table, Path(folder) / "whole"), check=True, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - started
        wanted = digest(Path(folder) / "whole")
        equal, once, killed = 0, 0, []
        for _ in range(arguments.times):
            out_folder = Path(folder) / "killed"
            moment = rng.uniform(0.05, 1.0) * whole
            process = subprocess.Popen(command(table, out_folder), stdout=subprocess.DEVNULL)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed.append(round(moment, 2))
            subprocess.run(command(table, out_folder), check=True, stdout=subprocess.DEVNULL)
            ids = pl.read_parquet(out_folder / "estimates.parquet")["id"]
            equal += digest(out_folder) == wanted
            once += ids.n_unique() == len(ids) == arguments.rows
            shutil.rmtree(out_folder)
    result = {"rows": arguments.rows, "seconds_undisturbed": round(whole, 2), "killed_after_seconds": killed}
    result |= {"times": arguments.times, "byte_equal": equal, "every_id_once": once}
    print({key: result[key] for key in ("times", "byte_equal", "every_id_once")})
    Path(__file__).with_name("results").joinpath("kill_resume.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
