"""Does a language model name the feeling of a situation better when a small reader tells it the likely ones?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import bootstrap_mean
from affectome.language import RememberingModel, open_model
from affectome.language.paired_effects import paired_effects
from affectome.language.prompt_changes import Expert, LikelyHint, Prompt, answer_in_two_stages
from affectome.studies.comparing import claim_end, claim_value
from affectome.studies.study import Claim, Context, Role, Row, Table

if TYPE_CHECKING:
    from affectome.language import ChatModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ASKED, _QUICK = 100, 4
_LIKELY = 3
_INSTRUCTION = "Which feeling is this situation about?"
_ALONE, _ONE, _TWO = "model alone", "model, told the likely feelings", "model, in two stages"
_OTHERS = "model, in two stages, told those of another situation"
_READER, _CHANCE = "reader alone", "any feeling"
_ACCURACY, _UNREAD = "accuracy", "unread"


def ask_with_hints(
    context: Context,
    language_model: Path,
    texts: Sequence[str],
    truth: Ints,
    probability: Floats,
    labels: Sequence[str],
) -> tuple[Table, list[Claim], list[str]]:
    """Ask a model about some situations alone, with the likely feelings, and in two stages.

    Args:
        context: What the study runs with; answers are kept in its folder.
        language_model: Folder or GGUF file.
        texts: ``n`` situations.
        truth: ``(n,)`` their labels.
        probability: ``(n, labels)`` by the small reader, which has not seen them.
        labels: All feelings.

    Returns:
        Accuracy of each way of asking, what is claimed of them, and notes.
    """
    rng = np.random.default_rng(context.seed)
    rows = np.sort(rng.permutation(len(texts))[: _QUICK if context.quick else _ASKED])
    ranked = {texts[row]: [labels[k] for k in np.argsort(-probability[row])] for row in rows.tolist()}
    shifted = dict(zip(ranked, np.roll(np.array(list(ranked.values())), 1, axis=0).tolist(), strict=True))
    told = LikelyHint(Expert("blend of all", ranked.__getitem__), _LIKELY)
    wrong = LikelyHint(Expert("blend of all, of another situation", shifted.__getitem__), _LIKELY)
    ways: Mapping[str, Callable[[ChatModel, Prompt], str]] = {
        _ALONE: lambda model, prompt: model.answer(prompt.ask()).choice,
        _OTHERS: lambda model, prompt: answer_in_two_stages(model, prompt, wrong)[-1].choice,
        _ONE: lambda model, prompt: model.answer(told(prompt).ask()).choice,
        _TWO: lambda model, prompt: answer_in_two_stages(model, prompt, told)[-1].choice,
    }
    source = open_model(str(language_model), threads=context.threads)
    right: dict[str, Floats] = {_READER: (probability[rows].argmax(axis=1) == truth[rows]).astype(float)}
    with RememberingModel(source, context.work / "hinted.sqlite") as model:
        for name, way in ways.items():
            said = [way(model, Prompt(_INSTRUCTION, texts[row], tuple(labels))) for row in rows.tolist()]
            gold = [labels[k] for k in truth[rows]]
            right[name] = np.array(
                [float(each == true) if each else np.nan for each, true in zip(said, gold, strict=True)]
            )
            context.note(f"{name}: {len(rows)} situations")
    roles: dict[str, Role] = {_READER: "baseline", _OTHERS: "control", _ALONE: "baseline"}
    found = [Row(_CHANCE, "baseline", {_ACCURACY: 1 / len(labels), _UNREAD: 0.0})]
    for name in sorted(right, key=lambda each: ("baseline", "control", "result").index(roles.get(each, "result"))):
        read = right[name][np.isfinite(right[name])]
        accuracy = bootstrap_mean(read, seed=context.seed) if len(read) else float("nan")
        found.append(
            Row(name, roles.get(name, "result"), {_ACCURACY: accuracy, _UNREAD: float(np.isnan(right[name]).mean())})
        )
    effects = paired_effects(right[_ALONE], {name: right[name] for name in (_TWO, _ONE, _OTHERS)}, seed=context.seed)
    by_name = {effect.name: effect for effect in effects}
    (staged,) = paired_effects(right[_ONE], {_TWO: right[_TWO]}, seed=context.seed)
    claims = [
        claim_value(f"accuracy: {_TWO}, minus {_ALONE}", by_name[_TWO].gain, ">=", 0.10),
        claim_end(f"accuracy: {_TWO}, minus {_ALONE}, beyond chance", by_name[_TWO].gain, ">"),
        claim_end(f"accuracy: {_OTHERS}, minus {_ALONE}", by_name[_OTHERS].gain, "<=", 0.05),
        claim_end(f"accuracy: {_TWO}, minus {_ONE}", staged.gain, ">"),
    ]
    notes = [
        f"The language model is {source.name}, fingerprint {source.fingerprint[:16]}; it chooses among the feelings by"
        f" their probability, about {len(rows)} situations drawn from those of the test. It is told the {_LIKELY}"
        " feelings that the blend finds likeliest.",
        "What a model gains from a hint is not what it adds to it: the reader alone stands among the baselines.",
    ]
    return Table(f"{len(rows)} test situations asked of {source.name}", (_ACCURACY, _UNREAD), found), claims, notes
