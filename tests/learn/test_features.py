import sys

import numpy as np
import pytest

from affectome.errors import MissingExtraError, ModelError, RunError, UsageError
from affectome.learn.features import AffectFeatures, LexiconFeatures, SparseFeatures, masked_words
from affectome.models import default_model

TEXTS = ["what a wonderful day", "this is awful", "what an awful, awful day"]


@pytest.fixture(scope="module")
def features():
    return AffectFeatures(threads=1)


def test_a_text_is_its_place_and_its_read_outs(features):
    rows = features.transform(TEXTS)
    encoded = features.reader.encoder.encode(TEXTS)
    width, labels = encoded.vectors.shape[1], encoded.labels.shape[1]
    assert rows.shape == (3, width + labels + 8)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows[:, :width], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(rows[:, width : width + labels] * 4, encoded.labels)
    np.testing.assert_array_equal(rows[:, -8:-3], encoded.means)
    np.testing.assert_array_equal(rows[:, -3:], encoded.spreads)
    assert rows[0, -8] > rows[1, -8]  # valence


def test_a_blank_text_says_nothing(features):
    rows = features.transform(["", TEXTS[0], "\u200b \n"])
    assert not rows[[0, 2]].any()
    np.testing.assert_array_equal(rows[[1]], features.transform(TEXTS[:1]))
    assert features.transform([]).shape == (0, rows.shape[1])
    assert not features.transform([""]).any()


def test_the_reader_may_be_named_or_given(features):
    bundle = default_model("text-affect")
    for given in (bundle, bundle.card.id):
        np.testing.assert_array_equal(AffectFeatures(given, threads=1).transform(TEXTS), features.transform(TEXTS))
    with pytest.raises(ModelError) as caught:
        AffectFeatures("no-such-reader")
    assert caught.value.code == "unknown_model"


@pytest.fixture
def sklearn():
    return pytest.importorskip("sklearn", reason='needs the train extra: pip install "affectome[train]"')


@pytest.mark.train
def test_rare_words_weigh_more(sklearn):
    sparse = SparseFeatures((1, 1), None, minimum=1).fit(["joy joy day", "fear day", "day &amp; night"])
    row = sparse.transform(["JOY day"]).toarray()[0]
    # ln((1 + 3) / (1 + 1)) + 1 for joy and ln(4 / 4) + 1 for day, then unit length.
    weights = np.array([1.0, np.log(2) + 1])
    np.testing.assert_allclose(row[row > 0], weights / np.linalg.norm(weights), rtol=1e-6)
    assert sparse.transform(["nothing known"]).nnz == 0
    assert row.shape == (5,)  # joy, day, fear, &, night


@pytest.mark.train
def test_words_and_characters_stand_side_by_side(sklearn):
    words = SparseFeatures(characters=None).fit(TEXTS).transform(TEXTS)
    characters = SparseFeatures(words=None).fit(TEXTS).transform(TEXTS)
    both = SparseFeatures().fit(TEXTS).transform(TEXTS)
    assert both.dtype == np.float32
    np.testing.assert_array_equal(both.toarray(), np.hstack([words.toarray(), characters.toarray()]))
    assert SparseFeatures(limit=3).fit(TEXTS).transform(TEXTS).shape == (3, 6)
    assert SparseFeatures(words=None).fit(TEXTS).transform(["awfully"]).nnz > 0  # shares characters


@pytest.mark.train
def test_sparse_features_say_what_is_wrong(sklearn, monkeypatch):
    for words, characters in ((None, None), ((2, 1), None), (None, (0, 3))):
        with pytest.raises(UsageError) as caught:
            SparseFeatures(words, characters)
        assert caught.value.code == "bad_ngrams"
    with pytest.raises(RunError) as unfitted:
        SparseFeatures().transform(TEXTS)
    assert unfitted.value.code == "not_fitted"
    with pytest.raises(UsageError) as empty:
        SparseFeatures().fit(["", "?"])
    assert empty.value.code == "no_ngrams"
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(MissingExtraError, match=r"affectome\[train\]"):
        SparseFeatures()


