"""What a text reader answers, kept on disk so that an interrupted call goes on where it stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from affectome.perceive import TextReader
from affectome.perceive.encoder import Encoded
from affectome.pipeline.storage import replacing, storage_errors

_SHARD = 20_000


def read_answers(
    reader: TextReader, texts: Sequence[str], folder: Path, report: Callable[[str], None] | None = None
) -> Encoded:
    """The answers of a reader to n texts, in 16-bit floats.

    Args:
        reader: The reader.
        texts: Texts; a blank one is read as a full stop.
        folder: Where the answers are kept, in files named by texts and reader.
        report: Called with a line for each twenty thousand texts.

    Raises:
        RunError: The folder cannot be written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for start in range(0, len(texts), _SHARD):
        shard = [text if text.strip() else "." for text in texts[start : start + _SHARD]]
        digest = hashlib.blake2b(reader.sha256.encode(), digest_size=16)
        for text in shard:
            digest.update(text.encode(errors="replace") + b"\0")
        path = folder / f"{digest.hexdigest()}.safetensors"
        if not path.is_file():
            encoded = reader.encoder.encode(shard)
            arrays = {name: value.astype(np.float16) for name, value in encoded._asdict().items()}
            with replacing(path, path.with_suffix(".partial")) as partial:
                save_file(arrays, partial)
        stored = load_file(path)
        parts.append([stored[name] for name in Encoded._fields])
        if report:
            report(f"{reader.model} has read {min(start + _SHARD, len(texts)):,} of {len(texts):,} texts")
    return Encoded(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
