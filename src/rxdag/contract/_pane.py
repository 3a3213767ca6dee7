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

    Example:
        >>> ticks = rxdag.wrap([(1, 10.0), (2, 12.0), (61, 11.0)]).pipe(ops.event_time(lambda t: t[0], unit="s"))
        >>> minutes = ticks.pipe(ops.window_all(windows.tumbling("1m"), agg.max(lambda t: t[1])))
        >>> first = minutes.collect()[0]
        >>> first.start, first.end, first.value, first.closed_by
        (0, 60000000000, 12.0, 'watermark')
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

    Example:
        >>> quotients = rxdag.wrap([1, 0]).pipe(ops.map(lambda x: 1 / x), name="divide", on_error="dead")
        >>> (letter,) = quotients.dead.collect()
        >>> letter.node, letter.item, str(letter.error)
        ('divide', 0, 'division by zero')
    """

    node: str
    item: T_co
    error: BaseException
    attempts: int
    traceback: str
