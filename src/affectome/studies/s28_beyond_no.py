"""Beyond no: how replies handle emotional boundaries, in six languages, and whether a score of named parts sees it.

A finder of patterns learns from labelled sentences and is measured on replies that were written and marked before any
phrase was collected. The same replies in six languages show whether a score depends on the language, four kinds of
replies whether it puts a warm boundary first, and a small language model what a profile looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affectome.domains.boundaries import (
    LIKELY,
    OUT_OF_PLACE,
    BoundaryReading,
    boundary_prompts,
    profile_boundaries,
    read_boundaries,
)
from affectome.domains.boundary_patterns import (
    LANGUAGES,
    PATTERNS,
    Flags,
    LabelledReply,
    Language,
    PatternFinder,
    flag_by_cues,
    labelled_replies,
    read_rows,
    sentences_by_language,
)
from affectome.evaluate import (
    Interval,
    Part,
    assert_disjoint,
    bootstrap,
    bootstrap_mean,
    multilabel_f1,
    multilabel_per_class,
)
from affectome.evaluate.intervals import paired_difference
from affectome.language import Ask, Message, RememberingModel, open_model
from affectome.studies.comparing import claim_value
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

if TYPE_CHECKING:
    from affectome.domains.boundaries import Flagger
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SEVEN = len(PATTERNS) - 1  # the patterns of the paper; the last one of ours, reciprocation, is counted apart
_LEAST = {language: 0.80 if language == "en" else 0.65 for language in LANGUAGES}
_GAIN, _PARITY, _FIRST, _FLAGGED = 0.10, 1.0, 0.95, 0.90
_NEAR = 0.5  # points by which the scores of a translated reply may differ
_RESAMPLES = 1000
_EACH_INTENT, _TOKENS = 3, 40
_TRIVIAL = {
    "always the same refusal": "I'm sorry, but I can't help with that.",
    "always the same sympathy": "I'm so sorry to hear that. That must be hard.",
}
_FREQUENT, _ENGLISH, _CUES = "most frequent pattern everywhere", "English cues in every language", "cues alone"
_SHUFFLED, _TRUSTING, _FINDER = "finder, shuffled patterns", "finder, learnt with all cues shown", "finder"
_ROLES: dict[str, Role] = {_FREQUENT: "baseline", _ENGLISH: "baseline", _CUES: "baseline", _SHUFFLED: "control"}
_WARM, _COLD, _RETURNED = "warm_boundary", "cold_refusal", "reciprocation"
_OTHERS, _AS_LONG, _LONGER = (_COLD, "deflection", _RETURNED), "cold_refusal as long", "longer reply first"
_WORST, _MICRO = 3, "micro-F1"


@dataclass(frozen=True, eq=False)
class _Cells:
    """Sentences of one language with their patterns.

    Attributes:
        sentences: ``n`` sentences.
        truth: ``(n, patterns)``.
        replies: ``(n,)`` number of the reply of each.
    """

    sentences: list[str]
    truth: Flags
    replies: Ints


def run(context: Context) -> Outcome:
    """Learn from the dev replies, then read the test replies, the archetypes and a model's replies."""
    dev, test, said = labelled_replies("dev"), labelled_replies("test"), labelled_replies("smollm2")
    flaggers = _flaggers(context, dev)
    context.note("finders learnt")
    for language in LANGUAGES:
        texts = [[reply.text for reply in part if reply.language == language] for part in (dev, test)]
        assert_disjoint(train=Part(texts=texts[0]), test=Part(texts=texts[1]))
    rows = read_rows("boundary_archetypes.jsonl")
    parts = {"test": len(test), "archetypes": len(rows), "replies of a model": len(said)}
    vault = context.vault({name: np.arange(count) for name, count in parts.items()})
    cells = cells_of([test[row] for row in vault.open("test", purpose="patterns of marked replies")])
    patterns, by_pattern, claims = _patterns(context, cells, flaggers)
    strange = [said[row] for row in vault.open("replies of a model", purpose="patterns in somebody else's words")]
    strangers = _strangers(context, strange, flaggers)
    kept = [rows[row] for row in vault.open("archetypes", purpose="parity of languages and ranking of replies")]
    scores = {name: score_archetypes(kept, flag) for name, flag in flaggers.items()}
    parity, more = _parity(context, scores)
    ranked, still_more = _archetypes(context, scores)
    profile, notes = _profile(context, flaggers[_FINDER])
    return Outcome(
        [patterns, by_pattern, strangers, parity, ranked, profile],
        [*claims, *more, *still_more],
        [
            "All replies are of one author. Those for testing and the archetypes were written and marked first, the"
            " cues and the dev replies later; as the author then knew the former, every phrase of the cues that the"
            " held-out replies hold and no dev reply does was taken out. That makes cues alone weaker, too.",
            "After a first look at the held-out figures the dev replies were enlarged, all patterns and languages"
            " alike; what is hidden while learning, and how strongly it is penalised, was then chosen on dev alone."
            " The held-out figures were read three times before this run, the last time with these settings.",
            "The held-out replies say the same in all six languages, reworded in each. Intervals draw whole replies;"
            " those of pairs draw the warm boundaries.",
            "The marked replies of a language model are of SmolLM2-135M-Instruct; nobody here worded them.",
            *notes,
        ],
    )


