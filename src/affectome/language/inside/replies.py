"""Replies of a language model to many prompts at once, and how probable it finds replies."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from affectome.errors import UsageError
from affectome.language.chat import Message
from affectome.language.in_process import InProcessModel

Prompt = Sequence[Message]
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_FEWEST = 8  # tokens of a reply
_PENALTY = 1.05  # of tokens that were there before, and no three of them in the same order: arXiv 2510.11328
_REPEATED = 3


class ReadPrompts:
    """Prompts that are read once, all but the last token of each, and answered or continued any number of times.

    What is done to the model at the last token and behind it, for instance by `add_vectors`, cannot move what was read
    before, so that many dials can be tried on the same prompts at little cost. Prompts are padded on the left: the last
    position of every pass is a real token of every text.

    Args:
        language_model: The model, as it is.
        prompts: n conversations.
        batch: Prompts that are worked on together.
    """

    def __init__(self, language_model: InProcessModel, prompts: Sequence[Prompt], *, batch: int = 16) -> None:
        self._language_model = language_model
        self._count = len(prompts)
        read = [torch.tensor(language_model.prompt_tokens(prompt)) for prompt in prompts]
        order = sorted(range(len(read)), key=lambda k: len(read[k]))
        self._batches = [
            self._read(rows, [read[k] for k in rows])
            for rows in (order[start : start + batch] for start in range(0, len(order), batch))
        ]

    def write(self, tokens: int) -> list[str]:
        """What the model answers, the most probable token at each step.

        Args:
            tokens: Length of a reply at most.

        Returns:
            n replies.

        Raises:
            UsageError: ``bad_tokens`` if there is no room for a reply.
        """
        if tokens < 1:
            raise UsageError("A reply needs a token or more.", code="bad_tokens", value=tokens)
        tokenizer = self._language_model.tokenizer
        replies = [""] * self._count
        for some in self._batches:
            with torch.inference_mode():
                found = self._language_model.model.generate(  # type: ignore[misc]
                    some.tokens,
                    attention_mask=some.mask,
                    past_key_values=copy.deepcopy(some.known),
                    max_new_tokens=tokens,
                    min_new_tokens=min(_FEWEST, tokens),
                    do_sample=False,
                    repetition_penalty=_PENALTY,
                    no_repeat_ngram_size=_REPEATED,
                    pad_token_id=_padding(self._language_model),
                )[:, some.tokens.shape[1] :]
            for row, reply in zip(some.rows, found, strict=True):
                replies[row] = str(tokenizer.decode(reply, skip_special_tokens=True)).strip()
        return replies

    def score(self, replies: Sequence[str]) -> tuple[Floats, Counts]:
        """How probable the model finds each reply after its prompt.

        Args:
            replies: n replies.

        Returns:
            ``(n,)`` log-probabilities in nats and ``(n,)`` numbers of tokens, 0 for a reply without text.
        """
        encode = self._language_model.tokenizer.encode
        tails = [torch.tensor(encode(reply, add_special_tokens=False), dtype=torch.long) for reply in replies]
        found = np.zeros(self._count)
        for some in self._batches:
            found[some.rows] = self._score(some, [tails[row] for row in some.rows])
        return found, np.array([len(tail) for tail in tails], np.int64)

    def _read(self, rows: list[int], prompts: Sequence[Tensor]) -> _Batch:
        model = self._language_model.model
        padding = _padding(self._language_model)
        tokens = pad_sequence(list(prompts), batch_first=True, padding_value=padding, padding_side="left")
        mask = pad_sequence([torch.ones_like(row) for row in prompts], batch_first=True, padding_side="left")
        tokens, mask = tokens.to(model.device), mask.to(model.device)
        known = DynamicCache(config=model.config)
        with torch.inference_mode():
            model.base_model(
                tokens[:, :-1],
                attention_mask=mask[:, :-1],
                position_ids=_positions(mask)[:, :-1],
                past_key_values=known,
                use_cache=True,
            )
        return _Batch(rows, tokens, mask, known)

    def _score(self, some: _Batch, tails: Sequence[Tensor]) -> Floats:
        model = self._language_model.model
        rows = pad_sequence(list(tails), batch_first=True).to(model.device)
        inside = torch.arange(rows.shape[1], device=model.device) < torch.tensor(
            [[len(tail)] for tail in tails], device=model.device
        )
        if not rows.shape[1]:
            return np.zeros(len(tails))
        mask = torch.cat([some.mask, inside[:, :-1].long()], dim=1)
        with torch.inference_mode():
            said = (
                model(
                    torch.cat([some.tokens[:, -1:], rows[:, :-1]], dim=1),
                    attention_mask=mask,
                    position_ids=_positions(mask)[:, some.tokens.shape[1] - 1 :],
                    past_key_values=copy.deepcopy(some.known),
                )
                .logits.float()
                .log_softmax(dim=-1)
            )
            each = said.gather(-1, rows[..., None])[..., 0].double()
        return np.asarray((each * inside).sum(dim=1).cpu().numpy(), np.float64)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Some of the prompts: their numbers, tokens and mask ``(prompts, tokens)``, and all but the last column read."""

    rows: list[int]
    tokens: Tensor
    mask: Tensor
    known: DynamicCache


def _positions(mask: Tensor) -> Tensor:
    """The number of each token in its text; padding has that of its neighbour."""
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


def _padding(language_model: InProcessModel) -> int:
    tokenizer = language_model.tokenizer
    return int(tokenizer.pad_token_id or tokenizer.eos_token_id or 0)
