"""Estimate where emotion terms lie in valence, arousal and dominance.

Run: python recipes/term_statistics.py

Each term is read from the situations composed for it: the mean of the reader's estimates is the term's mean, their
spread its standard deviation, widened by the reader's own uncertainty. Writes src/affectome/affect/data/terms_vad.csv.
The estimates owe nothing to published word norms, which are not free to pass on; a test compares the two.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from affectome.api import ReaderOptions
from affectome.learn import load_corpus

HERE = Path(__file__).parent
TABLE = HERE.parent / "src/affectome/affect/data/terms_vad.csv"
DIMENSIONS = ("valence", "arousal", "dominance")


def main() -> None:
    """Write the table."""
    situations = load_corpus("situations_all", HERE)
    reader = ReaderOptions().open(threads=2)
    measured = reader.encoder.encode(situations.texts)
    header = ["term", *(f"{name}{suffix}" for name in DIMENSIONS for suffix in ("", "_sd"))]
    with TABLE.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*header, "corr_va", "corr_vd", "corr_ad", "situations"])
        for k, term in enumerate(situations.columns):
            rows = situations.targets[:, k] == 1
            means, spreads = measured.means[rows, :3], measured.spreads[rows]
            sd = np.sqrt(means.var(axis=0) + (spreads**2).mean(axis=0))
            r = np.corrcoef(means.T)
            numbers = [value for pair in zip(means.mean(axis=0), sd, strict=True) for value in pair]
            numbers += [r[0, 1], r[0, 2], r[1, 2]]
            writer.writerow([term, *(f"{value:.4f}" for value in numbers), int(rows.sum())])


if __name__ == "__main__":
    main()
