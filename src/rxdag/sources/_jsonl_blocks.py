"""Blocks of JSON lines, decoded by msgspec at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rxdag.sources._json import JsonDecoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BEGINS: Final = b'{["-0123456789tfn'
"""First bytes of JSON values."""
_ENDS: Final = b'}]"0123456789el'
"""Last bytes of JSON values."""


class JsonlBlocks:
    """Parses blocks of lines.

    Args:
        decoder: Decoder of the items.
    """

    def __init__(self, decoder: JsonDecoder) -> None:
        self._decoder = decoder

    def parse(self, block: bytes, ends: NDArray[np.intp]) -> list[Any] | None:
        """Return the items of a block, one for each line; None if they must be read line by line."""
        if not _begin_and_end_values(block, ends):
            return None
        try:
            items = self._decoder.decode_lines(block.decode())
        except Exception:  # also errors of the type's own code
            return None
        return items if len(items) == len(ends) else None


def _begin_and_end_values(block: bytes, ends: NDArray[np.intp]) -> bool:
    """Return True if each line begins as a JSON value does and ends as one does.

    A newline inside a JSON value follows one of `,:[{` or precedes one of `,:]}`. If this is True and the block decodes,
    each newline therefore separates two values.
    """
    import numpy as np

    text = np.frombuffer(block, np.uint8)
    last = ends - 2
    if not block.endswith(b"\n"):
        last[-1] += 1
    last -= text[last] == ord("\r")
    begins = text[np.concatenate(([0], ends[:-1]))]
    return bool(np.isin(begins, [*_BEGINS]).all() and np.isin(text[last], [*_ENDS]).all())
