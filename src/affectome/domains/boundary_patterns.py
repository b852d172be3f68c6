"""Eight patterns by which a reply handles an emotional boundary, found sentence by sentence in six languages.

Cues are short phrases with the same meaning in every language, so what is learnt about them from labelled sentences of
one language holds for the others. Character and word n-grams add what no cue says, and in English the shipped reader
adds what a sentence means. Needs the ``train`` extra (scikit-learn) to find patterns; cues alone need nothing.

Source: the seven patterns of arXiv 2502.14975; phrases, labelled sentences and the learnt finder are Affectome's own.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError, UsageError
from affectome.media.sentences import split_sentences

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Language = Literal["en", "es", "fr", "de", "pt", "it"]
Pattern = Literal[
    "refusal",
    "apology",
    "explanation",
    "deflection",
    "acknowledgment",
    "boundary_setting",
    "emotional_awareness",
    "reciprocation",
]

LANGUAGES: tuple[Language, ...] = get_args(Language)
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

_MARK = re.compile(r"\{([a-z_+]+)\|([^{}|]*)\}")
_WORDS_BETWEEN = r"\S+(?:\s+\S+){0,3}"  # what a "*" between two words of a cue stands for
# Chosen on the dev replies: learnt from those written first, compared on those written later.
_STRENGTH = 1.0  # inverse strength of the penalty
_HIDDEN = 0.7
_COPIES = 3
_MEANING = 0.3  # brings the columns of the reader to the size of the others


class Span(NamedTuple):
    """Where a pattern stands in a text.

    Attributes:
        pattern: Which one.
        start: First character.
        end: Character behind the last one.
    """

    pattern: str
    start: int
    end: int


@dataclass(frozen=True)
class LabelledReply:
    """A reply whose patterns were marked by hand.

    Attributes:
        id: Identifier.
        language: Language of the reply.
        text: The reply without marks.
        spans: The marked patterns in the order of the text; several may lie on the same characters.
    """

    id: str
    language: Language
    text: str
    spans: tuple[Span, ...]

    def sentences(self) -> tuple[list[str], Flags]:
        """Sentences, and ``(n, patterns)`` which patterns are marked on at least one character of each."""
        bounds = split_sentences(self.text)
        truth = np.array(
            [
                [any(s.pattern == name and s.start < end and start < s.end for s in self.spans) for name in PATTERNS]
                for start, end in bounds
            ],
            bool,
        ).reshape(len(bounds), len(PATTERNS))
        return [self.text[start:end] for start, end in bounds], truth


def unmark(marked: str) -> tuple[str, tuple[Span, ...]]:
    """The text and the spans of ``"{apology|Sorry.} {refusal+explanation|I can't, as it is late.}"``.

    Raises:
        InputError: ``bad_mark`` if a mark is not closed or names no pattern.
    """
    parts: list[str] = []
    spans: list[Span] = []
    length = done = 0
    for mark in _MARK.finditer(marked):
        before = marked[done : mark.start()]
        length += len(before)
        for name in mark[1].split("+"):
            if name not in PATTERNS:
                raise InputError("A mark names no pattern.", code="bad_mark", value=name, allowed=PATTERNS)
            spans.append(Span(name, length, length + len(mark[2])))
        parts += [before, mark[2]]
        length += len(mark[2])
        done = mark.end()
    text = "".join([*parts, marked[done:]])
    if set(text) & set("{}|"):
        raise InputError("A mark is not closed.", code="bad_mark", value=marked)
    return text, tuple(spans)


@cache
def labelled_replies(part: Literal["dev", "test", "smollm2"]) -> tuple[LabelledReply, ...]:
    """The hand-labelled replies.

    Args:
        part: ``dev`` for learning and ``test`` for measuring, both in all languages; ``smollm2`` for measuring, what
            SmolLM2-135M-Instruct replied to some of the requests in English.
    """
    rows = read_rows(f"boundary_{part}.jsonl")
    return tuple(LabelledReply(row["id"], row["language"], *unmark(row["marked"])) for row in rows)


def read_rows(name: str) -> list[dict[str, Any]]:
    """The rows of one of the shipped data files of JSON lines."""
    text = files("affectome.domains").joinpath("data", name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class Cue:
    """Phrases that hint at what a sentence does.

    Attributes:
        name: Identifier, the same in all languages.
        pattern: What the cue is evidence for on its own; empty for one that counts only together with others.
        phrases: Expression that finds the phrases, by language.
    """

    name: str
    pattern: str
    phrases: Mapping[str, re.Pattern[str]]


@cache
def load_cues() -> tuple[Cue, ...]:
    """The shipped cues."""
    text = files("affectome.domains").joinpath("data/boundary_cues.toml").read_text(encoding="utf-8")
    return tuple(
        Cue(name, row["pattern"], {language: _expression(row[language]) for language in LANGUAGES})
        for name, row in tomllib.loads(text).items()
    )


def _expression(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_phrase, phrases)) or r"(?!)")


def _phrase(phrase: str) -> str:
    """``"^you say*"`` as an expression; boundaries of words hold where the phrase begins or ends with a letter."""
    core = phrase.removeprefix("^").removesuffix("$")
    words = [_WORDS_BETWEEN if word == "*" else re.escape(word).replace(r"\*", r"\w*") for word in core.split()]
    opening = r"^\W*" if phrase.startswith("^") else r"(?<!\w)" if core[0].isalnum() else ""
    closing = r"\W*$" if phrase.endswith("$") else r"(?!\w)" if core[-1].isalnum() else ""
    return opening + r"\s+".join(words) + closing


def find_cues(sentences: Sequence[str], language: Language) -> Flags:
    """Which cues ``n`` sentences hold, ``(n, cues)``."""
    plain = [sentence.casefold().replace("’", "'") for sentence in sentences]
    found = [[bool(cue.phrases[language].search(sentence)) for cue in load_cues()] for sentence in plain]
    return np.array(found, bool).reshape(len(sentences), len(load_cues()))


def flag_by_cues(sentences: Sequence[str], language: Language) -> Flags:
    """Patterns of ``n`` sentences by cues alone, without learning: ``(n, patterns)``."""
    cues = find_cues(sentences, check_language(language))
    columns = [[cue.pattern == name for cue in load_cues()] for name in PATTERNS]
    return np.stack([cues[:, column].any(axis=1) for column in np.array(columns)], axis=1)


class PatternFinder:
    """One logistic regression a pattern, learnt from labelled sentences of all languages together.

    The phrases of the cues were collected with the labelled sentences in mind, so there they hit more often than in a
    new reply. Learning therefore sees every sentence several times, each time with some of its cues hidden.

    Args:
        reads_english: Whether the shipped text reader adds what English sentences mean.
        hidden: Share of the cues that is hidden, from 0 to below 1.
        threads: Processor threads of the reader.
        seed: Seed of what is hidden.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        ModelError: The shipped reader cannot be used.
    """

    def __init__(self, *, reads_english: bool = True, hidden: float = _HIDDEN, threads: int = 1, seed: int = 0) -> None:
        from affectome.learn.features import AffectFeatures, SparseFeatures

        self._grams = SparseFeatures((1, 2), (2, 5), minimum=2)
        self._reader = AffectFeatures(threads=threads) if reads_english else None
        self._hidden = hidden
        self._seed = seed
        self._models: list[Any] = []

    def fit(self, sentences: Mapping[Language, Sequence[str]], truth: Mapping[Language, Flags]) -> PatternFinder:
        """Learn from labelled sentences.

        Args:
            sentences: ``n`` sentences of each language.
            truth: ``(n, patterns)`` of each language; every pattern has to occur.
        """
        from scipy.sparse import vstack
        from sklearn.linear_model import LogisticRegression

        self._grams.fit([sentence for rows in sentences.values() for sentence in rows])
        generator = np.random.default_rng(self._seed)
        copies = []
        cues = {language: find_cues(rows, language) for language, rows in sentences.items()}
        others = {language: self._other_features(rows, language) for language, rows in sentences.items()}
        for _ in range(_COPIES):
            for language, found in cues.items():
                shown = generator.random(found.shape) >= self._hidden
                copies.append(_beside(found & shown, others[language]))
        flags = np.concatenate([truth[language] for language in sentences] * _COPIES)
        features = vstack(copies).tocsr()
        self._models = [
            LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000).fit(features, column)
            for column in flags.T
        ]
        return self

    def probabilities(self, sentences: Sequence[str], language: Language) -> Floats:
        """Probability of each pattern in ``n`` sentences, ``(n, patterns)``.

        Raises:
            RunError: Nothing has been learnt yet.
        """
        if not sentences:
            return np.zeros((0, len(PATTERNS)))
        features = _beside(find_cues(sentences, language), self._other_features(sentences, language)).tocsr()
        return np.stack([model.predict_proba(features)[:, 1] for model in self._models], axis=1)

    def _other_features(self, sentences: Sequence[str], language: Language) -> csr_matrix:
        """N-grams, and what the sentences mean where the reader knows the language."""
        grams = self._grams.transform(sentences)
        if self._reader is None:
            return grams
        # A blank text gives a row of zeros, which says nothing.
        meaning = self._reader.transform(sentences if language == "en" else [""] * len(sentences))
        return _beside(_MEANING * meaning, grams)


def _beside(dense: NDArray[Any], sparse: csr_matrix) -> csr_matrix:
    from scipy.sparse import csr_matrix, hstack

    return hstack([csr_matrix(dense, dtype=np.float64), sparse]).tocsr()


@cache
def shipped_finder() -> PatternFinder:
    """The finder that was learnt from the ``dev`` replies of all languages; takes a few seconds the first time.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        ModelError: The shipped reader cannot be used.
    """
    return PatternFinder().fit(*sentences_by_language(labelled_replies("dev")))


def sentences_by_language(
    replies: Sequence[LabelledReply],
) -> tuple[dict[Language, list[str]], dict[Language, Flags]]:
    """Sentences of labelled replies and ``(n, patterns)`` their patterns, by language."""
    sentences: dict[Language, list[str]] = {}
    truth: dict[Language, list[Flags]] = {}
    for reply in replies:
        found, flags = reply.sentences()
        sentences.setdefault(reply.language, []).extend(found)
        truth.setdefault(reply.language, []).append(flags)
    return sentences, {language: np.concatenate(flags) for language, flags in truth.items()}


def check_language(language: str) -> Language:
    """A language that is known.

    Raises:
        UsageError: ``unknown_language``.
    """
    for known in LANGUAGES:
        if language == known:
            return known
    raise UsageError(
        f"Boundaries are not known in {language!r}.", code="unknown_language", value=language, allowed=LANGUAGES
    )
