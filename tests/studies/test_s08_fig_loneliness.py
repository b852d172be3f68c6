"""Composed posts, published posts, planted shares, and the whole study on made-up rows."""

import csv
import gzip
import json

import numpy as np
import pytest

from affectome.errors import InputError
from affectome.studies import StudySettings, run_study
from affectome.studies import planted_shares as planted
from affectome.studies import s08_fig_loneliness as study
from affectome.studies.loneliness_posts import (
    ABSENT,
    LONELY,
    Composed,
    compose_posts,
    load_depressed,
    load_explained,
    load_neutral,
)

WHO = ("brother", "sister", "uncle", "aunt", "teacher", "neighbour", "cousin", "friend", "father", "mother")


def sentences(posts):
    return {sentence.strip(" .?") for text in posts.texts for sentence in text.replace("?", ".").split(".")} - {""}


def test_parts_share_no_sentence():
    train = compose_posts(300, places=slice(0, None, 2), seed=1)
    test = compose_posts(300, places=slice(1, None, 2), seed=1)
    assert not sentences(train) & sentences(test)
    assert compose_posts(300, places=slice(0, None, 2), seed=1).texts == train.texts


def test_axes_exist_only_where_a_post_is_lonely():
    posts = compose_posts(400, places=slice(0, None, 2), seed=0)
    lonely = posts.truth[LONELY] == 1
    for axis, labels in posts.labels.items():
        if axis == LONELY:
            continue
        assert labels[-1] == ABSENT
        assert (posts.truth[axis][~lonely] == -1).all()
        assert (posts.truth[axis][lonely] >= 0).all()
        assert (posts.votes[axis].sum(axis=1) == 3).all()
    counts = [text.count(".") + text.count("?") for text in posts.texts]
    # Length must not give the label away: both kinds have two sentences and as many as axes are spoken about.
    assert np.mean(np.array(counts)[lonely]) == pytest.approx(np.mean(np.array(counts)[~lonely]), abs=0.4)


def test_votes_by_hand():
    posts = Composed(
        [""] * 2, {"a": ("x", "y", "z")}, {"a": np.array([0, -1])}, {"a": np.array([[2, 1, 0], [1, 1, 1]])}
    )
    assert posts.shares("a")[0] == pytest.approx([2 / 3, 1 / 3, 0])
    assert posts.majority("a").tolist() == [[1, 0, 0], [1 / 3] * 3]
    assert posts.expected("a") == pytest.approx(np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))


def test_a_planted_share_is_found_only_with_the_right_errors():
    truth = np.repeat([1, 0], [300, 700])
    pool = planted.Counted(truth, np.concatenate([np.repeat([1, 0], [240, 60]), np.repeat([1, 0], [210, 490])]))
    other = planted.Counted(truth, truth)
    table, claims = planted.planted_shares("toys", pool, other, runs=30, seed=0)
    assert [row.role for row in table.rows] == ["baseline", "control", "result"]
    assert all(claim.holds for claim in claims)
    values = {row.predictor: row.values for row in table.rows}
    # With Se .8 and Sp .7 the reader reports .38 * .8 + .62 * .3 = .49 and a change of .08 * .5 = .04.
    assert values["counted as reported"]["error of share"].value == pytest.approx(11, abs=1)
    assert values["counted as reported"]["error of change"].value == pytest.approx(-4, abs=1.5)
    assert abs(values["corrected"]["error of share"].value) < 2


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


@pytest.fixture
def toys(tmp_path):
    root = tmp_path / "data"
    lonely = [f"Nobody sits with my {who} and me, I feel lonely in room {i}." for i, who in enumerate(WHO * 3)]
    other = [f"The {who} repaired a bicycle, number {i} of this long year." for i, who in enumerate(WHO * 3)]
    path = root / "imhi_mentallama" / "test_data" / "test_complete" / "loneliness.csv.gz"
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="") as out:
        asked = '  Question: The answer to the question ""Is it so?"" is '
        rows = [(f"Post: {text}{asked}", answer) for texts, answer in ((lonely, " Yes. So."), (other, "no. Reasoning"))
                for text in texts]  # fmt: skip
        csv.writer(out).writerows([("query", "gpt-3.5-turbo"), *rows])
    posts = [{"title": "Oh", "post": f"{text} Truly.", "emotions": ["sadness", "loneliness"]} for text in lonely]
    posts += [{"title": "", "post": f"{text} Really.", "emotions": ["sadness"]} for text in other]
    write_lines(root / "depressionemo" / "test.jsonl.gz", [*map(json.dumps, posts), ""])
    comments = root / "goemotions"
    for part in ("dev", "test"):
        write_lines(comments / f"{part}.tsv.gz", [f"{part} {text}\t1\tx" for text in other] + ["mixed\t0,1\ty"])
    (comments / "emotions.txt").write_text("joy\nneutral\n")
    return root


