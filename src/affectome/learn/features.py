"""Texts as rows of numbers for heads that are fitted in closed form: reader, n-grams, lexicons; and masked words.

`SparseFeatures` needs the ``train`` extra (scikit-learn), `LexiconFeatures` the ``study`` extra (vaderSentiment).
"""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.errors import MissingExtraError, RunError, UsageError
from affectome.models import Bundle, default_model, find_model
from affectome.perceive import TextReader
from affectome.perceive.cleaning import clean

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Array = NDArray[np.float32]

_WORD = re.compile(r"[^\W\d_]+")
_STRETCHED = re.compile(r"(\w)\1{2,}")
_HASHTAG = re.compile(r"#\w+")
_POINTER = re.compile(r"@\w+|https?://\S+|www\.\S+")
_VADER = ("neg", "neu", "pos", "compound")
_SHAPE = (
    "characters",
    "words",
    "word_length",
    "sentences",
    "exclamations",
    "questions",
    "ellipses",
    "quotes",
    "digits",
    "capitals",
    "shouted_words",
    "stretched_words",
    "pictographs",
    "hashtags",
    "handles_and_links",
)


class AffectFeatures:
    """What the text reader sees: for each text its place in the affect space and every read-out.

    Columns, in this order: unit vector, logits of the direct labels divided by 4 (so that no column is much larger
    than the others), valence, arousal, dominance, sentiment, toxicity, standard deviations of the first three.

    Args:
        reader_bundle: A text bundle, its id or its folder; by default the shipped one.
        threads: Processor threads.

    Raises:
        ModelError: The bundle cannot be used.
    """

    def __init__(self, reader_bundle: Bundle | Path | str | None = None, threads: int = 2) -> None:
        if reader_bundle is None:
            reader_bundle = default_model("text-affect")
        elif not isinstance(reader_bundle, Bundle):
            reader_bundle = find_model(reader_bundle, task="text-affect")
        self.reader = TextReader(reader_bundle, threads=threads)

    def transform(self, texts: Sequence[str]) -> Array:
        """Features (n, d) of n texts; a text that is blank once it is cleaned gives a row of zeros."""
        rows = [i for i, text in enumerate(texts) if clean(text)]
        encoded = self.reader.encoder.encode([texts[i] for i in rows])
        seen = encoded.features()
        features = np.zeros((len(texts), seen.shape[1]), np.float32)
        features[rows] = seen
        return features


