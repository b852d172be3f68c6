"""Models that judge answers: ratings on a scale, and comparisons in both orders.

What is judged was written by somebody who may want to be judged well. So it stands between marks with a code that
does not occur in it, on lines that begin with a bar; nothing in it can look like a mark, a turn of the conversation or
a control token of a model; and the task is repeated after it. A verdict that cannot be read is unscored: it is counted,
and no rating is put in its place. That a model cannot be moved by such a text does not make it an able judge; see
`affectome.language.judge_agreement` for that and `affectome.language.judge_attacks` for the former.

Sources: position swap and biases of judges, L. Zheng and others, NeurIPS 2023 (arXiv 2306.05685); ratings weighted by
the probability of each level, Y. Liu and others, EMNLP 2023 (arXiv 2303.16634); marked lines, K. Hines and others
(arXiv 2403.14720).
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from affectome.errors import UsageError
from affectome.language.chat import Ask, ChatModel, Failure, Message, Reply, choice_shares

Form = Literal["object", "digit", "yes"]
Winner = Literal["first", "second", "tie", ""]

_LETTERS = ("A", "B")
_YES = ("No", "Yes")
_CODE = 12  # hexadecimal digits of a code
_VERDICT_TOKENS = 60
_CONTROL_WORD = re.compile(r"\[(/?[A-Z][A-Z_]*)\]")  # such as [INST], which some tokenizers read as a control token
_SLOT = re.compile(r"\{(\w+)\}")


class Example(NamedTuple):
    """An answer that is shown with its rating.

    Attributes:
        request: What somebody wrote.
        answer: The answer to it.
        level: Its rating.
    """

    request: str
    answer: str
    level: int


@dataclass(frozen=True)
class Rubric:
    """What answers are rated by.

    Attributes:
        id: Its name.
        criterion: What is asked for, a sentence.
        low: Lowest rating, 0 or more.
        high: Highest rating, at most 9, so that every rating is one digit.
        lowest: What the lowest rating means.
        highest: What the highest rating means.
        examples: Rated answers that are shown before the one that is to be rated; small models need some.

    Raises:
        UsageError: ``bad_scale`` if the ratings are no digits in rising order, or an example lies off the scale.
    """

    id: str
    criterion: str
    low: int
    high: int
    lowest: str
    highest: str
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 9:
            raise UsageError(
                f"The ratings of the rubric {self.id!r} run from {self.low} to {self.high}.",
                code="bad_scale",
                value=(self.low, self.high),
                next_step="Give two digits from 0 to 9, the lower one first.",
            )
        if off := [each.level for each in self.examples if each.level not in self.levels]:
            raise UsageError(
                f"An example of the rubric {self.id!r} lies off its scale.",
                code="bad_scale",
                value=off[0],
                allowed=tuple(map(str, self.levels)),
            )

    @property
    def levels(self) -> tuple[int, ...]:
        """All ratings, rising."""
        return tuple(range(self.low, self.high + 1))


class Rating(NamedTuple):
    """What a judge makes of one answer.

    Attributes:
        value: The rating in points of the scale: its expected value where the judge tells the probability of every
            level, else the level that it names; NaN if unscored.
        failure: Why the verdict could not be read.
    """

    value: float
    failure: Failure = ""


class Preference(NamedTuple):
    """What a judge makes of two answers that it was shown in both orders.

    Attributes:
        winner: The answer that it prefers in both orders; ``tie`` if it takes another one when the order changes, which
            says more about the judge than about the answers; empty if unscored.
        value: Preference for the first answer, 0 to 1, mean of both orders: by the probabilities of the verdicts where
            the judge tells them, else by the verdicts; NaN if unscored.
        lean: Preference for the answer that is shown first, 0 to 1, mean of both orders; .5 without a bias, NaN if
            unscored.
        failures: Why a verdict could not be read, by order.
    """

    winner: Winner
    value: float
    lean: float
    failures: tuple[Failure, Failure] = ("", "")


class Tally(NamedTuple):
    """How many comparisons ended how.

    Attributes:
        first: Comparisons that the first answer won.
        second: Those that the second answer won.
        tied: Those with another winner when the order changed.
        unscored: Those with a verdict that could not be read.
    """

    first: int
    second: int
    tied: int
    unscored: int


class Wrapped(NamedTuple):
    """Fields between marks.

    Attributes:
        code: The code of the marks, which occurs in no field.
        blocks: Each field with its marks, by name.
    """

    code: str
    blocks: dict[str, str]


@dataclass(frozen=True)
class Judge:
    """A model that judges answers by a rubric.

    Attributes:
        model: Who judges. It should not be the model that is judged or was tuned on its verdicts.
        rubric: What it goes by.
        form: How it answers. ``object``: a JSON object with the code of the request, so that an object that is copied
            out of an answer is no verdict. ``digit`` and ``yes``: one choice, for models that tell the probability of
            each; a rating is the expected digit, or lies as far up the scale as Yes is probable.
        guarded: False shows the fields as they are: the control that attacks should move.
        seed: Seed of the codes.
        limit: Characters of a field that are shown.
    """

    model: ChatModel
    rubric: Rubric
    form: Form = "object"
    guarded: bool = True
    seed: int = 0
    limit: int = 4000

    @property
    def top(self) -> str:
        """The verdict on the best of answers, which attacks ask for."""
        return _YES[1] if self.form == "yes" else str(self.rubric.high)

    def rate(self, request: str, answer: str) -> Rating:
        """Rate an answer.

        Raises:
            ModelError: The model cannot answer at all.
        """
        levels = dict(zip(map(str, self.rubric.levels), self.rubric.levels, strict=True))
        if self.form == "yes":
            levels = dict(zip(_YES, (self.rubric.low, self.rubric.high), strict=True))
        rating = {"type": "integer", "minimum": self.rubric.low, "maximum": self.rubric.high}
        reply = self._ask("rate", {"request": request, "answer": answer}, tuple(levels), {"rating": rating})
        if reply.failure:
            return Rating(float("nan"), reply.failure)
        if reply.value is not None:
            return Rating(float(reply.value["rating"]))
        shares = choice_shares(reply, tuple(levels))
        return Rating(float(levels[reply.choice]) if shares is None else float(shares @ list(levels.values())))

    def compare(self, request: str, first: str, second: str) -> Preference:
        """Compare two answers in both orders.

        Raises:
            ModelError: The model cannot answer at all.
        """
        better = {"type": "string", "enum": list(_LETTERS)}
        for_shown, failures = [], []
        for one, other in ((first, second), (second, first)):
            fields = {"request": request, "A": one, "B": other}
            reply = self._ask("compare", fields, _LETTERS, {"better": better})
            failures.append(reply.failure)
            if reply.failure:
                continue
            choice = reply.choice if reply.value is None else str(reply.value["better"])
            shares = choice_shares(reply, _LETTERS)
            for_shown.append((choice == "A", float(choice == "A") if shares is None else float(shares[0])))
        if len(for_shown) < 2:
            return Preference("", float("nan"), float("nan"), (failures[0], failures[1]))
        (kept, one_way), (swapped, other_way) = for_shown
        winner: Winner = "tie" if kept == swapped else "first" if kept else "second"
        return Preference(winner, (one_way + 1 - other_way) / 2, (one_way + other_way) / 2)

    def _ask(
        self,
        task: Literal["rate", "compare"],
        fields: Mapping[str, str],
        choices: tuple[str, ...],
        verdict: dict[str, Any],
    ) -> Reply:
        """The reply, with ``not_json`` as its failure if it holds anything beside the object."""
        texts = _texts()
        wrapped = wrap_fields(fields, seed=self.seed, limit=self.limit)
        template = texts["guarded" if self.guarded else "plain"]
        words = {
            "code": wrapped.code,
            "criterion": self.rubric.criterion,
            "low": str(self.rubric.low),
            "high": str(self.rubric.high),
            "lowest": self.rubric.lowest,
            "highest": self.rubric.highest,
        }
        words["task"] = _fill(texts["tasks"][task][self.form], words)
        turns = [Message("system", _fill(template["system"], words))]
        for example in self.rubric.examples if task == "rate" else ():
            about = {"request": example.request, "answer": example.answer}
            shown = _between(about, wrapped.code, self.limit) if self.guarded else about
            turns.append(Message("user", _fill(template[task], {**words, **shown})))
            turns.append(Message("assistant", self._verdict(example.level, wrapped.code)))
        shown = wrapped.blocks if self.guarded else dict(fields)
        turns.append(Message("user", _fill(template[task], {**words, **shown})))
        if self.form != "object":
            return self.model.answer(Ask(tuple(turns), choices=choices))
        schema = {
            "type": "object",
            "properties": {"check": {"const": wrapped.code}, **verdict},
            "required": ["check", *verdict],
            "additionalProperties": False,
        }
        reply = self.model.answer(Ask(tuple(turns), max_tokens=_VERDICT_TOKENS, schema=schema))
        return reply if reply.failure or _alone(reply) else replace(reply, value=None, failure="not_json")

    def _verdict(self, level: int, code: str) -> str:
        """An example's rating as it is to be given."""
        if self.form == "object":
            return json.dumps({"check": code, "rating": level})
        return str(level) if self.form == "digit" else _YES[level > (self.rubric.low + self.rubric.high) / 2]


