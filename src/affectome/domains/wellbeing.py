"""Where a message goes that speaks of suicide, self-injury or aggression: a band, a fixed text, a person.

A band orders the queue of the people who read and answer. It is no diagnosis, and no text is made up.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from affectome.errors import UsageError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RiskClass:
    """What a message can speak of.

    Attributes:
        id: Name in English.
        chinese: Published name.
        band: Identifier of its band.
        level: Place on the continuum from nothing (0) to an attempt (6); None off the continuum.
    """

    id: str
    chinese: str
    band: str
    level: int | None


@dataclass(frozen=True)
class RiskBand:
    """How soon a person has to read a message.

    Attributes:
        id: Identifier.
        urgency: 0 for the least urgent band.
        staff: What the person who reads it is asked to do; empty for the least urgent band.
        messages: Fixed text for the writer by language; none in the least urgent band.
    """

    id: str
    urgency: int
    staff: str
    messages: Mapping[str, str]


@dataclass(frozen=True)
class Route:
    """Where one message goes.

    Attributes:
        band: The band.
        classes: Classes that were found, the most urgent first.
        message: Fixed text for the writer; empty in the least urgent band.
        message_id: Which text, with the version of the table, e.g. ``immediate.zh.1``; empty if there is none.
    """

    band: RiskBand
    classes: tuple[str, ...]
    message: str
    message_id: str


@dataclass(frozen=True)
class RiskRouting:
    """The table of classes, bands and texts.

    Attributes:
        version: Version of the table.
        classes: Classes in the order of the published columns.
        bands: From the least to the most urgent.
    """

    version: str
    classes: tuple[RiskClass, ...]
    bands: tuple[RiskBand, ...]

    def band_of(self, name: str) -> RiskBand:
        """The band of a class.

        Raises:
            UsageError: There is no such class.
        """
        for risk in self.classes:
            if risk.id == name:
                return next(band for band in self.bands if band.id == risk.band)
        raise UsageError(
            f"There is no class of risk {name!r}.",
            code="unknown_label",
            value=name,
            allowed=[risk.id for risk in self.classes],
        )

    def route(self, item: str, classes: Sequence[str], *, language: str = "zh") -> Route:
        """The most urgent band of the classes that were found in a message.

        Every message that is not in the least urgent band is logged, with its identifier and without its text.

        Args:
            item: Identifier of the message.
            classes: Classes that were found; none is the least urgent band.
            language: Language of the text for the writer.

        Raises:
            UsageError: A class or language is not known.
        """
        languages = sorted({known for band in self.bands for known in band.messages})
        if language not in languages:
            raise UsageError(
                f"There are no texts in {language!r}.", code="unknown_language", value=language, allowed=languages
            )
        found = sorted(dict.fromkeys(classes), key=lambda name: -self.band_of(name).urgency)
        band = self.band_of(found[0]) if found else self.bands[0]
        if band.urgency == 0:
            return Route(band, tuple(found), "", "")
        message_id = f"{band.id}.{language}.{self.version}"
        _log.warning("message %s: band %s (%s), text %s", item, band.id, ", ".join(found), message_id)
        return Route(band, tuple(found), band.messages[language], message_id)


@cache
def load_risk_routing() -> RiskRouting:
    """The shipped table."""
    text = files("affectome.domains").joinpath("data/risk_routing.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return RiskRouting(
        table["version"],
        tuple(RiskClass(row["id"], row["zh"], row["band"], row.get("level")) for row in table["classes"]),
        tuple(
            RiskBand(row["id"], urgency, row.get("staff", ""), MappingProxyType(row.get("messages", {})))
            for urgency, row in enumerate(table["bands"])
        ),
    )
