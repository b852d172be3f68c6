"""Texts a second of `affectome analyze`, beside a plain PyTorch pipeline with the same weights.

Run: python benchmarks/throughput.py --data DIR [--checkpoint FILE]

Both read the same posts in the same order in one run of this program; the PyTorch loop, which is slow, reads a random
sample of them. Its model is the trained encoder in float with a linear layer, run by `transformers.pipeline` with
batches of 16, as its documentation shows.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from affectome.learn import load_corpus
from arguments import RESULTS, base_folder, parser


def posts(data: Path, rows: int) -> list[str]:
    """Distinct short posts; beyond those there are, copies with a number behind."""
    texts: list[str] = []
    for name in ("goemotions", "crowdflower", "toxicity"):
        texts += [text for text in load_corpus(name, data).texts if len(text) <= 280]
    texts = list(dict.fromkeys(" ".join(text.split()) for text in texts))
    np.random.default_rng(0).shuffle(texts)
    return [text if i < len(texts) else f"{text} {i}" for i in range(rows) for text in [texts[i % len(texts)]]]


def write_csv(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "text"])
        writer.writerows((i, text) for i, text in enumerate(texts))


class TreeMemory(threading.Thread):
    """Peak resident memory, in bytes, of a process and its children, sampled five times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0, False

    def run(self) -> None:
        while not self.done:
            self.peak = max(self.peak, sum(map(self._resident, self._tree(self.pid))))
            time.sleep(0.2)

    def _tree(self, pid: int) -> list[int]:
        try:  # a child is listed under the thread that started it
            children = [c for t in Path(f"/proc/{pid}/task").iterdir() for c in (t / "children").read_text().split()]
        except OSError:
            return []
        return [pid, *(p for child in children for p in self._tree(int(child)))]

    @staticmethod
    def _resident(pid: int) -> int:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            return 0


def analyze(table: Path, workers: int, *options: str) -> dict[str, Any]:
    out = Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "affectome", "analyze", str(table), "--out", str(out), "--workers", str(workers)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, *options, "--no-report", "--json"], stdout=subprocess.PIPE, text=True)
    memory = TreeMemory(process.pid)
    memory.start()
    record = json.loads(process.communicate()[0])
    memory.done = True
    seconds = time.perf_counter() - started
    shutil.rmtree(out)
    return {
        "rows": record["rows"],
        "workers": workers,
        "seconds": round(seconds, 1),
        "texts_per_second": round(record["rows"] / seconds, 1),
        "peak_mib": round(memory.peak / 2**20),
        **({"escalated": record["fast"]["escalated"]} if "fast" in record else {}),
    }


def plain_pipeline(base: Path, checkpoint: Path | None, texts: list[str]) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    torch.set_num_threads(2)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=28)
    if checkpoint:
        from safetensors.torch import load_file

        prefix = "average/encoder."
        stored = load_file(checkpoint)
        trained = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
        model.bert.load_state_dict(trained, strict=False)
    tokenizer = AutoTokenizer.from_pretrained(base)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    started = time.perf_counter()
    for _ in classify((text for text in texts), batch_size=16, top_k=None, truncation=True):
        pass
    seconds = time.perf_counter() - started
    return {"rows": len(texts), "seconds": round(seconds, 1), "texts_per_second": round(len(texts) / seconds, 1)}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--checkpoint", type=Path, help="checkpoint with the trained float weights")
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--sample", type=int, default=4000)
    options.add_argument("--out", type=Path, default=RESULTS / "throughput.json")
    arguments = options.parse_args()
    texts = posts(arguments.data, arguments.rows)
    result: dict[str, Any] = {"machine": f"{os.cpu_count()} processors, {platform.machine()}"}
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "posts.csv"
        write_csv(table, texts)
        result["analyze"] = analyze(table, workers=2)
        print(result["analyze"], flush=True)
    chosen = np.random.default_rng(1).permutation(arguments.rows)[: arguments.sample]
    result["transformers_pipeline"] = plain_pipeline(
        base_folder(arguments.base), arguments.checkpoint, [texts[i] for i in chosen]
    )
    ratio = result["analyze"]["texts_per_second"] / result["transformers_pipeline"]["texts_per_second"]
    result["ratio"] = round(ratio, 2)
    print(result["transformers_pipeline"], f"ratio {ratio:.2f}")
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