@pytest.fixture
def lexicon():
    pytest.importorskip("vaderSentiment", reason='needs the study extra: pip install "affectome[study]"')
    return LexiconFeatures()


def test_a_text_is_counted(lexicon):
    text = "I'm SO happy and joyful... aren't YOU??? 😀 @bob see! www.a.b/c?d “sooo” 12 #Yes"
    row = dict(zip(lexicon.names, lexicon.transform([text])[0], strict=True))
    counted = {name: round(float(np.expm1(row[name])), 4) for name in row if not name.startswith("vader_")}
    assert counted | {"capitals": 0, "word_length": 0} == {
        "first_person_singular": 1, "first_person_plural": 0, "second_person": 1, "third_person": 0, "negation": 1,
        "feelings_pleasant": 2, "feelings_unpleasant": 0, "characters": len(text), "words": 12, "sentences": 3,
        "exclamations": 1, "questions": 3, "ellipses": 1, "quotes": 2, "digits": 2, "shouted_words": 2,
        "stretched_words": 1, "pictographs": 1, "hashtags": 1, "handles_and_links": 2, "capitals": 0, "word_length": 0,
    }  # fmt: skip
    assert row["capitals"] == pytest.approx(7 / 36)
    assert row["word_length"] == pytest.approx(36 / 12)
    assert row["vader_compound"] > 0.5


def test_vader_speaks_for_itself(lexicon):
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    at = [lexicon.names.index(f"vader_{name}") for name in ("neg", "neu", "pos", "compound")]
    scores = [list(SentimentIntensityAnalyzer().polarity_scores(text).values()) for text in TEXTS]
    np.testing.assert_allclose(lexicon.transform(TEXTS)[:, at], scores, rtol=1e-6)


def test_nothing_counts_as_nothing(lexicon):
    assert not lexicon.transform(["", " "])[0].any()
    assert lexicon.transform([]).shape == (0, len(lexicon.names))


def test_without_vader_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(MissingExtraError, match=r"affectome\[study\]"):
        LexiconFeatures()


@pytest.mark.parametrize(
    ("word", "masked", "kept"),
    [
        ("anger", "anger angers ANGERED angering anger's", "hungry angle danger"),
        ("angry", "angry angrier Angriest angrily", "hungry anchor"),
        ("annoyance", "annoyance annoyances annoyed annoying annoyingly annoy annoys", "annual"),
        ("sad", "sad sadder saddest sadness sadly saddened", "said sat saddle"),
        ("happy", "happy happier happiest happily happiness", "happen happened perhaps"),
        ("guilty", "guilty guilt guiltily guiltier", "gilt"),
        ("hate", "hate hated hates hating hateful", "hat hats heat"),
        ("anxious", "anxious anxiously anxiety", "axis"),
        ("terrified", "terrified terrify terrifies terrifying", "territory terrible"),
        ("surprised", "surprised surprise surprises surprising surprisingly", "surplus"),
        ("lonely", "lonely loneliness lonelier", "alone long"),
        ("joyful", "joyful joyfully", "join"),
        ("let down", "let down LET  down", "letdown let downtown"),
        ("worn-out", "worn-out", "worn out"),
    ],
)
def test_inflections_are_masked_and_other_words_kept(word, masked, kept):
    (hidden, shown) = masked_words([f"so {masked}.", f"so {kept}."], [word], "_")
    assert hidden.replace("'s", "").replace("_", "").split() == ["so", "."]
    assert shown == f"so {kept}."


def test_all_words_are_masked_with_the_usual_mark():
    assert masked_words(["Joy, then fear; no joys", "calm"], ["fear", " JOY ", ""]) == ["…, then …; no …", "calm"]
    assert masked_words(["as it is"], []) == ["as it is"]
