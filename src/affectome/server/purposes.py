"""What voices and faces may be read for: a purpose has to be declared, and two of them are refused without a ground.

The rule follows Article 5(1)(f) of Regulation (EU) 2024/1689, which forbids inferring emotions from biometric data in
the areas of workplace and education except for medical or safety reasons. Text alone is no biometric data.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path

from affectome.errors import UsageError
from affectome.models import list_models
from affectome.server.failures import refused

BIOMETRIC = frozenset({"voice", "face"})
"""Modalities that need a purpose."""

_TASKS = {"text": "text-affect", "voice": "voice-affect", "face": "face-affect"}


@dataclass(frozen=True)
class Rules:
    """What may be declared.

    Attributes:
        purposes: Purposes with what they mean.
        grounds: Grounds with what they mean.
        restricted: Purposes that need a ground.
        notice: What stands beside the results.
    """

    purposes: dict[str, str]
    grounds: dict[str, str]
    restricted: tuple[str, ...]
    notice: str


@cache
def rules() -> Rules:
    """The rules that are shipped."""
    data = tomllib.loads(Path(__file__).with_name("data").joinpath("purposes.toml").read_text(encoding="utf-8"))
    return Rules(data["purposes"], data["grounds"], tuple(data["restricted"]), data["notice"].strip())


def check_purpose(modalities: Collection[str], purpose: str, ground: str) -> None:
    """Refuse to read voices or faces for an undeclared or forbidden purpose.

    Args:
        modalities: What is going to be read.
        purpose: The declared purpose, empty for none.
        ground: The declared ground, empty for none.

    Raises:
        UsageError: ``purpose_needed``, ``unknown_purpose`` or ``unknown_ground``.
        HTTPException: 403, code ``purpose_forbidden``.
    """
    known = rules()
    if ground and ground not in known.grounds:
        raise UsageError(f"{ground!r} is no ground.", code="unknown_ground", value=ground, allowed=tuple(known.grounds))
    if purpose and purpose not in known.purposes:
        raise UsageError(
            f"{purpose!r} is no purpose.", code="unknown_purpose", value=purpose, allowed=tuple(known.purposes)
        )
    if not BIOMETRIC & set(modalities):
        return
    if not purpose:
        raise UsageError(
            "Voices and faces are read for a declared purpose only.",
            code="purpose_needed",
            allowed=tuple(known.purposes),
            next_step="Declare it as purpose; GET /v1/purposes says what each one means.",
        )
    if purpose in known.restricted and not ground:
        raise refused(
            HTTPStatus.FORBIDDEN,
            UsageError(
                f"Voices and faces are not read for the purpose {purpose!r} without a medical or safety ground.",
                code="purpose_forbidden",
                value=purpose,
                allowed=tuple(known.grounds),
                next_step="Declare the ground if there is one; GET /v1/purposes and the privacy page say why.",
            ),
        )


def intended_uses(modalities: Collection[str]) -> list[dict[str, object]]:
    """Intended use and limits of the models that read some modalities, from their cards."""
    tasks = {_TASKS[name] for name in modalities if name in _TASKS}
    return [
        {"model": card.versioned_id, "intended_use": card.intended_use.strip(), "limits": list(card.limits)}
        for card in (installed.card for installed in list_models().models)
        if card.task in tasks
    ]


def notice_page(modalities: Collection[str], purpose: str, ground: str) -> str:
    """The notice and the intended uses as a Markdown page that goes with the results."""
    lines = ["# Notice", "", rules().notice, ""]
    if purpose:
        lines += [f"Declared purpose: {purpose}{f', on {ground} grounds' if ground else ''}.", ""]
    for use in intended_uses(modalities):
        limits = use["limits"]
        assert isinstance(limits, list)
        lines += [f"## {use['model']}", "", f"Intended use: {use['intended_use']}", "", "Limits:", ""]
        lines += [*(f"- {limit}" for limit in limits), ""]
    return "\n".join(lines)
