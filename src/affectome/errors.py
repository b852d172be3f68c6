"""Every error Affectome raises on purpose.

    AffectomeError
    ├── InputError          a file, column, row or text that cannot be read
    ├── UsageError          an option, label or taxonomy that is not known
    ├── ModelError          weights that are missing, changed, unlicensed or unsafe
    ├── MissingExtraError   an optional part of the installation is absent
    ├── LeakError           what is to be measured is known to what is measured
    └── RunError            a job that cannot start, go on or resume

Each one carries a stable code, the offending value, what is allowed and the next step, so that the command line,
a row's ``error`` column and a program reading JSON all see the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class AffectomeError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: One sentence saying what is wrong.
        code: Stable lower-case identifier, e.g. ``missing_column``.
        value: The offending value, as the user gave it.
        allowed: Values that would have been accepted, best guesses first.
        next_step: What to do now, one sentence.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        code: str,
        value: object = None,
        allowed: Sequence[str] = (),
        next_step: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.value = value
        self.allowed = tuple(allowed)
        self.next_step = next_step

    def as_dict(self) -> dict[str, object]:
        """The error as plain JSON types: ``code, message, value, allowed, next_step``."""
        return {
            "code": self.code,
            "message": self.message,
            "value": None if self.value is None else str(self.value),
            "allowed": list(self.allowed),
            "next_step": self.next_step,
        }

    def __str__(self) -> str:
        parts = [self.message]
        if self.allowed:
            shown = ", ".join(self.allowed[:12])
            rest = len(self.allowed) - 12
            parts.append(f"Allowed: {shown}{f' and {rest} more' if rest > 0 else ''}.")
        if self.next_step:
            parts.append(self.next_step)
        return " ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders in the runner; keyword-only arguments need this to survive pickling.
        return _rebuild, (type(self), self.message, self.code, self.value, self.allowed, self.next_step)


class InputError(AffectomeError):
    """A file, column, row or text that cannot be read."""

    exit_code = 2


class UsageError(AffectomeError):
    """An option, label, taxonomy or argument that is not known or does not fit."""

    exit_code = 2


class ModelError(AffectomeError):
    """Weights that are missing, changed, unlicensed for the purpose, or unsafe to load."""

    exit_code = 3


class MissingExtraError(AffectomeError):
    """An optional part of the installation is absent; the next step gives the install line."""

    exit_code = 4

    @classmethod
    def for_extra(cls, extra: str, package: str) -> MissingExtraError:
        """The error for a ``package`` that ``affectome[extra]`` would have installed."""
        return cls(
            f"This needs the package {package!r}, which is not installed.",
            code="missing_extra",
            value=package,
            next_step=f'Run: pip install "affectome[{extra}]"',
        )


class LeakError(AffectomeError):
    """Rows, groups or texts of the test data that training or choosing has seen."""

    exit_code = 2


class RunError(AffectomeError):
    """A job that cannot start, go on or resume."""

    exit_code = 5


def _rebuild(
    kind: type[AffectomeError], message: str, code: str, value: object, allowed: Sequence[str], next_step: str
) -> AffectomeError:
    return kind(message, code=code, value=value, allowed=allowed, next_step=next_step)
