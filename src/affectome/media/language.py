"""Which language a text is in, and whether it is English.

The check is cautious: slang, typos, names, laughter and pictures are no reason to turn an English text away, so only a
text that is clearly in another language is.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_EVIDENCE = Path(__file__).with_name("data") / "english.toml"
_LOOKED_AT = 2000  # characters; more would cost time and change nothing
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|[@#]\w+|\S+@\S+|&#?\w+;")
_IN_ADDRESSES = ("@", "#", "&", "http", "www.")  # looking for one of them is faster than for an address
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
# A letter outside the Latin script, which includes phonetic letters.
_FOREIGN_LETTER = r"(?![\u0000-\u02ff\u1d00-\u1dbf\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f])[^\W\d_]"
# Two in a row, counting the vowel signs of Semitic and Indic scripts, make a word; single ones often belong to text
# faces.
_FOREIGN_WORD = re.compile(rf"{_FOREIGN_LETTER}(?:{_FOREIGN_LETTER}|[\u0591-\u1aff])+")

_ENGLISH_SHARE = 0.2
_MIN_WORDS = 3
_MAX_ENGLISH_PROBABILITY = 0.02
_MIN_OTHER_PROBABILITY = 0.35


class LanguageGuess(NamedTuple):
    """A language and how probable it is.

    Attributes:
        code: ISO 639-1 code, ``und`` for a text without words.
        probability: In [0, 1], among the languages the identifier knows; 0 for ``und``.
    """

    code: str
    probability: float


def detect_language(text: str) -> LanguageGuess:
    """The most probable language of a text, judged by its first 2,000 characters.

    A naive Bayes classifier over byte n-grams decides among 53 widely written languages. It is unreliable below about
    five words. The first call loads the classifier (some tenths of a second, about 70 MB).

    Args:
        text: Any text; web addresses, mentions and hashtags are ignored.
    """
    words = _without_addresses(text)
    if not _WORD.search(words):
        return LanguageGuess("und", 0.0)
    return LanguageGuess(*_identifier().rank(words)[0])


def is_english(text: str) -> bool | None:
    """Whether a text is English, judged by its first 2,000 characters.

    Frequent English words decide first: a fifth of all words is enough. Then the script: mostly letters of another one
    are not English. Only then is the language identified, and a text turned away if English is all but excluded.

    Args:
        text: Any text.

    Returns:
        True or False where there is evidence, None where there is too little, as in ``"ok lol"``, names or pictures.
    """
    text = _without_addresses(text)
    if not text.isascii():
        # Posts write Latin in full-width and mathematical letters; compatibility forms undo that.
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
        foreign = sum(map(str.isalpha, "".join(_FOREIGN_WORD.findall(text))))
        if 2 * foreign > sum(map(str.isalpha, text)):
            return False
    words = _WORD.findall(text)
    english, neutral = _word_lists()
    telling = [word for word in map(str.lower, words) if word not in neutral]
    found = sum(word in english for word in telling)
    if found and found >= _ENGLISH_SHARE * len(telling):
        return True
    if len(telling) < _MIN_WORDS or (not text.isupper() and sum(word[0].islower() for word in words) < 2):
        return None  # a word or two, or nothing but capitalised names
    ranked = _identifier().rank(text)
    code, probability = ranked[0]
    if code == "en":
        return True
    if probability >= _MIN_OTHER_PROBABILITY and dict(ranked)["en"] <= _MAX_ENGLISH_PROBABILITY:
        return False
    return None


def _without_addresses(text: str) -> str:
    text = text[:_LOOKED_AT]
    return _ADDRESS.sub(" ", text) if any(mark in text for mark in _IN_ADDRESSES) else text


@cache
def _word_lists() -> tuple[frozenset[str], frozenset[str]]:
    """Frequent English words, and words of every language."""
    with _EVIDENCE.open("rb") as file:
        lists = tomllib.load(file)
    return frozenset(lists["words"].split()), frozenset(lists["neutral"].split())


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    with _EVIDENCE.open("rb") as file:
        languages = tomllib.load(file)["languages"].split()
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(languages)
    return identifier
