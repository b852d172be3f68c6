"""Plain text: one row a non-empty line, with the speakers of scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from affectome.media.records import Record, nothing_to_read
from affectome.media.textfiles import TextFile

# Up to three words, a letter first, then a colon and words: "ANNA: Hello", "Dr. Lee: Yes", but not "http:" or "10:30".
_SPOKEN = re.compile(r"\s*(?P<speaker>[^\W\d_][\w.'’-]{0,29}(?: [\w.'’-]{1,20}){0,2}):\s+(?P<text>\S.*)", re.DOTALL)

_END = object()


class PlainText:
    """A text file, one row a line that is not blank.

    It is a script, and what stands before the colon is the speaker, if more than half of its first lines have the form
    ``NAME: words`` and these names either come back or are all in capitals. Other lines of a script have no speaker.

    Args:
        file: The file.

    Raises:
        InputError: ``empty_file`` if all lines are blank.
    """

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._script = False
        if next(self.records(), _END) is _END:
            raise nothing_to_read(file.path.name)
        lines = [line for line in file.first_lines() if line and line.strip()]
        spoken = [match["speaker"] for line in lines if (match := _SPOKEN.match(line))]
        returning = len(set(spoken)) < len(spoken)
        self._script = 2 * len(spoken) > len(lines) > 1 and (returning or all(map(str.isupper, spoken)))
        self.columns = ["text", "speaker"]
        self.encoding = file.encoding

    def records(self) -> Iterator[Record | None]:
        """All rows, None for a line that is too long."""
        with self._file.lines() as lines:
            for raw in lines:
                if raw is None:
                    yield None
                    continue
                line = raw.rstrip("\r\n")
                if not line.strip():
                    continue
                match = _SPOKEN.match(line) if self._script else None
                yield {"text": match["text"], "speaker": match["speaker"]} if match else {"text": line}
