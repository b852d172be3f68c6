"""A language model in this process, through transformers. Needs the ``train`` extra."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from affectome.errors import ModelError
from affectome.language.chat import Ask, Message, Reply, read_reply
from affectome.models import weights_file

_TOGETHER = 16  # continuations that are scored in one pass
_HASHED = 1 << 20


class InProcessModel:
    """A model of transformers; it answers, and it tells how probable a text is.

    Choices are made by their probability as the next turn, so that every answer is one of them. Without a chat template
    the turns are put below each other with their roles. On a machine with CUDA or ROCm the weights go to its devices in
    16 bits, and to memory what does not fit; elsewhere they are read in 32 bits.

    Args:
        model: A folder in Hugging Face layout, a GGUF file or a folder with one, or ``owner/name`` on the hub.
        threads: Processor threads.

    Raises:
        ModelError: ``model_unusable`` if it cannot be loaded; a GGUF file needs the package gguf.
    """

    scripted = False

    def __init__(self, model: str | Path, *, threads: int = 1) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        torch.set_num_threads(threads)
        path = _own_file(Path(model))
        if not path.exists() and (path.is_absolute() or str(model).startswith(".") or path.suffix == ".gguf"):
            raise ModelError(
                f"There is no language model at {str(model)!r}.",
                code="model_unusable",
                value=model,
                next_step="Bring one with: affectome models pull smollm2",
            )
        gguf = path.suffix == ".gguf"
        where: dict[str, Any] = {"gguf_file": path.name} if gguf else {}
        source = str(path.parent if gguf else model)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(source, **where)
            self.model = AutoModelForCausalLM.from_pretrained(source, **_placement(), **where)
        except (OSError, ValueError, ImportError, KeyError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".: ")
            raise ModelError(
                f"The language model {str(model)!r} cannot be loaded: {reason}.",
                code="model_unusable",
                value=model,
                next_step="Give a folder in Hugging Face layout, a GGUF file, or owner/name on the hub.",
            ) from error
        self.model.eval()  # type: ignore[no-untyped-call]
        self.name = path.stem if gguf else path.name if path.exists() else str(model)
        self.fingerprint = (
            _digest(path) if path.exists() else f"{model}@{getattr(self.model.config, '_commit_hash', '')}"
        )
        if self.model.dtype != torch.float32:
            self.fingerprint += f" in {self.model.dtype}"  # what was remembered of one is not what the other says

    def answer(self, ask: Ask) -> Reply:
        """Answer a request; see `affectome.language.ChatModel`."""
        began = time.perf_counter()
        if ask.choices:
            scores = dict(zip(ask.choices, self.score(ask.messages, ask.choices), strict=True))
            best = max(scores, key=scores.__getitem__)
            seconds = time.perf_counter() - began
            return Reply(
                best, choice=best, scores=scores, input_tokens=len(self.prompt_tokens(ask.messages)), seconds=seconds
            )
        prompt = torch.tensor([self.prompt_tokens(ask.messages)], device=self.model.device)
        torch.manual_seed(ask.seed)
        drawn = ask.temperature > 0
        options: dict[str, Any] = {"temperature": ask.temperature, "top_p": 1.0, "top_k": 0} if drawn else {}
        with torch.inference_mode():
            found = self.model.generate(  # type: ignore[misc]
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=ask.max_tokens,
                do_sample=drawn,
                pad_token_id=self._padding,
                **options,
            )[0, prompt.shape[1] :]
        reply = Reply(
            str(self.tokenizer.decode(found, skip_special_tokens=True)),
            finished=len(found) < ask.max_tokens,
            input_tokens=prompt.shape[1],
            output_tokens=len(found),
            seconds=time.perf_counter() - began,
        )
        return read_reply(reply, ask)

    def score(self, messages: Sequence[Message], continuations: Sequence[str]) -> list[float]:
        """Log-probability in nats of each continuation as the next turn; padding has no influence on it."""
        prompt = self.prompt_tokens(messages)
        tails = [self.tokenizer.encode(text, add_special_tokens=False) or [self._padding] for text in continuations]
        row = torch.tensor([prompt], device=self.model.device)
        with torch.inference_mode():
            read = self.model(row, attention_mask=torch.ones_like(row), use_cache=True)
            first = read.logits[0, -1].float().log_softmax(dim=-1).cpu()
            scores = [float(first[tail[0]]) for tail in tails]
            longer = [k for k, tail in enumerate(tails) if len(tail) > 1]
            for start in range(0, len(longer), _TOGETHER):
                some = longer[start : start + _TOGETHER]
                for k, value in zip(some, self._rest(len(prompt), read, [tails[k] for k in some]), strict=True):
                    scores[k] += value
        return scores

    def _rest(self, read: int, prompt: Any, tails: Sequence[list[int]]) -> Iterator[float]:  # noqa: ANN401
        """Log-probability of what follows the first token of each continuation; the prompt is not read again."""
        longest = max(map(len, tails))
        rows = torch.full((len(tails), longest - 1), self._padding)
        mask = torch.zeros((len(tails), read + longest - 1), dtype=torch.long)
        for k, tail in enumerate(tails):
            rows[k, : len(tail) - 1] = torch.tensor(tail[:-1])
            mask[k, : read + len(tail) - 1] = 1
        known = copy.deepcopy(prompt.past_key_values)
        known.batch_repeat_interleave(len(tails))
        rows, mask = rows.to(self.model.device), mask.to(self.model.device)
        logits = self.model(rows, attention_mask=mask, past_key_values=known).logits.float().log_softmax(dim=-1).cpu()
        for k, tail in enumerate(tails):
            yield float(logits[k, torch.arange(len(tail) - 1), torch.tensor(tail[1:])].sum())

    @property
    def _padding(self) -> int:
        known = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, 0)
        return int(next(number for number in known if number is not None))

    def prompt_tokens(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that the next turn follows, by the chat template of the model."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer.encode(text, add_special_tokens=False))
        text = "".join(f"{turn['role']}: {turn['content']}\n" for turn in turns) + "assistant:"
        return list(self.tokenizer.encode(text))


def _placement() -> dict[str, Any]:
    """Where the weights go and in how many bits."""
    if torch.cuda.is_available():
        return {"device_map": "auto", "dtype": torch.bfloat16}
    return {"dtype": torch.float32}


def _own_file(path: Path) -> Path:
    """The GGUF file of a folder that holds no configuration of its own, else the path itself."""
    if path.is_dir() and not (path / "config.json").is_file():
        return weights_file(path) or path
    return path


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the weights and the configuration in a folder."""
    files = [path] if path.is_file() else sorted([*path.glob("*.safetensors"), *path.glob("*.json")])
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_HASHED):
                digest.update(block)
    return digest.hexdigest()
