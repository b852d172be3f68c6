"""Peak memory of `affectome analyze` at 100,000 and at 1,000,000 rows: the parent and two workers together.

Run: python benchmarks/memory.py --data DIR

Seconds are not reported here, see throughput.py; memory does not depend on what else the machine is doing.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from arguments import RESULTS, parser
from throughput import analyze, posts, write_csv


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    arguments = options.parse_args()
    texts = posts(arguments.data, max(arguments.rows))
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in arguments.rows:
            table = Path(folder) / f"{rows}.csv"
            write_csv(table, texts[:rows])
            peaks[str(rows)] = analyze(table, workers=2)["peak_mib"]
            print(rows, peaks[str(rows)], "MiB", flush=True)
    (RESULTS / "memory.json").write_text(json.dumps({"peak_mib": peaks}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
