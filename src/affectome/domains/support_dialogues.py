"""Corpora of emotional support: talks with the supporters' strategies, and the choices of a language model."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from affectome.domains.support import SupportTurn, strategy_position
from affectome.errors import InputError, UsageError

Ints = NDArray[np.int64]

PUBLISHED = "esc_preference"
TALKS = "esconv"
_LONG = 40  # characters from which two equal turns are no coincidence
_TURN = re.compile(r"\s*[\d.]+ ([01]) (\d+) (?:\[([^]]+)\] ?)?(.*)", re.DOTALL)
_BLOCK = re.compile(r"^(seeker|supporter)\n(?:- Strategy: ([^\n]*)\n)?- Utterance: ?", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class SupportChoices:
    """Moments at which a supporter answers a seeker.

    Attributes:
        contexts: ``n`` talks up to that moment.
        strategies: ``(n,)`` positions of the strategies that were used.
        talks: Which talk or situation each is from.
    """

    contexts: list[tuple[SupportTurn, ...]]
    strategies: Ints
    talks: list[str]

    def at(self, rows: Ints) -> SupportChoices:
        """Some of them."""
        return SupportChoices([self.contexts[i] for i in rows], self.strategies[rows], [self.talks[i] for i in rows])

    def long_turns(self) -> list[str]:
        """The turns of all contexts that are long enough to be recognised, without case and punctuation."""
        turns = {_plain(turn.text) for context in self.contexts for turn in context}
        return sorted(turn for turn in turns if len(turn) >= _LONG)


def load_support_choices(path: Path) -> SupportChoices:
    """Moments at which a supporter answers, from a file as it is or gzipped.

    Args:
        path: ``ESConv.json`` or ``FailedESConv.json`` of Liu and others (2021), or ``results.json`` of Kang and others
            (2024), a table of moments with their context.

    Raises:
        InputError: The file is not there or has another layout.
    """
    with _readable(path):
        rows = json.loads(_read(path))
        if "dialog" in rows[0]:
            talks = [[_dialogue_turn(turn) for turn in talk["dialog"]] for talk in rows]
            return _moments(talks, path.name.split(".")[0])
        return _published(rows)


def load_published(folder: Path) -> tuple[SupportChoices, Ints]:
    """Moments of ESConv, and the positions of the strategies that the authors' model chose for them.

    Args:
        folder: Folder with ``results.json``, which may be gzipped.

    Raises:
        InputError: The file is not there or has another layout.
    """
    path = _file(folder, "results.json")
    with _readable(path):
        rows = json.loads(_read(path))
        return _published(rows), np.array([strategy_position(row["strg_pred"]) for row in rows], np.int64)


def load_talks(folder: Path, part: Literal["dev", "test"]) -> SupportChoices:
    """Moments of ESConv (Liu and others 2021) at which a supporter answers a seeker.

    The published tables hold windows of a few turns, which are put together again.

    Args:
        folder: Folder with ``<part>WithStrategy_short.tsv``, which may be gzipped.
        part: Which part; the training part is not there.

    Raises:
        InputError: The file is not there or has another layout.
    """
    path = _file(folder, f"{part}WithStrategy_short.tsv")
    with _readable(path):
        talks: list[dict[int, SupportTurn]] = []
        for line in _read(path).splitlines():
            window = dict(_window_turn(text) for text in line.split(" EOS "))
            if talks and _goes_on(talks[-1], window):
                talks[-1].update(window)
            else:
                talks.append(window)
        return _moments([[talk[number] for number in sorted(talk)] for talk in talks], part)


def load_failed(folder: Path) -> SupportChoices:
    """Moments of talks after which the seekers felt no better, which the corpus keeps apart.

    Args:
        folder: Folder with ``FailedESConv.json``, which may be gzipped.

    Raises:
        InputError: The file is not there or has another layout.
    """
    return load_support_choices(_file(folder, "FailedESConv.json"))


def apart_from(choices: SupportChoices, others: Sequence[SupportChoices]) -> SupportChoices:
    """Those of talks that share no long turn with others."""
    theirs = {turn for other in others for turn in other.long_turns()}
    shared = {
        talk
        for context, talk in zip(choices.contexts, choices.talks, strict=True)
        if any(_plain(turn.text) in theirs for turn in context)
    }
    return choices.at(np.flatnonzero([talk not in shared for talk in choices.talks]))


def together(*parts: SupportChoices) -> SupportChoices:
    """Several as one."""
    return SupportChoices(
        [context for part in parts for context in part.contexts],
        np.concatenate([part.strategies for part in parts]),
        [talk for part in parts for talk in part.talks],
    )


def _published(rows: Sequence[dict[str, Any]]) -> SupportChoices:
    return SupportChoices(
        [tuple(_parsed(row["context"])) for row in rows],
        np.array([strategy_position(row["strg_gold"]) for row in rows], np.int64),
        [row["situation"] for row in rows],
    )


def _moments(talks: Sequence[Sequence[SupportTurn]], name: str) -> SupportChoices:
    contexts, strategies, names = [], [], []
    for number, talk in enumerate(talks):
        for place, turn in enumerate(talk):
            if turn.strategy >= 0 and place and talk[place - 1].speaker == "seeker":
                contexts.append(tuple(talk[:place]))
                strategies.append(turn.strategy)
                names.append(f"{name} {number}")
    return SupportChoices(contexts, np.array(strategies, np.int64), names)


def _goes_on(talk: dict[int, SupportTurn], window: dict[int, SupportTurn]) -> bool:
    return max(window) > max(talk) and all(talk.get(number, turn) == turn for number, turn in window.items())


def _window_turn(text: str) -> tuple[int, SupportTurn]:
    match = _TURN.fullmatch(text)
    if match is None:
        raise ValueError(f"no turn in {text[:40]!r}")
    role, number, strategy, said = match.groups()
    if role == "0":
        return int(number), SupportTurn("seeker", said.strip())
    return int(number), SupportTurn("supporter", said.strip(), strategy_position(strategy) if strategy else -1)


def _dialogue_turn(turn: dict[str, Any]) -> SupportTurn:
    if turn["speaker"] in ("speaker", "seeker"):
        return SupportTurn("seeker", turn["content"].strip())
    strategy = turn["annotation"].get("strategy")
    return SupportTurn("supporter", turn["content"].strip(), strategy_position(strategy) if strategy else -1)


def _parsed(context: str) -> Iterator[SupportTurn]:
    """Turns of a context as it was shown to the authors' model."""
    heads = list(_BLOCK.finditer(context))
    ends = [head.start() for head in heads[1:]] + [len(context)]
    if not heads or heads[0].start() > 0:
        raise ValueError(f"no turns in {context[:40]!r}")
    for head, end in zip(heads, ends, strict=True):
        said = context[head.end() : end].strip()
        if head[1] == "seeker":
            yield SupportTurn("seeker", said)
        else:
            yield SupportTurn("supporter", said, strategy_position(head[2]) if head[2] else -1)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()


def _file(folder: Path, name: str) -> Path:
    zipped = folder / f"{name}.gz"
    return zipped if zipped.exists() else folder / name


def _read(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
        raise InputError(
            f"The corpus in {path.name!r} cannot be read: {error!r}.",
            code="bad_corpus",
            value=path,
            next_step="Use the published files.",
        ) from error
