"""Sources and sinks: where the graph meets the world. Only these two do I/O."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from rxdag.contract._chunk import Chunk
from rxdag.contract._journal_stats import JournalStats
from rxdag.contract._on_error import RAISE, OnError
from rxdag.contract._overflow import Boundary
from rxdag.contract._shape import Shape
from rxdag.contract._time import Clock

T_co = TypeVar("T_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

Where: TypeAlias = Literal["inline", "blocking", "async"]
"""The thread that runs it: that of the graph, one of its own, or the event loop."""
Delivery: TypeAlias = Literal["exactly once", "at least once"]
"""Number of times that an item is in the output of a run that was killed and continued from a checkpoint."""
Visible: TypeAlias = Literal["at once", "at checkpoints", "at the end"]
"""Time at which a reader finds the output of a run with checkpoints."""


class _End(enum.Enum):
    END = "END"


END: Final = _End.END
"""Returned by `Reader.read` at the end."""
Read: TypeAlias = Chunk | _End | None

RECEIVES: Final = "it receives items that cannot be read again"
"""The `no_position` of sources that items are sent to."""
NEEDS_REPLAY: Final = "it can be continued only with replay=True, a promise that it gives the same items again"
"""The `no_position` of sources whose items may not come again."""


NOT_TAKEN_BACK: Final = "what it has delivered cannot be taken back"
"""The `why_repeats` of sinks that deliver to the outside."""


class Saw(Protocol):
    """Told what becomes of an item, in tests: "blocked", "resumed", "dropped", "ignored", "next", and the ends."""

    def __call__(self, kind: str, value: object = None, /) -> None: ...


def unseen(kind: str, value: object = None, /) -> None:
    """Ignore an event: nothing observes it."""


class SourceContext(Protocol):
    """The run as a source sees it."""

    name: str
    """Name of the source's node."""
    dag: str
    """Name of the dag."""
    saves: bool
    """True if the run takes checkpoints."""
    clock: Clock
    boundary: Boundary | None
    """The gate that the user requested directly behind it, for a source with its own queue."""
    saw: Saw | None
    random: Random
    """Random numbers, for example for delays; seeded in virtual time."""
    wants_columns: bool
    """True if the reader of the source works on columns; a source that can deliver columns may then do so."""

    def wake(self) -> None:
        """Notify the run that `read` may have items now. Thread-safe."""
        ...

    def wake_at(self, when: int) -> None:
        """Request a `read` at this time, ns since the epoch."""
        ...

    def wants_thread(self) -> bool:
        """Return True if the run wants the thread back.

        `read` should then return the items that it has. Call it only where the source is read.
        """
        ...

    def emit(self, port: str, item: object) -> None:
        """Emit an item on one of the source's own `side_ports`, soon. Thread-safe."""
        ...

    def log(self, code: str, **fields: object) -> None:
        """Log a documented event of a source, such as "source.disconnected", under the name of the node. Thread-safe.

        Pass an error as `error`: its class and line are logged, never its text, which may hold an item.
        """
        ...

    def drop(self, reason: str, n: int = 1) -> None:
        """Count items that arrived but are not emitted; call it where the source is read."""
        ...

    def bad(self, item: object, error: Exception) -> None:
        """Reject malformed input by the node's policy: raise, skip or send to "dead"."""
        ...