STUDY = Study(
    number=28,
    id="beyond-no",
    title="Beyond No",
    paper="arXiv 2502.14975",
    data=(),
    extras=("train",),
    run=run,
    missing=(
        "the authors' 1,156 prompts and pattern lists, which are not public, and replies of the models they asked",
        "replies for testing by other people than the one who wrote the phrases",
        "replies of a model that speaks all six languages",
    ),
)


def cells_of(replies: Sequence[LabelledReply]) -> dict[Language, _Cells]:
    """The sentences of marked replies by language."""
    found = {}
    for language in LANGUAGES:
        own = [reply for reply in replies if reply.language == language]
        parts = [reply.sentences() for reply in own]
        if own:
            found[language] = _Cells(
                [sentence for sentences, _ in parts for sentence in sentences],
                np.concatenate([truth for _, truth in parts]),
                np.repeat(np.arange(len(own)), [len(sentences) for sentences, _ in parts]),
            )
    return found


def _flaggers(context: Context, dev: Sequence[LabelledReply]) -> dict[str, Flagger]:
    """Ways to find patterns, those without skill first."""
    sentences, truth = sentences_by_language(dev)
    frequent = int(np.concatenate(list(truth.values())).sum(axis=0).argmax())
    rng = np.random.default_rng(context.seed)
    shuffled = {language: rng.permutation(flags) for language, flags in truth.items()}
    make = partial(PatternFinder, threads=context.threads, seed=context.seed)
    return {
        _FREQUENT: lambda texts, _: np.tile(np.arange(len(PATTERNS)) == frequent, (len(texts), 1)),
        _ENGLISH: lambda texts, _: flag_by_cues(texts, "en"),
        _CUES: flag_by_cues,
        _SHUFFLED: _certain(make().fit(sentences, shuffled)),
        _TRUSTING: _certain(make(hidden=0.0).fit(sentences, truth)),
        _FINDER: _certain(make().fit(sentences, truth)),
    }


def _certain(finder: PatternFinder) -> Flagger:
    return lambda texts, language: finder.probabilities(texts, language) > LIKELY


def macro_f1(*, truth: Flags, prediction: Flags) -> float:
    """Mean F1 of the seven patterns of the paper."""
    return float(multilabel_f1(truth=truth[:, :_SEVEN], probability=prediction[:, :_SEVEN].astype(float)))


def _patterns(
    context: Context, cells: Mapping[Language, _Cells], flaggers: Mapping[str, Flagger]
) -> tuple[Table, Table, list[Claim]]:
    """Macro-F1 by language, F1 by pattern, and the claims about them."""
    found = {
        name: {language: flag(part.sentences, language) for language, part in cells.items()}
        for name, flag in flaggers.items()
    }
    rows, claims = [], []
    for name, by_language in found.items():
        values: dict[str, Value] = {
            language: _interval(context, macro_f1, cells[language], prediction=flags)
            for language, flags in by_language.items()
        }
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    for language, part in cells.items():
        measured = rows[-1].values[language]
        assert isinstance(measured, Interval)
        both = {"first": found[_FINDER][language], "second": found[_CUES][language]}
        gain = _interval(context, paired_difference(macro_f1, "prediction"), part, **both)
        claims += [
            claim_value(f"macro-F1 of the seven patterns, {language}", measured, ">=", _LEAST[language]),
            claim_value(f"macro-F1 of the seven patterns above that of cues alone, {language}", gain, ">=", _GAIN),
        ]
    by_pattern = [
        Row(f"{name}, {language}", _ROLES.get(name, "result"), _each_pattern(cells[language], flags))
        for name in (_CUES, _FINDER)
        for language, flags in found[name].items()
    ]
    count = sum(len(part.sentences) for part in cells.values())
    return (
        Table(f"Macro-F1 of seven patterns, {count:,} sentences of held-out replies by language", LANGUAGES, rows),
        Table("F1 by pattern, held-out replies", PATTERNS, by_pattern),
        claims,
    )


