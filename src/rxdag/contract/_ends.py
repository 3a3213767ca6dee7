"""Sources and sinks: where the graph meets the world. Only these two do I/O."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from rxdag.contract._chunk import Chunk
from rxdag.contract._on_error import RAISE, OnError
from rxdag.contract._overflow import Boundary
from rxdag.contract._shape import Shape
from rxdag.contract._time import Clock

T_co = TypeVar("T_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

Where: TypeAlias = Literal["inline", "blocking", "async"]
"""Who runs it: the thread of the graph, a thread of its own, or the event loop."""


class _End(enum.Enum):
    END = "END"


END: Final = _End.END
"""What `Reader.read` returns when there is nothing more."""
Read: TypeAlias = Chunk | _End | None


class Saw(Protocol):
    """Told what becomes of an item, in tests: "blocked", "resumed", "dropped", "ignored", "next", and the ends."""

    def __call__(self, kind: str, value: object = None, /) -> None: ...


def unseen(kind: str, value: object = None, /) -> None:
    """Nobody looks."""


class SourceContext(Protocol):
    """What a run gives to a source."""

    clock: Clock
    boundary: Boundary | None
    """What the user has put right behind it, for a source with a queue of its own."""
    saw: Saw | None
    random: Random
    """For what varies at random, as waits; seeded in virtual time."""
    wants_columns: bool
    """True if what reads the source works on columns; a source that gives them may read so then, else rows."""

    def wake(self) -> None:
        """Say that `read` may have something now; from any thread."""
        ...

    def wake_at(self, when: int) -> None:
        """Ask for a `read` at that time, ns since the epoch."""
        ...

    def wants_thread(self) -> bool:
        """Return True if the run wants the thread back: `read` then returns what it has. Where the source is read."""
        ...

    def emit(self, port: str, item: object) -> None:
        """Give an item out on one of the source's own `side_ports`, soon; from any thread."""
        ...

    def drop(self, reason: str, n: int = 1) -> None:
        """Count items that came and are not given out. Where the source is read."""
        ...

    def bad(self, item: object, error: Exception) -> None:
        """Give up an input that is malformed: raises, skips or sends it to port "dead", as the node's policy says."""
        ...


class Reader(ABC):
    """An open source. One thread at a time calls it."""

    @abstractmethod
    def read(self, max_items: int) -> Read:
        """Take up to `max_items`: a chunk, None for nothing now (then call `wake`), or END."""

    def rest(self, max_items: int) -> Chunk | None:
        """Called instead of `read` once the run drains: up to `max_items` of what was taken in already, None for no more."""
        return None

    def drain(self, *, flush: bool) -> bool:
        """Called once, when the run drains: True if it comes to an end by itself; it is then read on until END.

        By default it is read no more, and `rest` gives what it has taken in.

        Args:
            flush: True if what is open is to be closed and given out, as windows are.
        """
        return False

    def without_room(self) -> bool:
        """Called while there is no room to read: True if it is known that nothing more comes, for the end needs none.

        `read(0)` follows then, and must return END.
        """
        return False

    def position(self) -> Any:
        """Return where a restart continues, behind what was read last, as plain data; None if it cannot."""
        return None

    def seek(self, position: Any) -> None:
        """Continue where another reader of the source was; called before the first read, with what `position` gave."""
        raise TypeError(f"{type(self).__name__} must have a method seek, to continue after a restart")

    def held(self) -> int:
        """Items that were taken in and not read; those left at the end are counted as discarded."""
        return 0

    def backlog(self) -> int | None:
        """Items that wait to be read, as far as it knows; None if it cannot know. From any thread."""
        return None

    def is_connected(self) -> bool:
        """False while a connection that it needs is not there. From any thread."""
        return True

    def progress(self) -> float | None:
        """How much of a bounded input has been read, from 0 to 1; None if it has no end, or cannot know. From any thread."""
        return None

    def dropped(self) -> int:
        """Items that came and were dropped for want of room, so far."""
        return 0

    def close(self) -> None:  # noqa: B027  # nothing to give back
        """Give back what is open; called once, at any end."""

    async def aclose(self) -> None:
        """As `close`, for sources that run on the loop."""
        self.close()