class Reader(ABC):
    """An open source; it is called by one thread at a time."""

    @abstractmethod
    def read(self, max_items: int) -> Read:
        """Read up to `max_items` items.

        Return a chunk, None if there is nothing now (then call `wake`), or END.
        """

    def rest(self, max_items: int) -> Chunk | None:
        """Return up to `max_items` items that were already taken in; None for no more.

        Called instead of `read` once the run drains.
        """
        return None

    def drain(self, *, flush: bool) -> bool:
        """Return True if the source ends by itself after a drain.

        It is then read until END. Called once, when the run drains. By default the source is not read again, and `rest`
        returns the items already taken in.

        Args:
            flush: True if open state, such as windows, should be closed and emitted.
        """
        return False

    def without_room(self) -> bool:
        """Return True if it is certain that no more items come.

        Called while there is no room to read, because the end needs none. If True, `read(0)` is called next, and must
        return END.
        """
        return False

    def position(self) -> Any:
        """Return the position after the last item that `read` returned; None if it cannot be continued.

        The items of a chunk that was returned count as read, and so does malformed input that was skipped or sent to
        port "dead". A position is plain data: ints, floats, texts, bytes, None, and tuples, lists and dicts of these.
        """
        return None

    def seek(self, position: Any) -> None:
        """Continue at the `position` of another reader; called before the first read.

        Raises:
            SourceError: If the input is not the one that the position was taken from.
        """
        raise TypeError(f"{type(self).__name__} must have a method seek, to continue after a restart")

    def confirm(self, position: Any) -> None:  # noqa: B027  # most sources keep nothing for a restart
        """Note that a checkpoint with this `position` is durable: items before it will not be read again.

        Called between two reads, on the thread that reads.
        """

    def held(self) -> int:
        """Return the number of items taken in but not read.

        Items left at the end are counted as discarded.
        """
        return 0

    def backlog(self) -> int | None:
        """Return the number of items waiting to be read; None if unknown. Thread-safe."""
        return None

    def journal(self) -> JournalStats | None:
        """Return the state of the journal that it reads; None if it reads none. Thread-safe.

        It is called when metrics are scraped, and must be quick.
        """
        return None

    def is_connected(self) -> bool:
        """Return False while a required connection is missing. Thread-safe."""
        return True

    def progress(self) -> float | None:
        """Return the share of a bounded input that has been read, 0 to 1; None if unknown.

        None also stands for an input without an end. Thread-safe.
        """
        return None

    def dropped(self) -> int:
        """Return the number of items dropped so far for lack of room."""
        return 0

    def close(self) -> None:  # noqa: B027  # nothing to give back
        """Release resources; called once, however the run ends."""

    async def aclose(self) -> None:
        """Release resources, as `close`, for sources that run on the event loop."""
        self.close()


class Source(ABC, Generic[T_co]):
    """The frozen definition of a source; `open` creates the reader of one run."""

    label: ClassVar[str] = ""
    where: Where = "inline"
    shape: Shape = Shape()
    gives_columns: bool = False
    """True if it can read its items as columns."""
    is_stored: bool = False
    """True if its items already exist, as in a list or a file: a read returns as many as requested.

    If the run stops early, items that were read but not passed on count as `unread`, because the source still has them.
    """
    side_ports: tuple[str, ...] = ()
    """Names of its own ports, besides "out" and "dead"; `SourceContext.emit` emits items there."""
    boundary: Boundary | None = None
    """The gate behind it, if its creator asked for one."""
    queues: bool = False
    """True if it has its own queue, with `max_items` and `overflow`; `.buffered()` right behind it overrides them."""
    knows_backlog: bool = False
    """True if its reader knows how many items wait: `Reader.backlog`."""
    no_position: str | None = "its reader has no methods `position` and `seek`"
    """Reason why its readers cannot continue at the position of another one, as a clause; None if they can."""
    recorded_at: int | None = None
    """Time of the first item of a recording, ns since the epoch: a run in virtual time begins there."""
    can_wait: bool = True
    """False if the producer that feeds its queue cannot be made to wait; its overflow must then not be "block"."""
    may_miss: str | None = None
    """Items that it may never read, as a clause with "it"; None if it reads all. Such a source is not exactly once."""
    adjustable: ClassVar[tuple[str, ...]] = ()
    """Arguments that may have another value when a run continues."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Arguments that may hold a password: they are not saved, and may change."""

    @abstractmethod
    def open(self, context: SourceContext) -> Reader:
        """Create the reader of one run."""


