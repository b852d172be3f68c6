"""Emotions as Gaussians in valence, arousal and dominance: their arithmetic, and what they teach a student.

The arithmetic is held against figures worked out apart, a round trip, conservation laws and plain regression. What a
student gains is measured on headlines with six raters each and on faces with ten: labels that conflict are kept apart
in training, and points of valence, arousal and dominance become distributions to learn from.
"""

from __future__ import annotations

import csv
import gzip
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.affect import EmotionGaussians, load_term_gaussians
from affectome.affect.gaussians import Dims
from affectome.evaluate import bootstrap, pearson
from affectome.studies.face_students import FACES
from affectome.studies.headlines import FOLDER
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table
from affectome.studies.vad_faces import learn_faces
from affectome.studies.vad_students import PlacedHeadlines, learn_consistency, learn_posteriors

Floats = NDArray[np.float64]

_TABLE = Path(__file__).parent / "data" / "vad_terms.toml"
_GRID = 41
_GROUPS = 14
_ORDERS = 20
_NEAR = 0.05  # standard deviations within which imputation has to equal regression


def run(context: Context) -> Outcome:
    """Check the arithmetic, then train the students."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    published, own = EmotionGaussians.from_table(table["terms"]), load_term_gaussians()
    there_and_back, within = _round_trip(published, own)
    tables = [there_and_back, _norms(context, own)]
    claims = [
        _golden(published, table["golden"]),
        *within,
        *_fusion(own, context.seed),
        *_imputation(own, context.seed),
    ]
    context.note("arithmetic")
    headlines = PlacedHeadlines(context)
    for found, drawn in (learn_consistency(context, headlines, table), learn_posteriors(context, headlines, own)):
        tables.append(found)
        claims += drawn
    of_faces, drawn, notes = learn_faces(context, published)
    return Outcome([*tables, of_faces], claims + drawn, headlines.notes + notes)


STUDY = Study(
    number=12,
    id="vad-distributions",
    title="Emotions as VAD distributions",
    paper="arXiv 2602.06778",
    data=(FOLDER, "emobank", FACES, "warriner_vad"),
    extras=("face", "study", "train"),
    run=run,
    missing=(
        "faces with rated valence and arousal, and networks of the published size",
        "balancing of the quadrants of valence and arousal between face sets",
        "the published statistics of all 151 terms",
    ),
)


def _golden(terms: EmotionGaussians, golden: list[dict[str, Any]]) -> Claim:
    """How far posteriors are from those that were worked out apart."""
    off = [
        abs(terms.posterior(each["point"], dims="VA")[terms.terms.index(term)] - probability)
        for each in golden
        for term, probability in each["probability"].items()
    ]
    return Claim(f"largest deviation of {len(off)} posteriors from those worked out apart", max(off), 0.001, "<=")


def _round_trip(published: EmotionGaussians, own: EmotionGaussians) -> tuple[Table, list[Claim]]:
    """Mean distance between points and what is left of them after a way through distributions over terms."""
    baselines, results, claims = [], [], []
    cases: tuple[tuple[str, EmotionGaussians, Dims], ...]
    cases = (("8 published terms", published, "VA"), ("100 terms of the package", own, "VAD"))
    for name, terms, dims in cases:
        points = _inside(terms.mean[:, : len(dims)])
        posterior = terms.posterior(points, dims=dims)
        ways = {
            "mean of all terms": np.full_like(posterior, 1 / len(terms.terms)),
            "most probable term alone": np.eye(len(terms.terms))[posterior.argmax(axis=1)],
            "posterior": posterior,
        }
        for way, shares in ways.items():
            left = terms.expected_vad(shares)[:, : len(dims)]
            error = float(np.linalg.norm(left - points, axis=1).mean())
            values = {"distance": error, "points": len(points)}
            if way == "posterior":
                results.append(Row(f"{way}, {name}", "result", values))
                claims.append(Claim(f"round trip over {name}: mean distance", error, 0.15, "<="))
            else:
                baselines.append(Row(f"{way}, {name}", "baseline", values))
    title = "Points inside the hull of the terms, to terms and back"
    return Table(title, ("distance", "points"), [*baselines, *results]), claims


def _inside(means: Floats) -> Floats:
    """The points of a regular grid that lie in the hull of the means ``(k, d)``."""
    from scipy.spatial import Delaunay

    steps = _GRID if means.shape[1] == 2 else _GRID // 2
    axes = [np.linspace(low, high, steps) for low, high in zip(means.min(axis=0), means.max(axis=0), strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, means.shape[1])
    return np.asarray(grid[Delaunay(means).find_simplex(grid) >= 0])


def _fusion(terms: EmotionGaussians, seed: int) -> list[Claim]:
    """Whether merging terms conserves what it should, in whatever order they come."""
    fusion = terms.fuse(_GROUPS)
    off = max(
        np.abs(a - b).max() for a, b in zip(_moments(fusion.gaussians, fusion.share), _moments(terms), strict=True)
    )
    expected = {frozenset(group) for group in fusion.members}
    rng = np.random.default_rng(seed)
    others = 0
    for _ in range(_ORDERS):
        order = rng.permutation(len(terms.terms))
        mixed = EmotionGaussians(
            tuple(terms.terms[i] for i in order), terms.mean[order], terms.sd[order], terms.correlation[order]
        )
        others += {frozenset(group) for group in mixed.fuse(_GROUPS).members} != expected
    what = f"{len(terms.terms)} terms merged into {_GROUPS}"
    return [
        Claim(f"{what}: largest deviation of mean and total covariance", float(off), 1e-9, "<="),
        Claim(f"{what}: other groups, in {_ORDERS} other orders of the table", others, 0, "<="),
    ]


def _moments(terms: EmotionGaussians, share: Floats | None = None) -> tuple[Floats, Floats]:
    """Mean and total covariance of a mixture of terms."""
    weight = np.full(len(terms.terms), 1 / len(terms.terms)) if share is None else share
    centre = weight @ terms.mean
    spread = np.zeros((3, 3))
    for w, mean, sd, (va, vd, ad) in zip(weight, terms.mean, terms.sd, terms.correlation, strict=True):
        correlation = np.array([[1, va, vd], [va, 1, ad], [vd, ad, 1]])
        spread += w * (correlation * np.outer(sd, sd) + np.outer(mean - centre, mean - centre))
    return centre, spread


def _imputation(terms: EmotionGaussians, seed: int) -> list[Claim]:
    """Imputed dominance beside the conditional mean of the Gaussian near the term, and its reach far from it."""
    rng = np.random.default_rng(seed)
    off, reach = 0.0, 0.0
    for i, term in enumerate(terms.terms):
        va, vd, ad = terms.correlation[i]
        slope = np.linalg.solve(np.array([[1, va], [va, 1]]), np.array([vd, ad]))
        for size, near in ((_NEAR, True), (20.0, False)):
            step = rng.uniform(-size, size, (200, 2))
            points = terms.mean[i, :2] + step * terms.sd[i, :2]
            found = (terms.impute_dominance(points, term) - terms.mean[i, 2]) / terms.sd[i, 2]
            if near:
                off = max(off, float(np.abs(found - step @ slope).max()))
            else:
                reach = max(reach, float(np.abs(found).max()))
    return [
        Claim(
            f"imputed dominance within {_NEAR} SD of a term: largest deviation from regression, in SD", off, 1e-3, "<="
        ),
        Claim("imputed dominance: largest distance from the term's mean, in SD", reach, 1.5, "<="),
    ]


def _norms(context: Context, own: EmotionGaussians) -> Table:
    """The package's own terms beside norms of single words."""
    with gzip.open(context.folder("warriner_vad") / "Ratings_Warriner_et_al.csv.gz", "rt", encoding="utf-8") as lines:
        norms = {row["Word"]: [float(row[f"{axis}.Mean.Sum"]) for axis in "VAD"] for row in csv.DictReader(lines)}
    shared = [i for i, term in enumerate(own.terms) if term in norms]
    rated = np.array([norms[own.terms[i]] for i in shared])
    exchanged = np.random.default_rng(context.seed).permutation(shared)
    readings: list[tuple[str, Role, Floats]] = [
        ("terms exchanged at random", "baseline", own.mean[exchanged]),
        ("terms of the package", "result", own.mean[shared]),
    ]
    axes = ("valence", "arousal", "dominance")
    rows = [
        Row(
            name,
            role,
            {
                f"r {axis}": bootstrap(pearson, seed=context.seed, truth=rated[:, k], prediction=means[:, k])
                for k, axis in enumerate(axes)
            },
        )
        for name, role, means in readings
    ]
    return Table(
        f"Terms beside the norms of Warriner and others (2013): {len(shared)} words",
        [f"r {axis}" for axis in axes],
        rows,
    )
