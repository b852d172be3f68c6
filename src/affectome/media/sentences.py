"""Sentences of posts and prose, as character offsets."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path

_ABBREVIATIONS = Path(__file__).with_name("data") / "abbreviations.toml"

_CLOSING = "[\"'”’»)\\]}]*"
_PICTURE = (
    "[\u2190-\u21ff\u2300-\u2bff\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\u200d\u20e3\u2190-\u21ff\u2300-\u2bff\U0001f000-\U0001faff]*"
)
# Where a sentence may end: terminal marks with what closes after them, line breaks, or a run of pictures.
_CANDIDATE = re.compile(
    rf"(?P<marks>[.!?…]+|[。！？｡]+){_CLOSING}(?P<pictures>(?:[ \t]*{_PICTURE})*)"
    rf"|(?P<breaks>[\r\n\u2028\u2029][\s\u2028\u2029]*)|{_PICTURE}"
)
_OPENING = "\"'“”‘’([{«¿¡"
_FOLLOWING = re.compile(r"(?P<space>[^\S\r\n\u2028\u2029]*)[\"'“”‘’(\[{«¿¡]*(?P<char>\S?)")
_INITIAL = re.compile(r"[A-HJ-Z]|(?:[A-Z]\.)+[A-Z]")
_WINDOW = 80
_WORDS_BEFORE_PICTURE = 3


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Sentences of a text.

    Terminal marks end a sentence unless they belong to an abbreviation, initial, number, address or ellipsis that the
    sentence continues; so do pictures before a capital, and line breaks before anything but a small letter.

    Args:
        text: Any text.

    Returns:
        Character offsets [start, end), in order and disjoint; together they hold every character that is not a space,
        and none begins or ends with a space.
    """
    cuts = [0]
    for candidate in _CANDIDATE.finditer(text):
        if _ends_sentence(text, cuts[-1], candidate):
            cuts.append(candidate.end())
    cuts.append(len(text))
    spans: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        part = text[start:end]
        if trimmed := part.strip():
            begin = start + len(part) - len(part.lstrip())
            spans.append((begin, begin + len(trimmed)))
    return spans


def _ends_sentence(text: str, start: int, candidate: re.Match[str]) -> bool:
    following = _FOLLOWING.match(text, candidate.end())
    char = following["char"] if following else ""
    if not char:
        return True
    if breaks := candidate["breaks"]:
        return not char.islower() or len(breaks.splitlines()) > 1
    if candidate["marks"] is None:
        words = text[max(start, candidate.start() - _WINDOW) : candidate.start()].split()
        return char.isupper() and len(words) >= _WORDS_BEFORE_PICTURE
    marks = candidate["marks"]
    if marks[0] in "。！？｡" or candidate["pictures"]:
        return True
    spaced = bool(following and following["space"])
    if spaced and char.islower() and candidate.end() > candidate.end("marks"):  # "What?" he said
        return False
    if marks != "." and spaced:
        return not char.islower() or "!" in marks or "?" in marks
    word = _word_before(text, candidate.start())
    if not spaced:
        return ("!" in marks or "?" in marks) and char.isupper() and word.isalpha()
    if word.isdigit() and candidate.start() - start < _WINDOW and text[start : candidate.start()].strip() == word:
        return False  # the number of a list item
    return not (_INITIAL.fullmatch(word) or _abbreviates(word.lower(), char))


def _word_before(text: str, end: int) -> str:
    window = text[max(0, end - _WINDOW) : end]
    return window.split()[-1].lstrip(_OPENING) if window and not window[-1].isspace() else ""


def _abbreviates(word: str, char: str) -> bool:
    lists = _abbreviations()
    return (
        word in lists["always"]
        or (word in lists["before_digit"] and char.isdigit())
        or (word in lists["before_lower"] and char.islower())
    )


@cache
def _abbreviations() -> dict[str, frozenset[str]]:
    with _ABBREVIATIONS.open("rb") as file:
        return {name: frozenset(words) for name, words in tomllib.load(file).items()}
