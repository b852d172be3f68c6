"""Trying dials and prompts on the same situations: what the model then writes, and what the judge finds of it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectome.language.inside.capture import Steps
from affectome.language.inside.judging import Floats, Judged, ReplyJudge
from affectome.language.inside.replies import ReadPrompts
from affectome.language.inside.scenarios import EMOTIONS, plain_prompt, tone_prompt
from affectome.language.inside.steering import EmotionDial
from affectome.pipeline.storage import write_bytes


@dataclass(frozen=True, eq=False)
class Trial:
    """Replies in each wanted emotion, to the same situations.

    Attributes:
        judged: What is found of the replies, by the emotion that was wanted.
    """

    judged: Mapping[str, Judged]

    @property
    def hits(self) -> Floats:
        """``(emotions, n)`` 1 where the wanted emotion is read, else 0."""
        return np.stack([judged.hits(emotion) for emotion, judged in self.judged.items()])

    @property
    def probabilities(self) -> Floats:
        """``(emotions,)`` mean probability of the wanted emotion."""
        return np.array(
            [judged.probabilities[:, EMOTIONS.index(emotion)].mean() for emotion, judged in self.judged.items()]
        )

    @property
    def perplexity(self) -> float:
        """Perplexity of all tokens of all replies by the unsteered model."""
        total = sum(int(judged.tokens.sum()) for judged in self.judged.values())
        said = sum(float(judged.log_probabilities.sum()) for judged in self.judged.values())
        return float(np.exp(-said / total)) if total else float("nan")

    @property
    def distinct_2(self) -> float:
        """Mean over the emotions."""
        return float(np.mean([judged.distinct_2 for judged in self.judged.values()]))

    @property
    def relevance(self) -> float:
        """Share of the replies that fit their own situation better than another one."""
        return float(np.mean([judged.relevant for judged in self.judged.values()]))

    @property
    def tokens(self) -> float:
        """Mean length of a reply."""
        return float(np.mean([judged.tokens for judged in self.judged.values()]))


class Trials:
    """Writes and judges replies to situations; what was tried once is not tried again.

    Args:
        judge: Judges replies to the situations by the model.
        folder: Where replies are kept with what was found of them, one file a trial and emotion.
        tokens: Length of a reply at most.
        report: Is told of every set of replies that is there.
    """

    def __init__(
        self,
        judge: ReplyJudge,
        folder: Path,
        *,
        tokens: int = 24,
        report: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.judge = judge
        self._folder = folder
        self._tokens = tokens
        self._report = report
        folder.mkdir(parents=True, exist_ok=True)

    def plain(self) -> Trial:
        """No steering: the same replies, whatever emotion is wanted."""
        return Trial(
            dict.fromkeys(EMOTIONS, self._try("unsteered", "", lambda: self.judge.prompts.write(self._tokens)))
        )

    def prompted(self, *, examples: bool = False, emotions: Sequence[str] = EMOTIONS) -> Trial:
        """The tone set by the prompt."""

        def write(emotion: str) -> list[str]:
            prompts = [tone_prompt(each, emotion, examples=examples) for each in self.judge.situations]
            return ReadPrompts(self.judge.language_model, prompts).write(self._tokens)

        how = "by examples" if examples else "by the prompt"
        first = self.judge.situations[0]
        return Trial(
            {
                each: self._try(
                    f"{each} {how}",
                    f": {tone_prompt(first, each, examples=examples)}",
                    functools.partial(write, each),
                )
                for each in emotions
            }
        )

    def dialled(
        self, dial: EmotionDial, dose: float, *, emotions: Sequence[str] = EMOTIONS, steps: Steps = "all"
    ) -> Trial:
        """The tone set by a dial."""

        def write(emotion: str) -> list[str]:
            with dial.turned(self.judge.language_model.model, emotion, dose, steps=steps):
                return self.judge.prompts.write(self._tokens)

        return Trial(
            {
                each: self._try(
                    f"{each} by {dose}", f", {steps} {dial.fingerprint(each)}", functools.partial(write, each)
                )
                for each in emotions
            }
        )

    def _try(self, how: str, exactly: str, write: Callable[[], list[str]]) -> Judged:
        asked = [list(message) for each in self.judge.situations for message in plain_prompt(each)]
        told = [self.judge.language_model.fingerprint, self.judge.reader.sha256, self._tokens, how + exactly, asked]
        path = self._folder / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()}.json"
        try:
            return Judged.of(json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, KeyError):
            judged = self.judge.judge(write())
        write_bytes(path, json.dumps(judged.as_dict()).encode())
        self._report(how)
        return judged
