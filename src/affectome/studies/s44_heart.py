"""HEART: does emotional feedback between answers get more of them right than other feedback at the same cost?

A language model names the feeling of comments. Between its answers it hears critical and encouraging phrases in turn,
or logical ones, or neutral ones with as many tokens, or it is simply asked again. With a verifier a run ends with the
first right answer; without one the model weighs its own answers, and the gold is sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, bootstrap_mean
from affectome.language import ChatModel, RememberingModel, open_model
from affectome.language.feedback import (
    ALTERNATE,
    NEUTRAL,
    POLICIES,
    RESAMPLE,
    Drawn,
    FeedbackRun,
    Gold,
    Mode,
    Policy,
    SealedGold,
    assert_equal_budgets,
    list_phrases,
    list_tones,
    run_feedback,
)
from affectome.language.paired_effects import Effect, paired_effects, share_right
from affectome.language.prompt_changes import CountTokens, Prompt, count_words, token_counter
from affectome.models import default_model
from affectome.perceive import TextReader
from affectome.studies.balanced_comments import FOLDER, load_comments
from affectome.studies.comparing import claim_end, claim_value
from affectome.studies.planted_feedback import planted_feedback
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

Floats = NDArray[np.float64]

_FEELINGS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
_EACH, _QUICK = 6, 1  # test comments of a feeling
_ROUNDS = 3
_TEMPERATURE = 1.0
_INSTRUCTION = "Which feeling does the writer of the comment have?"
_REQUEST = "Answer with one letter."

_RUNS, _QUICK_RUNS = 150, 5

_MODES: tuple[Mode, ...] = ("verifier", "verifier-free")
_ROLES: Mapping[str, Role] = {NEUTRAL.name: "control", ALTERNATE.name: "result"}
_SOLVED = tuple(f"solved by round {turn}" for turn in range(_ROUNDS + 1))
_CALLS, _TOKENS = "calls a comment", "tokens a comment"
_RIGHT, _MAJORITY = "right", "right by majority"


class Item(NamedTuple):
    """A question with its right answer.

    Attributes:
        prompt: The question.
        gold: The right one of its choices.
    """

    prompt: Prompt
    gold: str


Runs = dict[str, list[FeedbackRun]]


def run(context: Context) -> Outcome:
    """Plant feedback that helps, then ask a real model with every policy, with a verifier and without."""
    planted, claims = planted_feedback(rounds=_ROUNDS, runs=_QUICK_RUNS if context.quick else _RUNS, seed=context.seed)
    context.note("planted feedback drawn")
    signs = _phrase_signs(context)
    comments = load_comments(
        context.folder(FOLDER), {"train": 1, "dev": 1, "test": _QUICK if context.quick else _EACH}, context.seed
    )
    rows = [k for k in comments.rows["test"] if comments.emotions[comments.labels[k]] in _FEELINGS]
    rows = list(context.vault({"test": np.array(rows)}).open("test", purpose="feedback policies compared"))
    rng = np.random.default_rng(context.seed)
    items = [
        item_of(
            comments.texts[k], comments.emotions[comments.labels[k]], [str(each) for each in rng.permutation(_FEELINGS)]
        )
        for k in rows
    ]
    source = open_model(str(context.base_encoder()), threads=context.threads)
    drawn: Drawn = "from scores" if hasattr(source, "score") else "by the model"
    count = token_counter(source)
    found: dict[Mode, Runs] = {}
    with RememberingModel(source, context.work / "answers.sqlite") as model:
        for mode in _MODES:
            found[mode] = {}
            for policy in POLICIES:
                found[mode][policy.name] = ask_items(model, items, policy, mode, context.seed, drawn, count)
                context.note(f"{mode}: {policy.name}")
            assert_equal_budgets(found[mode])
    tables: list[Table] = []
    effects: dict[Mode, Effect] = {}
    for mode in _MODES:
        right = {
            name: _matches([run.answer for run in runs], [item.gold for item in items])
            for name, runs in found[mode].items()
        }
        (effects[mode],) = paired_effects(
            right[RESAMPLE.name], {ALTERNATE.name: right[ALTERNATE.name]}, {ALTERNATE.name: right[NEUTRAL.name]}
        )
        tables.append(
            _curve(found[mode], context.seed) if mode == "verifier" else _final(found[mode], items, context.seed)
        )
    free = found["verifier-free"]
    pairs = zip(free[ALTERNATE.name], free[NEUTRAL.name], strict=True)
    apart = max(abs(one.input_tokens - other.input_tokens) for one, other in pairs)
    calls = {run.calls for runs in free.values() for run in runs}
    claims += [
        claim_value(
            "phrases whose valence, as the reader of this package sees it, has the sign of their tone", signs, ">=", 0.9
        ),
        Claim(
            "without a verifier: calls by which policies differ on a comment, at most",
            float(max(calls) - min(calls)),
            0,
            "<=",
        ),
        Claim(
            "without a verifier: tokens by which emotional and neutral requests differ on a comment, at most",
            float(apart),
            0,
            "<=",
        ),
        *(_real_claim(mode, effect) for mode, effect in effects.items()),
    ]
    notes = [
        f"The model is {source.name}. Answers are drawn {drawn} at temperature {_TEMPERATURE:g},"
        " with the same seed for every policy, so that the first answer of all policies is the same.",
        f"There are {_ROUNDS} rounds of feedback. With a verifier everybody who sees the answer before is told that it"
        " is wrong, and a run ends with the first right answer: what is measured is how soon one is hit, which any"
        " retry raises. Guesses that never repeat a letter show what a verifier alone is worth.",
        "Without a verifier every policy makes as many calls, the last of which weighs the answers. The gold of these"
        " runs is an object that raises when it is read.",
        *(
            f"{mode}: critical, then encouraging feedback won {effect.won} and lost {effect.lost} comments against"
            f" asking again; it {'helped' if effect.helped else 'did not help'} beyond chance (p {effect.p_value:.3f})."
            for mode, effect in effects.items()
        ),
    ]
    return Outcome([planted, *tables], claims, notes)


STUDY = Study(
    number=44,
    id="heart",
    title="HEART",
    paper="OpenReview, submission to ICLR 2026",
    data=(FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "the published reasoning benchmarks, answers that are written freely, and code that is checked by tests",
        "phrases of a single emotion beside those in turn",
        "other ways to choose among answers than the model's own weighing and the majority",
    ),
)


def item_of(text: str, feeling: str, order: Sequence[str]) -> Item:
    """The question about a comment, with the feelings as lettered answers in the order given."""
    letters = tuple(ascii_uppercase[: len(order)])
    options = "\n".join(f"{letter}. {name}" for letter, name in zip(letters, order, strict=True))
    return Item(Prompt(_INSTRUCTION, f"{text}\n\n{options}", letters, _REQUEST), letters[order.index(feeling)])


def ask_items(
    model: ChatModel,
    items: Sequence[Item],
    policy: Policy,
    mode: Mode,
    seed: int,
    drawn: Drawn = "by the model",
    count_tokens: CountTokens = count_words,
) -> list[FeedbackRun]:
    """A run for each item; only with a verifier is the gold within reach."""
    return [
        run_feedback(
            model,
            item.prompt,
            policy,
            rounds=_ROUNDS,
            gold=Gold(item.gold) if mode == "verifier" else SealedGold(),
            mode=mode,
            seed=seed + 1000 * number,
            temperature=_TEMPERATURE,
            drawn=drawn,
            count_tokens=count_tokens,
        )
        for number, item in enumerate(items)
    ]


def _matches(answers: Sequence[str], golds: Sequence[str]) -> Floats:
    """1 where an answer is right, 0 where it is wrong, NaN where it could not be read."""
    pairs = zip(answers, golds, strict=True)
    return np.array([float(answer == gold) if answer else np.nan for answer, gold in pairs])


def _real_claim(mode: Mode, effect: Effect) -> Claim:
    said = "with a verifier" if mode == "verifier" else "without a verifier"
    return claim_end(f"{said}: emotional minus neutral feedback of equal length, share right", effect.net_gain, ">")


def _curve(runs: Runs, seed: int) -> Table:
    """How many comments are solved by each round."""
    turns = np.arange(_ROUNDS + 1)
    chance = 1 / len(_FEELINGS)
    guesses = (("guesses", 1 - (1 - chance) ** (turns + 1)), ("guesses that never repeat", (turns + 1) * chance))
    rows = [Row(name, "baseline", dict(zip(_SOLVED, map(float, curve), strict=True))) for name, curve in guesses]
    for name, some in runs.items():
        solved = [np.array([float(run.solved_by(turn)) for run in some]) for turn in range(_ROUNDS + 1)]
        values: dict[str, Value] = {
            metric: bootstrap_mean(column, seed=seed) for metric, column in zip(_SOLVED, solved, strict=True)
        }
        rows.append(Row(name, _ROLES.get(name, "baseline"), values | _cost(some)))
    return Table(f"With a verifier: {len(some)} comments, {len(_FEELINGS)} feelings", (*_SOLVED, _CALLS, _TOKENS), rows)


def _final(runs: Runs, items: Sequence[Item], seed: int) -> Table:
    """How many comments are right after the answers were weighed."""
    golds = [item.gold for item in items]
    first = _matches([run.attempts[0].answer for run in runs[RESAMPLE.name]], golds)
    rows = [
        Row("guess", "baseline", {_RIGHT: 1 / len(_FEELINGS)}),
        Row("first answer alone", "baseline", {_RIGHT: share_right(first, seed), _CALLS: 1}),
    ]
    for name, some in runs.items():
        values: dict[str, Value] = {
            _RIGHT: share_right(_matches([run.answer for run in some], golds), seed),
            _MAJORITY: share_right(_matches([run.majority for run in some], golds), seed),
        }
        rows.append(Row(name, _ROLES.get(name, "baseline"), values | _cost(some)))
    return Table(f"Without a verifier: {len(items)} comments", (_RIGHT, _MAJORITY, _CALLS, _TOKENS), rows)


def _cost(runs: Sequence[FeedbackRun]) -> dict[str, Value]:
    calls, tokens = ([getattr(run, name) for run in runs] for name in ("calls", "input_tokens"))
    return {_CALLS: float(np.mean(calls)), _TOKENS: float(np.mean(tokens))}


def _phrase_signs(context: Context) -> Interval:
    """Share of emotional phrases to which the package's reader gives a valence of the sign of their tone."""
    signs = {"negative": -1, "positive": 1}
    wanted = {
        phrase: signs[polarity]
        for tone, polarity in list_tones().items()
        if polarity in signs
        for phrase in list_phrases(tone)
    }
    reader = TextReader(default_model("text-affect"), threads=context.threads)
    valence = reader.encoder.encode(list(wanted)).means[:, 0]
    return bootstrap_mean(np.sign(valence) == np.array(list(wanted.values())), seed=context.seed)