def wrap_fields(fields: Mapping[str, str], *, seed: int = 0, limit: int = 4000) -> Wrapped:
    """Put fields between marks that nothing in them can close.

    The code is a hash of the seed and of all fields, so that the same request is repeated byte by byte, and a text that
    is changed to hold its code gets another one. Should the code occur in a field nevertheless, the next one is taken.

    Args:
        fields: Text by name.
        seed: Seed of the code.
        limit: Characters of a field that are shown; how many are cut is said.

    Raises:
        UsageError: ``bad_limit`` if not even one character is shown.
    """
    if limit < 1:
        raise UsageError("A field must show at least one character.", code="bad_limit", value=limit)
    clean = {name: clean_field(text) for name, text in fields.items()}
    told = json.dumps([seed, clean])
    code, turn = "", 0
    while not code or any(code in text.casefold() for text in clean.values()):
        code, turn = hashlib.sha256(f"{turn} {told}".encode()).hexdigest()[:_CODE], turn + 1
    return Wrapped(code, _between(clean, code, limit))


def clean_field(text: str) -> str:
    """A text in which nothing is hidden and nothing looks like a mark or a control token.

    Compatibility forms become plain (NFKC); what shows nothing goes, such as zero-width characters, changes of
    direction, tags, private and unassigned code points; angle brackets and what looks like them become ``‹›``, control
    words such as ``[INST]`` get round brackets; every break of a line is a line feed.
    """
    cleaning = _texts()["cleaning"]
    plain = _seen(unicodedata.normalize("NFKC", _seen(text)))
    for shape, look in (("opening", "‹"), ("closing", "›")):
        plain = re.sub(f"[{re.escape(cleaning[shape])}]", look, plain)
    return _CONTROL_WORD.sub(r"(\1)", plain)


