"""Questions about the feelings in dialogues, with answers that people gave: emotional intelligence in four layers.

After EICAP (arXiv 2508.06196), whose items are not published. Ours are made from dialogues in which people marked the
feeling of every turn and the turns that gave rise to it (RECCON, Poria and others 2021), so that no model decides what
is right: the feeling (foundational), how it changes (dimensional), what it comes from (appraisal), and what is said
next (social). The layer of values is not there.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from affectome.errors import InputError
from affectome.language.chat import Ask, Message

Layer = Literal["foundational", "dimensional", "appraisal", "social"]
Shown = Literal["all", "last", "none"]

LETTERS = ("A", "B", "C", "D")
LAYERS: tuple[Layer, ...] = ("foundational", "dimensional", "appraisal", "social")
_FOLDER, _PARTS = "reccon", ("train", "valid", "test")
_EARLIEST = 3  # turn that is asked for as an answer
_SAID_WORDS = 40  # of a turn that is quoted in a question
_SMALL_CHANGE = 0.15  # of valence or arousal that has no direction
_ALIASES = {"happy": "happiness", "sad": "sadness", "excited": "happiness", "surprised": "surprise", "angry": "anger"}


class Turn(NamedTuple):
    """A turn of a dialogue.

    Attributes:
        speaker: Who speaks.
        text: What is said.
        feeling: What people marked.
        causes: Numbers, from 0 on, of the turns that gave rise to it.
    """

    speaker: str
    text: str
    feeling: str
    causes: tuple[int, ...]


@dataclass(frozen=True)
class Item:
    """A question with four options.

    Attributes:
        id: Layer, dialogue and turn.
        layer: What it asks for.
        dialogue: Identifier of the dialogue; items of one dialogue belong to one part of any split.
        turns: Speaker and text of what is shown.
        question: What is asked.
        options: Four answers.
        gold: Position of the right one.
    """

    id: str
    layer: Layer
    dialogue: str
    turns: tuple[tuple[str, str], ...]
    question: str
    options: tuple[str, ...]
    gold: int

    def ask(self, shown: Shown = "all") -> Ask:
        """The request: the dialogue, or its last turn, or nothing of it, then the question and the options."""
        texts = _texts()
        turns = {"all": self.turns, "last": self.turns[-1:], "none": ()}[shown]
        said = "\n".join(f"{speaker}: {text}" for speaker, text in turns)
        options = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, self.options, strict=True))
        parts = [f"Dialogue:\n{said}"] if turns else []
        content = "\n\n".join([*parts, f"Question: {self.question}\n{options}", texts["ask"]])
        messages = (Message("system", texts["system"]), Message("user", content))
        return Ask(messages, max_tokens=12, choices=LETTERS)

    def turned(self, by: int) -> Item:
        """The same item with its options moved on by some places."""
        order = [(k - by) % len(self.options) for k in range(len(self.options))]
        return replace(self, options=tuple(self.options[k] for k in order), gold=(self.gold + by) % len(self.options))


def build_items(data: Path, *, a_layer: int = 160, seed: int = 0) -> list[Item]:
    """Items from the dialogues of RECCON, the same ones for the same seed.

    Each layer has at most one item a dialogue. Right answers are spread evenly over the four places, where they are
    feelings or directions over these, and where they are turns over the places in the order of the options' lengths:
    from the options alone nobody can tell which is right.

    Args:
        data: Folder with the corpus in ``reccon``: ``dailydialog_<part>.json``, which may be gzipped.
        a_layer: Items of a layer at most.
        seed: Seed of the choice.

    Raises:
        InputError: ``missing_data_set`` or ``bad_corpus``.
    """
    dialogues = load_dialogues(data / _FOLDER)
    rng = np.random.default_rng(seed)
    items = []
    for layer in LAYERS:
        found = list(islice(_MAKERS[layer](dialogues, rng), a_layer))
        places = rng.permutation(np.arange(len(found)) % len(LETTERS))
        items += [_laid_out(item, int(place), rng) for item, place in zip(found, places, strict=True)]
    return items


def _laid_out(item: Item, place: int, rng: np.random.Generator) -> Item:
    """The item with its right option, which comes first, at a place and the others in any order."""
    options = [item.options[int(k)] for k in rng.permutation(np.arange(1, len(item.options)))]
    options.insert(place, item.options[0])
    return replace(item, options=tuple(options), gold=place)


def load_dialogues(folder: Path) -> dict[str, list[Turn]]:
    """Dialogues by identifier.

    Raises:
        InputError: ``missing_data_set`` if there is no part of the corpus, ``bad_corpus`` if one has another layout.
    """
    files = [file for part in _PARTS for file in folder.glob(f"dailydialog_{part}.json*")]
    if not files:
        raise InputError(
            f"The folder {str(folder)!r} holds no dialogues of RECCON.",
            code="missing_data_set",
            value=folder,
            next_step="Put dailydialog_train.json or dailydialog_test.json of the published corpus there.",
        )
    found: dict[str, list[Turn]] = {}
    try:
        for file in files:
            content = file.read_bytes()
            parts = json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)
            for name, (turns, *_) in parts.items():
                found[name] = [_turn(turn) for turn in turns]
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"The corpus in {folder.name!r} cannot be read: {error!r}.",
            code="bad_corpus",
            value=folder,
            next_step="Put the published files there as they are.",
        ) from error
    return found


def _turn(turn: Mapping[str, Any]) -> Turn:
    feeling = str(turn["emotion"])
    causes = {int(number) - 1 for number in turn.get("expanded emotion cause evidence", ()) if str(number).isdigit()}
    text = " ".join(str(turn["utterance"]).split())
    return Turn(str(turn["speaker"]), text, _ALIASES.get(feeling, feeling), tuple(sorted(causes)))


def _foundational(dialogues: Mapping[str, list[Turn]], rng: np.random.Generator) -> Iterator[Item]:
    """The feeling of a turn; each feeling is the right answer equally often."""
    names = [name for name in _feelings() if name != "neutral"]
    by_feeling: dict[str, list[tuple[str, int]]] = {name: [] for name in names}
    for dialogue, k, turn in _shuffled(dialogues, rng):
        if turn.feeling in by_feeling:
            by_feeling[turn.feeling].append((dialogue, k))
    used: set[str] = set()
    for feeling in _in_turn(by_feeling, used):
        name, (dialogue, k) = feeling
        others = [str(each) for each in rng.choice([each for each in names if each != name], 3, replace=False)]
        yield _item("foundational", dialogues, dialogue, k, [_word(each) for each in (name, *others)])


def _dimensional(dialogues: Mapping[str, list[Turn]], rng: np.random.Generator) -> Iterator[Item]:
    """Where the feeling of a speaker moves between two turns; each direction is right equally often."""
    options: list[str] = _texts()["layers"]["dimensional"]["options"]
    places = _feelings()
    by_direction: dict[str, list[tuple[str, tuple[int, int]]]] = {option: [] for option in options}
    for dialogue, k, turn in _shuffled(dialogues, rng):
        for j in range(k):
            before = dialogues[dialogue][j]
            if before.speaker != turn.speaker or {before.feeling, turn.feeling} - set(places):
                continue
            one, other = places[before.feeling], places[turn.feeling]
            up, more = other["valence"] - one["valence"], other["arousal"] - one["arousal"]
            if abs(up) >= _SMALL_CHANGE and abs(more) >= _SMALL_CHANGE:
                by_direction[options[2 * (up < 0) + (more < 0)]].append((dialogue, (j, k)))
                break
    used: set[str] = set()
    for option, (dialogue, (j, k)) in _in_turn(by_direction, used):
        others = [each for each in options if each != option]
        said = _quoted(dialogues[dialogue][j].text)
        yield _item("dimensional", dialogues, dialogue, k, [option, *others], before=said)


def _appraisal(dialogues: Mapping[str, list[Turn]], rng: np.random.Generator) -> Iterator[Item]:
    """Which earlier turn a feeling comes from."""
    used: set[str] = set()
    rank = 0
    for dialogue, k, turn in _shuffled(dialogues, rng):
        turns = dialogues[dialogue]
        causes = [c for c in turn.causes if c < k]
        if dialogue in used or turn.feeling == "neutral" or len(causes) != 1:
            continue
        right = turns[causes[0]].text
        texts = {turns[c].text for c in turn.causes if c < len(turns)} | {turn.text}
        chosen = _around(right, sorted({each.text for each in turns[:k]} - texts), rank, rng)
        if chosen:
            used.add(dialogue)
            rank = (rank + 1) % len(LETTERS)
            yield _item("appraisal", dialogues, dialogue, k, [right, *chosen], feeling=_word(turn.feeling))


def _social(dialogues: Mapping[str, list[Turn]], rng: np.random.Generator) -> Iterator[Item]:
    """What is said next, beside what others said next elsewhere, of about the same length."""
    answers = [
        (name, turns[k])
        for name, turns in dialogues.items()
        for k in range(_EARLIEST, len(turns))
        if _answers(turns, k)
    ]
    answers.sort(key=lambda pair: (len(pair[1].text), pair))
    place = {pair: k for k, pair in enumerate(answers)}
    used: set[str] = set()
    rank = 0
    for dialogue, k, turn in _shuffled(dialogues, rng):
        if dialogue in used or k < _EARLIEST or not _answers(dialogues[dialogue], k):
            continue
        at = place[dialogue, turn]
        near = [other for name, other in answers[max(0, at - 40) : at + 41] if name != dialogue]
        others = sorted({other.text for other in near} - {each.text for each in dialogues[dialogue]})
        chosen = _around(turn.text, others, rank, rng)
        if chosen:
            used.add(dialogue)
            rank = (rank + 1) % len(LETTERS)
            item = _item("social", dialogues, dialogue, k, [turn.text, *chosen])
            yield replace(item, turns=item.turns[:-1])


def _answers(turns: Sequence[Turn], k: int) -> bool:
    """Whether a turn is said by somebody else than the one before."""
    return turns[k].speaker != turns[k - 1].speaker


def _around(right: str, others: Sequence[str], rank: int, rng: np.random.Generator) -> list[str]:
    """Three of the others, as many of them shorter than the right one as the rank says; none if there are too few."""
    shorter = [each for each in others if len(each) < len(right)]
    longer = [each for each in others if len(each) > len(right)]
    above = len(LETTERS) - 1 - rank
    if len(shorter) < rank or len(longer) < above:
        return []
    return [
        str(each) for some, n in ((shorter, rank), (longer, above)) if n for each in rng.choice(some, n, replace=False)
    ]


_MAKERS: Mapping[Layer, Callable[[Mapping[str, list[Turn]], np.random.Generator], Iterator[Item]]] = {
    "foundational": _foundational,
    "dimensional": _dimensional,
    "appraisal": _appraisal,
    "social": _social,
}


def _shuffled(dialogues: Mapping[str, list[Turn]], rng: np.random.Generator) -> Iterator[tuple[str, int, Turn]]:
    """Every turn behind the first, those of a dialogue and the dialogues in any order."""
    names = sorted(dialogues)
    for i in rng.permutation(len(names)):
        turns = dialogues[names[i]]
        for k in rng.permutation(np.arange(1, len(turns))) if len(turns) > 1 else ():
            yield names[i], int(k), turns[int(k)]


def _in_turn(groups: Mapping[str, Sequence[tuple[str, Any]]], used: set[str]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """One of each group after the other, each dialogue once, until one of them has no more."""
    left = {name: iter(members) for name, members in groups.items()}
    while True:
        picked = []
        for name, members in left.items():
            member = next((each for each in members if each[0] not in used), None)
            if member is None:
                return
            used.add(member[0])
            picked.append((name, member))
        yield from picked


def _item(
    layer: Layer, dialogues: Mapping[str, list[Turn]], dialogue: str, k: int, options: Sequence[str], **words: str
) -> Item:
    """An item about a turn; the right option comes first."""
    turns = dialogues[dialogue]
    turn = turns[k]
    question = _texts()["layers"][layer]["question"].format(speaker=turn.speaker, turn=_quoted(turn.text), **words)
    shown = tuple((each.speaker, each.text) for each in turns[: k + 1])
    return Item(f"{layer}/{dialogue}/{k}", layer, dialogue, shown, question, tuple(options), 0)


def _quoted(text: str) -> str:
    words = text.split()
    return " ".join(words[:_SAID_WORDS]) + (" …" if len(words) > _SAID_WORDS else "")


def _word(feeling: str) -> str:
    return str(_feelings()[feeling]["word"])


def _feelings() -> Mapping[str, Any]:
    found: Mapping[str, Any] = _texts()["feelings"]
    return found


@cache
def _texts() -> dict[str, Any]:
    path = Path(__file__).parent / "data" / "emotional_intelligence.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
