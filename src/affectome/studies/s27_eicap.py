"""EICAP: is a language model emotionally intelligent over several turns, and do the questions ask for that?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, accuracy, bootstrap
from affectome.studies.comparing import claim_difference, claim_value
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.language import ChatModel
    from affectome.language.emotional_intelligence import Item, Shown

FOLDER = "reccon"
Ints = NDArray[np.int64]
Choices = dict[str, tuple[Role, Ints]]

_EACH, _QUICK = 160, 16
_FOLDS = 5
_OPTIONS = 4
_TURNED = 8  # of so many questions one is asked in every order
_CHANCE = 1 / _OPTIONS
_WHOLE, _LAST, _NONE = "whole dialogue", "last turn alone", "options alone"
_PROBE = "linear probe, options alone"


def run(context: Context) -> Outcome:
    """Check the questions, then ask a model."""
    from affectome.language.emotional_intelligence import LAYERS, build_items
    from affectome.language.in_process import InProcessModel

    items = build_items(context.folder(FOLDER).parent, a_layer=_QUICK if context.quick else _EACH, seed=context.seed)
    context.note(f"{len(items)} questions")
    choices = _without_model(items, context.seed)
    choices["option nearest to the turn in the affect space"] = ("baseline", _nearest(items, context.threads))
    choices[_PROBE] = ("control", _probe(items))
    context.note("baselines")
    model = InProcessModel(context.base_encoder(), threads=context.threads)
    asked, order = _ask(context, model, items)
    choices |= asked
    gold, dialogues = _gold(items), [item.dialogue for item in items]
    rows: list[Row] = []
    whole: dict[str, Interval] = {}
    for name, (role, chosen) in choices.items():
        values: dict[str, Interval] = {}
        for layer in ("all", *LAYERS):
            own = np.array([layer in ("all", item.layer) for item in items])
            groups = np.array(dialogues)[own]
            values |= {
                layer: bootstrap(accuracy, truth=gold[own], prediction=chosen[own], groups=groups, seed=context.seed)
            }
        rows.append(Row(name, role, values))
        whole[name] = values["all"]
    title = f"Accuracy on {len(items)} questions of {len(set(dialogues))} dialogues"
    return Outcome(
        [Table(title, ("all", *LAYERS), rows), order],
        [*_about_questions(items, whole), *_about_model(items, choices, context.seed)],
        [
            f"The model is {model.name}. It chooses the most probable letter.",
            "The probe sees the options, their lengths and their letters, and learns with whole dialogues left out, in "
            f"{_FOLDS} parts. As each layer has every answer equally often, what it learns of the rest misleads it "
            "somewhat: an accuracy below chance is expected.",
            "The affect space is that of the package's text reader; the option is taken whose vector is nearest to "
            "that of the last turn that is shown.",
        ],
    )


def _without_model(items: Sequence[Item], seed: int) -> Choices:
    """What who knows nothing, who looks at lengths, and who learns from options chooses."""
    longest = np.array([int(np.argmax([len(option) for option in item.options])) for item in items])
    return {
        "any letter": ("baseline", np.random.default_rng(seed).integers(0, _OPTIONS, len(items))),
        "always A": ("baseline", np.zeros(len(items), np.int64)),
        "longest option": ("baseline", longest),
    }


def _probe(items: Sequence[Item]) -> Ints:
    """Choices of a classifier of right and wrong options that never sees a dialogue or a question."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    from affectome.learn.features import SparseFeatures

    def texts(some: Sequence[int]) -> list[str]:
        return [option for k in some for option in items[k].options]

    def places(some: Sequence[int]) -> csr_matrix:
        lengths = np.array([[len(option) for option in items[k].options] for k in some], np.float64)
        ranks = lengths.argsort(axis=1).argsort(axis=1).ravel()
        share = (lengths / lengths.sum(axis=1, keepdims=True)).ravel()
        letters = np.tile(np.eye(_OPTIONS), (len(some), 1))
        return csr_matrix(np.column_stack([share, np.eye(_OPTIONS)[ranks], letters]))

    chosen = np.zeros(len(items), np.int64)
    groups = [item.dialogue for item in items]
    for train, test in GroupKFold(min(_FOLDS, len(set(groups)))).split(groups, groups=groups):
        grams = SparseFeatures(characters=None).fit(texts(train))
        right = [int(items[k].gold == place) for k in train for place in range(_OPTIONS)]
        fitted = LogisticRegression(max_iter=1000).fit(hstack([grams.transform(texts(train)), places(train)]), right)
        scores = fitted.decision_function(hstack([grams.transform(texts(test)), places(test)]).tocsr())
        chosen[test] = scores.reshape(-1, _OPTIONS).argmax(axis=1)
    return chosen


