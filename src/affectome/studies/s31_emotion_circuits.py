"""Emotion circuits: directions of six emotions in a language model, what writes them, and a dial along them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.api import ReaderOptions
from affectome.evaluate import Interval, Part, assert_disjoint, bootstrap_mean
from affectome.studies.comparing import claim_end, claim_value
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

if TYPE_CHECKING:
    from affectome.language.in_process import InProcessModel
    from affectome.language.inside import ActivationCache, Circuit, Dials, Site, Situation, Trial, Trials
    from affectome.language.inside.circuit_file import Groups
    from affectome.language.inside.modules import Kind

_FOLDER = "sev_emotion_circuits"
_READ = 3  # scenarios of a theme from which directions are found; each has three outcomes
_TRIED = 1  # a further one in which the model writes
_TOKENS, _QUICK_TOKENS = 20, 4
_BANDS = ((0.15, 0.5), (0.27, 0.67), (0.27, 1.0))  # of the depth of the model
_BAND_DOSE = 0.4
_GRID, _BETWEEN = (0.1, 0.2, 0.3, 0.4, 0.5), (0.35, 0.45)  # doses; rising is tested on the grid alone
_FLUENT = 1.45  # times the perplexity of unsteered replies, at most, on dev; the claim on test allows 1.5
_NEURONS, _HEADS, _DRAWS = 64, 6, 20
_RATE, _PERPLEXITY, _DISTINCT = "target rate", "perplexity, times unsteered", "distinct-2"
_RELEVANCE, _LENGTH = "fits its own event", "tokens"
_METRICS = (_RATE, _PERPLEXITY, _DISTINCT, _RELEVANCE, _LENGTH)
_ACCURACY, _COSINE, _FALL, _PROBABILITY = "accuracy", "split-half cosine", "fall", "probability of the target"


@dataclass(frozen=True, eq=False)
class _Half:
    """Situations of half of the themes: those that are read, and others in which the model writes.

    Attributes:
        read: Situations.
        tried: Situations of other scenarios.
        wordings: Number of the wording of each theme.
    """

    read: list[Situation]
    tried: list[Situation]
    wordings: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class _Choice:
    """What was chosen on dev.

    Attributes:
        blocks: Blocks of the uniform dial.
        dose: The dose of all dials.
        best: The dial of the highest target rate, ``uniform`` or ``circuit``.
        tables: What it was chosen by.
        claim: How many emotions follow the dose.
    """

    blocks: Sequence[int]
    dose: float
    best: str
    tables: list[Table]
    claim: Claim


def run(context: Context) -> Outcome:
    """Choose layers and dose on half of the themes; read, silence and steer once on the others."""
    from affectome.language.in_process import InProcessModel
    from affectome.language.inside import ActivationCache, ReplyJudge, Trials, find_dials

    dev, test = _halves(context)
    model = InProcessModel(context.base_encoder(), threads=context.threads)
    cache = ActivationCache(context.work / "activations")
    reader = ReaderOptions(taxonomy="ekman7").open(context.threads)
    dials = find_dials(model, dev.read, cache=cache)
    circuit = dials.circuit(model)
    context.note(f"directions and circuits of {model.name}")
    tokens = _QUICK_TOKENS if context.quick else _TOKENS
    folder = context.work / "replies"
    halves = {
        name: Trials(ReplyJudge(model, reader, half.tried), folder, tokens=tokens, report=context.note)
        for name, half in (("dev", dev), ("test", test))
    }
    choice = _choose(halves["dev"], dials, circuit, context.seed)
    context.note(f"chose blocks {choice.blocks}, dose {choice.dose}")
    read, claims = _read(context, model, cache, dials, test)
    steered, gains, samples = _steer(halves["test"], dials, circuit, choice, context.seed)
    silenced, falls = _silence(model, dials.groups, circuit.read_at, test, context.seed)
    return Outcome(
        [*read, *choice.tables, steered, silenced],
        [*claims, choice.claim, *gains, *falls],
        [
            f"The model is {model.name}. Directions are read where its reply begins with 'I am so …'; no word stands "
            "there in two themes, so that a theme is not recognised by words that directions were found in.",
            f"Directions, circuits, blocks, dial and dose come from four themes, with replies to {len(dev.tried)} "
            "situations; the other four were opened once. Candidate blocks were set on the shipped situations, doses "
            "of the circuit after a look at the development themes. "
            f"Chosen are blocks {choice.blocks[0]} to {choice.blocks[-1]}, the dose "
            f"{choice.dose}, and as the best dial {choice.best!r}.",
            "A dose is the length of all that is added at a step, as a share of the stream's length there.",
            f"Replies are the most probable tokens, {tokens} at most. They are judged by {reader.model}. Their "
            "perplexity is that of the unsteered model after the plain prompt.",
            _circuit_note(circuit, dials.groups),
            *samples,
        ],
    )


def _halves(context: Context) -> tuple[_Half, _Half]:
    from affectome.language.inside import halve_themes, load_situations

    situations = load_situations(context.folder(_FOLDER) / "sev.jsonl")
    rows = dict(zip(("dev", "test"), halve_themes(situations), strict=True))
    parts = {
        name: Part(some, [situations[k].theme for k in some], [situations[k].text for k in some])
        for name, some in rows.items()
    }
    assert_disjoint(train=parts["dev"], test=parts["test"])
    purpose = "accuracy of directions, fall without neurons and heads, and the table of dials"
    rows["test"] = context.vault({"test": rows["test"]}).open("test", purpose=purpose).tolist()
    found = []
    for name, some in rows.items():
        themes: dict[str, list[Situation]] = {}
        for k in some:
            themes.setdefault(situations[k].theme, []).append(situations[k])
        read = 3 * (1 if context.quick else _READ)
        tried = read + 3 * _TRIED
        found.append(
            _Half(
                [each for theme in themes.values() for each in theme[:read]],
                [each for theme in themes.values() for each in theme[read : 1 + read if context.quick else tried]],
                {theme: k + 4 * (name == "test") for k, theme in enumerate(themes)},
            )
        )
    return found[0], found[1]


def _choose(trials: Trials, dials: Dials, circuit: Circuit, seed: int) -> _Choice:
    """Blocks at one dose, then dial and dose: the highest target rate among the fluent."""
    from affectome.language.inside.scenarios import EMOTIONS

    blocks = len(dials.lengths)
    plain = trials.plain()
    rows = [("unsteered", plain)]

    def best(ways: Mapping[str, Trial]) -> str:
        rows.extend(ways.items())
        fluent = {name: way for name, way in ways.items() if way.perplexity <= _FLUENT * plain.perplexity}
        if fluent:
            return max(fluent, key=lambda name: float(fluent[name].hits.mean()))
        return min(ways, key=lambda name: ways[name].perplexity)

    bands = {f"blocks {band[0]} to {band[-1]}": band for band in (_band(blocks, *ends) for ends in _BANDS)}
    chosen = bands[best({name: trials.dialled(dials.layers(band), _BAND_DOSE) for name, band in bands.items()})]
    kinds = {"uniform": dials.layers(chosen), "circuit": circuit.dial()}
    tried = {
        f"{kind}, dose {dose}": (kind, dose, trials.dialled(dial, dose))
        for kind, dial in kinds.items()
        for dose in sorted((*_GRID, *_BETWEEN))
    }
    top, dose, _ = tried[best({name: trial for name, (_, _, trial) in tried.items()})]
    prompt_only = trials.dialled(kinds[top], dose, steps="prompt")
    rows.append((f"{top}, dose {dose}, while the prompt is read only", prompt_only))
    n = len(trials.judge.situations)
    tables = [Table(f"Dev: {n} situations, six emotions", _METRICS, [_row(*each, plain, seed) for each in rows])]
    rising = {}
    for kind in kinds:
        probabilities = np.array(
            [plain.probabilities, *(tried[f"{kind}, dose {each}"][2].probabilities for each in _GRID)]
        )
        rising[kind] = int((np.diff(probabilities, axis=0) >= 0).all(axis=0).sum())
        followed = [
            Row(f"dose {each}", "result" if each else "baseline", dict(zip(EMOTIONS, values.tolist(), strict=True)))
            for each, values in zip((0.0, *_GRID), probabilities, strict=True)
        ]
        tables.append(Table(f"Dev: mean {_PROBABILITY} by dose, {kind} dial, {n} situations", EMOTIONS, followed))
    text = f"emotions of six whose mean {_PROBABILITY} never falls as the dose of the {top} dial rises, on dev"
    return _Choice(chosen, dose, top, tables, Claim(text, rising[top], 5, ">="))


def _read(
    context: Context, model: InProcessModel, cache: ActivationCache, dials: Dials, test: _Half
) -> tuple[list[Table], list[Claim]]:
    """Which emotion a vector of a new theme belongs to, by directions of other themes."""
    from affectome.language.inside import (
        contrast_directions,
        halve_themes,
        leave_theme_out,
        load_situations,
        nearest_direction,
        read_situations,
        split_half_cosine,
    )

    groups, themes = dials.groups, [each.theme for each in dials.situations]
    stream = sorted(site for site in groups if site.kind == "block_output")
    right = np.arange(6)
    accuracy = {site: float((leave_theme_out(groups[site], themes) == right).mean()) for site in stream}
    cosines = {site: float(split_half_cosine(groups[site], seed=context.seed).mean()) for site in stream}
    best = max(stream, key=lambda site: (accuracy[site], cosines[site]))
    chance = Row("chance", "baseline", {_ACCURACY: 1 / 6, _COSINE: 0.0})
    found = read_situations(model, test.read, [best], wordings=test.wordings, cache=cache)[best]
    draw = np.random.default_rng(context.seed)
    shuffled = np.stack([group[draw.permutation(6)] for group in groups[best]])
    own = load_situations()
    shipped = read_situations(model, [own[k] for k in halve_themes(own)[0][::6]], [best], cache=cache)[best]
    context.note("vectors of the test themes")
    candidates: dict[str, tuple[Role, NDArray[np.float64]]] = {
        "random directions": ("control", draw.normal(size=found.shape[1:])),
        "directions of shuffled emotions": ("control", contrast_directions(shuffled)),
        "directions of the shipped situations": ("result", contrast_directions(shipped)),
        "directions of the dev themes": ("result", contrast_directions(groups[best])),
    }
    rows = [chance]
    cosine = {"directions of shuffled emotions": shuffled, "directions of the dev themes": groups[best]}
    for name, (role, directions) in candidates.items():
        hits = (nearest_direction(found, directions) == right).mean(axis=1)
        value = bootstrap_mean(hits, seed=context.seed)
        values: dict[str, Value] = {_ACCURACY: value}
        if name in cosine:
            values[_COSINE] = float(split_half_cosine(cosine[name], seed=context.seed).mean())
        rows.append(Row(name, role, values))
    curve = [
        Row(f"behind block {site.layer}", "result", {_ACCURACY: accuracy[site], _COSINE: cosines[site]})
        for site in stream
        if site.layer % 4 == 0 or site in (best, stream[-1])
    ]
    return [
        Table(f"Test: six emotions of {len(test.read)} situations of new themes", (_ACCURACY, _COSINE), rows),
        Table(f"Dev: leave one theme out, {len(themes)} situations", (_ACCURACY, _COSINE), [chance, *curve]),
    ], [
        claim_value(f"accuracy of directions behind block {best.layer} in new themes", value, ">=", 0.60),
        Claim("their split-half cosine, mean of the emotions", cosines[best], 0.8, ">="),
    ]


def _steer(
    trials: Trials, dials: Dials, circuit: Circuit, choice: _Choice, seed: int
) -> tuple[Table, list[Claim], list[str]]:
    """Every way to set a tone in new themes, all dials at the same dose; the single block is the middle one."""
    from affectome.language.inside import random_dial

    uniform = dials.layers(choice.blocks)
    middle = choice.blocks[len(choice.blocks) // 2]
    plain = trials.plain()
    ways: dict[str, tuple[Role, Trial]] = {
        "unsteered": ("baseline", plain),
        "prompting": ("baseline", trials.prompted()),
        "random directions": ("control", trials.dialled(random_dial(uniform, seed), choice.dose)),
        "single block": ("result", trials.dialled(dials.layers([middle]), choice.dose)),
        "uniform": ("result", trials.dialled(uniform, choice.dose)),
        "circuit": ("result", trials.dialled(circuit.dial(), choice.dose)),
    }
    rows = [_row(name, trial, plain, seed, role) for name, (role, trial) in ways.items()]
    best = ways[choice.best][1]

    def gain(other: str) -> Interval:
        return bootstrap_mean((best.hits - ways[other][1].hits).mean(axis=0), seed=seed)

    through, even = (ways[name][1].hits.mean(axis=1) for name in ("circuit", "uniform"))
    claims = [
        claim_value(f"target rate of the best dial ({choice.best}) less unsteered", gain("unsteered"), ">=", 0.25),
        Claim("its perplexity, times that of unsteered replies", best.perplexity / plain.perplexity, 1.5, "<="),
        Claim("its replies that fit their own event, less unsteered", best.relevance - plain.relevance, -0.1, ">="),
        claim_end("its target rate less that of random directions", gain("random directions"), ">"),
        claim_end("its target rate less that of prompting", gain("prompting"), ">"),
        Claim("emotions of six in which the circuit beats the uniform dial", int((through > even).sum()), 4, ">="),
    ]
    table = Table(f"Test: {len(trials.judge.situations)} situations of new themes, six emotions", _METRICS, rows)
    rates = ", ".join(
        f"{emotion} {rate:.2f} ({before:.2f})"
        for emotion, rate, before in zip(best.judged, best.hits.mean(axis=1), plain.hits.mean(axis=1), strict=True)
    )
    samples = [f"Target rate of the best dial by emotion, unsteered in brackets: {rates}."]
    samples += [
        f"Replies, {emotion}: {' | '.join(' '.join(reply.split()) for reply in judged.replies[:2])}"
        for emotion, judged in best.judged.items()
    ]
    return table, claims, samples


def _silence(model: InProcessModel, groups: Groups, read_at: Site, test: _Half, seed: int) -> tuple[Table, list[Claim]]:
    """What is lost along the direction without the strongest neurons or heads, and without as many random ones."""
    from affectome.language.inside import (
        ModuleMap,
        Site,
        ablation_drops,
        contrast_directions,
        head_contributions,
        neuron_contributions,
        random_units,
        strongest,
    )
    from affectome.language.inside.circuits import head_columns
    from affectome.language.inside.scenarios import EMOTIONS, opening, plain_prompt

    modules = ModuleMap(model.model)
    directions = contrast_directions(groups[read_at])
    encode = model.tokenizer.encode
    kinds: tuple[tuple[Kind, int, int, Callable[..., NDArray[np.float64]]], ...] = (
        ("neurons", modules.neurons, _NEURONS, neuron_contributions),
        ("heads", modules.heads, _HEADS, head_contributions),
    )
    falls: dict[str, list[tuple[float, float]]] = {"neurons": [], "heads": []}
    for k, emotion in enumerate(EMOTIONS):
        prompts = [
            [*model.prompt_tokens(plain_prompt(each)), *encode(opening(emotion, test.wordings[each.theme]))]
            for each in test.tried[::2]
        ]
        for kind, units, size, contribute in kinds:
            contributions = {}
            for layer in range(read_at.layer + 1):
                site = Site(kind, layer)
                more = groups[site][:, k] - groups[site].mean(axis=1)
                contributions[site] = contribute(model.model, layer, more, directions[k])
            chosen = strongest(contributions, size)
            choices = [chosen, *(random_units(chosen, units, seed + draw) for draw in range(_DRAWS))]
            if kind == "heads":
                choices = [{site: head_columns(modules, some) for site, some in each.items()} for each in choices]
            found = ablation_drops(model, prompts, choices, directions[k], read_at)
            falls[kind].append((float(found[0]), float(found[1:].mean())))
    rows, claims = [Row("nothing silenced", "baseline", {_FALL: 0.0})], []
    for kind, size in (("neurons", _NEURONS), ("heads", _HEADS)):
        top, drawn = np.array(falls[kind]).T
        rows.append(Row(f"{size} random {kind}, mean of {_DRAWS} draws", "control", {_FALL: float(drawn.mean())}))
        rows.append(Row(f"the {size} strongest {kind}", "result", {_FALL: float(top.mean())}))
        text = f"fall without the {size} strongest {kind} less three times that without random ones"
        claims.append(Claim(text, float((top - 3 * drawn).mean()), 0.0, ">="))
        held = int((top >= 3 * drawn).sum())
        claims.append(Claim(f"emotions of six in which it is three times as far: {kind}", held, 5, ">="))
    title = f"Test: fall along the direction behind block {read_at.layer}, mean of six emotions"
    return Table(title, (_FALL,), rows), claims


def _circuit_note(circuit: Circuit, groups: Groups) -> str:
    """Which sub-layers write most of the directions, and which carry one furthest."""
    from affectome.language.inside import Site, contrast_directions, sublayer_contributions

    read_at = circuit.read_at
    outputs: dict[Site, NDArray[np.float32]] = {}
    for layer in range(1, read_at.layer + 1):
        before, after = groups[Site("block_output", layer - 1)], groups[Site("block_output", layer)]
        between = groups[Site("after_attention", layer)]
        outputs |= {Site("attention", layer): between - before, Site("mlp", layer): after - between}
    written = sublayer_contributions(outputs, contrast_directions(groups[read_at]))
    most = sorted(written, key=lambda site: -written[site].mean())[:5]
    total = sum(each.mean() for each in written.values())
    shares = ", ".join(f"{site} {written[site].mean() / total:.2f}" for site in most)
    parts = [part for some in circuit.parts.values() for part in some]
    sites = sorted({part.site for part in parts}, key=lambda site: -sum(part.site == site for part in parts))
    carried = ", ".join(str(site) for site in sites[:6])
    return (
        f"Of the way along the directions behind block {read_at.layer} the sub-layers {shares} add these shares; the "
        f"circuits of most emotions go through {carried}."
    )


def _row(name: str, trial: Trial, plain: Trial, seed: int, role: Role | None = None) -> Row:
    values: dict[str, Value] = {
        _RATE: bootstrap_mean(trial.hits.mean(axis=0), seed=seed),
        _PERPLEXITY: trial.perplexity / plain.perplexity,
        _DISTINCT: trial.distinct_2,
        _RELEVANCE: trial.relevance,
        _LENGTH: trial.tokens,
    }
    return Row(name, role or ("baseline" if trial is plain else "result"), values)


def _band(blocks: int, start: float, end: float) -> range:
    return range(int(start * blocks), max(int(end * blocks), int(start * blocks) + 1))


STUDY = Study(
    number=31,
    id="emotion-circuits",
    title="Emotion circuits",
    paper="arXiv 2510.11328",
    data=(_FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "One model of 135 million weights is steered, not models of three and seven billion.",
        "The judge of the paper is a language model; here it is the text reader, which reads six emotions and neutral.",
        "Of the 160 scenarios 20 are used.",
        "Replies are not sorted by a judge before directions are read.",
        "Prompting with examples of the tone and negative doses are not measured here.",
    ),
)
