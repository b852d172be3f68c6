"""The examples are what their description says, and analysing them shows the story they tell."""

import csv
import re
from datetime import datetime

import polars as pl
import pytest

import affectome

NOT_ENGLISH = 3
EMPTY = 2


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def posts(root):
    return _rows(root / "examples" / "posts.csv")


@pytest.fixture(scope="module")
def dialogue(root):
    return _rows(root / "examples" / "dialogue.csv")


def test_posts(posts, root):
    assert list(posts[0]) == ["id", "text", "author", "created_at", "group"]
    assert len({row["id"] for row in posts}) == len(posts)
    assert f"{len(posts)} posts" in (root / "examples" / "README.md").read_text(encoding="utf-8")
    texts = [row["text"] for row in posts]
    assert texts.count("") == EMPTY
    assert len(set(texts)) == len(texts) - EMPTY + 1


def test_posts_cover_eight_weeks_in_order(posts):
    times = [datetime.fromisoformat(row["created_at"]) for row in posts]
    assert times == sorted(times)
    assert len({time.isocalendar().week for time in times}) == 8


def test_two_neighbourhoods_of_similar_size(posts):
    quayside = sum(row["group"] == "Quayside" for row in posts)
    assert {row["group"] for row in posts} == {"Quayside", "Northfield"}
    assert 0.4 < quayside / len(posts) < 0.6


def test_an_author_lives_in_one_place(posts):
    assert len({(row["author"], row["group"]) for row in posts}) == len({row["author"] for row in posts})


def test_dialogue(dialogue):
    assert list(dialogue[0]) == ["dialogue_id", "turn", "speaker", "text"]
    assert [int(row["turn"]) for row in dialogue] == list(range(1, len(dialogue) + 1))
    assert {row["speaker"] for row in dialogue} == {"Nora", "Eli"}


@pytest.fixture(scope="module")
def estimates(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    affectome.analyze([root / "examples" / "posts.csv", root / "examples" / "dialogue.csv"], out)
    assert re.search(r"<html", (out / "report.html").read_text(encoding="utf-8"))
    return pl.read_parquet(out / "estimates.parquet").unnest("meta")


def test_every_row_of_the_examples_ends_once(estimates, posts, dialogue):
    assert len(estimates) == estimates["id"].n_unique() == len(posts) + len(dialogue)
    assert estimates.filter(status="failed").is_empty()
    codes = dict(estimates.filter(status="abstained").group_by("error").len().iter_rows())
    assert codes["empty"] == EMPTY
    assert codes["not_english"] >= NOT_ENGLISH
    assert estimates.filter(status="scored").height >= 0.97 * len(estimates)


def test_the_storm_and_the_opening_show(estimates):
    day = pl.col("time").dt.date()
    storm = estimates.filter(day.is_between(datetime(2025, 4, 3).date(), datetime(2025, 4, 4).date()))
    opening = estimates.filter(day == datetime(2025, 4, 26).date())
    assert opening["valence"].mean() - storm["valence"].mean() > 0.05
    fear, joy = (pl.col("emotion").struct.field(name).mean() for name in ("fear", "joy"))
    assert storm.select(fear).item() > opening.select(fear).item()
    assert opening.select(joy).item() > storm.select(joy).item()