def _nearest(items: Sequence[Item], threads: int) -> Ints:
    """The option whose vector is nearest to that of the last turn that is shown."""
    from affectome.models import default_model
    from affectome.perceive import TextReader

    reader = TextReader(default_model("text-affect"), threads=threads)
    turns = reader.encoder.vectors([item.turns[-1][1] for item in items])
    options = reader.encoder.vectors([option for item in items for option in item.options])
    return np.asarray((options.reshape(len(items), _OPTIONS, -1) @ turns[:, :, None])[:, :, 0].argmax(axis=1), np.int64)


def _ask(context: Context, model: ChatModel, items: Sequence[Item]) -> tuple[Choices, Table]:
    """What a model chooses when it sees less and less, and whether the order of the options moves it."""
    from affectome.language import RememberingModel
    from affectome.language.benchmark import ask_all

    shown: dict[str, tuple[Role, Shown]] = {
        _NONE: ("control", "none"),
        _LAST: ("control", "last"),
        _WHOLE: ("result", "all"),
    }
    found: Choices = {}
    with RememberingModel(model, context.work / "replies.sqlite") as remembering:
        for name, (role, part) in shown.items():
            found[name] = role, np.array([answer.choice for answer in ask_all(remembering, items, shown=part)])
            context.note(name)
        some = items[:: 1 if context.quick else _TURNED]
        turned = [
            (np.array([a.choice for a in ask_all(remembering, [item.turned(by) for item in some])]) - by) % _OPTIONS
            for by in range(_OPTIONS)
        ]
    context.note("orders")
    votes = np.stack(turned, axis=1)
    same = float((votes == votes[:, :1]).all(axis=1).mean())
    right = votes == _gold(some)[:, None]
    return found, Table(
        f"{len(some)} questions with their options in four orders",
        ("same option in all orders", "accuracy, mean of the orders"),
        [
            Row(
                "any letter",
                "baseline",
                {"same option in all orders": _CHANCE**3, "accuracy, mean of the orders": _CHANCE},
            ),
            Row(
                _WHOLE,
                "result",
                {"same option in all orders": same, "accuracy, mean of the orders": float(right.mean())},
            ),
        ],
    )


def _about_questions(items: Sequence[Item], found: Mapping[str, Interval]) -> list[Claim]:
    from scipy.stats import chisquare

    p = float(chisquare(np.bincount(_gold(items), minlength=_OPTIONS)).pvalue)
    off = abs(found["any letter"].value - _CHANCE)
    return [
        Claim("questions", len(items), 600, ">="),
        Claim("letters of right answers are uniform: p of a chi-squared test", p, 0.05, ">"),
        claim_value("accuracy of the probe of options alone", found[_PROBE], "<=", _CHANCE + 0.05),
        Claim("accuracy of any letter, distance from chance", off, 0.04, "<="),
    ]


def _about_model(items: Sequence[Item], choices: Choices, seed: int) -> list[Claim]:
    gold, groups = _gold(items), np.array([item.dialogue for item in items])
    return [
        claim_difference(
            f"accuracy, whole dialogue minus {name}",
            accuracy,
            truth=gold,
            first=choices[_WHOLE][1],
            second=choices[name][1],
            comparison=">",
            groups=groups,
            seed=seed,
        )
        for name in (_NONE, _LAST)
    ]


def _gold(items: Sequence[Item]) -> Ints:
    return np.array([item.gold for item in items])


STUDY = Study(
    number=27,
    id="eicap",
    title="EICAP",
    paper="arXiv 2508.06196",
    data=(FOLDER,),
    extras=("train",),
    run=run,
    missing=(
        "the layer of values, and questions in Arabic",
        "fine-tuning with adapters, and which layer it moves",
        "people who check the questions for ambiguity",
        "models of several billion parameters",
    ),
)