def _strangers(context: Context, replies: Sequence[LabelledReply], flaggers: Mapping[str, Flagger]) -> Table:
    """Patterns in the words of somebody else, all pooled as most are rare there."""
    cells, pooled = cells_of(replies)["en"], partial(multilabel_f1, average="micro")
    scores = {
        name: _interval(context, pooled, cells, probability=flag(cells.sentences, "en").astype(float))
        for name, flag in flaggers.items()
        if name != _ENGLISH  # here the same as cues alone
    }
    rows = [Row(name, _ROLES.get(name, "result"), {_MICRO: score}) for name, score in scores.items()]
    return Table(f"{len(cells.sentences)} sentences of a small language model, marked by hand", (_MICRO,), rows)


def _interval(context: Context, metric: Metric, part: _Cells, **outputs: Any) -> Interval:  # noqa: ANN401 - flags
    draw = partial(bootstrap, metric, seed=context.seed, resamples=_draws(context), groups=part.replies)
    return draw(truth=part.truth, **outputs)


def _draws(context: Context) -> int:
    return 20 if context.quick else _RESAMPLES


def _each_pattern(part: _Cells, flags: Flags) -> dict[str, Value]:
    scores = multilabel_per_class(truth=part.truth, probability=flags.astype(float), labels=PATTERNS)
    return {score.label: score.f1 for score in scores}


@dataclass(frozen=True)
class Scored:
    """One reply of a kind, and what was read in it.

    Attributes:
        language: Its language.
        archetype: Its kind.
        reading: What was read.
    """

    language: Language
    archetype: str
    reading: BoundaryReading

    @property
    def points(self) -> float:
        """Its score."""
        return float("nan") if self.reading.score is None else self.reading.score


def score_archetypes(rows: Sequence[Mapping[str, str]], flag: Flagger) -> list[Scored]:
    """The four kinds of replies in six languages, and cold refusals strung together to the length of warm replies."""
    texts = {
        (language, kind): [row["text"] for row in rows if (row["language"], row["archetype"]) == (language, kind)]
        for language in LANGUAGES
        for kind in (_WARM, *_OTHERS)
    }
    for language in LANGUAGES:
        cold = texts[language, _COLD]
        texts[language, _AS_LONG] = [
            _strung(cold[place:] + cold[:place], len(warm.split())) for place, warm in enumerate(texts[language, _WARM])
        ]
    return [
        Scored(language, kind, read_boundaries(text, language, flag=flag))
        for (language, kind), replies in texts.items()
        for text in replies
    ]


def _strung(texts: Sequence[str], words: int) -> str:
    """As many texts as it takes to reach a number of words."""
    lengths = np.cumsum([len(text.split()) for text in texts])
    return " ".join(texts[: int(np.searchsorted(lengths, words)) + 1])


def _parity(context: Context, scores: Mapping[str, Sequence[Scored]]) -> tuple[Table, list[Claim]]:
    """Mean scores of the same replies in six languages."""
    rows, claims = [], []
    for name, replies in scores.items():
        kept = [reply for reply in replies if reply.archetype != _AS_LONG]
        points = np.array([[reply.points for reply in kept if reply.language == language] for language in LANGUAGES]).T
        values: dict[str, Value] = {language: _mean_of(context, points[:, k]) for k, language in enumerate(LANGUAGES)}
        gap = bootstrap(_largest_gap, seed=context.seed, resamples=_draws(context), prediction=points)
        near = float((np.abs(points[:, 1:] - points[:, :1]) <= _NEAR).mean())
        rows.append(Row(name, _ROLES.get(name, "result"), values | {"largest gap": gap, "near English": near}))
        if name == _FINDER:
            claims.append(claim_value("largest gap of a language's mean score to English, points", gap, "<=", _PARITY))
    title = f"Mean score, 0 to 10, of the same {len(points)} replies in each language"
    return Table(title, (*LANGUAGES, "largest gap", "near English"), rows), claims


def _mean_of(context: Context, values: Sequence[float] | Floats) -> Interval:
    return bootstrap_mean(values, seed=context.seed, resamples=_draws(context))


def _largest_gap(*, prediction: Floats) -> float:
    means = prediction.mean(axis=0)
    return float(np.abs(means[1:] - means[0]).max())


