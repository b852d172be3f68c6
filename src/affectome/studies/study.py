"""What a study is: what it needs, what it finds, and which of its claims hold.

A study measures whether a published system works here. Its tables start with readers that have no skill, its claims
are numbers beside a threshold, and what it does not cover is listed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from affectome.errors import InputError, UsageError
from affectome.evaluate import Interval, Vault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Role = Literal["baseline", "control", "result", "ceiling"]
Comparison = Literal[">=", "<=", ">", "<"]
Value = Interval | float

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Row:
    """One predictor in a table of results.

    Attributes:
        predictor: What predicted, e.g. ``"majority"`` or ``"soft labels, sentence vectors"``.
        role: ``"baseline"`` has no skill or the least that counts, a ``"control"`` should fail, a ``"result"`` is what
            the study is about, a ``"ceiling"`` is what the raters allow.
        values: A value for each metric of the table that applies; an `Interval` for what was estimated from a sample,
            a plain number for what was counted.
    """

    predictor: str
    role: Role
    values: Mapping[str, Value]

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise UsageError(
                f"The row {self.predictor!r} has an unknown role.",
                code="unknown_role",
                value=self.role,
                allowed=get_args(Role),
            )


@dataclass(frozen=True)
class Table:
    """Results on one set of items.

    Attributes:
        title: What was predicted, on what, and on how many items.
        metrics: Columns, in the order in which they are shown.
        rows: Predictors, baselines first.

    Raises:
        UsageError: No baseline stands first, one stands lower down, or a row has a metric that is not a column.
    """

    title: str
    metrics: Sequence[str]
    rows: Sequence[Row]

    def __post_init__(self) -> None:
        baselines = [row.role == "baseline" for row in self.rows]
        if not any(baselines) or baselines != sorted(baselines, reverse=True):
            raise UsageError(
                f"The table {self.title!r} must start with its baselines.",
                code="baselines_first",
                value=[f"{row.predictor} ({row.role})" for row in self.rows],
                next_step="Put what has no skill, such as the majority or the mean, into the first rows.",
            )
        for row in self.rows:
            if unknown := set(row.values) - set(self.metrics):
                raise UsageError(
                    f"The row {row.predictor!r} has a metric that is not a column of {self.title!r}.",
                    code="unknown_metric",
                    value=sorted(unknown)[0],
                    allowed=self.metrics,
                )


@dataclass(frozen=True)
class Claim:
    """A measured property with a threshold.

    Attributes:
        text: What is claimed, in words.
        value: What was measured; for a claim about an interval, the end that has to clear the threshold.
        threshold: What it is compared with.
        comparison: How the value has to stand to the threshold.
        interval: Interval of the measured value, if it has one.
    """

    text: str
    value: float
    threshold: float
    comparison: Comparison
    interval: Interval | None = None

    def __post_init__(self) -> None:
        if self.comparison not in _COMPARE:
            raise UsageError(
                f"The claim {self.text!r} compares in an unknown way.",
                code="unknown_comparison",
                value=self.comparison,
                allowed=tuple(_COMPARE),
            )

    @property
    def holds(self) -> bool:
        """Whether the value clears the threshold; a value that is not defined never does."""
        return bool(_COMPARE[self.comparison](self.value, self.threshold))


@dataclass(frozen=True)
class Outcome:
    """What a study found.

    Attributes:
        tables: Results.
        claims: Claims with their measured values.
        notes: What a reader has to know: rows left out and why, what was tried, what did not help.
    """

    tables: list[Table]
    claims: list[Claim]
    notes: list[str] = field(default_factory=list)


@dataclass
class Context:
    """What a study runs with.

    Attributes:
        data: Folder that holds one subfolder a data set.
        seed: Seed from which the study takes all its seeds.
        threads: Processor threads.
        base: Folder of a base encoder in Hugging Face layout, if one was given.
        model: Folder or GGUF file of a language model, if one was given beside it.
        work: Folder for what can be taken up again: caches and checkpoints.
        quick: Whether to run on a small part, to see that the study runs; such a result never counts.
        run: Name of this run, under which test sets are handed out.
        report: Receives the lines of `note`.
    """

    data: Path
    seed: int
    threads: int
    base: Path | None
    work: Path
    quick: bool
    run: str = "study"
    report: Callable[[str], None] = lambda message: None
    model: Path | None = None
    used: set[str] = field(default_factory=set, init=False)
    vaults: list[Vault] = field(default_factory=list, init=False)

    def note(self, message: str) -> None:
        """Tell how far the study is."""
        self.report(message)

    def folder(self, name: str) -> Path:
        """The folder of one data set, whose content becomes part of the result's identity.

        Args:
            name: Name of a subfolder of ``data``.

        Raises:
            InputError: There is no such folder.
        """
        folder = self.data / name
        if not folder.is_dir():
            raise missing_data([name], self.data)
        self.used.add(name)
        return folder

    def base_encoder(self) -> Path:
        """The folder (or GGUF file) of the base model, for studies that cannot do without.

        Raises:
            UsageError: None was given.
        """
        if self.base is None:
            raise UsageError(
                "This study needs the folder of a base model.",
                code="missing_base",
                next_step="Run: affectome models pull minilm (smollm2 for studies of language models), and give the "
                "folder with --base.",
            )
        return self.base

    def vault(self, parts: Mapping[str, Sequence[int] | NDArray[np.int64]]) -> Vault:
        """A vault that hands out each part once and whose record goes into the result.

        Args:
            parts: Row numbers of each part by its name, e.g. ``{"test": split.test}``.
        """
        vault = Vault(parts, run=self.run)
        self.vaults.append(vault)
        return vault


@dataclass(frozen=True)
class Study:
    """One published system, measured here.

    Attributes:
        number: Number of the system in the list of systems.
        id: Its identifier there.
        title: Its title there.
        paper: The paper or the code it comes from.
        data: Folders it reads below the data folder.
        extras: Optional parts of the installation it needs, ``"study"`` or ``"train"``.
        run: The study itself.
        missing: What the system does and this study does not show, one sentence each; a system works only if nothing
            is missing.
    """

    number: int
    id: str
    title: str
    paper: str
    data: tuple[str, ...]
    extras: tuple[str, ...]
    run: Callable[[Context], Outcome]
    missing: tuple[str, ...] = ()


def show_value(value: Value) -> str:
    """A value for people: three decimals, counts in full, an interval's ends behind it."""
    if isinstance(value, Interval):
        return f"{show_value(value.value)} [{show_value(value.low)}, {show_value(value.high)}]"
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.3f}"


def missing_data(names: Sequence[str], data: Path) -> InputError:
    """The error for data sets that are not below the data folder."""
    plural = "s" if len(names) > 1 else ""
    return InputError(
        f"The data folder {str(data)!r} has no folder{plural} {', '.join(map(repr, names))}.",
        code="missing_data_set",
        value=str(data / names[0]),
        next_step="Put the data set there, or name another data folder with --data.",
    )