class SparseFeatures:
    """Tf-idf of word and character n-grams, each part of unit length, with logarithmic counts.

    Args:
        words: Shortest and longest word n-gram; None for no words.
        characters: Shortest and longest character n-gram, inside words; None for no characters.
        minimum: Texts that an n-gram must occur in.
        limit: N-grams kept of words and of characters, the most frequent ones.

    Raises:
        UsageError: There is neither a word nor a character n-gram, or a range is not one.
        MissingExtraError: scikit-learn is not installed.
    """

    def __init__(
        self,
        words: tuple[int, int] | None = (1, 2),
        characters: tuple[int, int] | None = (2, 5),
        *,
        minimum: int = 2,
        limit: int = 200_000,
    ) -> None:
        ranges = {"word": words, "char_wb": characters}
        wanted = {analyzer: sizes for analyzer, sizes in ranges.items() if sizes is not None}
        if not wanted or any(not 1 <= low <= high for low, high in wanted.values()):
            raise UsageError(
                "N-grams need a shortest and a longest size, for words or for characters.",
                code="bad_ngrams",
                value=(words, characters),
            )
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.pipeline import FeatureUnion
        except ModuleNotFoundError as missing:
            raise MissingExtraError.for_extra("train", missing.name or "scikit-learn") from None
        self._union: Any = FeatureUnion(
            [
                (
                    analyzer,
                    TfidfVectorizer(
                        analyzer=analyzer,
                        ngram_range=sizes,
                        min_df=minimum,
                        max_features=limit,
                        sublinear_tf=True,
                        preprocessor=_lowered,
                        token_pattern=r"\w+|[^\w\s]" if analyzer == "word" else None,
                        dtype=np.float32,
                    ),
                )
                for analyzer, sizes in wanted.items()
            ]
        )
        self._fitted = False

    def fit(self, texts: Sequence[str]) -> SparseFeatures:
        """Learn the n-grams and their weights from training texts.

        Raises:
            UsageError: No n-gram occurs often enough.
        """
        try:
            self._union.fit(texts)
        except ValueError as reason:
            raise UsageError(
                f"No n-gram can be learnt from {len(texts)} texts: {reason}.", code="no_ngrams", value=len(texts)
            ) from reason
        self._fitted = True
        return self

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Sparse features (n, d) of float32 of n texts.

        Raises:
            RunError: Nothing has been learnt yet.
        """
        if not self._fitted:
            raise RunError("The n-grams are not known yet.", code="not_fitted", next_step="Call fit first.")
        return self._union.transform(texts).tocsr()


def _lowered(text: str) -> str:
    return clean(text).lower()


class _SentimentAnalyzer(Protocol):
    def polarity_scores(self, text: str) -> dict[str, float]: ...


class LexiconFeatures:
    """What needs no training: lexicon scores, words for feelings, pronouns, negations, and how a text is written.

    The columns are in `names`. ``vader_…`` are the scores of VADER (Hutto and Gilbert 2014); ``feelings_…`` counts the
    words of the package's category taxonomies by their valence; lengths and counts are log(1 + count), ``capitals``
    and ``word_length`` are the share of letters in upper case and the mean number of letters a word.

    Raises:
        MissingExtraError: vaderSentiment is not installed.
    """

    def __init__(self) -> None:
        try:
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
        except ModuleNotFoundError as missing:
            raise MissingExtraError.for_extra("study", missing.name or "vaderSentiment") from None
        self._analyzer = cast(_SentimentAnalyzer, SentimentIntensityAnalyzer())
        known = tomllib.loads(files("affectome.learn").joinpath("data/word_classes.toml").read_text(encoding="utf-8"))
        self._classes = {name: frozenset(words) for name, words in known.items()} | _feelings()
        self.names = (*(f"vader_{name}" for name in _VADER), *self._classes, *_SHAPE)

    def transform(self, texts: Sequence[str]) -> Array:
        """Features (n, d) of n texts."""
        rows = [self._row(text) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), len(self.names))

    def _row(self, text: str) -> list[float]:
        polarity = self._analyzer.polarity_scores(text)
        plain, pointers = _POINTER.subn(" ", text)  # handles and links have no words and no sentences
        found = _WORD.findall(plain)
        lowered = [word.lower() for word in found]
        letters = sum(map(len, found))
        counts = {
            "characters": len(text),
            "words": len(found),
            "sentences": len(re.findall(r"[.!?…。！？]+", plain)),
            "exclamations": sum(map(plain.count, "!！")),
            "questions": sum(map(plain.count, "?？")),
            "ellipses": len(re.findall(r"\.{2,}|…", plain)),
            "quotes": sum(map(plain.count, '"“”„«»')),
            "digits": sum(map(str.isdigit, plain)),
            "shouted_words": sum(len(word) > 1 and word.isupper() for word in found),
            "stretched_words": len(_STRETCHED.findall(plain)),
            "pictographs": sum(unicodedata.category(character) == "So" for character in plain),
            "hashtags": len(_HASHTAG.findall(plain)),
            "handles_and_links": pointers,
        }
        shape = {name: math.log1p(count) for name, count in counts.items()}
        shape["word_length"] = letters / max(1, len(found))
        shape["capitals"] = sum(character.isupper() for word in found for character in word) / max(1, letters)
        classes = [math.log1p(sum(word in words for word in lowered)) for words in self._classes.values()]
        return [*(polarity[name] for name in _VADER), *classes, *(shape[name] for name in _SHAPE)]


def _feelings() -> dict[str, frozenset[str]]:
    """Single words for feelings that are pleasant, and those that are unpleasant, in all category taxonomies."""
    words: dict[int, set[str]] = {1: set(), -1: set()}
    for taxonomy in map(load_taxonomy, list_taxonomies()):
        for label, valence in taxonomy.valence.items():
            if valence:
                names = (*taxonomy.names(label), *taxonomy.synonyms.get(label, ()))
                words[valence] |= {name for name in names if _WORD.fullmatch(name)}
    return {"feelings_pleasant": frozenset(words[1]), "feelings_unpleasant": frozenset(words[-1])}


# What English hangs onto a word, and what a word for a feeling may already carry.
_ENDINGS = (
    *("s", "es", "d", "ed", "r", "er", "st", "est", "ing", "ings", "ly", "ily", "edly", "ingly", "ness", "ment"),
    *("ments", "ance", "ful", "fully", "fulness", "less", "some", "ous", "ously", "ety", "y", "ier", "iest", "iness"),
    *("ies", "ied", "ation", "ion", "en", "ened", "ening", "able", "ive"),
)
_CARRIED = tuple(sorted((*_ENDINGS, "ity", "ate", "ated", "ating"), key=len, reverse=True))
_SHORTEST = 4  # letters of a stem that is left when an ending is taken off; shorter ones are other words


def masked_words(texts: Sequence[str], words: Sequence[str], mask: str = "…") -> list[str]:
    """Replace words and their inflections, so that a text no longer names its label.

    A word is masked if it is one of ``words``, or if both come from one stem by regular English endings:
    ``annoyance`` also masks ``annoyed`` and ``annoyingly``. It rather masks a word too many (``scary`` masks
    ``scar``) than one too few; irregular kin (``grief``, ``grieve``) must be given.

    Args:
        texts: n texts.
        words: Words and phrases; case does not matter.
        mask: What stands in their place.

    Returns:
        n texts.
    """
    phrases = sorted({word.casefold().strip() for word in words} - {""}, key=len, reverse=True)
    single = {word for word in phrases if _WORD.fullmatch(word)}
    forms = {form for word in single for form in _inflections(word)}
    several = [r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases if phrase not in single]
    phrase = re.compile(rf"(?<!\w)(?:{'|'.join(several)})(?!\w)", re.IGNORECASE) if several else None

    def replaced(match: re.Match[str]) -> str:
        return mask if match.group().casefold() in forms else match.group()

    masked = []
    for text in texts:
        shown = phrase.sub(lambda _: mask, text) if phrase else text
        masked.append(_WORD.sub(replaced, shown))
    return masked


def _inflections(word: str) -> set[str]:
    """A word, its possible stems, and each of them with every regular ending."""
    stems = {word}
    for ending in _CARRIED:
        stem = word.removesuffix(ending)
        if ending == "y" and stem[-2:-1] == stem[-1:]:
            continue  # happ- is no stem, or happen would be kin of happy
        if stem != word and len(stem) >= _SHORTEST:
            stems |= {stem, f"{stem}e"}
            if stem[-1] == "i":
                stems.add(f"{stem[:-1]}y")
            if stem[-1] == stem[-2]:
                stems.add(stem[:-1])
    forms = set(stems)
    for stem in stems:
        bases: dict[str, tuple[str, ...]] = {stem: _ENDINGS, f"{stem}{stem[-1]}": _ENDINGS}
        if stem[-1] == "e":  # it falls before a vowel: hate, hating, but not hats
            bases[stem[:-1]] = tuple(ending for ending in _ENDINGS if ending[0] in "aeioy")
        if stem[-1] == "y":  # it becomes an i
            bases[stem[:-1]] = tuple(ending for ending in _ENDINGS if ending[0] == "i")
        forms |= {f"{base}{ending}" for base, endings in bases.items() for ending in endings}
    return forms
