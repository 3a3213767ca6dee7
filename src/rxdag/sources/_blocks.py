"""Blocks: many lines of a file at once, as columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rxdag.contract import Chunk, LineFile, Read, Reader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rxdag.columns import Columns

_LINES_BYTES: Final = 1 << 16
"""Bytes at the start of a file that are read line by line, so that small files and short looks load neither pyarrow nor numpy."""
_LINES_ITEMS: Final = 1 << 10
"""Most items of a read until then."""
_BLOCK_BYTES: Final = 1 << 20

Parse: TypeAlias = "Callable[[bytes, NDArray[np.intp]], Columns | list[Any] | None]"
"""Parses a block of whole lines, given the end of each, as one item a line; None if `read` must do it line by line."""


class LinesReader(Reader):
    """Reads a file line by line.

    Attributes:
        file: The file.
    """

    file: LineFile

    @abstractmethod
    def is_between_lines(self) -> bool:
        """Return True if the next thing to be read is the next line of the file, and no header."""

    @abstractmethod
    def parser(self) -> Parse:
        """Return the parser of blocks. It must accept only blocks that `read` turns into the same items."""


class BlocksReader(Reader):
    """Reads a file in blocks; a block that the parser does not accept is read line by line.

    Args:
        lines: Reads the file line by line.
    """

    def __init__(self, lines: LinesReader) -> None:
        self._lines = lines
        self._file = lines.file
        self._parse: Parse | None = None
        self._block = b""
        self._items: Any = ()
        self._ends: Any = ()
        """End of the line of each item."""
        self._at = 0
        """Number of items of the block that have been read."""

    def read(self, max_items: int) -> Read:
        if self._file.byte < _LINES_BYTES:
            return self._lines.read(min(max_items, _LINES_ITEMS))
        if self._at == len(self._items) and not self._next_block():
            return self._lines.read(max_items)
        first, self._at = self._at, min(self._at + max_items, len(self._items))
        begin = int(self._ends[first - 1]) if first else 0
        self._file.pass_lines(self._block[begin : int(self._ends[self._at - 1])], self._at - first)
        return Chunk(self._items[first : self._at])

    def _next_block(self) -> bool:
        """Parse the next block; return False if lines are to be read instead."""
        self._block, self._items, self._ends, self._at = b"", (), (), 0
        block = self._file.block(_BLOCK_BYTES) if self._lines.is_between_lines() else b""
        if not block:
            return False
        if self._parse is None:
            self._parse = self._lines.parser()
        ends = _line_ends(block)
        items = self._parse(block, ends)
        if items is None:
            self._file.put_back(block)
            return False
        self._block, self._items, self._ends = block, items, ends
        return True

    def position(self) -> Any:
        return self._lines.position()

    def seek(self, position: Any) -> None:
        self._lines.seek(position)

    def progress(self) -> float | None:
        return self._lines.progress()

    def close(self) -> None:
        self._lines.close()


def _line_ends(block: bytes) -> NDArray[np.intp]:
    """Return the end of each line; the last may lack its newline."""
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10) + 1
    return ends if block.endswith(b"\n") else np.append(ends, len(block))
