"""What a speaker feels next, from what was felt, what was answered, and a personality.

Triples of PELD: someone says a line, another answers, and the emotion of the first speaker's next line is wanted. Every
triple is predicted by readers that saw no part of its dialogue, in five different divisions of the dialogues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.dynamics import BigFive, PersonalityTransition, nearest_anchor
from affectome.evaluate import Interval, Part, assert_disjoint, f1, folds, kl, paired_bootstrap
from affectome.studies.comparing import claim_difference, claim_value, measure
from affectome.studies.personal_dialogues import (
    EMORYNLP,
    MELD,
    TRIPLES,
    Triples,
    emotion_anchors,
    emotion_names,
    load_triples,
)
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DIVISIONS, _FOLDS, _INNER, _RESAMPLES = 5, 5, 3, 300
_FEW, _MANY = 0.003, 3.0  # penalties of read-outs with few features and of those that read words
_WIDTH, _EPOCHS, _BATCH, _RATE, _DECAY = 32, 10, 64, 5e-3, 0.05
_WORD_SHARE = 0.5  # scale of the evidence from words beside the indicators of emotions
_LOSS, _ERROR, _MACRO = "log-loss", "VAD error", "macro-F1"

_PRIOR, _COPY = "share of each emotion", "the speaker's last emotion again"
_LAST, _BOTH, _WHO = "last emotion", "both emotions", "both emotions and the speaker"
_WORDS, _SHUFFLED = "words alone", "reader, emotions and words of other triples"
_FREE, _MOVED, _READER = "transition, personality left out", "transition", "reader"
_ROLES: dict[str, Role] = {
    _PRIOR: "baseline",
    _COPY: "baseline",
    _LAST: "baseline",
    _BOTH: "baseline",
    _WHO: "baseline",
    _SHUFFLED: "control",
}


@dataclass(frozen=True, eq=False)
class _Given:
    """What a reader may look at, for all triples.

    Attributes:
        first: ``(n, 7)`` indicators of the speaker's last emotion.
        second: ``(n, 7)`` indicators of the emotion of the answer.
        speaker: ``(n, s)`` indicators of the speaker.
        temperament: ``(n, 3)`` temperament of the speaker's personality.
        words: ``(n, d)`` sentence vectors of both lines.
    """

    first: Floats
    second: Floats
    speaker: Floats
    temperament: Floats
    words: Floats

    def shuffled(self, rng: np.random.Generator) -> _Given:
        """Emotions and words that belong to other triples."""
        order = rng.permutation(len(self.first))
        return _Given(self.first[order], self.second[order], self.speaker, self.temperament, self.words[order])


def run(context: Context) -> Outcome:
    """Predict the next emotion by every reader, on every division of the dialogues."""
    for name in (TRIPLES, MELD, EMORYNLP):
        context.folder(name)
    triples = load_triples(context.data)
    rows = np.arange(0, len(triples.texts), 8 if context.quick else 1)
    given, target = _given(context, triples, rows), triples.emotions[rows, 2]
    dialogues = triples.dialogues[rows]
    outputs: dict[str, list[tuple[Floats, Floats]]] = {}
    divisions = 1 if context.quick else _DIVISIONS
    for division in range(divisions):
        for name, output in _divide(given, target, dialogues, context.seed + division).items():
            outputs.setdefault(name, []).append(output)
        context.note(f"division {division + 1} of {divisions}")
    found = {
        name: (np.concatenate([p for p, _ in each]), np.concatenate([v for _, v in each]))
        for name, each in outputs.items()
    }
    truth, groups = np.tile(target, divisions), np.tile(dialogues, divisions)
    table = _table(context, found, truth, groups, f"Next emotion of {len(rows):,} triples, {divisions} divisions")
    gain = paired_bootstrap(
        f1,
        truth=truth,
        first=found[_MOVED][0].argmax(axis=1),
        second=found[_FREE][0].argmax(axis=1),
        seed=context.seed,
        resamples=_RESAMPLES,
        groups=groups,
    )
    claims = [*_claims(context, table, found, truth, groups), *_properties()]
    notes = [
        f"{len(np.unique(dialogues)):,} dialogues were found again in MELD and EmoryNLP; triples that share a line of "
        "eight words or more count as one dialogue.",
        f"A division cuts the dialogues into {_FOLDS} folds; the figures are over all divisions together, and "
        "intervals draw whole dialogues.",
        f"What the personality adds to the transition, {_MACRO}: {gain.value:+.3f} "
        f"[{gain.low:+.3f}, {gain.high:+.3f}].",
        "The emotions of both lines are the annotators'. Who has to predict them from words starts from the row "
        f"“{_WORDS}”.",
        "The reader is a read-out of both emotions, the temperament and the evidence of words for each emotion, the "
        "last learnt on other folds. The transition is the published one: a change in valence, arousal and dominance "
        "times the gain of a personality, and a classifier that sees nothing but the place it leads to.",
    ]
    return Outcome([table], claims, notes)


STUDY = Study(
    number=18,
    id="personality-emotion-transition",
    title="Personality-affected emotion transition",
    paper="arXiv 2106.15846",
    data=(TRIPLES, MELD, EMORYNLP),
    extras=("train",),
    run=run,
    missing=(
        "fine-tuned encoders",
        "personalities that no training has seen: the corpus has six",
        "the later version with four moods",
    ),
)


def _given(context: Context, triples: Triples, rows: Ints) -> _Given:
    from affectome.learn.base_vectors import base_vectors

    lines = [triples.texts[i][k] for k in (0, 1) for i in rows]
    unlike = {line: i for i, line in enumerate(dict.fromkeys(lines))}
    vectors = base_vectors(list(unlike), context.base_encoder(), threads=context.threads)
    context.note(f"{len(unlike):,} lines encoded")
    first, second = vectors[[unlike[line] for line in lines]].reshape(2, len(rows), -1)
    names = sorted(set(triples.speakers))
    one_of = np.eye(len(emotion_names()))
    return _Given(
        one_of[triples.emotions[rows, 0]],
        one_of[triples.emotions[rows, 1]],
        np.eye(len(names))[[names.index(triples.speakers[i]) for i in rows]],
        np.array([triples.people[i].temperament() for i in rows]),
        np.hstack([first, second]).astype(np.float64),
    )


def _divide(given: _Given, target: Ints, dialogues: Ints, seed: int) -> dict[str, tuple[Floats, Floats]]:
    """Probabilities ``(n, 7)`` and places ``(n, 3)`` of every reader, each triple held out once."""
    from affectome.learn.heads import fit_head

    n, anchors = len(target), emotion_anchors()
    truth = np.eye(len(anchors))[target]
    wrong = given.shuffled(np.random.default_rng(seed))
    found: dict[str, tuple[Floats, Floats]] = {}

    def keep(name: str, rows: Ints, probability: Floats, place: Floats | None = None) -> None:
        kept = found.setdefault(name, (np.zeros((n, len(anchors))), np.zeros((n, 3))))
        kept[0][rows], kept[1][rows] = probability, probability @ anchors if place is None else place

    for train, test in folds(n, count=_FOLDS, groups=dialogues, seed=seed):
        assert_disjoint(train=Part(groups=dialogues[train]), test=Part(groups=dialogues[test]))

        def read(name: str, features: Floats, train: Ints = train, test: Ints = test) -> None:
            head = fit_head(features[train], truth[train], kind="choice", strength=_FEW)
            keep(name, test, head.predict(features[test]))

        keep(_PRIOR, test, np.tile(truth[train].mean(axis=0), (len(test), 1)))
        keep(_COPY, test, given.first[test])
        read(_LAST, given.first)
        read(_BOTH, np.hstack([given.first, given.second]))
        read(_WHO, np.hstack([given.first, given.second, given.speaker]))
        evidence = _evidence(given.words, truth, dialogues, train, seed)
        keep(_WORDS, test, np.exp(evidence[test]))
        read(_READER, np.hstack([given.first, given.second, given.temperament, evidence]))
        chance = _evidence(wrong.words, truth, dialogues, train, seed)
        read(_SHUFFLED, np.hstack([wrong.first, wrong.second, wrong.temperament, chance]))
        scaled = _WORD_SHARE * (evidence - evidence[train].mean(axis=0)) / evidence[train].std(axis=0)
        events = np.hstack([given.first, given.second, scaled])
        before = given.first @ anchors
        for name, temperament in ((_FREE, None), (_MOVED, given.temperament)):
            keep(name, test, *_transition(events, before, temperament, target, train, seed)(test))
    return found


def _evidence(words: Floats, truth: Floats, dialogues: Ints, train: Ints, seed: int) -> Floats:
    """Logarithms ``(n, 7)`` of what words say of each emotion, for every row by a read-out that did not train on it."""
    from affectome.learn.heads import fit_head

    def fit(rows: Ints) -> Callable[[Floats], Floats]:
        return fit_head(words[rows], truth[rows], kind="choice", strength=_MANY).predict

    found = fit(train)(words)
    for inner, held in folds(len(train), count=_INNER, groups=dialogues[train], seed=seed):
        found[train[held]] = fit(train[inner])(words[train[held]])
    return np.log(found)


def _transition(
    events: Floats, before: Floats, temperament: Floats | None, target: Ints, train: Ints, seed: int
) -> Callable[[Ints], tuple[Floats, Floats]]:
    """The published steps, trained: a change, the personality's gain, the place it leads to, and its emotion."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    torch.manual_seed(seed)
    anchors = torch.tensor(emotion_anchors(), dtype=torch.float32)
    change = nn.Sequential(nn.Linear(events.shape[1], _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, 3))
    gain = nn.Linear(3, 3)
    classify = nn.Sequential(nn.Linear(3, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, len(anchors)))
    who = np.ones_like(before) if temperament is None else temperament
    happened, stood, person = (torch.tensor(each, dtype=torch.float32) for each in (events, before, who))
    wanted = torch.tensor(target)
    parts = [change, classify] if temperament is None else [change, gain, classify]
    optimiser = torch.optim.AdamW([p for part in parts for p in part.parameters()], lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, _EPOCHS)

    def step(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        by = person[rows] if temperament is None else gain(person[rows])
        place = stood[rows] + change(happened[rows]) * by
        return place, classify(place)

    order = torch.tensor(train)
    for _ in range(_EPOCHS):
        for rows in order[torch.randperm(len(order))].split(_BATCH):  # type: ignore[no-untyped-call]
            place, logits = step(rows)
            loss = cross_entropy(logits, wanted[rows]) + ((place - anchors[wanted[rows]]) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()

    def predict(rows: Ints) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            place, logits = step(torch.tensor(rows))
        return logits.double().softmax(dim=1).numpy(), place.double().numpy()

    return predict


def _log_loss(*, truth: ArrayLike, probability: ArrayLike) -> float:
    """Mean negative logarithm of the probability of what was felt."""
    return float(kl(truth=np.eye(len(emotion_names()))[np.asarray(truth)], probability=probability))


def _vad_error(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean squared distance along one axis from the anchor of what was felt."""
    return float(((emotion_anchors()[np.asarray(truth)] - np.asarray(prediction)) ** 2).mean())


def _table(context: Context, found: dict[str, tuple[Floats, Floats]], truth: Ints, groups: Ints, title: str) -> Table:
    order = [*_ROLES, _WORDS, _FREE, _MOVED, _READER]
    rows = []
    for name in order:
        probability, place = found[name]
        outputs: list[tuple[str, Metric, str, NDArray[np.generic]]] = [
            (_ERROR, _vad_error, "prediction", place),
            (_MACRO, f1, "prediction", probability.argmax(axis=1)),
        ]
        if name != _COPY:  # which is sure of itself and infinitely wrong
            outputs.insert(0, (_LOSS, _log_loss, "probability", probability))
        values: dict[str, Interval] = {}
        for column, metric, which, output in outputs:
            values |= measure(
                {column: metric},
                truth=truth,
                seed=context.seed,
                groups=groups,
                resamples=_RESAMPLES,
                **{which: output},
            )
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    return Table(title, (_LOSS, _ERROR, _MACRO), rows)


def _claims(
    context: Context, table: Table, found: dict[str, tuple[Floats, Floats]], truth: Ints, groups: Ints
) -> list[Claim]:
    reader = table.rows[-1].values
    loss, error = reader[_LOSS], reader[_ERROR]
    assert isinstance(loss, Interval)
    assert isinstance(error, Interval)
    return [
        claim_value(f"reader: {_LOSS}", loss, "<=", 1.50),
        claim_value(f"reader: {_ERROR}", error, "<=", 0.127),
        claim_difference(
            f"reader minus “{_WHO}”, {_LOSS}",
            _log_loss,
            truth=truth,
            first=found[_READER][0],
            second=found[_WHO][0],
            comparison="<",
            seed=context.seed,
            groups=groups,
            resamples=_RESAMPLES,
        ),
        claim_difference(
            f"reader minus “{_COPY}”, {_MACRO}",
            f1,
            truth=truth,
            first=found[_READER][0].argmax(axis=1),
            second=found[_COPY][0].argmax(axis=1),
            comparison=">",
            seed=context.seed,
            groups=groups,
            resamples=_RESAMPLES,
        ),
    ]


def _properties() -> list[Claim]:
    """What holds of the transition by construction, measured on the code."""
    transition, names, anchors = PersonalityTransition(), emotion_names(), emotion_anchors()
    calm, kind = BigFive(0.5, 0.5, 0.5, 0.5, 0.0), BigFive(0.5, 0.5, 0.5, 1.0, 0.0)
    upset = BigFive(0.5, 0.5, 0.5, 0.5, 1.0)
    arousal = float(transition.gain(upset)[1] - transition.gain(calm)[1])
    valence = float(transition.gain(kind)[0] - transition.gain(calm)[0])
    still = float(np.abs(transition.after(anchors, np.zeros(3), calm) - anchors).max())
    hits = sum(a == b for a, b in zip(nearest_anchor(anchors, anchors, names), names, strict=True))
    return [
        Claim("arousal gain for one unit of neuroticism more, distance from -.57", abs(arousal + 0.57), 1e-12, "<="),
        Claim("valence gain for half a unit of agreeableness more", valence, 0.0, ">"),
        Claim("largest move of a state when nothing changes", still, 0.0, "<="),
        Claim("anchors that are decoded to their own emotion, of seven", hits, 7, ">="),
    ]
