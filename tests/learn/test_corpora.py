import gzip
import os
import shutil
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from affectome.affect import load_taxonomy
from affectome.errors import InputError, UsageError
from affectome.learn import CORPORA, load_corpus
from affectome.learn.corpora import COMPOSED

ROOT = Path(__file__).parents[2]


def check_form(corpus, name):
    """What every corpus promises, whatever it was read from."""
    n, k = len(corpus.texts), len(corpus.columns)
    assert corpus.name == name
    assert corpus.targets.dtype == np.float32
    assert corpus.targets.shape == (n, k)
    assert corpus.split.shape == (n,)
    assert {"train", "dev"} <= set(corpus.split) <= {"train", "dev", "test"}
    assert len(set(corpus.columns)) == k
    assert all(text.strip() for text in corpus.texts)
    known = corpus.targets[~np.isnan(corpus.targets)]
    if corpus.kind == "presence":
        assert set(np.unique(known)) == {0, 1}
        assert (np.nansum(corpus.targets, axis=1) >= 1).all()
        return
    assert len(known) == n * k
    if corpus.kind == "distribution":
        assert known.min() >= 0
        np.testing.assert_allclose(corpus.targets.sum(axis=1), 1, rtol=1e-5)
    else:
        low = 0 if corpus.columns == ("toxicity",) else -1
        assert low <= known.min() <= known.max() <= 1


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_the_same_form(corpora, name):
    check_form(corpora[name], name)


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_a_licence(name):
    known = tomllib.loads(files("affectome.learn").joinpath("data/corpora.toml").read_text(encoding="utf-8"))
    assert set(known[name]) == {"title", "licence", "commercial", "use"}
    assert set(known) == set(CORPORA)
    assert set(CORPORA) > COMPOSED


def test_a_part_holds_the_rows_of_one_split(corpora):
    corpus = corpora["goemotions"]
    parts = [corpus.part(split) for split in ("train", "dev", "test")]
    assert [len(part.texts) for part in parts] == [6 * 28 + 1, 2 * 28 + 1, 28 + 1]
    assert corpus.texts == [text for part in parts for text in part.texts]
    np.testing.assert_array_equal(corpus.targets, np.concatenate([part.targets for part in parts]))
    parts[0].targets[:] = 7
    assert corpus.targets.max() == 1  # a part is a copy: what a trainer does to its targets stays there


def test_goemotions_may_have_several_labels_and_lone_quotes(corpora):
    train = corpora["goemotions"].part("train")
    assert train.columns == load_taxonomy("goemotions28").labels
    assert train.texts[0] == 'the "garden is admiration'
    assert np.flatnonzero(train.targets[0]).tolist() == [0]
    assert np.flatnonzero(train.targets[-1]).tolist() == [0, 5]


def test_emobank_ratings_are_centred_and_blank_texts_left_out(corpora):
    corpus = corpora["emobank"]
    assert corpus.columns == ("valence", "arousal", "dominance")
    assert corpus.texts[0] == "a good garden, they said"
    np.testing.assert_allclose(corpus.targets[0], [0.7, -0.7, 0.1], atol=1e-6)
    assert len(corpus.texts) == 5 * 10


def test_crowdflower_leaves_the_undecided_out(corpora):
    corpus = corpora["crowdflower"]
    assert len(corpus.texts) == 4 * 5
    assert len(corpus.columns) == 11
    label = {text.split()[0]: corpus.columns[k] for text, k in zip(corpus.texts, corpus.targets.argmax(1), strict=True)}
    assert label == {"enthusiasm": "excitement", "worry": "worry", "fun": "amusement", "hate": "hate"}


def test_toxicity_is_a_share_of_raters(corpora):
    corpus = corpora["toxicity"]
    value = dict(zip(corpus.texts, corpus.targets[:, 0].tolist(), strict=True))
    assert value["rude garden number 0"] == 1
    assert value["rude dinner number 3"] == pytest.approx(0.25)
    assert value["a bad, bad phone"] == pytest.approx(0.75)
    assert value["fine"] == 0
    assert len(value) == 12  # neither the blank comment nor the one without an annotation


def test_vader_ratings_are_scaled(corpora):
    corpus = corpora["vader_ratings"]
    assert len(corpus.texts) == 4 * 9
    np.testing.assert_allclose(corpus.targets[:9, 0], np.arange(-4, 5) / 4)


