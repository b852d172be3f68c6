"""Action units of the face: what moves, how strongly, and which expressions they make up.

Numbers, names and expressions are facts of the Facial Action Coding System (Ekman & Friesen 1978; Ekman, Friesen &
Hager 2002). The map from units to the movements of a parametric face is this project's own and approximate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from affectome.affect.datafiles import read_toml, unknown_name
from affectome.errors import UsageError

PRESENT = 0.2
"""Strength from which a unit counts as present: grade B, above a trace."""


@dataclass(frozen=True)
class ActionUnit:
    """One action unit.

    Attributes:
        number: Its number in the coding system.
        name: Its name there.
        region: ``brow``, ``eyes``, ``nose`` or ``mouth``.
        sides: Whether it can move on one side of the face alone.
        movements: Weights in (0, 1] of the movements of a parametric face that show it at its full strength; movements
            of one side get ``_L`` or ``_R``. Empty for lips part, which is measured.
        excludes: Numbers of units that do not go with it.
    """

    number: int
    name: str
    region: str
    sides: bool
    movements: Mapping[str, float]
    excludes: tuple[int, ...]

    def moved(self, left: float, right: float) -> dict[str, float]:
        """Strengths of movements that show the unit at a strength in [0, 1] on each side of the face.

        Raises:
            UsageError: ``one_strength`` if the sides differ and the unit has none.
        """
        if self.sides:
            strengths = {"_L": left, "_R": right}
            return {
                f"{name}{side}": weight * strengths[side]
                for name, weight in self.movements.items()
                for side in strengths
            }
        if left != right:
            raise UsageError(
                f"Action unit {self.number}, {self.name}, has no sides, and was given {left:g} and {right:g}.",
                code="one_strength",
                value=self.number,
                next_step="Give both sides the same strength.",
            )
        return {name: weight * left for name, weight in self.movements.items()}


@dataclass(frozen=True)
class FacialExpression:
    """Action units that the coding system's authors name for an expression.

    Attributes:
        name: A noun, as in ``ferplus8``.
        core: Numbers of the units that most variants share.
        further: Numbers of units that some variants have.
        one_sided: Whether it is typically shown on one side of the face.
    """

    name: str
    core: tuple[int, ...]
    further: tuple[int, ...]
    one_sided: bool


@cache
def list_action_units() -> tuple[ActionUnit, ...]:
    """The action units that can be shown by a parametric face, by number."""
    return tuple(
        ActionUnit(
            number=entry["number"],
            name=entry["name"],
            region=entry["region"],
            sides=entry["sides"],
            movements=MappingProxyType(dict(entry["movements"])),
            excludes=tuple(entry["excludes"]),
        )
        for entry in read_toml("action_units")["units"]
    )


def action_unit(number: int) -> ActionUnit:
    """The action unit of a number.

    Raises:
        UsageError: ``unknown_action_unit``.
    """
    units = {unit.number: unit for unit in list_action_units()}
    if number not in units:
        raise unknown_name("action_unit", str(number), map(str, units), "Choose one of those.")
    return units[number]


@cache
def list_facial_expressions() -> tuple[FacialExpression, ...]:
    """The expressions whose action units are known."""
    return tuple(
        FacialExpression(
            name=entry["name"],
            core=tuple(entry["core"]),
            further=tuple(entry["further"]),
            one_sided=entry["one_sided"],
        )
        for entry in read_toml("action_units")["expressions"]
    )


def strength_grade(strength: float) -> str:
    """The grade, ``A`` (trace) to ``E`` (maximum), of a strength above 0; an empty text where nothing moves.

    Args:
        strength: In [0, 1]; each grade is a fifth of the way, which is this project's choice: the coding system gives
            its grades no numbers.

    Raises:
        UsageError: ``value_out_of_range``.
    """
    if not 0 <= strength <= 1:
        raise UsageError(
            f"A strength of {strength:g} lies outside 0..1.",
            code="value_out_of_range",
            value=strength,
            next_step="Give a strength between 0 and 1.",
        )
    reached = [grade["letter"] for grade in read_toml("action_units")["grades"] if strength > grade["above"]]
    return str(reached[-1]) if reached else ""