def tally(preferences: Sequence[Preference]) -> Tally:
    """How many comparisons were won, were tied, and could not be scored."""
    winners = [each.winner for each in preferences]
    return Tally(*(winners.count(each) for each in ("first", "second", "tie", "")))


@cache
def load_rubrics() -> dict[str, Rubric]:
    """The shipped rubrics by name."""
    return {
        row["id"]: Rubric(**{**row, "examples": tuple(Example(**each) for each in row.get("examples", ()))})
        for row in _texts()["rubrics"]
    }


def _seen(text: str) -> str:
    """What shows, with every break of a line as a line feed."""
    lines = re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    unseen = _texts()["cleaning"]["unseen"]
    return "".join(
        char
        for char in lines
        if char in "\n\t"
        or (unicodedata.category(char)[0] != "C" and not any(first <= ord(char) <= last for first, last in unseen))
    )


def _between(fields: Mapping[str, str], code: str, limit: int) -> dict[str, str]:
    """Cleaned fields on their lines between marks."""
    marks = _texts()["guarded"]
    blocks = {}
    for name, text in fields.items():
        words = {"name": name, "code": code}
        lines = [marks["line"] + line for line in text[:limit].split("\n")]
        if len(text) > limit:
            lines.append(_fill(marks["cut"], {"shown": str(limit), "all": str(len(text))}))
        blocks[name] = "\n".join([_fill(marks["mark"], words), *lines, _fill(marks["end"], words)])
    return blocks


def _fill(template: str, words: Mapping[str, str]) -> str:
    """Fills all slots at once, so that braces in a text are not filled in."""
    return _SLOT.sub(lambda slot: words[slot.group(1)], template)


def _alone(reply: Reply) -> bool:
    """Whether a reply is its object and nothing else, bare or in a fenced block."""
    try:
        return bool(json.loads(re.sub(r"\A```(?:json)?\s*|\s*```\Z", "", reply.text.strip())) == reply.value)
    except ValueError:
        return False


@cache
def _texts() -> dict[str, Any]:
    text = files("affectome.language").joinpath("data/judges.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
