"""Signs, the table of posts, and the whole study on made-up rated sentences and comments."""

import csv
import gzip

import numpy as np
import polars as pl
import pytest

from affectome.affect import load_taxonomy
from affectome.studies import Context, StudySettings, run_study
from affectome.studies import s07_measles_videos as study

WORDS = ("wonderful", "good", "bad", "horrible")  # stemming makes strange words of the first and the last
LABELS = load_taxonomy("goemotions28").labels
POSTS, TWEETS, EDITORIALS = 125, 140, 130


def rated(rows):
    """Sentences whose rating goes with their word; what else they say is of no sentiment."""
    return [[i + 1, 3 - 2 * (i % 4), f"It was {WORDS[i % 4]} in street {i}."] for i in rows]


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    files = {"icwsm2014/" + name: [] for name in ("amazonReviewSnippets", "movieReviewSnippets")}
    files |= {"icwsm2014/tweets": rated(range(TWEETS)), "icwsm2014/nytEditorialSnippets": rated(range(EDITORIALS))}
    tables = {f"vader/{name}_GroundTruth.txt.gz": rows for name, rows in files.items()}
    for part in ("train", "dev", "test"):
        tables[f"goemotions/{part}.tsv.gz"] = [
            [f"{LABELS[i % 28]} and {LABELS[(i + i % 2 * 5) % 28]} , {i}", f"{i % 28},{(i + i % 2 * 5) % 28}", f"e{i}"]
            for i in range(84)
        ]
    for name, rows in tables.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
            lines = csv.writer(out, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
            lines.writerows(rows)
    (folder / "goemotions" / "emotions.txt").write_text("\n".join(LABELS))
    return folder


class FakeReader:
    """Reads the emotions that are named; good is a joy and bad is sad, and of all else it knows nothing."""

    def __init__(self, bundle, taxonomy, *, threads):
        assert (bundle, threads) == ("text-affect", 1)
        self.taxonomy = taxonomy

    def probabilities(self, texts):
        assert self.taxonomy == "goemotions28"
        named = np.array([[label in text.split() for label in LABELS] for text in texts])
        number = np.array([int(text.split()[-1]) for text in texts])[:, None]
        return np.where(named, 0.6 + number / 400, number / 10000).astype(np.float32)

    def __call__(self, segments):
        assert self.taxonomy == "ekman7"
        top = ["joy" if "good" in text else "sadness" if "bad" in text else None for text in segments["text"]]
        return segments.with_columns(
            top=pl.Series(top, dtype=pl.String),
            confidence=pl.lit(0.5),
            status=pl.Series(["scored" if label else "abstained" for label in top]),
            model=pl.lit("fake"),
        )


@pytest.fixture
def smaller(monkeypatch):
    monkeypatch.setattr(study, "TextReader", FakeReader)
    monkeypatch.setattr(study, "default_model", lambda name: name)
    monkeypatch.setattr(study, "_POSTS", POSTS)
    monkeypatch.setattr(study, "_TWEETS", slice(0, TWEETS))
    monkeypatch.setattr(study, "_EDITORIALS", slice(-EDITORIALS, None))

    def fewer(function):
        return lambda *given, **named: function(*given, **(named | {"resamples": 20}))

    for name in ("bootstrap_mean", "claim_difference", "measure"):
        monkeypatch.setattr(study, name, fewer(getattr(study, name)))


def test_the_cut_belongs_to_the_signs():
    assert study._signs(np.array([-1, -0.05, -0.049, 0, 0.049, 0.05])).tolist() == [0, 0, 1, 1, 1, 2]


def test_posts_have_the_published_shares(toys, tmp_path, smaller):
    context = Context(data=toys, seed=0, threads=1, base=None, work=tmp_path, quick=False)
    posts = study._posts(context)
    assert len(posts) == posts["url"].n_unique() == posts["title"].n_unique() == POSTS
    counts = dict(posts["platform"].value_counts().iter_rows())
    assert (counts.pop("YouTube"), counts.pop("TikTok")) == (61, 19)
    assert set(counts.values()) == {1}
    assert set(posts["month"]) <= {1, 2, 3, 4, 5}
    for field in study._FIELDS:
        word = [next(k for k, word in enumerate(WORDS) if word in text) for text in posts[field]]
        assert posts[f"{field}_rating"].to_list() == [(3 - 2 * k) / 4 for k in word]
    assert posts["title"].to_list() != posts["description"].to_list()
    assert posts.equals(study._posts(context))


def test_nothing_is_read_to_time_the_others():
    silent = study._Silent()
    segments = pl.DataFrame({"text": ["some"], "error": [""]})
    assert silent(segments).row(0, named=True) | {"error": ""} == {
        "text": "some",
        "error": "",
        "top": None,
        "confidence": None,
        "status": "abstained",
        "model": "none",
    }
    assert silent.failed(segments, "too_long").select("status", "error").row(0) == ("failed", "too_long")


def test_the_whole_study_on_toys(toys, tmp_path, smaller):
    result = run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1))
    emotions, _, titles, descriptions, platforms = result.outcome.tables
    values = [{row.predictor: row.values for row in table.rows} for table in result.outcome.tables]

    assert [row.role for row in emotions.rows] == ["baseline", "control", "result", "result"]
    often, other, top, every = (row.values for row in emotions.rows)
    assert (every["macro-F1"].value, every["micro-F1"].value, every["AUC"].value) == (1, 1, 1)
    assert top["macro-F1"].value < 1  # half of the comments have two emotions
    assert max(often["macro-F1"].value, other["macro-F1"].value) < 0.7
    assert "AUC" in other
    assert "AUC" not in often.keys() | top.keys()

    context = Context(data=toys, seed=0, threads=1, base=None, work=tmp_path, quick=False)
    posts = study._posts(context)
    for field, table in (("title", titles), ("description", descriptions)):
        strange = posts[field].str.contains("wonderful|horrible").mean()
        row = values[1][f"{field}, cleaned first"]
        assert row["sentiment"].value == pytest.approx(strange)
        assert row["emotion"].value == 0
        assert values[1][f"{field}, labels of another post"]["emotion"].value > 0.3
        written, cleaned = table.rows[3].values, table.rows[2].values
        assert [row.predictor for row in table.rows][2:] == ["cleaned first", "as written"]
        assert written["macro-F1"].value == 1 > cleaned["macro-F1"].value
        assert written["Pearson"].value > 0.9 > cleaned["Pearson"].value
        assert abs(table.rows[1].values["Pearson"].value) < 0.4
        assert "Pearson" not in table.rows[0].values
    assert [row.values["posts"] for row in platforms.rows] == [POSTS, 61, 19, POSTS - 80]
    whole = values[4]["all"]
    assert whole["negative title"].value == pytest.approx(posts["title"].str.contains("bad|horrible").mean())
    assert whole["joyful title"].value == pytest.approx(posts["title"].str.contains("good").mean())

    claims = result.outcome.claims
    assert [claim.holds for claim in claims[:5]] == [True] * 5
    assert [claim.value for claim in claims[5:7]] == [POSTS, 6]
    assert (claims[7].value, claims[7].holds) == (pytest.approx(61 / 125 - 0.486), False)
    assert all(claim.value > 0 for claim in claims[8:])
    assert [entry["rows"] for entry in result.vaults] == [84]
