"""Answers that are kept on disk, so that a run that was killed repeats and loses none."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from affectome.errors import RunError
from affectome.language.chat import Ask, ChatModel, Reply

_TABLE = "create table if not exists replies (key text primary key, model text, ask text, reply text)"
_WAIT = 30.0  # seconds for another process that writes


class RememberingModel:
    """A model whose answers are kept; use as a context manager.

    The same request to the same model is answered from disk, whatever process asks. An answer is on disk before it is
    given.

    Args:
        model: Who answers what was not asked before.
        path: The file of answers, made if need be; several processes may share it.

    Attributes:
        asked: Requests of this object that the model itself answered.

    Raises:
        RunError: ``bad_answers`` if the file is there and holds something else.
    """

    def __init__(self, model: ChatModel, path: Path) -> None:
        self.model = model
        self.asked = 0
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._store = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            self._store.execute("pragma journal_mode=wal")
            self._store.execute(_TABLE)
            self._store.execute("select key, model, ask, reply from replies limit 1")
        except sqlite3.DatabaseError as error:
            raise RunError(
                f"{path} holds no answers: {error}.",
                code="bad_answers",
                value=path,
                next_step="Name another file, or delete this one.",
            ) from error

    def __enter__(self) -> RememberingModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model."""
        return self.model.fingerprint

    @property
    def scripted(self) -> bool:
        """Whether the model's answers were written beforehand."""
        return self.model.scripted

    def answer(self, ask: Ask) -> Reply:
        """The answer from disk, or that of the model once it is on disk."""
        wanted = json.dumps(ask.as_dict(), sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(f"{self.model.fingerprint}\n{wanted}".encode()).hexdigest()
        found = self._store.execute("select reply from replies where key = ?", (key,)).fetchone()
        if found is not None:
            return Reply(**json.loads(found[0]))
        reply = self.model.answer(ask)
        self.asked += 1
        row = (key, self.model.name, wanted, json.dumps(asdict(reply), ensure_ascii=False))
        self._store.execute("insert or ignore into replies values (?, ?, ?, ?)", row)
        return reply

    def usage(self) -> Mapping[str, float]:
        """What all answers in the file cost together: ``answers``, ``input_tokens``, ``output_tokens``, ``seconds``."""
        total = {"answers": 0.0, "input_tokens": 0.0, "output_tokens": 0.0, "seconds": 0.0}
        with closing(self._store.execute("select reply from replies where model = ?", (self.model.name,))) as rows:
            for (text,) in rows:
                reply = json.loads(text)
                total["answers"] += 1
                for name in ("input_tokens", "output_tokens", "seconds"):
                    total[name] += reply[name]
        return total
