"""Panes, which windows emit, and dead letters."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

import msgspec

K_co = TypeVar("K_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)


# Creating a Struct is about ten times as fast as a frozen dataclass, and windows create one per result.
class Pane(msgspec.Struct, Generic[K_co, R_co], frozen=True):
    """The result of a window for one key.

    Attributes:
        key: Key of the stream.
        start: First instant of the window, ns since the epoch, UTC.
        end: First instant after the window, ns since the epoch, UTC.
        revision: 0 for the first result of this key and window, 1 more for each later one.
        value: Result of the aggregate.
        closed_by: "watermark" if the window's time has passed, "count" if it had all its items, "end" if it was
            flushed, "early" otherwise.
    """

    key: K_co
    start: int
    end: int
    revision: int
    value: R_co
    closed_by: Literal["watermark", "end", "early", "count"]


class DeadLetter(msgspec.Struct, Generic[T_co], frozen=True):
    """An item that a node could not process.

    Attributes:
        node: Name of the node.
        item: The item.
        error: The exception.
        attempts: Number of attempts.
        traceback: Traceback of the exception, as text.
    """

    node: str
    item: T_co
    error: BaseException
    attempts: int
    traceback: str
