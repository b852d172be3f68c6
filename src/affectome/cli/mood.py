"""``affectome mood``: talk with a language model whose tone has inertia."""

from __future__ import annotations

import json as json_format
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from affectome.api import ReaderOptions, axes_estimator
from affectome.cli.output import console, figure, print_json, print_table, progress_bars
from affectome.dynamics import AffectState, StateDynamics, describe_trajectory
from affectome.errors import InputError
from affectome.media import read_segments
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.report.inside_models import write_inside_model
from affectome.version import __version__

if TYPE_CHECKING:
    from affectome.dynamics.state import Axes
    from affectome.language import MoodAgent, MoodTurn

_PERSONA = "You answer in one or two short sentences."
_STANDARD_INPUT = "-"


def mood(
    *,
    model: str,
    out: Path,
    talk: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    speaker: str | None = None,
    persona: str | None = None,
    earlier: Path | None = None,
    order: Literal[0, 1, 2] = 1,
    gain: float = 0.2,
    worsening_gain: float | None = None,
    momentum: float = 0.5,
    half_life: float | None = None,
    pause: float = 0.0,
    listens_to: Literal["user", "both"] = "both",
    memory: int = 6,
    tokens: int = 48,
    probe: Path | None = None,
    steering: Path | None = None,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Talk with a language model whose tone has inertia, and see how its mood moves.

    What is said to the model is read for valence, arousal and dominance. They move a state outside the model, which
    remembers: it follows only part of the way (order 1), or has a velocity of its own (order 2); order 0 forgets at
    once. The state is written into each request, and the reply is read as well.

    Writes DIR/mood.json, DIR/inside.html, and DIR/replies.sqlite, from which an interrupted talk goes on.

    For example:

        affectome mood --model models/SmolLM2-135M-Instruct --out mood
        affectome mood --model model.gguf --talk dialogue.csv --speaker Ana --order 2 --out mood
        affectome mood --model http://localhost:8000/v1 --talk - --out mood

    Args:
        model: Folder in Hugging Face layout, a GGUF file, owner/name on the hub, or the address of a server, with #name
            behind it for one of its models.
        out: Folder for the results.
        talk: What is said to the model: a text file with a turn on each line, a table of a dialogue, or - for lines
            typed as the talk goes on; by default 25 turns of a customer of a bicycle shop.
        speaker: Whose turns of a dialogue are said to the model; by default everybody's.
        persona: Who the model is, for the first lines of every request.
        earlier: The mood.json of an earlier talk, which goes on: with its persona, its state and all that moves it.
        order: 0 has no memory, 1 smooths, 2 has a velocity.
        gain: Share of the way to what was heard that one turn moves the state, above 0 and at most 1.
        worsening_gain: The same while valence falls, for a mood that gets worse faster than it gets better.
        momentum: Share of its velocity that a state of order 2 keeps, at least 0 and below 1.
        half_life: Seconds after which half of the way back to neutral is gone.
        pause: Seconds between two turns, in which the state rests.
        listens_to: Whether the state is moved by the user's words alone or by the model's own words too.
        memory: Turns before the present one that the model is shown; small models repeat themselves less with fewer.
        tokens: Length of a reply at most.
        probe: The layers.json of affectome probe, to be shown on the same page.
        steering: The steering.json of affectome steer, to be shown on the same page.
        threads: Processor threads.
        seed: Seed of the replies.
        json: Print the result as JSON.
    """
    from affectome.language import MoodAgent, RememberingModel, open_model, shop_talk

    state = AffectState.start(
        StateDynamics(order, gain, worsening_gain, momentum if order == 2 else 0.0, half_life=half_life)
    )
    before: list[MoodTurn] = []
    if earlier:
        before, state, persona = _earlier(earlier)
    shop = shop_talk()
    said = _typed() if talk == _STANDARD_INPUT else list(shop.lines) if talk is None else _said(talk, speaker)
    persona = persona or (shop.persona if talk is None else _PERSONA)
    reader = ReaderOptions().open(threads)
    estimate = axes_estimator(reader)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with RememberingModel(open_model(model, threads=threads), out / "replies.sqlite") as speaking:
        agent = MoodAgent(
            speaking,
            state,
            estimate,
            persona=persona,
            listens_to=listens_to,
            memory=memory,
            max_tokens=tokens,
            seed=seed,
        )
        agent.turns.extend(before)
        about = {
            "affectome": __version__,
            "model": speaking.name,
            "fingerprint": speaking.fingerprint,
            "reader": reader.model,
            "persona": persona,
            "listens_to": listens_to,
            "memory": memory,
            "tokens": tokens,
            "pause": pause,
            "seed": seed,
        }
        result: dict[str, Any] = {}
        with _progress(said, hidden=json) as turns:
            for line in turns:
                turn = agent.respond(line, seconds=pause)
                if talk == _STANDARD_INPUT and not json:
                    _print_turn(turn)
                result = about | _record(agent, estimate)
                write_bytes(
                    out / "mood.json", (json_format.dumps(result, indent=1, ensure_ascii=False) + "\n").encode()
                )
    if not result:
        raise InputError("Nothing was said.", code="empty_file", value=talk, next_step="Give lines to say.")
    write_inside_model(out / "inside.html", probe=probe, steering=steering, mood=out / "mood.json")
    if json:
        print_json(result)
        return 0
    if talk != _STANDARD_INPUT:
        for turn in agent.turns:
            _print_turn(turn)
    _print_trajectory(result)
    console().print(f"\nresult   {out / 'mood.json'}\npage     {out / 'inside.html'}", markup=False, soft_wrap=True)
    return 0


def _said(talk: str, speaker: str | None) -> list[str]:
    """The texts of a file in their order, those of one speaker if one is named."""
    source = read_segments([talk])
    rows = [(text, who) for shard in source.shards() for text, who in shard.select("text", "speaker").iter_rows()]
    if speaker is not None and speaker not in {who for _, who in rows}:
        raise InputError(
            f"Nobody of this name speaks in {talk}.",
            code="unknown_speaker",
            value=speaker,
            allowed=sorted({who for _, who in rows if who}),
        )
    return [text for text, who in rows if text and text.strip() and speaker in {None, who}]


def _typed() -> Iterator[str]:
    """Lines as they are typed, until there are no more."""
    for line in sys.stdin:
        if line.strip():
            yield line.strip()


def _earlier(path: Path) -> tuple[list[MoodTurn], AffectState, str]:
    from affectome.language import MoodTurn

    try:
        told = json_format.loads(path.read_text(encoding="utf-8"))
        states = [AffectState.from_json(json_format.dumps(turn["state"])) for turn in told["turns"]]
        turns = [
            MoodTurn(number, turn["heard"], tuple(turn["signal"]), state, turn["reply"])
            for number, (turn, state) in enumerate(zip(told["turns"], states, strict=True), 1)
        ]
        return turns, states[-1], str(told["persona"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} is no result of affectome mood.",
            code="bad_result",
            value=path,
            next_step=f"Give the mood.json of a talk: {type(error).__name__} {error}",
        ) from error


def _record(agent: MoodAgent, estimate: Callable[[str], Axes]) -> dict[str, Any]:
    turns = [
        {
            "heard": turn.heard,
            "signal": turn.signal,
            "state": asdict(turn.state),
            "reply": turn.reply,
            "read": estimate(turn.reply),
        }
        for turn in agent.turns
    ]
    return {"turns": turns, "trajectory": _trajectory(agent.turns)}


def _trajectory(turns: Sequence[MoodTurn]) -> dict[str, float | None] | None:
    """Figures of valence, where things get better after they were worst; None where they never do."""
    heard = [turn.signal[0] for turn in turns]
    repair = int(np.argmin(heard)) + 2  # counted from 1
    if len(turns) < 3 or repair > len(turns):
        return None
    found = describe_trajectory(
        heard,
        [turn.state.position[0] for turn in turns],
        repair=repair,
        baseline=turns[0].state.dynamics.baseline[0],
    )
    return {name: value if math.isfinite(value) else None for name, value in asdict(found).items()}


@contextmanager
def _progress(said: Iterable[str], *, hidden: bool) -> Iterator[Iterator[str]]:
    """The lines, with a bar where their number is known."""
    if not isinstance(said, list):
        yield iter(said)
        return
    with progress_bars(hidden=hidden) as bars:
        yield iter(bars.track(said, description="talking"))


def _print_turn(turn: MoodTurn) -> None:
    printed = console()
    printed.print(f"{turn.turn:>3}  heard {turn.signal[0]:+.2f}  {turn.heard}", markup=False, soft_wrap=True)
    printed.print(f"     mood  {turn.state.position[0]:+.2f}  {turn.reply}\n", markup=False, soft_wrap=True)


def _print_trajectory(result: Mapping[str, Any]) -> None:
    if result["trajectory"] is None:
        return
    values = {name: "" if value is None else figure(value) for name, value in result["trajectory"].items()}
    print_table([{"valence": name, "": value} for name, value in values.items()], right=("",))
