"""Whether someone who answers a question sounds torn or undecided, from the transcript.

Seven prompts ask for different stances, and the prompt alone gives away most of the label. So every figure stands
beside that of the prompt number, and the one that counts is the area under the curve within a prompt. Recordings are
not among the data: voices, faces and moments need them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import InputError
from affectome.evaluate import Interval, Part, assert_disjoint, auc, average_precision, bootstrap, f1
from affectome.studies.comparing import claim_value, measure
from affectome.studies.study import Context, Outcome, Role, Row, Study, Table, Value

if TYPE_CHECKING:
    from affectome.evaluate.intervals import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDER = "bah_transcripts"
_WORDS_FILE = Path(__file__).parent / "data" / "bah.toml"
_PATH = re.compile(r"Videos/(?P<person>\d+)/.*_Question_(?P<prompt>\d)_")
_STRENGTH, _WORD_STRENGTH, _PROMPT_SHARE = 1.0, 2.0, 3.0  # chosen on folds of training and development people
_TOKENS = 256
_PER = 50  # words over which markers are counted

_AVGF1, _AP, _WITHIN = "AvgF1", "AP", "AUC within a prompt"
_ALWAYS, _PROMPT, _WORDS = "always torn", "prompt number", "words and prompt"
_SHUFFLED, _NEW_PROMPT = "blend, transcripts of other people", "blend, prompt new to it"
_MARKERS, _SENTENCES, _AFFECT, _BLEND = "markers", "sentence vectors", "affect", "blend"
_ROLES: dict[str, Role] = {_ALWAYS: "baseline", _PROMPT: "baseline", _WORDS: "baseline", _SHUFFLED: "control"}


@dataclass(frozen=True, eq=False)
class _Answers:
    """Transcribed answers: ``n`` texts, whether they are torn (n,), person and prompt (n,) of each."""

    texts: list[str]
    torn: Ints
    people: NDArray[np.str_]
    prompts: Ints


def run(context: Context) -> Outcome:
    """Learn from training and development people, read the others once."""
    folder = context.folder(_FOLDER)
    parts = [_load(folder / f"{part}.txt", context.quick) for part in ("train", "val", "test")]
    people = [Part(groups=part.people) for part in parts]
    assert_disjoint(train=people[0], dev=people[1], test=people[2])
    answers = _joined(parts)
    train = np.arange(len(parts[0].texts) + len(parts[1].texts))
    held = context.vault({"test": np.arange(len(train), len(answers.texts))})
    features = _features(context, answers.texts)
    test = held.open("test", purpose="the table of readers")
    outputs = _read(answers, features, train, test, context.seed)
    torn, groups, prompts = answers.torn[test], answers.people[test], answers.prompts[test]
    rows = [_row(context, name, output, torn, prompts, groups) for name, output in outputs.items()]
    values = {row.predictor: row.values for row in rows}
    claims = [
        claim_value(f"blend: {_AVGF1}", _of(values[_BLEND], _AVGF1), ">=", 0.70),
        claim_value(f"blend: {_WITHIN}", _of(values[_BLEND], _WITHIN), ">=", 0.66),
        claim_value(f"{_SHUFFLED}: {_WITHIN}", _of(values[_SHUFFLED], _WITHIN), "<=", 0.55),
    ]
    each = ", ".join(f"{k} {_auc_of(k, outputs[_BLEND], torn, prompts):.2f}" for k in sorted(set(prompts.tolist())))
    return Outcome(
        [
            Table(
                f"Torn or not, {len(test)} answers of {len(set(groups.tolist()))} people", (_AVGF1, _AP, _WITHIN), rows
            )
        ],
        claims,
        [
            f"{len(train)} answers of {len(set(answers.people[train].tolist()))} other people train; the published "
            "division is by person, which was checked.",
            f"AUC of the blend within each prompt: {each}.",
            f"“{_NEW_PROMPT}” reads each prompt by a blend that has not seen it and is not told its number.",
            "AP is average precision; the authors' own is an area by trapezoids over thresholds and differs from it.",
        ],
    )


STUDY = Study(
    number=21,
    id="bah",
    title="BAH",
    paper="arXiv 2505.19328",
    data=(_FOLDER,),
    extras=("train", "study"),
    run=run,
    missing=(
        "voice, face and body: the recordings are not given out",
        "moments: when within an answer someone is torn",
        "adaptation to a person",
    ),
)


def _load(path: Path, quick: bool) -> _Answers:
    try:
        lines = [line.split(",", 2) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = [(_PATH.match(name), int(torn), text.strip('"')) for name, torn, text in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {error}", code="bad_file", value=path.name) from None
    if not found or any(match is None for match, _, _ in found):
        raise InputError(f"{path.name} names a clip without person or prompt.", code="bad_file", value=path.name)
    kept = found[:: 3 if quick else 1]
    return _Answers(
        [text for _, _, text in kept],
        np.array([torn for _, torn, _ in kept], np.int64),
        np.array([match["person"] for match, _, _ in kept if match]),
        np.array([int(match["prompt"]) for match, _, _ in kept if match], np.int64),
    )


def _joined(parts: Sequence[_Answers]) -> _Answers:
    return _Answers(
        [text for part in parts for text in part.texts],
        np.concatenate([part.torn for part in parts]),
        np.concatenate([part.people for part in parts]),
        np.concatenate([part.prompts for part in parts]),
    )


def _features(context: Context, texts: Sequence[str]) -> dict[str, Floats]:
    """``(n, d)`` features by kind."""
    from affectome.learn.base_vectors import base_vectors
    from affectome.learn.features import AffectFeatures

    vectors = base_vectors(texts, context.base_encoder(), threads=context.threads, max_tokens=_TOKENS)
    context.note("sentence vectors")
    affect = AffectFeatures(threads=context.threads).transform(texts)
    context.note("affect")
    return {
        _MARKERS: np.array([_markers(text) for text in texts]),
        _SENTENCES: vectors.astype(np.float64),
        _AFFECT: affect.astype(np.float64),
    }


def _markers(text: str) -> list[float]:
    """How often each kind of marker occurs in fifty words, whether it does, and the length in words and sentences."""
    length = max(len(text.split()), 1)
    counts = [len(pattern.findall(text.lower())) for pattern in _patterns()]
    sentences = len([part for part in re.split(r"[.?!…]+", text) if part.strip()])
    return [*(_PER * n / length for n in counts), *(float(n > 0) for n in counts), float(np.log(length)), sentences]


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    table = tomllib.loads(_WORDS_FILE.read_text(encoding="utf-8"))["markers"]
    return tuple(re.compile(rf"\b(?:{'|'.join(words)})\b") for words in table.values())


def _read(answers: _Answers, features: Mapping[str, Floats], train: Ints, test: Ints, seed: int) -> dict[str, Floats]:
    """Probabilities of test answers by every reader."""
    told = np.eye(8)[answers.prompts]
    nothing = np.zeros((len(answers.texts), 1))
    alone = {name: _fit(values, told, answers.torn, train)(test) for name, values in features.items()}
    words = _fit_words(answers.texts, told, answers.torn, train)(test)
    found = {
        _ALWAYS: np.ones(len(test)),
        _PROMPT: _fit(nothing, told, answers.torn, train)(test),
        _WORDS: words,
        _SHUFFLED: np.zeros(len(test)),
        **alone,
        _BLEND: _blend([*alone.values(), words]),
    }
    # Answers change places within their prompt, in training and test alike.
    rng = np.random.default_rng(seed)
    places = np.arange(len(answers.texts))
    for prompt in set(answers.prompts.tolist()):
        for part in (train, test):
            same = part[answers.prompts[part] == prompt]
            places[same] = rng.permutation(same)
    swapped = [answers.texts[i] for i in places]
    found[_SHUFFLED] = _blend(
        [
            *(_fit(values[places], told, answers.torn, train)(test) for values in features.values()),
            _fit_words(swapped, told, answers.torn, train)(test),
        ]
    )
    found[_NEW_PROMPT] = np.zeros(len(test))
    for prompt in set(answers.prompts[test].tolist()):
        others = train[answers.prompts[train] != prompt]
        here = answers.prompts[test] == prompt
        untold = np.zeros_like(told)
        found[_NEW_PROMPT][here] = _blend(
            [
                *(_fit(values, untold, answers.torn, others)(test[here]) for values in features.values()),
                _fit_words(answers.texts, untold, answers.torn, others)(test[here]),
            ]
        )
    return found


def _fit(features: Floats, told: Floats, torn: Ints, train: Ints) -> Callable[[Ints], Floats]:
    """A logistic read-out in which all features together weigh as much as a few prompts."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = features[train].mean(axis=0), features[train].std(axis=0)
    scaled = (features - mean) / np.where(spread > 0, spread, 1) / np.sqrt(features.shape[1])
    columns = np.hstack([scaled, _PROMPT_SHARE * told])
    model = LogisticRegression(C=_STRENGTH, max_iter=1000).fit(columns[train], torn[train])
    return lambda rows: np.asarray(model.predict_proba(columns[rows])[:, 1])