class Source(ABC, Generic[T_co]):
    """Where items come from. Frozen parameters; `open` makes the reader of one run."""

    label: ClassVar[str] = ""
    where: Where = "inline"
    shape: Shape = Shape()
    gives_columns: bool = False
    """True if it can read its items as columns."""
    is_stored: bool = False
    """True if its items are there already, as in a list or a file: a read gives as many as are asked for.

    Items that were read and not handed on when the run stops early are counted as `unread`, since the source still has them.
    """
    side_ports: tuple[str, ...] = ()
    """Names of ports of its own, beside "out" and "dead"; `SourceContext.emit` gives items out there."""
    boundary: Boundary | None = None
    """The gate behind it, if its maker asked for one."""
    queues: bool = False
    """True if it has a queue of its own, with `max_items` and `overflow`; `.buffered()` right behind it governs that."""
    knows_backlog: bool = False
    """True if its reader knows how many items wait: `Reader.backlog`."""
    can_wait: bool = True
    """False if what feeds its queue cannot be made to wait: its overflow must not be "block"."""

    @abstractmethod
    def open(self, context: SourceContext) -> Reader:
        """Open it."""


class Writer(ABC):
    """An open sink. One thread at a time calls it."""

    @abstractmethod
    def write(self, chunk: Chunk) -> Awaitable[None] | None:
        """Take a chunk; a sink that runs on the loop returns an awaitable."""

    def want(self) -> int | None:
        """Most items that it takes now, None for any number; asked for of sinks that pace themselves."""
        return None

    def prepare(self) -> None:  # noqa: B027  # most have nothing to do
        """Make everything written durable, without making it visible as complete; called once, before `close(ok=True)`.

        All sinks of a run are prepared before any of them is closed, so a failure here leaves no sink that looks complete.
        """

    @abstractmethod
    def close(self, *, ok: bool) -> Any:
        """Finish: `ok` is False if the run failed or was cancelled. Returns what `result[sink]` gives.

        An async sink returns an awaitable of it, if closing takes time.
        """


class WriteFailed(Exception):  # says what happened, to the node only
    """Raised by `Writer.write`: the item at `index` failed for `cause`; those before it are written, none after it.

    Args:
        index: Of the item, in the chunk.
        cause: What it failed for.
    """

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index, cause)
        self.index = index
        self.cause = cause


class Enough(Exception):  # no error: it says something, to the node only
    """Raised by `Writer.write`: those before `index` are written, and the sink takes nothing more.

    Args:
        index: Of the first item that it does not take.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class SinkContext(Protocol):
    """What a run gives to a sink."""

    clock: Clock
    shape: Shape
    saw: Saw | None

    @property
    def error(self) -> Exception | None:
        """What the run has failed with, if it has."""
        ...

    def call(self, fn: Callable[[], None], /) -> None:
        """Have it called where the sink is written, soon; then what it wants is looked at again. From any thread."""
        ...

    def enough(self) -> None:
        """Take nothing more: those before it may stop. Where the sink is written."""
        ...


@dataclass(frozen=True)
class Batching:
    """How a sink is written in batches.

    Attributes:
        resource: Makes the async context manager that gives what batches are written with; its writer's `opened` is called
            with that.
        max_items: Items of a full batch.
        max_wait_ns: A batch that is not full is written so long after its first item, ns; None to wait until it is.
    """

    resource: Callable[[], Any]
    max_items: int
    max_wait_ns: int | None


class Sink(ABC, Generic[A_contra, R_co]):
    """Where items go; `R_co` is what `result[sink]` gives. `open` makes the writer of one run."""

    label: ClassVar[str] = ""
    where: Where = "inline"
    takes_columns: bool = False
    """True if its writer takes chunks of columns, beside those of rows."""
    on_error: OnError = RAISE
    """What becomes of an item that it fails on, unless `.to(...)` says so."""
    batching: Batching | None = None
    """How it is written in batches; such a sink runs on the loop."""
    one_by_one: bool = False
    """True to write one item at a time, so that a stop takes effect between two items; for sinks that call user code for each."""
    paces: bool = False
    """True if its writer's `want` says how many items it takes: no more are brought, nor read for it."""

    @property
    def replaces(self) -> str | None:
        """The path of the file that it replaces, for which there may be one sink in a graph; None for all others."""
        return None

    @abstractmethod
    def open(self, context: SinkContext) -> Writer:
        """Open it."""

    def check(self, shape: Shape, where: str) -> None:  # most sinks take anything
        """Raise GraphError if the sink cannot take such a stream."""
