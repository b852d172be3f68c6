"""Posts as plain tokens for models that count words: what carries no word of its own is named, nothing felt is lost.

Pictographs and emoticons are tokens like words. An encoder with a vocabulary of its own reads `cleaning.clean` instead.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import NamedTuple

_REPEATS = 2  # a letter or token that is repeated more often says no more than this

_CURLY = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"'})
_INVISIBLE = re.compile("[\u200b\u200c\u2060\ufeff]")
_MODIFIERS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")  # how a pictograph is drawn, and skin tones
_STRETCHED = re.compile(r"(.)\1{2,}")
_CAPITAL = re.compile(r"(?<=[^\W\d_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|_")

# Unicode Standard, emoji-data.txt and emoji-sequences.txt: characters drawn as pictographs, and what joins them.
_ONE = (
    "[\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
    "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*"
)
_PICTOGRAPH = rf"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|{_ONE}(?:\u200d{_ONE})*"

# In the order in which they are tried at a place in the text.
_KINDS = {
    "link": r"https?://\S+|www\.\S+|(?<![\w.])[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.(?:com|net|org|io|ly|co|gov)(?:/\S*|(?![\w.]))",
    "dropped": (
        r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{0,63}\w"  # mail addresses
        r"|[\w-]{1,99}\.(?:png|jpe?g|gif|webp|svg)\b"  # names of pictures
        r"|\[[^\[\]]{2,200}\]"  # remarks in square brackets
        r"|(?<![\w:])\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\b\.?)?(?![\w:])"  # times of day
    ),
    "user": r"(?<![\w@])@\w+",
    "ticker": r"(?<![\w$])\$[a-z]{1,6}(?:[.-][a-z]{1,2})?(?!\w)",
    "hashtag": r"(?<![\w#])#\d*_?[^\W\d_]\w*",
    "pictograph": _PICTOGRAPH,
    "emoticon": "",  # from the data file
    "number": r"(?<![^\W\d_])(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:(?:st|nd|rd|th|k|m|b|bn|mm|x)(?!\w))?",
    "word": r"(?:[^\W\d_]\.){2,}|[^\W\d_](?:[^\W_]|(?<=\w)'(?=[^\W\d_]))*",
    "sign": r"\S",
}


class _Knowledge(NamedTuple):
    """The data file: kept form of each emoticon, shortened words, shortened ends of words."""

    emoticons: Mapping[str, str]
    words: Mapping[str, str]
    endings: Mapping[str, str]


@dataclass(frozen=True)
class PostCleaner:
    """Writes posts as tokens with single spaces between them.

    HTML entities become their characters and letters lower case. Users, links, tickers, companies and numbers become
    ``<user>``, ``<link>``, ``<ticker>``, ``<company>`` and ``<number>``; mail addresses, times of day, names of
    pictures and remarks in square brackets go. Pictographs are kept without skin tone, emoticons in one form each;
    hashtags are cut into their words, shortened words are written out, and letters and tokens in a row are kept twice
    at most. A post with nothing but placeholders and punctuation becomes empty.

    Args:
        tickers: Known symbols in lower case, without ``$``; any other is ``<unknown>``. By default all are known.
        companies: Names in lower case, of one or more words.
        pictographs: Whether pictographs and emoticons are kept; without them only for comparison.

    Source: the cleaning rules of D. Vamossy and R. Skog, EmTract (arXiv 2112.03868), with our own lists and without
    their correction of spelling.
    """

    tickers: frozenset[str] | None = None
    companies: frozenset[str] = frozenset()
    pictographs: bool = True

    def __call__(self, text: str) -> str:
        """The tokens of one post; it may be empty."""
        tokens = self._with_companies(list(self._tokens(text)))
        if not any(_says_something(token) for token in tokens):
            return ""
        return " ".join(token for _, run in groupby(tokens) for token in list(run)[:_REPEATS])

    def _tokens(self, text: str) -> Iterator[str]:
        knowledge = _knowledge()
        for match in _scanner().finditer(_INVISIBLE.sub("", html.unescape(text)).translate(_CURLY)):
            found, kind = match.group(), match.lastgroup
            if kind in ("link", "user", "number"):
                yield f"<{kind}>"
            elif kind == "ticker":
                known = self.tickers is None or found[1:].lower() in self.tickers
                yield "<ticker>" if known else "<unknown>"
            elif kind == "pictograph" and self.pictographs:
                yield _MODIFIERS.sub("", found)
            elif kind == "emoticon" and self.pictographs:
                yield knowledge.emoticons[found]
            elif kind == "hashtag":
                for word in _CAPITAL.split(found[1:]):
                    yield from self._tokens(word)
            elif kind == "word":
                yield from _written_out(found.lower().replace(".", ""), knowledge)
            elif kind == "sign":
                yield found

    def _with_companies(self, tokens: Sequence[str]) -> list[str]:
        """The longest names of companies as one placeholder each."""
        longest = max((name.count(" ") + 1 for name in self.companies), default=0)
        named: list[str] = []
        start = 0
        while start < len(tokens):
            sizes = range(min(longest, len(tokens) - start), 0, -1)
            size = next((k for k in sizes if " ".join(tokens[start : start + k]) in self.companies), 0)
            named.append("<company>" if size else tokens[start])
            start += max(size, 1)
        return named


def _written_out(word: str, knowledge: _Knowledge) -> list[str]:
    word = _STRETCHED.sub(r"\1" * _REPEATS, word)
    if word in knowledge.words:
        return knowledge.words[word].split()
    for ending, full in knowledge.endings.items():
        if word.endswith(ending) and word != ending:
            return [word.removesuffix(ending), full]
    return [word]


def _says_something(token: str) -> bool:
    """Whether a token is a word, a pictograph or an emoticon, and no placeholder or lone sign."""
    if token.startswith("<") and token.endswith(">"):
        return False
    return len(token) > 1 or token.isalpha() or re.fullmatch(_PICTOGRAPH, token) is not None


@cache
def _knowledge() -> _Knowledge:
    data = files("affectome.perceive").joinpath("data/noisy_text.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(data)
    emoticons = {form: kept for kept, forms in tables["emoticons"].items() for form in forms}
    return _Knowledge(emoticons, tables["words"], tables["endings"])


@cache
def _scanner() -> re.Pattern[str]:
    """One pattern that cuts a text into the kinds of tokens."""
    forms = sorted(_knowledge().emoticons, key=len, reverse=True)
    # No word may go on behind an emoticon, and none may stand before one that starts in a letter or closes a bracket:
    # "XD" but not "XDA", "great:)" but not "said:(this" or "(this):".
    alone = [r"(?<!\w)" if form[0].isalnum() or form[0] in ")]" else "" for form in forms]
    bounded = [f"{before}{re.escape(form)}(?!\\w)" for before, form in zip(alone, forms, strict=True)]
    kinds = _KINDS | {"emoticon": "|".join(bounded)}
    cased = {"emoticon", "hashtag"}
    parts = [f"(?P<{kind}>{pattern if kind in cased else f'(?i:{pattern})'})" for kind, pattern in kinds.items()]
    return re.compile("|".join(parts))
