"""``affectome steer``: turn an emotion of a language model up or down."""

from __future__ import annotations

import functools
import json as json_format
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from affectome.api import ReaderOptions
from affectome.cli.output import console, figure, print_json, print_table, progress_bars
from affectome.errors import MissingExtraError, ModelError, UsageError
from affectome.report.inside_models import write_inside_model
from affectome.version import __version__

if TYPE_CHECKING:
    from affectome.language.in_process import InProcessModel
    from affectome.language.inside import EmotionDial, Judged, Situation, Trial, Trials

Method = Literal["layers", "layer", "circuit"]

_STEPS = (0.25, 0.5, 0.75, 1.0, 1.25)  # of the dose, at which its effect is shown
_TRIALS = len(_STEPS) + 7
_SAMPLES = 4


def steer(
    *,
    model: Path,
    emotion: str,
    out: Path,
    dose: float = 0.45,
    prompt: tuple[str, ...] = (),
    method: Method = "circuit",
    circuit: Path | None = None,
    scenarios: Path | None = None,
    situations: int = 12,
    tokens: int = 24,
    probe: Path | None = None,
    threads: int = 1,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Turn an emotion of a language model up or down, and see what that does to its replies.

    Directions of six emotions are found in situations of one half of the themes. With --prompt the model answers once
    as it is and once steered. Without, it is steered in situations of the other half, beside prompting, a random
    direction, and the other ways to spread the same dose; a reader of text tells which emotion the replies are in, and
    the unsteered model how fluent they are and whether they still belong to their situation.

    Writes DIR/steering.json, DIR/inside.html, DIR/circuit.json, and DIR/activations and DIR/replies, from which an
    interrupted run goes on.

    For example:

        affectome steer --model models/SmolLM2-135M-Instruct --emotion joy --out results
        affectome steer --model model.gguf --emotion anger --dose -0.45 --prompt "You broke my bicycle." --out results

    Args:
        model: Folder in Hugging Face layout, or a GGUF file.
        emotion: anger, disgust, fear, joy, sadness or surprise.
        out: Folder for the results.
        dose: Length of what is added, as a share of the length of the residual stream; a negative one steers away.
        prompt: What the model answers; may be repeated.
        method: Along a direction behind the blocks in the middle, behind one block, or through the neurons and heads
            of a circuit, which Gemma 2 and 3 do not have.
        circuit: A circuit.json that was written before: the prompts are answered through it, and nothing is read.
        scenarios: JSON lines with theme, scenario and event.positive, .neutral, .negative; by default 48 that are
            shipped.
        situations: Number of situations in which the model is steered.
        tokens: Length of a reply at most.
        probe: The layers.json of affectome probe, to be shown on the same page.
        threads: Processor threads.
        seed: Seed of the random direction.
        json: Print the result as JSON.
    """
    try:
        from affectome.language.in_process import InProcessModel
        from affectome.language.inside import ReplyJudge, Trials, load_circuit
        from affectome.language.inside.scenarios import halve_themes, known_emotion, load_situations
    except ModuleNotFoundError as missing:
        raise MissingExtraError.for_extra("train", str(missing.name)) from None
    known_emotion(emotion)
    if not np.isfinite(dose) or dose == 0:
        raise UsageError("A dose must be a number other than 0.", code="bad_dose", value=dose)
    if situations < 2:
        raise UsageError("The model must be steered in two situations or more.", code="too_few", value=situations)
    if circuit and not prompt:
        raise UsageError(
            "A circuit file answers prompts.",
            code="bad_usage",
            value="--circuit",
            next_step="Give a prompt with --prompt, or leave --circuit out to find circuits and compare dials.",
        )
    told = load_situations(scenarios)
    reading, trying = halve_themes(told)
    opened = InProcessModel(model, threads=threads)
    bars = progress_bars(hidden=json)
    result: dict[str, Any] = {
        "affectome": __version__,
        "model": opened.name,
        "fingerprint": opened.fingerprint,
        "emotion": emotion,
        "dose": dose,
        "method": method,
        "tokens": tokens,
        "seed": seed,
    }
    out.mkdir(parents=True, exist_ok=True)
    with bars:
        task = bars.add_task("finding directions and circuits", total=None)
        if circuit:
            result["method"] = method = "circuit"
            dials = {"circuit": load_circuit(circuit, opened).dial()}
        else:
            dials = _dials(opened, [told[row] for row in reading], method, out)
        bars.update(task, description="writing", total=2 if prompt else _TRIALS)
        if prompt:
            result["answers"] = _answers(opened, dials[method], prompt, result)
        else:
            rows = np.unique(np.linspace(0, len(trying) - 1, min(len(trying), situations)).astype(int))
            trials = Trials(
                ReplyJudge(opened, ReaderOptions(taxonomy="ekman7").open(threads), [told[trying[row]] for row in rows]),
                out / "replies",
                tokens=tokens,
            )
            result |= _compare(trials, dials, result, functools.partial(bars.advance, task))
    (out / "steering.json").write_text(json_format.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if not prompt:
        write_inside_model(out / "inside.html", probe=probe, steering=out / "steering.json")
    if json:
        print_json(result)
        return 0
    _show(result)
    console().print(f"\nresult   {out / 'steering.json'}", markup=False, soft_wrap=True)
    if not prompt:
        console().print(f"page     {out / 'inside.html'}", markup=False, soft_wrap=True)
    return 0


def _dials(model: InProcessModel, situations: Sequence[Situation], method: Method, out: Path) -> dict[str, EmotionDial]:
    """The dial of each method that the model allows; what was read and the circuit stay in a folder."""
    from affectome.language.inside import ActivationCache, find_dials, middle_blocks

    found = find_dials(model, situations, cache=ActivationCache(out / "activations"))
    middle = middle_blocks(len(found.lengths))
    dials = {"layers": found.layers(middle), "layer": found.layers([middle[len(middle) // 2]])}
    try:
        circuit = found.circuit(model)
    except ModelError as error:
        if error.code != "normed_output" or method == "circuit":
            raise
        return dials
    circuit.save(out / "circuit.json")
    return dials | {"circuit": circuit.dial()}


def _answers(
    model: InProcessModel, dial: EmotionDial, prompts: Sequence[str], about: Mapping[str, Any]
) -> list[dict[str, str]]:
    from affectome.language import Message
    from affectome.language.inside import ReadPrompts

    asked = ReadPrompts(model, [[Message("user", prompt)] for prompt in prompts])
    plain = asked.write(about["tokens"])
    with dial.turned(model.model, about["emotion"], about["dose"]):
        steered = asked.write(about["tokens"])
    return [
        {"prompt": prompt, "plain": before, "steered": after}
        for prompt, before, after in zip(prompts, plain, steered, strict=True)
    ]


def _compare(
    trials: Trials, dials: Mapping[str, EmotionDial], about: Mapping[str, Any], done: Callable[[], None]
) -> dict[str, Any]:
    """Every way to set the tone at the same dose, and the chosen one at some doses."""
    from affectome.language.inside import random_dial

    emotion, dose, chosen = about["emotion"], about["dose"], about["method"]
    only = [emotion]
    ways: dict[str, Callable[[], Trial]] = {
        "unsteered": trials.plain,
        "prompting": functools.partial(trials.prompted, emotions=only),
        "prompting with examples": functools.partial(trials.prompted, examples=True, emotions=only),
        "random direction": functools.partial(
            trials.dialled, random_dial(dials[chosen], about["seed"]), dose, emotions=only
        ),
        **{name: functools.partial(trials.dialled, dial, dose, emotions=only) for name, dial in dials.items()},
    }
    curve: list[dict[str, Any]] = []
    compared: list[dict[str, Any]] = []
    for name, way in ways.items():
        compared.append({"way": name, **_figures(way().judged[emotion], emotion, trials)})
        done()
    curve.append(compared[0] | {"dose": 0.0})
    for step in _STEPS:
        judged = trials.dialled(dials[chosen], step * dose, emotions=only).judged[emotion]
        curve.append({"dose": step * dose, **_figures(judged, emotion, trials)})
        done()
    return {
        "situations": len(trials.judge.situations),
        "judge": trials.judge.reader.model,
        "ways": compared,
        "doses": curve,
    }


def _figures(judged: Judged, emotion: str, trials: Trials) -> dict[str, Any]:
    """What is found of the replies, and some of them."""
    return {
        "rate": float(judged.hits(emotion).mean()),
        "perplexity": judged.perplexity,
        "distinct_2": judged.distinct_2,
        "tokens": float(judged.tokens.mean()),
        "relevance": float(judged.relevant.mean()),
        "samples": [
            {"situation": each.text, "reply": reply, "read": read}
            for each, reply, read in list(zip(trials.judge.situations, judged.replies, judged.read, strict=True))[
                :_SAMPLES
            ]
        ],
    }


def _show(result: Mapping[str, Any]) -> None:
    printed = console()
    if "answers" in result:
        for answer in result["answers"]:
            printed.print(f"prompt   {answer['prompt']}\nplain    {answer['plain']}", markup=False, soft_wrap=True)
            printed.print(f"steered  {answer['steered']}\n", markup=False, soft_wrap=True)
        return
    columns = ("rate", "perplexity", "distinct_2", "relevance", "tokens")
    ways = [{"way": row["way"], **{name: figure(row[name]) for name in columns}} for row in result["ways"]]
    doses = [{"dose": figure(row["dose"]), **{name: figure(row[name]) for name in columns}} for row in result["doses"]]
    print_table(ways, title=f"{result['emotion']} at a dose of {result['dose']}", right=columns)
    print_table(doses, title=f"\n{result['method']}", right=columns)
    for row in result["doses"][:: len(result["doses"]) - 1]:
        printed.print(f"\ndose {figure(row['dose'])}", markup=False)
        for sample in row["samples"]:
            printed.print(f"  {sample['read'] or 'not read'}: {sample['reply']}", markup=False, soft_wrap=True)