def test_a_situation_keeps_its_split_in_every_set(corpora):
    """What one stage calibrates on, no other stage may have trained on."""
    first, everything = corpora["situations"], corpora["situations_all"]
    assert len(first.texts) == 80
    assert len(everything.texts) == 120
    split = dict(zip(everything.texts, everything.split.tolist(), strict=True))
    for name in ("situations", "composed_harmless", "composed_presence"):
        texts, parts = corpora[name].texts, corpora[name].split.tolist()
        assert {text: split[text] for text in texts} == dict(zip(texts, parts, strict=True))


def test_hostile_situations_are_no_harmless_examples(corpora):
    words = {text.split()[0] for text in corpora["composed_harmless"].texts}
    assert words == {"fear", "grief", "joy", "pride", "relief", "sadness", "serenity", "surprise"}


def test_a_situation_is_silent_about_its_own_family(corpora):
    corpus = corpora["composed_presence"]
    assert not any("serenity" in text or "malice" in text for text in corpus.texts)  # no labels of the taxonomy
    row = dict(zip(corpus.columns, corpus.targets[corpus.texts.index("fear first garden")].tolist(), strict=True))
    assert row["fear"] == 1
    assert np.isnan(row["nervousness"])
    assert row["joy"] == row["neutral"] == 0


def test_posts_have_several_labels(corpora):
    corpus = corpora["composed_posts"]
    assert corpus.columns == ("anger", "fear", "joy", "pride")
    assert corpus.texts[0] == '"garden joy and pride'
    assert corpus.targets[:2].tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]


def test_headline_strengths_become_shares(corpora):
    row = corpora["composed_headlines"].targets[0]
    np.testing.assert_allclose(row, np.array([80, 10, 10, 10, 10, 10, 5]) / 135, rtol=1e-6)


def test_an_unknown_corpus_is_refused(data):
    with pytest.raises(UsageError, match="no corpus named 'imdb'") as caught:
        load_corpus("imdb", data)
    assert caught.value.allowed == tuple(sorted(CORPORA))


@pytest.mark.parametrize("name", CORPORA)
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(InputError) as caught:
        load_corpus(name, tmp_path)
    assert caught.value.code == "missing_corpus"
    assert str(caught.value.value).startswith(str(tmp_path))
    assert ("beside the recipe" in str(caught.value)) == (name in COMPOSED)


@pytest.mark.parametrize(
    ("name", "path", "content"),
    [
        ("goemotions", "goemotions/dev.tsv.gz", gzip.compress(b"text\t0\tid\n" * 9)[:-9]),
        ("goemotions", "goemotions/dev.tsv.gz", b"plain text"),
        ("goemotions", "goemotions/dev.tsv.gz", gzip.compress(b"text\t28\tid\n")),
        ("goemotions", "goemotions/dev.tsv.gz", gzip.compress(b"text without labels\n")),
        ("goemotions", "goemotions/dev.tsv.gz", gzip.compress(b"\xff\t1\tid\n")),
        ("emobank", "emobank/corpus/emobank.csv.gz", gzip.compress(b"id,split,V,A,text\n1,dev,3,3,x\n")),
        ("emobank", "emobank/corpus/emobank.csv.gz", gzip.compress(b"id,split,V,A,D,text\n1,dev,3,3,three,x\n")),
        ("toxicity", "toxic_spans/comments.csv.gz", gzip.compress(b"comment_id,comment_text\n7\n")),
    ],
    ids=[
        "cut off",
        "not gzipped",
        "label beyond",
        "column missing",
        "not UTF-8",
        "measure missing",
        "word",
        "short row",
    ],
)
def test_a_damaged_file_is_told_apart(data, tmp_path, name, path, content):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    (tmp_path / path).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_corpus(name, tmp_path)
    assert caught.value.code == "bad_corpus"


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_the_composed_texts_are_complete(name):
    corpus = load_corpus(name, ROOT / "recipes")
    check_form(corpus, name)
    assert len(corpus.texts) > 300


@pytest.mark.data
@pytest.mark.skipif("AFFECTOME_DATA" not in os.environ, reason="set AFFECTOME_DATA to the folder of the corpora")
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("goemotions", (43410, 5426, 5427)),
        ("emobank", (8062, 1000, 1000)),
        ("crowdflower", None),
        ("toxicity", None),
        ("vader_ratings", None),
    ],
)
def test_the_published_corpora_are_read_in_full(name, rows):
    corpus = load_corpus(name, Path(os.environ["AFFECTOME_DATA"]))
    check_form(corpus, name)
    counts = tuple(int((corpus.split == split).sum()) for split in ("train", "dev", "test"))
    assert counts == rows if rows else sum(counts) > 10_000
    if name == "goemotions":
        assert corpus.columns == load_taxonomy("goemotions28").labels
