"""The program that every child process runs which decodes files of unknown origin; started by `affectome.media.child`.

It imports nothing of this package, so that it starts fast and little memory is taken before the limit is set. What it
decodes is the matter of a module given as a file, with a function ``load()`` that imports the libraries, and a function
``answer(request, give)`` that gives blocks of bytes and returns what was found. Requests are lines of JSON on standard
input, answers frames on standard output: a kind and a length, then the content.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import IO

FRAME = struct.Struct("<cI")
BLOCK, END, READY = b"b", b"e", b"r"


def main() -> None:
    """Answer requests until standard input ends; the arguments are import path, megabytes and file of the decoder."""
    sys.path[:] = json.loads(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not taken for an answer
    decoder = _module(Path(sys.argv[3]))
    decoder.load()
    limit_memory(int(sys.argv[2]))
    with contextlib.suppress(BrokenPipeError):
        _reply(replies, READY, b"")
        for line in sys.stdin:
            request = json.loads(line)
            patience = request.pop("patience")

            def give(block: bytes, seconds: float = patience) -> None:
                set_alarm(0)  # the reader may take its time
                _reply(replies, BLOCK, block)
                set_alarm(seconds)

            set_alarm(patience)
            found = decoder.answer(request, give)
            set_alarm(0)
            _reply(replies, END, json.dumps(found).encode())


def limit_memory(megabytes: int) -> None:
    """Allow this much beyond what is taken already; where the system has no such limit, there is none."""
    try:
        import resource

        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        most = taken + (megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    except (ImportError, OSError, ValueError):
        return


def set_alarm(seconds: float) -> None:
    """Let the system end this process after so many seconds of computing; 0 lets it live."""
    # Python never handles this signal, so that a process that is stuck in a codec ends even when its parent, which
    # would end it, is gone.
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _reply(stream: IO[bytes], kind: bytes, content: bytes) -> None:
    stream.write(FRAME.pack(kind, len(content)))
    stream.write(content)
    stream.flush()


if __name__ == "__main__":
    main()
