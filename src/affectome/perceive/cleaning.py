"""What is done to a text before it is cut into tokens.

The encoder's vocabulary knows hardly any emoji, and handles, links and stretched letters carry no word of their own, so
each is written out in words it does know. The same function runs in training and in reading.
"""

from __future__ import annotations

import html
import re
import unicodedata

_LINK = re.compile(r"(?:https?://|www\.)\S+")
_HANDLE = re.compile(r"(?<![\w@])@\w+")
_STRETCHED = re.compile(r"(.)\1{3,}", re.DOTALL)
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_SKIN_TONES = frozenset(chr(code) for code in range(0x1F3FB, 0x1F400))
_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufe0e\ufe0f\ufeff")


def clean(text: str) -> str:
    """Write a text in words the encoder knows.

    Links become ``http``, handles ``@user``, HTML entities their characters, a character repeated four times or more is
    kept three times, and a pictograph becomes its Unicode name (Unicode Standard, chapter 4.8), without its skin tone.

    Args:
        text: Any text.

    Returns:
        The cleaned text with single spaces and none at the ends; it may be empty.
    """
    if "&" in text:
        text = html.unescape(text)
    if "http" in text or "www." in text:
        text = _LINK.sub("http", text)
    if "@" in text:
        text = _HANDLE.sub("@user", text)
    if not text.isascii():
        text = _NON_ASCII.sub(_in_words, text)
    text = _STRETCHED.sub(r"\1\1\1", text)
    return " ".join(text.split())


def _in_words(match: re.Match[str]) -> str:
    character = match.group()
    if character in _SKIN_TONES or character in _INVISIBLE:
        return ""
    if character in "\u2018\u2019":
        return "'"
    category = unicodedata.category(character)
    if category == "Cs":  # half of a surrogate pair is no character, and no tokenizer takes it
        return "\ufffd"
    if category != "So" or character == "\ufffd":
        return character
    return f" {unicodedata.name(character, '').lower()} "
