"""Labels for posts of a table that say for each label who gave it, from which text and how surely.

Sentiment by VADER, subjectivity by TextBlob, emotion by a reader. Needs the ``study`` extra (vaderSentiment, textblob,
scikit-learn).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, NamedTuple, get_args

import polars as pl

from affectome.errors import MissingExtraError, UsageError
from affectome.media import segments_schema
from affectome.pipeline import Scorer

Order = Literal["sound", "faithful"]

SENTIMENTS = ("negative", "neutral", "positive")
SUBJECTIVITIES = ("least opinionated", "neutral opinionated", "highly opinionated")
KINDS = ("sentiment", "subjectivity", "emotion")
LABELLED, MISSING = "labelled", "missing"

_PLACES = re.compile(r"https?://\S+|www\.\S+|[@#]\w+")
_WORD = re.compile(r"[^\W\d_]+")
_PROVENANCE = pl.Schema(
    {
        "row": pl.UInt32(),
        "column": pl.String(),
        "label": pl.String(),
        "score": pl.Float64(),
        "status": pl.String(),
        "error": pl.String(),
        "annotator": pl.String(),
        "order": pl.String(),
    }
)


class LabelledPosts(NamedTuple):
    """A table with labels, and where they come from.

    Attributes:
        posts: The table with the same rows in the same order and three more columns a field: ``<field>_sentiment``,
            ``<field>_subjectivity`` and ``<field>_emotion``; null where the reader abstained or failed.
        provenance: One row a label: ``row`` (number of the post), ``column``, ``label``, ``score`` (compound polarity
            in [-1, 1], subjectivity in [0, 1] or the emotion's probability; null unless labelled), ``status``
            (``labelled``, ``missing`` for a blank text, ``abstained`` or ``failed``), ``error`` (a code or empty),
            ``annotator`` with its version, and ``order``.
    """

    posts: pl.DataFrame
    provenance: pl.DataFrame


class _Found(NamedTuple):
    """One label of one text."""

    label: str | None
    score: float | None
    status: str
    error: str


@dataclass(frozen=True)
class PostLabeller:
    """Labels the text fields of posts.

    A blank text is neutral and least opinionated and is marked as missing.

    Args:
        emotions: Reads emotions, such as a `TextReader` with the taxonomy ``ekman7``.
        order: ``"sound"`` labels texts as they were written. ``"faithful"`` labels what `stemmed_words` leaves of them,
            as was published for videos about measles; that takes capitals, marks, emoji and the forms of words from
            annotators that live on them, and is there for comparison.
        sentiment_cut: Compound polarity from which on, inclusive, a text is positive, and below minus which, inclusive,
            it is negative; 0 to 1.
        subjectivity_cuts: Where subjectivity is cut into three, the upper label inclusive; rising, in 0 to 1.

    Raises:
        UsageError: A cut or the order is not valid.

    Source: arXiv 2406.07693 for the labels; C. J. Hutto and E. Gilbert (ICWSM 2014) for the cut of 0.05. The cuts of
        subjectivity are not published; thirds are ours.
    """

    emotions: Scorer
    order: Order = "sound"
    sentiment_cut: float = 0.05
    subjectivity_cuts: tuple[float, float] = (1 / 3, 2 / 3)

    def __post_init__(self) -> None:
        low, high = self.subjectivity_cuts
        for name, value, fits in (
            ("order", self.order, self.order in get_args(Order)),
            ("sentiment_cut", self.sentiment_cut, 0 < self.sentiment_cut <= 1),
            ("subjectivity_cuts", self.subjectivity_cuts, 0 <= low < high <= 1),
        ):
            if not fits:
                raise UsageError(f"{name} cannot be {value!r}.", code="bad_setting", value=value)

    def label(self, posts: pl.DataFrame, fields: Sequence[str] = ("title", "description")) -> LabelledPosts:
        """Labels every row.

        Args:
            posts: Any table.
            fields: Its text columns.

        Raises:
            UsageError: A field is no text column, or a column that would be added is there already.
            MissingExtraError: vaderSentiment or TextBlob is not installed.
        """
        for field in fields:
            if posts.schema.get(field) != pl.String:
                texts = [name for name, kind in posts.schema.items() if kind == pl.String]
                raise UsageError(
                    f"The table has no text column {field!r}.", code="missing_column", value=field, allowed=texts
                )
        added = [f"{field}_{kind}" for field in fields for kind in KINDS]
        if taken := [name for name in added if name in posts.columns]:
            raise UsageError(
                f"The table has a column {taken[0]!r} already.",
                code="column_taken",
                value=taken[0],
                next_step="Rename it, or label the table without it.",
            )
        rows: list[pl.DataFrame] = []
        for field in fields:
            given = [text or "" for text in posts[field]]
            read = [stemmed_words(text) for text in given] if self.order == "faithful" else given
            rows += [
                self._provenance(f"{field}_{kind}", annotator, found)
                for kind, (annotator, found) in zip(KINDS, self._annotate(given, read), strict=True)
            ]
        columns = [part["label"].alias(name) for name, part in zip(added, rows, strict=True)]
        return LabelledPosts(posts.with_columns(columns), pl.concat(rows))

    def _annotate(self, given: Sequence[str], read: Sequence[str]) -> list[tuple[str, list[_Found]]]:
        """Annotator and labels for each of `KINDS`; ``read`` is what of the ``given`` texts is labelled."""
        try:
            from textblob import TextBlob
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
        except ModuleNotFoundError as missing:
            raise MissingExtraError.for_extra("study", missing.name or "textblob") from None
        analyzer = SentimentIntensityAnalyzer()

        def sentiment(text: str) -> _Found:
            compound = float(analyzer.polarity_scores(text)["compound"])
            place = 1 + (compound >= self.sentiment_cut) - (compound <= -self.sentiment_cut)
            return _Found(SENTIMENTS[place], compound, LABELLED, "")

        def subjectivity(text: str) -> _Found:
            share = float(TextBlob(text).subjectivity)
            return _Found(SUBJECTIVITIES[sum(share >= cut for cut in self.subjectivity_cuts)], share, LABELLED, "")

        emotions, model = self._emotions(given, read)
        return [
            (f"vaderSentiment {version('vaderSentiment')}", _each(given, read, sentiment, "neutral")),
            (f"textblob {version('textblob')}", _each(given, read, subjectivity, SUBJECTIVITIES[0])),
            (model, emotions),
        ]

    def _emotions(self, given: Sequence[str], read: Sequence[str]) -> tuple[list[_Found], str]:
        n = len(read)
        segments = pl.DataFrame(
            {
                "id": [str(i) for i in range(n)],
                "source": ["posts"] * n,
                "start": [None] * n,
                "end": [None] * n,
                "speaker": [None] * n,
                "text": list(read),
                "error": [""] * n,
                "meta": [{"time": None, "group": None}] * n,
            },
            schema=segments_schema(),
        )
        estimates = self.emotions(segments)
        found = []
        for text, top, confidence, status, error in zip(
            given, *estimates.select("top", "confidence", "status", "error"), strict=True
        ):
            if not text.strip():
                found.append(_Found("neutral", None, MISSING, ""))
            elif status == "scored":
                found.append(_Found(top, confidence, LABELLED, ""))
            else:
                found.append(_Found(None, None, status, error))
        return found, str(estimates["model"][0]) if n else ""

    def _provenance(self, column: str, annotator: str, found: Sequence[_Found]) -> pl.DataFrame:
        rows = [(row, column, *one, annotator, self.order) for row, one in enumerate(found)]
        return pl.DataFrame(rows, schema=_PROVENANCE, orient="row")


def stemmed_words(text: str) -> str:
    """What is left of a text in the published order of cleaning.

    Links, hashtags, mentions, digits and everything else that is no letter go; words are cut and stemmed (M. F. Porter,
    Program 14, 1980) in lower case, and only then are stop words taken out.

    Raises:
        MissingExtraError: TextBlob or scikit-learn is not installed.
    """
    try:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
        from textblob import Word
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("study", missing.name or "textblob") from None
    stems = [str(Word(word).stem()) for word in _WORD.findall(_PLACES.sub(" ", text))]
    return " ".join(stem for stem in stems if stem not in ENGLISH_STOP_WORDS)


def _each(given: Sequence[str], read: Sequence[str], annotate: Callable[[str], _Found], blank: str) -> list[_Found]:
    """The label of each text; ``blank`` where nothing was given."""
    missing = _Found(blank, None, MISSING, "")
    return [annotate(text) if whole.strip() else missing for whole, text in zip(given, read, strict=True)]
