"""What is said: stretches of speech written down by a Whisper model of the user's choice.

The models are those of faster-whisper (https://github.com/SYSTRAN/faster-whisper), in the layout of CTranslate2. The
search is the same at every call: eight-bit weights, one thread, beam search, no sampling, nothing remembered from one
stretch to the next.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from affectome.errors import MissingExtraError, ModelError, UsageError
from affectome.media.decoding import Samples

_PACKAGE = "faster_whisper"
_NEEDED = ("config.json", "model.bin", "tokenizer.json")
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
_READ = (*_NEEDED, *_VOCABULARIES, "preprocessor_config.json")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_BEAM = 5
_LEAST_LOG_PROBABILITY = -1.0
_MOST_REPETITION = 2.4
_MOST_SILENCE = 0.6


@dataclass(frozen=True, kw_only=True)
class Transcription:
    """Which model writes down what is said, and how; made by `find_transcription`.

    Attributes:
        model: Name or folder as it was given.
        folder: Where its files are.
        language: Code of the language that is spoken; None lets the model tell it for each stretch.
        digest: SHA-256 over its files, the language and the versions of the packages: equal ones mean equal texts.
    """

    model: str
    folder: Path
    language: str | None
    digest: str


class Transcriber:
    """Writes down stretches of speech, one at a time.

    Args:
        transcription: Model and language.

    Raises:
        MissingExtraError: The ``transcribe`` extra is not installed.
        ModelError: ``bad_transcriber`` if the files are damaged or hold another kind of model.
        UsageError: ``unknown_language`` if the model does not know the language.
    """

    def __init__(self, transcription: Transcription) -> None:
        _require_package()
        from faster_whisper import WhisperModel

        try:
            self._model = WhisperModel(
                str(transcription.folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=1,
                num_workers=1,
                local_files_only=True,
            )
            known: list[str] = list(self._model.supported_languages)
        except Exception as error:  # a damaged file can raise anything
            raise ModelError(
                f"{transcription.model!r} cannot be loaded as a Whisper model: {_first_line(error)}",
                code="bad_transcriber",
                value=transcription.model,
                next_step="Fetch its files again, or give another model in CTranslate2 layout.",
            ) from error
        if transcription.language is not None and transcription.language not in known:
            raise UsageError(
                f"{transcription.model!r} does not know the language {transcription.language!r}.",
                code="unknown_language",
                value=transcription.language,
                allowed=known,
                next_step="Give another code with --language, or a model of many languages.",
            )
        self._language = transcription.language

    def __call__(self, samples: Samples) -> str | None:
        """What is said in a stretch.

        Args:
            samples: Mono sound at 16 kHz in [-1, 1].

        Returns:
            The text; None where nothing is said or the model is not sure of it. A piece of up to 30 s is left out if
            the mean log probability of its tokens is below -1, if it repeats itself so that it compresses to less than
            1/2.4, or if the model takes it for silence with a probability above 0.6.
        """
        if not len(samples):
            return None
        pieces, _ = self._model.transcribe(
            samples,
            language=self._language,
            beam_size=_BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        text = "".join(piece.text for piece in pieces if _is_sure(piece)).strip()
        return text or None


def find_transcription(model: str, language: str | None = None) -> Transcription:
    """Find a model, and fetch it from the hub if it is named by size or repository and not on this machine.

    What is fetched is not pinned to a version; the digest tells what it was.

    Args:
        model: Folder in CTranslate2 layout, with ``model.bin``, ``config.json``, ``tokenizer.json`` and a vocabulary;
            or a size such as ``small`` or ``tiny.en``; or ``owner/name`` on the Hugging Face hub.
        language: Code such as ``en`` or ``de``; None for any.

    Raises:
        MissingExtraError: The ``transcribe`` extra is not installed.
        ModelError: ``missing_transcriber`` if there is no such folder or name, ``bad_transcriber`` if the folder lacks
            files, ``source_unavailable`` if the hub does not deliver.
    """
    _require_package()
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = _fetched(model)
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        missing.append(_VOCABULARIES[0])
    if missing:
        raise ModelError(
            f"{model!r} is no Whisper model in CTranslate2 layout: {', '.join(missing)} is missing.",
            code="bad_transcriber",
            value=model,
            allowed=[*_NEEDED, " or ".join(_VOCABULARIES)],
            next_step="Convert it with ct2-transformers-converter, or name a size such as small.",
        )
    return Transcription(model=model, folder=folder, language=language, digest=_digest(folder, language))


def _require_package() -> None:
    if find_spec(_PACKAGE) is None:
        raise MissingExtraError.for_extra("transcribe", "faster-whisper")


def _fetched(model: str) -> Path:
    """The folder of a model that is named, taken from the hub's cache on this machine before the hub is asked."""
    from faster_whisper.utils import available_models, download_model

    sizes = available_models()
    if model not in sizes and ("/" not in model or not _NAME.fullmatch(model) or os.path.lexists(model)):
        raise ModelError(
            f"There is no folder and no Whisper model {model!r}.",
            code="missing_transcriber",
            value=model,
            allowed=sizes,
            next_step="Give the folder of a model in CTranslate2 layout, one of these sizes, or owner/name on the hub.",
        )
    try:
        return Path(download_model(model, local_files_only=True))
    except Exception:  # the hub's client raises errors of its own and of whatever it fetches with
        pass
    try:
        return Path(download_model(model))
    except Exception as error:
        raise ModelError(
            f"The Whisper model {model!r} is not on this machine and could not be fetched: {_first_line(error)}",
            code="source_unavailable",
            value=model,
            next_step="Check the network and the name, or give a folder with its files.",
        ) from error


def _digest(folder: Path, language: str | None) -> str:
    whole = hashlib.sha256()
    for name in ("faster-whisper", "ctranslate2"):
        whole.update(f"{name} {version(name)}\n".encode())
    whole.update(f"language {language}\n".encode())
    for name in _READ:
        path = folder / name
        if path.is_file():
            with path.open("rb") as stream:
                each = hashlib.file_digest(stream, "sha256").hexdigest()
            whole.update(f"{name} {each}\n".encode())
    return whole.hexdigest()


class _Piece(Protocol):
    text: str
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


def _is_sure(piece: _Piece) -> bool:
    return bool(
        piece.avg_logprob >= _LEAST_LOG_PROBABILITY
        and piece.compression_ratio <= _MOST_REPETITION
        and piece.no_speech_prob <= _MOST_SILENCE
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), repr(error))
