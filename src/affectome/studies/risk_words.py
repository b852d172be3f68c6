"""Words of risk in Chinese messages: how many of each class, who acts on whom, and what a writer denies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SENTENCE = re.compile(r"[^。.!?;\n]*[。.!?;\n]?")
_NEGATION = re.compile("从来|[不没未从并绝决无]")
_FILLERS = 5  # words at most between a word that denies and what it denies


@dataclass(frozen=True)
class Denial:
    """Words by which a writer denies a risk, as in "I never thought of ...".

    Attributes:
        by: Words that deny.
        between: Words that may stand between those and what is denied; any other word ends what they reach.
        of: Classes of words that can be denied.
        also: Further words that can be denied.
        nouns: Words such as "thought" that belong to what is denied.
        unless_before: What must not follow: "not died off" tells of an attempt, "no courage to" of a wish.
        unless_with: Words such as "if", with which a sentence denies nothing.
        asking: Ends of a question.
    """

    by: Sequence[str]
    between: Sequence[str]
    of: Sequence[str]
    also: Sequence[str]
    nouns: Sequence[str]
    unless_before: Sequence[str]
    unless_with: Sequence[str]
    asking: Sequence[str]


@dataclass(frozen=True)
class RiskWords:
    """Classes of words that a message can hold.

    Attributes:
        words: Words by class.
        pairs: Classes that mean more together.
        rules: Classes that have to occur together, and the class of risk they speak for; the first that fits decides.
        writer: Words for the writer.
        others: Words for other people.
        acts: Classes of words for which it matters who acts on whom.
        denial: How a risk is denied.
    """

    words: Mapping[str, Sequence[str]]
    pairs: Sequence[tuple[str, str]]
    rules: Sequence[tuple[Sequence[str], str]]
    writer: Sequence[str]
    others: Sequence[str]
    acts: Sequence[str]
    denial: Denial

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> RiskWords:
        """The words of a table as in ``data/psyguard.toml``."""
        pairs = [(first, second) for first, second in table["together"]["pairs"]]
        rules = [(rule["words"], rule["class"]) for rule in table["rules"]]
        return cls(table["words"], pairs, rules, **table["people"], denial=Denial(**table["denial"]))

    def counts(self, messages: Sequence[str]) -> Floats:
        """Features of messages (n, classes + pairs + 1 + 4 acts).

        Logarithms of 1 + count of each class, their products for the pairs, a length, and, for each class of acts,
        logarithms of 1 + how often the writer and others are the nearest before it in its sentence and right behind it.
        """
        single = np.log1p([[sum(map(text.count, own)) for own in self.words.values()] for text in messages])
        single = single.reshape(len(messages), len(self.words))
        place = {name: i for i, name in enumerate(self.words)}
        both = [single[:, place[first]] * single[:, place[second]] for first, second in self.pairs]
        length = np.log1p([len(text) for text in messages]) / 5  # as large as the others
        people = np.array([self._people(text) for text in messages]).reshape(len(messages), 4 * len(self.acts))
        return np.column_stack([single, *both, length, np.log1p(people)])

    def by_rule(self, message: str) -> str:
        """The class of risk by the first rule that fits; unrelated if none does."""
        found = {name for name, own in self.words.items() if any(word in message for word in own)}
        return next((label for needed, label in self.rules if set(needed) <= found), "unrelated")

    def denial_of(self, message: str) -> tuple[str, str]:
        """A message without the risks that its writer denies, and as if none were denied.

        Conditions and questions deny nothing: both are the message itself, as they are if nothing is denied.
        """
        meant, said = [], []
        for sentence in _SENTENCE.findall(message):
            denies = not any(word in sentence for word in self.denial.unless_with)
            meant.append(self._denied.sub("", sentence) if denies else sentence)
            said.append(self._denied.sub(_affirmed, sentence) if denies else sentence)
        return "".join(meant), "".join(said)

    def _people(self, message: str) -> list[float]:
        """Who is named before and behind the words of each class of acts (4 acts)."""
        found: list[float] = []
        for act in self._acts:
            near = [0.0] * 4  # the writer before, others before, the writer behind, others behind
            for sentence in _SENTENCE.findall(message):
                for match in act.finditer(sentence):
                    before = self._person.findall(sentence, 0, match.start())
                    if before:
                        near[before[-1] not in self.writer] += 1
                    behind = self._behind.match(sentence, match.end())
                    if behind:
                        near[2 + (behind["who"] not in self.writer)] += 1
            found += near
        return found

    @cached_property
    def _person(self) -> re.Pattern[str]:
        return re.compile(_any_of([*self.writer, *self.others]))

    @cached_property
    def _behind(self) -> re.Pattern[str]:
        # One character, mostly one of aspect, may stand between an act and whom it meets.
        return re.compile(f"[一-鿿]??(?P<who>{self._person.pattern})")

    @cached_property
    def _acts(self) -> list[re.Pattern[str]]:
        return [re.compile(_any_of(self.words[name])) for name in self.acts]

    @cached_property
    def _denied(self) -> re.Pattern[str]:
        own = self.denial
        # A word such as "not want to live", itself a wish, is no word that can be denied; nor is one character.
        risks = [word for name in own.of for word in self.words[name] if len(word) > 1 and word[0] not in "不没"]
        return re.compile(
            # After the verb that it denies, a word asks: "have or have not".
            rf"(?!(?<=(.))[不没]\1)(?P<by>{_any_of(own.by)})(?P<of>{_any_of(own.between)}{{0,{_FILLERS}}}?"
            f"(?>{_any_of([*risks, *own.also])})(?!{_any_of(own.unless_before)})(?:的?{_any_of(own.nouns)})?)"
            f"(?![^,。.!;\n]*{_any_of(own.asking)})"
        )


def _affirmed(denied: re.Match[str]) -> str:
    """A denied risk with the negation taken from the word that denies, as "have" from "have not"."""
    return _NEGATION.sub("", denied["by"]) + denied["of"]


def _any_of(words: Iterable[str]) -> str:
    """A pattern of the longest of words that fits."""
    return "(?:" + "|".join(map(re.escape, sorted(words, key=len, reverse=True))) + ")"