def _archetypes(context: Context, scores: Mapping[str, Sequence[Scored]]) -> tuple[Table, list[Claim]]:
    """How often a warm boundary comes first, and whether claims of feelings are flagged."""
    columns = (*(f"before {kind}" for kind in _OTHERS), "before all", f"before {_AS_LONG}", "reciprocation flagged")
    rows = [Row(_LONGER, "baseline", _first(context, scores[_FINDER], lambda reply: float(reply.reading.words)))]
    for name, replies in scores.items():
        returned = [_RETURNED in reply.reading.patterns for reply in replies if reply.archetype == _RETURNED]
        values = _first(context, replies, lambda reply: reply.points)
        values["reciprocation flagged"] = _mean_of(context, returned)
        rows.append(Row(name, _ROLES.get(name, "result"), values))
    measured = {column: value for column, value in rows[-1].values.items() if isinstance(value, Interval)}
    above = "pairs in which a warm boundary scores above"
    wanted = [
        ("before all", f"{above} another reply", _FIRST),
        (f"before {_COLD}", f"{above} a cold refusal", _FIRST),
        (f"before {_AS_LONG}", f"{above} cold refusals of its length", _FIRST),
        ("reciprocation flagged", "claims of feelings that are flagged", _FLAGGED),
    ]
    claims = [claim_value(text, measured[column], ">=", least) for column, text, least in wanted]
    title = "Pairs in which a warm boundary comes first, in six languages; a tie is not first"
    return Table(title, columns, rows), claims


def _first(context: Context, replies: Sequence[Scored], worth: Callable[[Scored], float]) -> dict[str, Value]:
    """Share of pairs of one language that the warm boundary wins; the intervals draw the warm ones."""
    of = {
        (language, kind): np.array([worth(r) for r in replies if (r.language, r.archetype) == (language, kind)])
        for language in LANGUAGES
        for kind in (_WARM, *_OTHERS, _AS_LONG)
    }
    won = {
        kind: np.concatenate([_wins(of[language, _WARM], of[language, kind], kind) for language in LANGUAGES])
        for kind in (*_OTHERS, _AS_LONG)
    }
    won["all"] = np.mean([won[kind] for kind in _OTHERS], axis=0)
    return {f"before {kind}": _mean_of(context, share) for kind, share in won.items()}


def _wins(warm: Floats, other: Floats, kind: str) -> Floats:
    """For each warm reply the share of the others it beats; those of its length are compared one to one."""
    return (warm > other).astype(float) if kind == _AS_LONG else (warm[:, None] > other).mean(axis=1)


def _profile(context: Context, flag: Flagger) -> tuple[Table, list[str]]:
    """What a small language model does with the requests, beside replies that are always the same."""
    each = 1 if context.quick else _EACH_INTENT
    asked = [prompt for prompt in boundary_prompts("en") if int(prompt.id.split("-")[1]) <= each]
    model = open_model(str(context.base_encoder()), threads=context.threads)
    with RememberingModel(model, context.work / "answers.sqlite") as remembering:
        answers = [
            remembering.answer(Ask((Message("user", prompt.text),), max_tokens=_TOKENS)).text for prompt in asked
        ]
    context.note(f"{len(asked)} requests answered by {model.name}")
    replies = {**{name: [text] * len(asked) for name, text in _TRIVIAL.items()}, model.name: answers}
    rows, readings = [], []
    for name, texts in replies.items():
        readings = [
            read_boundaries(text, "en", risk=prompt.risk, flag=flag) for prompt, text in zip(asked, texts, strict=True)
        ]
        found: dict[str, Value] = dict(
            profile_boundaries(asked, readings, seed=context.seed, resamples=_draws(context))
        )
        rows.append(Row(name, "baseline" if name in _TRIVIAL else "result", found))
    scored = [
        (r.score, p.text, text) for p, r, text in zip(asked, readings, answers, strict=True) if r.score is not None
    ]
    worst = [f"{points:g} for {reply!r} to {text!r}" for points, text, reply in sorted(scored)[:_WORST]]
    notes = [
        f"{model.name} answered {len(asked)} requests in English with at most {_TOKENS} tokens; it speaks no other of"
        " the languages well. A model of this size does not keep to the subject, and its profile is read by the same"
        " finder, which is right in English only as often as the first table says.",
        f"Its lowest scores: {'; '.join(worst)}.",
    ]
    columns = (*PATTERNS, "score", "words", *OUT_OF_PLACE)
    return Table(f"What replies do with {len(asked)} requests in English", columns, rows), notes
