"""Changes of a prompt: emotional stimuli beside neutral controls of equal length, hints of small readers, cause words.

A change takes a prompt and gives another one. Changes compose, compare and hash by what they say, so that answers to a
changed prompt can be kept and a change can be named in a table.

Stimuli after C. Li and others, EmotionPrompt (arXiv 2307.11760); hints in two stages and cause words after HEF
(arXiv 2402.11801).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from affectome.errors import UsageError
from affectome.language.chat import Ask, ChatModel, Message, Reply

CountTokens = Callable[[str], int]

_TABLE = Path(__file__).parent / "data" / "prompt_changes.toml"


@dataclass(frozen=True)
class Prompt:
    """A question about a text with a fixed set of answers.

    Attributes:
        instruction: What is to be done; changes add to its end.
        text: What it is to be done with.
        choices: The answers, at least two.
        request: What comes last, such as the form of the answer.
    """

    instruction: str
    text: str
    choices: tuple[str, ...]
    request: str = "Answer with one word."

    def ask(self) -> Ask:
        """The request to a model: instruction, text and form of the answer in one turn."""
        content = f"{self.instruction}\n\n{self.text}\n\n{self.request}"
        return Ask((Message("user", content),), choices=self.choices)


class PromptChange(Protocol):
    """A change of a prompt."""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of what it does, the same in every process."""
        ...

    def __call__(self, prompt: Prompt, /) -> Prompt:
        """The changed prompt."""
        ...


@dataclass(frozen=True)
class Sentence:
    """The same words at the end of every instruction.

    Attributes:
        name: What it is called.
        text: The words.
    """

    name: str
    text: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the words."""
        return _digest("sentence", self.text)

    def __call__(self, prompt: Prompt) -> Prompt:
        """The prompt with the words."""
        return replace(prompt, instruction=f"{prompt.instruction} {self.text}")


class Stimulus(NamedTuple):
    """An emotional sentence, and the theory of psychology it comes from.

    Attributes:
        sentence: The change.
        theory: ``self-monitoring``, ``social-cognitive`` or ``cognitive emotion regulation``.
    """

    sentence: Sentence
    theory: str


@dataclass(frozen=True)
class Expert:
    """A small reader that says what is in a text.

    Attributes:
        name: What it is called; part of the fingerprint of every hint, so it has to change with the reader.
        read: Labels or words of a text, the likeliest first.
    """

    name: str
    read: Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class LikelyHint:
    """Tells which answers an expert thinks likely.

    Attributes:
        expert: Who reads the text; what it names and the prompt does not offer is left out.
        count: How many answers are named at most.
    """

    expert: Expert
    count: int = 3

    @property
    def name(self) -> str:
        """What it is called."""
        return f"likely by {self.expert.name}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the expert's name and the number of answers."""
        return _digest("likely", self.expert.name, str(self.count))

    def likely(self, prompt: Prompt) -> tuple[str, ...]:
        """The answers that are named, the likeliest first."""
        return tuple(label for label in self.expert.read(prompt.text) if label in prompt.choices)[: self.count]

    def __call__(self, prompt: Prompt) -> Prompt:
        """The prompt with the hint; without one where the expert names no answer."""
        likely = self.likely(prompt)
        return _with_hint(prompt, "likely", likely=", ".join(likely)) if likely else prompt


@dataclass(frozen=True)
class CauseHint:
    """Tells which words of the text an expert takes for the cause of the feeling.

    Attributes:
        expert: Who reads the text.
        count: How many words are named at most.
    """

    expert: Expert
    count: int = 3

    @property
    def name(self) -> str:
        """What it is called."""
        return f"causes by {self.expert.name}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the expert's name and the number of words."""
        return _digest("causes", self.expert.name, str(self.count))

    def __call__(self, prompt: Prompt) -> Prompt:
        """The prompt with the hint; without one where the expert names no word."""
        words = tuple(self.expert.read(prompt.text))[: self.count]
        return _with_hint(prompt, "causes", words=", ".join(words)) if words else prompt


