"""The shipped Gaussians: plausible by themselves, and in line with published norms of single words."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from affectome.affect import load_term_gaussians

# Words of the norms for terms whose own noun is missing there or means something else.
_NORM_WORD = {
    "faithful": "faithful", "impressed": "impress", "offended": "offend", "betrayed": "betray", "prepared": "prepared",
    "terrified": "terrify", "devastated": "devastate", "inspired": "inspire", "touched": "touching",
}  # fmt: skip


def test_opposites_lie_on_opposite_sides():
    terms = load_term_gaussians()
    valence = dict(zip(terms.terms, terms.mean[:, 0], strict=True))
    assert min(valence[term] for term in ("joy", "love", "gratitude", "pride")) > 0.1
    assert max(valence[term] for term in ("grief", "hate", "fear", "disgust")) < -0.1


def test_a_point_at_a_term_is_read_as_a_feeling_of_its_kind():
    terms = load_term_gaussians()
    point = terms.mean[terms.terms.index("grief")]
    assert terms.expected_vad(terms.posterior(point))[0] < 0


@pytest.mark.data
def test_valence_agrees_with_published_norms():
    folder = os.environ.get("AFFECTOME_DATA")
    if not folder:
        pytest.skip("AFFECTOME_DATA names no folder with the published norms")
    table = Path(folder) / "warriner_vad/Ratings_Warriner_et_al.csv.gz"
    if not table.exists():
        pytest.skip(f"the published norms are not in {folder}")
    with gzip.open(table, "rt", encoding="utf-8") as lines:
        norms = {row["Word"]: float(row["V.Mean.Sum"]) for row in csv.DictReader(lines)}
    terms = load_term_gaussians()
    ours, published = [], []
    for term, mean in zip(terms.terms, terms.mean, strict=True):
        word = _NORM_WORD.get(term, term)
        if word in norms:
            ours.append(mean[0])
            published.append(norms[word])
    assert len(ours) >= 80
    assert np.corrcoef(ours, published)[0, 1] >= 0.7