class Writer(ABC):
    """An open sink; it is called by one thread at a time."""

    @abstractmethod
    def write(self, chunk: Chunk) -> Awaitable[None] | None:
        """Write a chunk; a sink that runs on the event loop returns an awaitable."""

    def want(self) -> int | None:
        """Return the maximum number of items it accepts now, None for any number.

        Only sinks that pace themselves are asked.
        """
        return None

    def prepare(self) -> None:  # noqa: B027  # most have nothing to do
        """Make all written data durable, without making it visible as complete.

        Called once, before `close(ok=True)`. All sinks of a run are prepared before any of them is closed, so a failure
        here leaves no sink that looks complete.
        """

    def save(self) -> Any:
        """Make everything written so far durable, but not visible; return the data that `restore` continues from.

        The data is plain, as `rxdag.codec` takes it, and does not change with later writes. None, the default, stands
        for a sink that cannot be continued. Called between two writes, on the thread that writes, at each checkpoint;
        in a run with checkpoints a last time after the last write. If that checkpoint fails, `publish` is not called,
        and the next `save` covers the same output again.
        """
        return None

    def publish(self) -> Awaitable[None] | None:
        """Make the output that the last `save` covers visible: its checkpoint is durable.

        Called before the next `save`, or before `close(ok=True)`, on the thread that writes. Further items may have been
        written since.
        """
        return None

    def restore(self, saved: Any) -> Awaitable[None] | None:
        """Continue from the data that `save` of another writer returned: that in the last durable checkpoint.

        Publish the output that the checkpoint covers, if that has not happened yet, and undo all output behind it.
        Called once, before the first write.
        """
        raise TypeError(f"{type(self).__name__} must have a method restore, to continue after a restart")

    @abstractmethod
    def close(self, *, ok: bool) -> Any:
        """Finish, and return the value of `result[sink]`.

        `ok` is False if the run failed or was cancelled. An async sink may return an awaitable of the value.
        """


class SinkContext(Protocol):
    """The run as a sink sees it."""

    name: str
    """Name of the sink's node."""
    dag: str
    """Name of the dag."""
    clock: Clock
    shape: Shape
    saves: bool
    """True in a run that takes checkpoints: then `save` covers all output before it may become visible."""
    saw: Saw | None

    @property
    def error(self) -> Exception | None:
        """Return the error of the run, if it has failed."""
        ...

    def call(self, fn: Callable[[], None], /) -> None:
        """Call a function soon, where the sink is written. Thread-safe.

        Its `want` is asked again afterwards.
        """
        ...

    def enough(self) -> None:
        """Accept no more items, so that earlier nodes may stop.

        Call it only where the sink is written.
        """
        ...


@dataclass(frozen=True)
class Batching:
    """The settings of a sink that is written in batches.

    Attributes:
        resource: Makes the async context manager for the writes; the writer's `opened` is called with its value.
        max_items: Number of items in a full batch.
        max_wait_ns: Time after its first item at which an incomplete batch is written, ns; None to wait until it is
            full.
    """

    resource: Callable[[], Any]
    max_items: int
    max_wait_ns: int | None


class Sink(ABC, Generic[A_contra, R_co]):
    """The definition of a sink; `open` creates the writer of one run.

    `R_co` is the type of `result[sink]`.
    """

    label: ClassVar[str] = ""
    where: Where = "inline"
    takes_columns: bool = False
    """True if its writer accepts chunks of columns, besides those of rows."""
    on_error: OnError = RAISE
    """Default error policy for items that it fails on; `.to(...)` overrides it."""
    batching: Batching | None = None
    """Settings for writing in batches, or None. A sink with batches runs on the event loop."""
    one_by_one: bool = False
    """True to write one item at a time, for sinks that call user code: a stop then takes effect between two items."""
    paces: bool = False
    """True if its writer's `want` limits how many items it accepts; no more are delivered, nor read for it."""
    adjustable: ClassVar[tuple[str, ...]] = ()
    """Arguments that may have another value when a run continues."""
    secrets: ClassVar[tuple[str, ...]] = ()
    """Arguments that may hold a password: they are not saved, and may change."""
    delivery: Delivery = "at least once"
    """Guarantee for a run that continues from a checkpoint; "exactly once" requires a writer that saves and restores."""
    visible: Visible | None = None
    """Time at which a reader finds its output in a run with checkpoints, if it delivers exactly once.

    If rows travel in checkpoints, "at checkpoints", one is taken early once they pass 64 MB.
    """
    why_repeats: str = "its writer has no methods `save` and `restore`"
    """Reason why it delivers at least once, as a clause; for `explain()`."""

    @property
    def replaces(self) -> str | None:
        """Return the path of the file that it replaces; None for all others.

        An asterisk in the name stands for the number of numbered files. A graph may have only one sink per file.
        """
        return None

    @abstractmethod
    def open(self, context: SinkContext) -> Writer:
        """Create the writer of one run."""

    def left_from(self, dag: str) -> str | None:
        """Return what earlier runs of a dag have added to its target, as a clause with a fix; None for nothing.

        A run that starts over would add it again, so it is refused. Called before the sink is opened.
        """
        return None

    def check(self, shape: Shape, where: str) -> None:  # most sinks accept any item
        """Raise GraphError if the sink cannot accept a stream of this shape."""