def _fit_words(texts: Sequence[str], told: Floats, torn: Ints, train: Ints) -> Callable[[Ints], Floats]:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    counter = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit([texts[i] for i in train])
    columns = hstack([counter.transform(texts), csr_matrix(told)]).tocsr()
    model = LogisticRegression(C=_WORD_STRENGTH, max_iter=1000).fit(columns[train], torn[train])
    return lambda rows: np.asarray(model.predict_proba(columns[rows])[:, 1])


def _blend(outputs: Sequence[Floats]) -> Floats:
    """The probability at the mean of the log-odds."""
    odds = np.mean([np.log(p / (1 - p)) for p in outputs], axis=0)
    return np.asarray(1 / (1 + np.exp(-odds)))


def _within(*, truth: ArrayLike, probability: ArrayLike, prompt: ArrayLike) -> float:
    """Mean of the areas under the curve within each prompt that has both kinds of answers."""
    torn, score, asked = np.asarray(truth), np.asarray(probability), np.asarray(prompt)
    areas = [_auc_of(k, score, torn, asked) for k in sorted(set(asked.tolist()))]
    return float(np.nanmean(areas))


def _auc_of(prompt: int, score: Floats, torn: Ints, prompts: Ints) -> float:
    here = prompts == prompt
    return float(auc(truth=torn[here], probability=score[here]))


def _row(context: Context, name: str, output: Floats, torn: Ints, prompts: Ints, groups: NDArray[np.str_]) -> Row:
    metrics: dict[str, Metric] = {_AVGF1: f1, _AP: average_precision}
    values = measure(
        metrics,
        truth=torn,
        prediction=(output > 0.5).astype(np.int64),
        probability=output,
        seed=context.seed,
        groups=groups,
    )
    values[_WITHIN] = bootstrap(
        _within, seed=context.seed, resamples=300, groups=groups, truth=torn, probability=output, prompt=prompts
    )
    return Row(name, _ROLES.get(name, "result"), values)


def _of(values: Mapping[str, Value], column: str) -> Interval:
    value = values[column]
    assert isinstance(value, Interval)
    return value
