"""Signals of a writer to its node: an item failed, or no more are accepted."""

from __future__ import annotations


class WriteFailed(Exception):  # a signal to the node
    """Raised by `Writer.write`: the item at `index` failed for `cause`.

    The items before it are written, the others are not.

    Args:
        index: Index of the item in the chunk.
        cause: The error. One that is no Exception fails the run under every error policy.
    """

    def __init__(self, index: int, cause: BaseException) -> None:
        super().__init__(index, cause)
        self.index = index
        self.cause = cause


class Enough(Exception):  # a signal to the node, not an error
    """Raised by `Writer.write`: the sink accepts no more items.

    The items before `index` are written.

    Args:
        index: Index of the first item that the sink does not accept.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index
