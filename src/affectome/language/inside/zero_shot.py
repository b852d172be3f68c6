"""The same question asked aloud: which word a language model says next when it is asked for the emotion of a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from affectome.errors import UsageError
from affectome.language.chat import Message
from affectome.language.in_process import InProcessModel

_QUESTION = "Which emotion does the writer express: {labels}? Answer with one word.\n\nText: {text}"


def ask_for_emotion(
    language_model: InProcessModel, texts: Sequence[str], labels: Sequence[str], *, batch: int = 16
) -> NDArray[np.float32]:
    """The log-probability of each label as the next word, by its first token.

    Args:
        language_model: The model.
        texts: n texts.
        labels: k words.
        batch: Texts in one pass.

    Returns:
        (n, k) in nats.

    Raises:
        UsageError: ``ambiguous_labels`` if two labels begin with the same token.
    """
    firsts = [language_model.tokenizer.encode(label, add_special_tokens=False)[0] for label in labels]
    if len(set(firsts)) < len(firsts):
        raise UsageError("Two labels begin with the same token.", code="ambiguous_labels", value=list(labels))
    asked = [_QUESTION.format(labels=", ".join(labels), text=text) for text in texts]
    prompts = [torch.tensor(language_model.prompt_tokens([Message("user", question)])) for question in asked]
    said = language_model.model.get_output_embeddings()  # type: ignore[no-untyped-call]
    found = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        device = language_model.model.device
        rows = pad_sequence(part, batch_first=True).to(device)
        mask = pad_sequence([torch.ones_like(prompt) for prompt in part], batch_first=True).to(device)
        with torch.inference_mode():
            states = language_model.model.base_model(rows, attention_mask=mask, use_cache=False)[0]
            last = states[torch.arange(len(part)), mask.sum(dim=1) - 1]
            found.append(said(last).float().log_softmax(dim=-1)[:, firsts].cpu().numpy())
    return np.concatenate(found)
