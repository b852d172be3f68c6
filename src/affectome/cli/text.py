"""``affectome text``: read one text."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Annotated

from cyclopts import Parameter

from affectome.api import ReaderOptions, Reading, read
from affectome.cli.output import at_commas, bar, console, print_json
from affectome.perceive import Contribution

_SHOWN = 8
_WHY = {
    "empty": "the text is empty",
    "too_short": "there is no word in it",
    "not_english": "it does not look like English, and this reader knows no other language",
    "too_long": "it is longer than 100,000 characters; give it to affectome analyze with --sentences",
}


def text(
    text: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    reader: Annotated[ReaderOptions, Parameter(name="*", negative_bool="no-")] = ReaderOptions(),  # noqa: B008
    why: bool = False,
    json: bool = False,
) -> int:
    """Read the affect of one text.

    For example:

        affectome text "I can't believe you did this for me"
        affectome text "We lost again." --labels hopeful,resigned,furious
        echo "What a day" | affectome text - --json

    Args:
        text: An English text; - reads it from standard input.
        reader: Model and vocabulary.
        why: Also show which words moved the most probable label, by leaving each out.
        json: Print JSON.
    """
    content = sys.stdin.buffer.read().decode(errors="replace").rstrip("\r\n") if text == "-" else text
    loaded = replace(reader, labels=at_commas(reader.labels)).open(threads=2)
    reading = read(content, reader=loaded)
    contributions = loaded.explain(content) if why and reading.status == "scored" else []
    if json:
        print_json(asdict(reading) | ({"why": [c._asdict() for c in contributions]} if why else {}))
    else:
        _print(reading, contributions)
    return 0


def _print(reading: Reading, contributions: list[Contribution]) -> None:
    out = console()
    if reading.status != "scored":
        out.print(f"{reading.status}: {_WHY.get(reading.error, reading.error)}")
        return
    width = max(len(label) for label in list(reading.emotion)[:_SHOWN])
    for label, p in list(reading.emotion.items())[:_SHOWN]:
        style = "bold" if label in reading.present else "dim"
        out.print(f"[{style}]{label:<{width}}[/]  {p:5.2f}  {bar(p)}")
    d = reading.dimensions
    parts = [f"{name} {d[name]:+.2f} ± {d[f'{name}_sd']:.2f}" for name in ("valence", "arousal", "dominance")]
    out.print("\n" + "   ".join(parts))
    out.print(f"sentiment {reading.tone['sentiment']:+.2f}   toxicity {reading.tone['toxicity']:.2f}")
    for name, value in reading.rating.items():
        out.print(f"{name} {value:.2f}", markup=False)
    out.print(f"[dim]{reading.taxonomy}, read by {reading.model}[/]")
    if contributions:
        out.print(f"\nwhat moved [bold]{next(iter(reading.emotion))}[/]:")
        for c in sorted(contributions, key=lambda c: -abs(c.change))[:_SHOWN]:
            out.print(f"  {c.change:+.2f}  {c.word}", markup=False)