@dataclass(frozen=True)
class Chain:
    """Changes one after the other.

    Attributes:
        changes: The changes, the first one first.
    """

    changes: tuple[PromptChange, ...]

    @property
    def name(self) -> str:
        """The names of all."""
        return " + ".join(change.name for change in self.changes)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the fingerprints of all, in their order."""
        return _digest("chain", *(change.fingerprint for change in self.changes))

    def __call__(self, prompt: Prompt) -> Prompt:
        """The prompt after all changes."""
        for change in self.changes:
            prompt = change(prompt)
        return prompt


def answer_in_two_stages(model: ChatModel, prompt: Prompt, hint: LikelyHint) -> tuple[Reply, ...]:
    """Let a model choose among the likely answers first, and among the others only if it finds none that fits.

    Args:
        model: Who answers.
        prompt: The question.
        hint: Tells the likely answers.

    Returns:
        The replies, one or two; the last one holds the answer.

    Raises:
        ModelError: The model cannot answer at all.
        UsageError: ``reserved_choice`` if an answer of the prompt is the word for none of them.

    Source: HEF (arXiv 2402.11801), two-stage emotion prediction.
    """
    none = str(_texts()["hints"]["none"])
    if none in prompt.choices:
        raise UsageError(
            f"No answer may be {none!r}: it says that no likely answer fits.", code="reserved_choice", value=none
        )
    likely = hint.likely(prompt)
    others = tuple(choice for choice in prompt.choices if choice not in likely)
    if not likely or not others:
        return (model.answer(hint(prompt).ask()),)
    first = model.answer(replace(hint(prompt), choices=(*likely, none)).ask())
    if first.choice != none:
        return (first,)
    again = _with_hint(prompt, "remaining", likely=", ".join(likely))
    return first, model.answer(replace(again, choices=others).ask())


@cache
def list_stimuli() -> tuple[Stimulus, ...]:
    """The emotional stimuli of the package, in a fixed order."""
    return tuple(Stimulus(Sentence(row["name"], row["text"]), row["theory"]) for row in _texts()["stimuli"])


def count_words(text: str) -> int:
    """Words of a text, for models that do not tell their tokens."""
    return len(text.split())


def token_counter(model: ChatModel) -> CountTokens:
    """How a model counts tokens; the words of a text where it does not tell, as over HTTP."""
    tokenizer: Any = getattr(model, "tokenizer", None)
    if tokenizer is None:
        return count_words

    def count_tokens(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    return count_tokens


@lru_cache(maxsize=1024)
def neutral_control(sentence: Sentence, count_tokens: CountTokens = count_words) -> Sentence:
    """A sentence without any feeling or advice that has exactly as many tokens.

    Args:
        sentence: What it stands beside.
        count_tokens: Tokens of a text as the model counts them; the space before a sentence is counted with it.

    Raises:
        UsageError: ``no_control`` if no neutral text of the package has this length.
    """
    wanted = count_tokens(f" {sentence.text}")
    neutral = _texts()["neutral"]
    for size in range(len(neutral["tails"]) + 1):
        for opening in neutral["openings"]:
            for tails in combinations(neutral["tails"], size):
                text = " ".join((opening, *tails))
                if count_tokens(f" {text}") == wanted:
                    return Sentence(f"neutral, as long as {sentence.name}", text)
    raise UsageError(
        f"No neutral text has the {wanted} tokens of {sentence.name!r}.",
        code="no_control",
        value=wanted,
        next_step="Change the length of the sentence; neutral texts have from about 5 to about 90 tokens.",
    )


def _with_hint(prompt: Prompt, name: str, **words: str) -> Prompt:
    hint = _texts()["hints"][name].format(**words)
    return replace(prompt, instruction=f"{prompt.instruction} {hint}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _texts() -> dict[str, Any]:
    return tomllib.loads(_TABLE.read_text(encoding="utf-8"))
