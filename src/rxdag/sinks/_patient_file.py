"""Files that can be written again after the disk was full: what is taken in once is neither lost nor written twice."""

from __future__ import annotations

import io
from typing import Any, Final

_AHEAD_BYTES: Final = io.DEFAULT_BUFFER_SIZE


class PatientFile(io.FileIO):
    """A file whose `write` takes all data and does not fail; it is written by `make_room` and `flush`.

    If the system refuses data, an error is raised, and the data is kept for the next attempt. A buffered file of the
    standard library may have written a part by then, and does not tell how much. Data that is never flushed is dropped.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        self._ahead = bytearray()
        """Data that is not written yet."""
        super().__init__(*args, **named)

    def write(self, data: Any) -> int:
        self._ahead += data
        return len(data)

    def make_room(self) -> None:
        """Write what was taken in, if that is much. Call it before `write`: after an error, nothing more is taken in."""
        if len(self._ahead) >= _AHEAD_BYTES:
            self.flush()

    def flush(self) -> None:
        while self._ahead:
            n = super().write(self._ahead)
            del self._ahead[:n]

    def tell(self) -> int:
        """Return the position behind all data, also that which is not written yet."""
        return super().tell() + len(self._ahead)

    def begin_again(self) -> None:
        """Empty the file."""
        self._ahead.clear()
        self.seek(0)
        self.truncate(0)
