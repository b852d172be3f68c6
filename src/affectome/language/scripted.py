"""A model whose answers were written beforehand, to test what is around a model. No figure comes from it."""

from __future__ import annotations

from collections.abc import Callable

from affectome.language.chat import Ask, Reply, read_reply


class ScriptedModel:
    """Answers as a function says.

    Args:
        say: Gives the text of the answer to a request.
        name: What it is called.
    """

    scripted = True

    def __init__(self, say: Callable[[Ask], str], name: str = "scripted") -> None:
        self._say = say
        self.name = self.fingerprint = name

    def answer(self, ask: Ask) -> Reply:
        """The scripted answer, read as any other."""
        return read_reply(Reply(self._say(ask)), ask)
