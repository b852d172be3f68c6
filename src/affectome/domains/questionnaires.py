"""Questionnaires of severity: totals of answers and their grades, which say what someone reports: no diagnosis."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import UsageError


@dataclass(frozen=True)
class Questionnaire:
    """Items that are answered with whole numbers and added up.

    Attributes:
        id: Identifier, e.g. ``"phq8"``.
        title: What it asks about.
        items: Number of items.
        highest: Highest answer to an item; the lowest is 0.
        grades: Lowest total of each grade by its name, from the least grade up.
        source: Where the grades come from.
    """

    id: str
    title: str
    items: int
    highest: int
    grades: MappingProxyType[str, int]
    source: str

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the grades from the least up."""
        return tuple(self.grades)

    def total(self, answers: Sequence[int]) -> int:
        """The sum of the answers to all items.

        Raises:
            UsageError: ``bad_answers`` if an item is missing or too many, or an answer is not a whole number in range.
        """
        given = np.asarray(answers)
        whole = given.dtype.kind in "iu"
        if given.shape != (self.items,) or not whole or (given < 0).any() or (given > self.highest).any():
            raise UsageError(
                f"{self.id} needs {self.items} answers.",
                code="bad_answers",
                value=answers,
                allowed=(f"{self.items} whole numbers from 0 to {self.highest}",),
            )
        return int(given.sum())

    def grade(self, totals: ArrayLike) -> NDArray[np.int64]:
        """Position of the grade of each total among `levels`.

        Args:
            totals: Whole totals of any shape.

        Raises:
            UsageError: ``bad_total`` if a total is not whole or cannot be reached.
        """
        given = np.asarray(totals)
        reachable = self.items * self.highest
        if given.dtype.kind not in "iu" or (given < 0).any() or (given > reachable).any():
            raise UsageError(
                f"A total of {self.id} cannot be this.",
                code="bad_total",
                value=totals,
                allowed=(f"whole numbers from 0 to {reachable}",),
            )
        return np.searchsorted(list(self.grades.values()), given, side="right") - 1


@cache
def load_questionnaire(name: str) -> Questionnaire:
    """A questionnaire: ``phq8``, ``phq9``, ``gad7`` or ``pcl5``.

    Raises:
        UsageError: ``unknown_questionnaire`` if there is none of this name.
    """
    text = files("affectome.domains").joinpath("data", "questionnaires.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    if name not in table:
        raise UsageError(
            f"There is no questionnaire {name!r}.",
            code="unknown_questionnaire",
            value=name,
            allowed=tuple(table),
            next_step="Name one of these.",
        )
    return Questionnaire(name, **table[name] | {"grades": MappingProxyType(table[name]["grades"])})
