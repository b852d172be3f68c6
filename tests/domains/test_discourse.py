"""Labels with their provenance."""

import polars as pl
import pytest

from affectome.domains import PostLabeller, stemmed_words
from affectome.errors import UsageError

pytest.importorskip("textblob")
vader = pytest.importorskip("vaderSentiment.vaderSentiment")


class Emotions:
    """A reader for tests: joy wherever the text is not Finnish, and a list of what it was shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, segments):
        self.shown += segments["text"].to_list()
        foreign = segments["text"].str.contains("hyvää")
        blank = segments["text"].str.strip_chars() == ""
        return segments.select("id").with_columns(
            top=pl.when(~foreign & ~blank).then(pl.lit("joy")),
            confidence=pl.when(~foreign & ~blank).then(0.75),
            status=pl.when(foreign | blank).then(pl.lit("abstained")).otherwise(pl.lit("scored")),
            error=pl.when(foreign).then(pl.lit("not_english")).when(blank).then(pl.lit("empty")).otherwise(pl.lit("")),
            model=pl.lit("toy 1"),
        )

    def failed(self, segments, code):
        raise AssertionError("nobody fails here")


POSTS = pl.DataFrame(
    {
        "url": ["a", "b", "c", "d"],
        "title": ["GREAT news!!! 😀", "Outbreak is terrible", "Hyvää huomenta kaikille hyvää", None],
        "description": ["The clinic opens at noon.", "   ", "I honestly think it is a truly beautiful idea", "x"],
    }
)


@pytest.fixture
def labelled():
    return PostLabeller(Emotions()).label(POSTS)


def test_six_columns_come_and_no_row_goes(labelled):
    added = [
        f"{field}_{kind}" for field in ("title", "description") for kind in ("sentiment", "subjectivity", "emotion")
    ]
    assert labelled.posts.columns == [*POSTS.columns, *added]
    assert labelled.posts.select(POSTS.columns).equals(POSTS)
    assert len(labelled.provenance) == 6 * len(POSTS)
    for name in added:
        own = labelled.provenance.filter(column=name).sort("row")
        assert own["label"].to_list() == labelled.posts[name].to_list()


def test_scores_are_those_of_the_library(labelled):
    analyzer = vader.SentimentIntensityAnalyzer()
    own = labelled.provenance.filter(column="title_sentiment")
    assert own["score"][:2].to_list() == [analyzer.polarity_scores(text)["compound"] for text in POSTS["title"][:2]]
    assert own["label"][:2].to_list() == ["positive", "negative"]
    assert own["annotator"][0].startswith("vaderSentiment ")


def test_blank_texts_are_neutral_and_marked(labelled):
    blank = labelled.posts[1].select(pl.col("^description_.*$")).row(0)
    assert blank == ("neutral", "least opinionated", "neutral")
    assert labelled.posts["title_emotion"][3] == "neutral"
    missing = labelled.provenance.filter(status="missing")
    assert sorted(missing.select("row", "column").rows()) == sorted(
        [(1, f"description_{kind}") for kind in ("sentiment", "subjectivity", "emotion")]
        + [(3, f"title_{kind}") for kind in ("sentiment", "subjectivity", "emotion")]
    )
    assert missing["score"].null_count() == len(missing)


def test_an_abstention_is_no_label(labelled):
    own = labelled.provenance.filter(column="title_emotion").row(2, named=True)
    assert own == {
        "row": 2,
        "column": "title_emotion",
        "label": None,
        "score": None,
        "status": "abstained",
        "error": "not_english",
        "annotator": "toy 1",
        "order": "sound",
    }


@pytest.mark.parametrize(
    ("compound", "label"), [(0.05, "positive"), (0.0499, "neutral"), (-0.05, "negative"), (-0.0499, "neutral")]
)
def test_cuts_of_sentiment_are_inclusive(monkeypatch, compound, label):
    monkeypatch.setattr(vader.SentimentIntensityAnalyzer, "polarity_scores", lambda self, text: {"compound": compound})
    posts = PostLabeller(Emotions()).label(pl.DataFrame({"text": ["any"]}), ["text"]).posts
    assert posts["text_sentiment"].to_list() == [label]


@pytest.mark.parametrize(
    ("share", "label"), [(0.3, "least"), (1 / 3, "neutral"), (0.6, "neutral"), (2 / 3, "highly"), (1.0, "highly")]
)
def test_cuts_of_subjectivity(monkeypatch, share, label):
    import textblob

    monkeypatch.setattr(textblob.TextBlob, "subjectivity", share)
    posts = PostLabeller(Emotions()).label(pl.DataFrame({"text": ["any"]}), ["text"]).posts
    assert posts["text_subjectivity"].to_list() == [f"{label} opinionated"]


def test_the_published_order_shows_annotators_stems_only():
    emotions = Emotions()
    faithful = PostLabeller(emotions, order="faithful").label(POSTS, ["title"])
    assert emotions.shown[:2] == ["great news", "outbreak terribl"]
    assert faithful.posts["title_sentiment"].to_list() == ["positive", "neutral", "neutral", "neutral"]
    assert faithful.provenance["order"].unique().to_list() == ["faithful"]


def test_stems():
    assert stemmed_words("The 3 running dogs @jo #vax https://x.org are LOVELY, truly!") == "run dog love truli"
    assert stemmed_words("2024 ?!") == ""


def test_an_empty_table_stays_one():
    labelled = PostLabeller(Emotions()).label(POSTS.clear(), ["title"])
    assert labelled.posts.columns[-1] == "title_emotion"
    assert not len(labelled.provenance)


@pytest.mark.parametrize("field", ["body", "n"])
def test_a_field_that_is_no_text_is_refused(field):
    with pytest.raises(UsageError) as error:
        PostLabeller(Emotions()).label(POSTS.with_columns(n=1), [field])
    assert error.value.allowed == ("url", "title", "description")


def test_no_column_is_overwritten():
    with pytest.raises(UsageError, match="title_sentiment"):
        PostLabeller(Emotions()).label(POSTS.with_columns(title_sentiment=pl.lit("mine")))


@pytest.mark.parametrize(
    "setting",
    [{"order": "loud"}, {"sentiment_cut": 0}, {"subjectivity_cuts": (0.6, 0.4)}, {"subjectivity_cuts": (0, 2)}],
)
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(UsageError) as error:
        PostLabeller(Emotions(), **setting)
    assert error.value.code == "bad_setting"
