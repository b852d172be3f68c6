"""Which language model is meant by a word."""

from __future__ import annotations

from pathlib import Path

from affectome.errors import MissingExtraError
from affectome.language.chat import ChatModel


def open_model(model: str, *, threads: int = 1) -> ChatModel:
    """The model that a word names.

    Args:
        model: The address of a server that speaks the protocol of OpenAI, ``http://localhost:8000/v1``, with ``#name``
            behind it for one of its models; or a folder in Hugging Face layout, a GGUF file, or ``owner/name`` on the
            hub.
        threads: Processor threads of a model in this process.

    Raises:
        MissingExtraError: An extra is not installed.
        ModelError: It cannot be loaded or reached.
    """
    if model.startswith(("http://", "https://")):
        from affectome.language.server_model import ServerModel

        url, _, name = model.partition("#")
        return ServerModel(url, name)
    try:
        from affectome.language.in_process import InProcessModel
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_extra("train", str(error.name)) from None
    return InProcessModel(Path(model).expanduser() if Path(model).expanduser().exists() else model, threads=threads)
