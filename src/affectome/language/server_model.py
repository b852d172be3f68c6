"""A language model behind a server that speaks the protocol of OpenAI: vLLM, llama.cpp, Ollama and many others."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from affectome.errors import MissingExtraError, ModelError
from affectome.language.chat import Ask, Reply, read_reply

KEY = "AFFECTOME_API_KEY"
"""Environment variable with the key of the server; ``OPENAI_API_KEY`` is asked second."""


class ServerModel:
    """A model behind a server; needs the ``language`` extra.

    Connections that fail, limits on the rate and errors of the server are tried again with growing pauses, by the
    official client.

    Args:
        url: Base address, such as ``http://localhost:8000/v1``.
        model: Name of the model there; by default the first one the server lists.
        timeout: Seconds within which an answer has to come.
        retries: How often a request is tried again.
        key: Key of the server; by default from the environment, and a placeholder where it needs none.

    Raises:
        MissingExtraError: The ``language`` extra is not installed.
        ModelError: The server cannot be reached or lists no model (codes as in `answer`).
    """

    scripted = False

    def __init__(
        self, url: str, model: str = "", *, timeout: float = 120.0, retries: int = 4, key: str | None = None
    ) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise MissingExtraError.for_extra("language", "openai") from None
        self._errors = openai
        self.url = url
        known = key or os.environ.get(KEY) or os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(base_url=url, api_key=known, timeout=timeout, max_retries=retries)
        self.name = model or self._first_model()
        self.fingerprint = f"{url} {self.name}"

    def answer(self, ask: Ask) -> Reply:
        """Answer a request; see `affectome.language.ChatModel`.

        Raises:
            ModelError: ``chat_timeout``, ``chat_unreachable``, ``chat_refused`` (the key, or the content),
                ``chat_rate_limited``, ``chat_failed`` or ``chat_bad_reply``.
        """
        began = time.perf_counter()
        wanted: dict[str, Any] = {}
        if ask.schema is not None:
            form = {"name": "answer", "schema": dict(ask.schema), "strict": True}
            wanted["response_format"] = {"type": "json_schema", "json_schema": form}
        messages: list[Any] = [{"role": message.role, "content": message.content} for message in ask.messages]
        with self._typed():
            found = self._client.chat.completions.create(
                model=self.name,
                messages=messages,
                max_tokens=ask.max_tokens,
                temperature=ask.temperature,
                seed=ask.seed,
                **wanted,
            )
        if not getattr(found, "choices", None):
            raise self._bad("holds no answer")
        first = found.choices[0]
        if first.message is None:
            raise self._bad("holds no message")
        usage = found.usage
        reply = Reply(
            first.message.content or "",
            finished=first.finish_reason != "length",
            input_tokens=usage.prompt_tokens if usage else 0,
            output_tokens=usage.completion_tokens if usage else 0,
            seconds=time.perf_counter() - began,
        )
        return read_reply(reply, ask)

    def _first_model(self) -> str:
        with self._typed():
            listed = list(self._client.models.list())
        if not listed:
            raise self._bad("lists no model")
        return str(listed[0].id)

    def _bad(self, what: str) -> ModelError:
        return ModelError(
            f"What the server at {self.url} sent {what}.",
            code="chat_bad_reply",
            value=self.url,
            next_step="Check that it speaks the chat-completions protocol.",
        )

    def _typed(self) -> _Typed:
        return _Typed(self)


_KINDS: Mapping[str, tuple[str, str, str]] = {
    "APITimeoutError": ("chat_timeout", "does not answer in time", "Give it more time, or a smaller model."),
    "APIConnectionError": ("chat_unreachable", "cannot be reached", "Check the address and that the server runs."),
    "AuthenticationError": ("chat_refused", "refuses the key", f"Set {KEY} to its key."),
    "PermissionDeniedError": ("chat_refused", "refuses the request", "Check what the key may do."),
    "RateLimitError": ("chat_rate_limited", "has had enough requests for now", "Wait, or ask for fewer at a time."),
    "NotFoundError": ("chat_refused", "does not know the model or the path", "Name a model that it lists."),
}


class _Typed:
    """Turns what the client raises into errors of this package."""

    def __init__(self, model: ServerModel) -> None:
        self._model = model

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._model._errors.OpenAIError | ValueError):  # a body that is no JSON is a ValueError
            code, what, step = _KINDS.get(
                type(error).__name__, ("chat_failed", f"failed ({type(error).__name__})", "Look into its log.")
            )
            raise ModelError(
                f"The server at {self._model.url} {what}.", code=code, value=self._model.url, next_step=step
            ) from error