def test_published_posts(toys):
    explained = load_explained(toys / "imhi_mentallama")
    assert explained.texts[0] == "Nobody sits with my brother and me, I feel lonely in room 0."
    assert explained.lonely.tolist() == [1] * 30 + [0] * 30
    depressed = load_depressed(toys / "depressionemo")
    assert depressed.texts[0].startswith("Oh Nobody")
    assert depressed.lonely.sum() == 30
    assert len(load_neutral(toys / "goemotions", "dev")) == 30


def test_damaged_posts(toys):
    path = toys / "imhi_mentallama" / "test_data" / "test_complete" / "loneliness.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.write("query,gpt-3.5-turbo\nPost: words without a question,yes\n")
    with pytest.raises(InputError, match="no post with a question"):
        load_explained(toys / "imhi_mentallama")
    with pytest.raises(InputError):
        load_depressed(toys)


def fake_vectors(texts, base, *, threads):
    words = ("lonely", "years", "friend", "family", "advice", "chat", "illness", "boyfriend", "bicycle", "nobody")
    return np.array([[word in text.lower() for word in words] + [len(text) / 100] for text in texts], np.float32)


def test_both_features_stand_side_by_side():
    seen = study.Seen(np.ones((2, 3)), np.zeros(2), np.zeros((2, 1)), np.zeros(2))
    meaning = np.zeros((2, 4))
    assert [study._features(source, seen, meaning).shape[1] for source in study._SOURCES] == [3, 4, 7]


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, monkeypatch):
    def fake_see(reader, texts):
        features = fake_vectors(texts, None, threads=1).astype(float)
        return study.Seen(features, features[:, 0], np.log1p([[len(text)] for text in texts]), features[:, 0])

    monkeypatch.setattr(study, "see", fake_see)
    monkeypatch.setattr(study, "TextReader", lambda *given, **options: None)
    monkeypatch.setattr(study, "_RESAMPLES", 20)
    monkeypatch.setattr(study, "_STRENGTHS", (1.0, 0.1))
    monkeypatch.setattr("affectome.learn.base_vectors.base_vectors", fake_vectors)
    monkeypatch.setattr("affectome.learn.heads.choose_strength", lambda *rows, **options: 0.03)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.safetensors").write_bytes(b"")
    settings = StudySettings(toys, tmp_path / "out", base=tmp_path / "base", threads=1, quick=True)
    result = run_study(study.STUDY, settings)
    axes, within, transfer, comments, *shares = result.outcome.tables
    assert len(shares) == 2
    value = {row.predictor: row.values for row in within.rows}
    assert value["head"]["AUC"].value == 1
    assert value["every post lonely"]["UAR"].value == 0.5
    assert {row.predictor: row.values for row in comments.rows}["head"]["UAR"].value == 1
    assert transfer.rows[0].role == axes.rows[0].role == "baseline"
    none_said = next(
        claim for claim in result.outcome.claims if "not lonely" in claim.text and claim.comparison == "<="
    )
    assert none_said.holds
    assert {entry["name"] for entry in result.vaults} == {"composed", "depressionemo", "goemotions"}


@pytest.mark.train
def test_what_the_reader_sees():
    from affectome.models import default_model
    from affectome.perceive import TextReader

    seen = study.see(TextReader(default_model("text-affect"), "ed32"), ["I am so alone tonight", "a lovely day"])
    assert seen.lonely[0] > seen.lonely[1]
    assert seen.named.tolist() == [1, 0]
    assert seen.length[:, 0] == pytest.approx(np.log([6, 4]))
    assert len(seen.at(np.array([True, False])).features) == 1
