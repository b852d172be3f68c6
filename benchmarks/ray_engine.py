"""What `--engine ray` costs beside the local workers, and whether both give the same rows.

Run: python benchmarks/ray_engine.py --data DIR [--rows 1000000]

Both read the same posts with --fast in one run of this program, with as many workers, and Ray has to start its cluster
on this machine first. Tables are compared value for value. A worker and a driver that are killed are in
tests/pipeline/test_ray_workers.py.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from arguments import RESULTS, parser
from throughput import TreeMemory, posts, write_csv

WORKERS = 2


def analyze(table: Path, out: Path, engine: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "affectome", "analyze", str(table), "--out", str(out), "--engine", engine]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--workers", str(WORKERS), "--fast", "--no-report", "--json"], stdout=subprocess.PIPE, text=True
    )
    memory = TreeMemory(process.pid)
    memory.start()
    record = json.loads(process.communicate()[0])
    memory.done = True
    seconds = time.perf_counter() - started
    return {
        "rows": record["rows"],
        "failed": record["failed"],
        "seconds": round(seconds, 1),
        "texts_per_second": round(record["rows"] / seconds, 1),
        "escalated": record["fast"]["escalated"],
        "peak_mib": round(memory.peak / 2**20),
    }


def same_rows(first: Path, second: Path) -> bool:
    """Whether two runs wrote the same estimates, row for row and bit for bit."""
    tables = [pl.scan_parquet(folder / "estimates.parquet").collect() for folder in (first, second)]
    return tables[0].equals(tables[1])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    arguments = options.parse_args()
    result: dict[str, Any] = {"machine": f"{os.cpu_count()} processors, {platform.machine()}", "workers": WORKERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = folder / "posts.csv"
        write_csv(table, posts(arguments.data, arguments.rows))
        for engine in ("local", "ray"):
            result[engine] = analyze(table, folder / engine, engine)
            print(engine, result[engine], flush=True)
        result["same_rows"] = same_rows(folder / "local", folder / "ray")
    result["ray_seconds_per_local_second"] = round(result["ray"]["seconds"] / result["local"]["seconds"], 2)
    print(result["same_rows"], result["ray_seconds_per_local_second"])
    (RESULTS / "ray_engine.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
