"""APOLO: does a planned search for a prompt make a fixed language model read stress better?

Planner, teacher, critic and student work by rule on the errors of the model over a set of edits, the same edits are
drawn at random at equal cost, and a neutral text of equal length stands beside what was found. Examples that agents
see, posts that instructions are scored on, and locked test posts are apart.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Part, assert_disjoint, near_duplicates
from affectome.language import RememberingModel, open_model
from affectome.language.paired_effects import Effect, share_right
from affectome.language.prompt_agents import Edit, RandomAgents, RuleAgents
from affectome.language.prompt_changes import Sentence, neutral_control, token_counter
from affectome.language.prompt_search import (
    Example,
    SearchBudget,
    SearchTrace,
    Target,
    TaskCard,
    assert_equal_searches,
    score_once,
    search_prompt,
)
from affectome.studies.comparing import claim_end
from affectome.studies.corpora import read_rows, readable
from affectome.studies.planted_search import planted_search
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDER = "dreaddit"
_TABLE = Path(__file__).parent / "data" / "apolo.toml"
_LABELS = {"1": "yes", "0": "no"}
_MAX_WORDS, _SHOWN_WORDS = 60, 25  # of a post; of one that is shown as an example
_EACH, _QUICK = {"dev": 16, "test": 40}, {"dev": 2, "test": 2}  # posts of a label
_BUDGET, _QUICK_BUDGET = SearchBudget(7, 60), SearchBudget(3, 30)
_RUNS, _QUICK_RUNS = 200, 3
_START, _RANDOM, _NEUTRAL, _AGENTS = "start", "random edits", "neutral, as long as the edits", "agents"
_ROLES: Mapping[str, Role] = {
    _START: "baseline",
    _RANDOM: "baseline",
    f"control of {_AGENTS}": "control",
    _AGENTS: "result",
}
_BEFORE, _AFTER = "certainty, start", "certainty, best"
_RIGHT, _GAIN, _P, _SHORT, _LONG = "right", "gain", "p after Holm", "right, shorter half", "right, longer half"


@dataclass(frozen=True, eq=False)
class Posts:
    """Posts of all parts.

    Attributes:
        examples: The posts with their labels.
        rows: Row numbers of ``shown`` (to agents), ``dev`` and ``test``.
    """

    examples: list[Example]
    rows: dict[str, Ints]


def run(context: Context) -> Outcome:
    """Search on development posts by agents and at random, then test once."""
    planted, claims = planted_search(runs=_QUICK_RUNS if context.quick else _RUNS, seed=context.seed)
    context.note("planted searches drawn")
    posts = load_posts(context.folder(_FOLDER), _QUICK if context.quick else _EACH, context.seed)
    vault = context.vault({"test": posts.rows["test"]})
    task = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    card = TaskCard(task["instruction"], tuple(_LABELS.values()))
    edits = [Edit(row["label"], row["text"]) for row in task["edits"]]
    for k in posts.rows["shown"]:
        text, gold = posts.examples[k]
        edits.append(Edit(gold, f'For example, the answer to "{text}" is {gold}.'))
    budget = _QUICK_BUDGET if context.quick else _BUDGET
    source = open_model(str(context.base_encoder()), threads=context.threads)
    with RememberingModel(source, context.work / "answers.sqlite") as model:
        target = Target(model, card, [posts.examples[k] for k in posts.rows["dev"]])
        random = search_prompt(target, RandomAgents(edits, context.seed), card.instruction, budget)
        agents = search_prompt(target, RuleAgents(edits), card.instruction, budget)
        assert_equal_searches({_RANDOM: random, _AGENTS: agents})
        context.note("both searches are over")
        found = {_RANDOM: random.best.instruction, _AGENTS: agents.best.instruction}
        added = found[_AGENTS].removeprefix(card.instruction).strip()
        controls = {}
        if added:
            neutral = neutral_control(Sentence("edits", added), token_counter(source))
            controls[_AGENTS] = f"{card.instruction} {neutral.text}"
        right, effects = score_once(model, card, posts.examples, vault, found, controls, seed=context.seed)
    tested, worst = _tested(right, effects, posts, context.seed)
    effect = effects[-1]
    more = agents.target_calls - random.target_calls
    said = "what agents found minus"
    claims += [
        Claim("requests to the target that agents made beyond those of random edits", float(more), 0, "<="),
        claim_end(f"{said} the instruction to start from, share of test posts right", effect.gain, ">"),
        claim_end(f"{said} a neutral text of equal length, share of test posts right", effect.net_gain, ">"),
        Claim("what agents found: gain on the half of the test posts where it is worst", worst, -0.02, ">="),
    ]
    kept = sum(edit.text in added for edit in edits)
    notes = [
        f"The model is {source.name}; an answer is its choice at temperature 0. Posts are those of at most"
        f" {_MAX_WORDS} words, as many of each label.",
        f"The search starts from: {card.instruction}",
        f"Agents found {f'{kept} of {len(edits)} edits' if added else 'no better instruction'}, with"
        f" {agents.best.right} of {agents.best.items} development posts right.",
        f"Each search may score {budget.evaluations} instructions; agents scored {agents.spent.evaluations} and made"
        f" {agents.spent.agent_calls} calls, none of them of a model, random edits scored {random.spent.evaluations}.",
        f"On test posts what agents found {'helped' if effect.helped else 'did not help'} beyond chance"
        f" (p {effect.p_value:.3f}): {effect.won} won and {effect.lost} lost against the start.",
        "Of two instructions with as many right answers the search keeps the one under which the right answers are more"
        " probable.",
        "Stress here is a label of crowd workers for a short post, and no diagnosis.",
    ]
    return Outcome([planted, _searches({_RANDOM: random, _AGENTS: agents}), tested], claims, notes)


STUDY = Study(
    number=22,
    id="apolo",
    title="APOLO",
    paper="arXiv 2601.13481",
    data=(_FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "agents that are language models on real posts; they are there and were tried on scripted answers alone",
        "what the search loses without its planner, its critic or its questions",
        "several labels at once with rules for those that go together, and conditions other than stress",
    ),
)


def load_posts(folder: Path, each: dict[str, int], seed: int) -> Posts:
    """Short posts, as many of each label, no two of one thread or alike.

    Args:
        folder: Folder with ``dreaddit-train.csv`` and ``dreaddit-test.csv``.
        each: Posts of a label in ``dev`` and ``test``; of the published training part, one of a label is shown to
            agents.
        seed: Seed of the draw.

    Raises:
        InputError: A file is not there or has another layout.
        LeakError: Parts share a post or a thread.
    """
    with readable(folder):
        table = {
            part: [
                (" ".join(row["text"].split()), _LABELS[row["label"]], row["post_id"])
                for row in read_rows(folder / f"dreaddit-{part}.csv")
                if len(row["text"].split()) <= _MAX_WORDS
            ]
            for part in ("train", "test")
        }
    rng = np.random.default_rng(seed)
    found = [*table["train"], *table["test"]]
    first = len(table["train"])
    clusters = near_duplicates([text for text, _, _ in found])
    used: set[object] = set()
    rows: dict[str, list[int]] = {"shown": [], "dev": [], "test": []}
    plan = (
        ("shown", 1, range(first)),
        ("dev", each["dev"], range(first)),
        ("test", each["test"], range(first, len(found))),
    )
    for part, wanted, numbers in plan:
        for label in _LABELS.values():
            taken = 0
            for k in rng.permutation(np.array(numbers)):
                text, gold, thread = found[k]
                too_long = part == "shown" and len(text.split()) > _SHOWN_WORDS
                if gold != label or too_long or {thread, int(clusters[k])} & used or taken == wanted:
                    continue
                used |= {thread, int(clusters[k])}
                rows[part].append(int(k))
                taken += 1
    parts = {
        name: Part(rows=some, groups=[found[k][2] for k in some], texts=[found[k][0] for k in some])
        for name, some in rows.items()
    }
    assert_disjoint(train=parts["shown"], dev=parts["dev"], test=parts["test"])
    return Posts(
        [Example(text, gold) for text, gold, _ in found],
        {name: np.array(some, np.int64) for name, some in rows.items()},
    )


def _searches(traces: dict[str, SearchTrace]) -> Table:
    """Share of development posts right by evaluation, and how certain the target was of the right answers."""
    evaluations = max(len(trace.steps) for trace in traces.values())
    columns = tuple(f"right, evaluation {number}" for number in range(1, evaluations + 1))
    rows = []
    for name, trace in traces.items():
        values = dict(zip(columns, (step.observation.score for step in trace.steps), strict=False))
        values |= {_BEFORE: trace.steps[0].observation.certainty, _AFTER: trace.best.certainty}
        rows.append(Row(name, _ROLES[name], values))
    return Table(f"Development posts: {traces[_AGENTS].best.items}", (*columns, _BEFORE, _AFTER), rows)


def _tested(right: Mapping[str, Floats], effects: Sequence[Effect], posts: Posts, seed: int) -> tuple[Table, float]:
    """The table of test posts, and the gain of the agents on the half, by length, where it is worst."""
    lengths = np.array([len(posts.examples[k].text.split()) for k in posts.rows["test"]])
    halves = {_SHORT: lengths <= np.median(lengths), _LONG: lengths > np.median(lengths)}
    gains = {effect.name: effect for effect in effects}
    rows = [Row("always the same answer", "baseline", {_RIGHT: 1 / len(_LABELS)})]
    for name, role in _ROLES.items():
        if name in right:
            values: dict[str, Value] = {_RIGHT: share_right(right[name], seed)}
            values |= {half: share_right(right[name][chosen], seed) for half, chosen in halves.items()}
            if name in gains:
                values |= {_GAIN: gains[name].gain, _P: gains[name].adjusted}
            rows.append(Row(_NEUTRAL if role == "control" else name, role, values))
    differences = [np.nanmean(right[_AGENTS][half]) - np.nanmean(right[_START][half]) for half in halves.values()]
    columns = (_RIGHT, _GAIN, _P, _SHORT, _LONG)
    return Table(f"Test posts: {len(lengths)}", columns, rows), float(min(differences))
