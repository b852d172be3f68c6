"""Emotion detection of LongEmotion (arXiv 2509.07403): which one of some thirty texts differs from the rest in feeling.

The lists are a file of the authors, https://github.com/LongEmotion/LongEmotion; the wording of the request is ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from affectome.language.chat import Ask, Message
from affectome.language.published import published, read_lines

ANSWER: Mapping[str, Any] = {
    "type": "object",
    "properties": {"index": {"type": "integer"}},
    "required": ["index"],
    "additionalProperties": False,
}
"""JSON schema of an answer."""

_LENGTH = 32


@dataclass(frozen=True)
class TextList:
    """Texts of which one expresses another feeling than the rest.

    Attributes:
        id: Number of the line in the file.
        texts: The texts by the number that the file gives them.
        gold: Number of the one that differs.
    """

    id: str
    texts: Mapping[int, str]
    gold: int

    def ask(self) -> Ask:
        """The request; an answer is an object with the number of a text as ``index``."""
        wording = _texts()
        passages = "\n\n".join(wording["passage"].format(index=index, text=text) for index, text in self.texts.items())
        content = wording["ask"].format(passages=passages)
        return Ask((Message("user", content),), max_tokens=_LENGTH, schema=ANSWER)


def load_text_lists(path: Path) -> list[TextList]:
    """Lists of LongEmotion's emotion detection.

    Args:
        path: The file ``Emotion_Detection.jsonl`` of the authors, which may be gzipped.

    Raises:
        InputError: ``missing_data_set`` or ``bad_corpus``.
    """
    with published(path, "LongEmotion"):
        lists = [
            TextList(
                str(number),
                {int(text["index"]): str(text["context"]) for text in row["text"]},
                int(row["ground_truth"]),
            )
            for number, row in enumerate(read_lines(path))
        ]
        if not lists:
            raise ValueError("no list")
        if wrong := [each.id for each in lists if each.gold not in each.texts]:
            raise ValueError(f"an answer that is not in the list {wrong[0]}")
    return lists


@cache
def _texts() -> dict[str, str]:
    return tomllib.loads((Path(__file__).parent / "data" / "emotion_detection.toml").read_text(encoding="utf-8"))
