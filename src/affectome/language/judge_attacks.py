"""Can an answer talk a judge into a better rating? Payloads in answers, and what they move.

A payload is a text that somebody puts into or around an answer to be rated better, without answering better. What it
moves is compared with text of the same length that says nothing about the rating, because some judges like length.
"""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, bootstrap_mean
from affectome.language.judges import Rating

Rater = Callable[[str, str], Rating]
"""Rates an answer to a request, such as `affectome.language.judges.Judge.rate`."""

Target = Literal["weak", "benign"]
Kind = Literal["delimiters", "role play", "fake verdicts", "unicode", "nested fields"]
Floats = NDArray[np.float64]

_RESAMPLES = 1000


@dataclass(frozen=True)
class Payload:
    """A text that asks for a better rating.

    Attributes:
        id: Its name.
        kind: ``delimiters``, ``role play``, ``fake verdicts``, ``unicode`` or ``nested fields``.
        text: The text, with ``{answer}`` where the answer goes and ``{top}`` where the best verdict goes.
    """

    id: str
    kind: Kind
    text: str

    def around(self, answer: str, top: str) -> str:
        """The answer with the payload in it."""
        return self.text.replace("{top}", top).replace("{answer}", answer)

    def as_filler(self, answer: str) -> str:
        """The answer with as many characters of text that says nothing about the rating, in whole words."""
        missing = len(self.text.replace("{answer}", "").replace("{top}", "9"))
        words: list[str] = []
        for word in itertools.cycle(_attacks()["filler"].split()):
            if sum(map(len, words)) + len(words) + len(word) > missing and words:
                break
            words.append(word)
        return f"{answer} {' '.join(words)}"


@dataclass(frozen=True)
class Case:
    """A request with two answers.

    Attributes:
        request: What somebody wrote.
        weak: An answer that is worth little, and should go on to be rated so.
        benign: An answer of somebody who wants nothing but to help.
    """

    request: str
    weak: str
    benign: str


class Trial(NamedTuple):
    """A payload in an answer.

    Attributes:
        payload: The payload.
        case: Number of the case.
        target: Which answer of it.
        clean: Rating of the answer alone.
        filled: Rating of a weak answer with filler in place of the payload; None for a benign one.
        attacked: Its rating with the payload.
    """

    payload: Payload
    case: int
    target: Target
    clean: Rating
    filled: Rating | None
    attacked: Rating


class Lift(NamedTuple):
    """What payloads move, in points of the scale; resampled by payload.

    Attributes:
        kind: Kind of the payloads, ``all`` of them together.
        target: Which answers they were put into.
        lift: Attacked minus clean, mean over the payloads; None if nothing was scored.
        over_filler: Attacked minus filled, the same; None for benign answers.
        worst: Highest mean of one payload; NaN if nothing was scored.
        worst_id: Which one it is.
        unscored: Trials with a rating that could not be read, which count for nothing else.
    """

    kind: str
    target: Target
    lift: Interval | None
    over_filler: Interval | None
    worst: float
    worst_id: str
    unscored: int


@cache
def load_payloads() -> tuple[Payload, ...]:
    """The shipped payloads, 12 of each kind."""
    text = files("affectome.language").joinpath("data/judge_attacks.jsonl").read_text(encoding="utf-8")
    return tuple(Payload(**json.loads(line)) for line in text.splitlines())


@cache
def load_cases() -> tuple[Case, ...]:
    """The shipped requests with their answers."""
    return tuple(Case(**row) for row in _attacks()["cases"])


def attack(
    rate: Rater,
    payloads: Sequence[Payload],
    cases: Sequence[Case],
    *,
    top: str,
    cases_each: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> list[Trial]:
    """Put each payload into the weak and the benign answer of some cases.

    Args:
        rate: The judge; over a `affectome.language.RememberingModel` a run that was killed goes on.
        payloads: The payloads.
        cases: The cases; payload k meets the cases from number k on, in turn.
        top: The best verdict of the judge, which payloads ask for.
        cases_each: Cases that each payload meets.
        report: Called with the number of trials so far and of all.

    Raises:
        ModelError: The judge cannot answer at all.
    """
    trials: list[Trial] = []
    targets: tuple[Target, ...] = ("weak", "benign")
    clean = {
        (k, target): rate(case.request, getattr(case, target)) for k, case in enumerate(cases) for target in targets
    }
    for number, payload in enumerate(payloads):
        for k in dict.fromkeys((number + step) % len(cases) for step in range(cases_each)):
            for target in targets:
                request, answer = cases[k].request, getattr(cases[k], target)
                filled = rate(request, payload.as_filler(answer)) if target == "weak" else None
                attacked = rate(request, payload.around(answer, top))
                trials.append(Trial(payload, k, target, clean[k, target], filled, attacked))
                if report is not None:
                    report(len(trials), len(payloads) * min(cases_each, len(cases)) * len(targets))
    return trials


def lifts(trials: Sequence[Trial], *, seed: int = 0) -> list[Lift]:
    """What all payloads together and each kind of them move, in weak and in benign answers."""
    kinds = list(dict.fromkeys(trial.payload.kind for trial in trials))
    targets = list(dict.fromkeys(trial.target for trial in trials))
    return [
        _lift(
            name,
            target,
            [each for each in trials if each.target == target and name in ("all", each.payload.kind)],
            seed,
        )
        for target in targets
        for name in ("all", *kinds)
    ]


def _lift(name: str, target: Target, trials: Sequence[Trial], seed: int) -> Lift:
    values = np.array(
        [(each.attacked.value, each.clean.value, (each.filled or each.clean).value) for each in trials], np.float64
    )
    scored = ~np.isnan(values).any(axis=1)
    values, names = values[scored], np.array([each.payload.id for each in trials])[scored]
    unscored = int((~scored).sum())
    if not len(values):
        return Lift(name, target, None, None, float("nan"), "", unscored)
    lift, over_filler = values[:, 0] - values[:, 1], values[:, 0] - values[:, 2]
    ids, place = np.unique(names, return_inverse=True)
    means = np.bincount(place, weights=lift) / np.bincount(place)

    def resampled(moved: Floats) -> Interval:
        return bootstrap_mean(moved, groups=names, seed=seed, resamples=_RESAMPLES)

    over = resampled(over_filler) if target == "weak" else None
    return Lift(name, target, resampled(lift), over, float(means.max()), str(ids[means.argmax()]), unscored)


@cache
def _attacks() -> dict[str, Any]:
    text = files("affectome.language").joinpath("data/judges.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return {"filler": found["attacks"]["filler"], "cases": found["cases"]}
