"""Sources: where items enter the graph."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from random import Random
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from rxdag.contract._chunk import Chunk
from rxdag.contract._journal_stats import JournalStats
from rxdag.contract._overflow import Boundary
from rxdag.contract._shape import Shape
from rxdag.contract._time import Clock

T_co = TypeVar("T_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

Where: TypeAlias = Literal["inline", "blocking", "async"]
"""The thread that runs it: that of the graph, one of its own, or the event loop."""


class _End(enum.Enum):
    END = "END"


END: Final = _End.END
"""Returned by `Reader.read` at the end."""
Read: TypeAlias = Chunk | _End | None

RECEIVES: Final = "it receives items that cannot be read again"
"""The `no_position` of sources that items are sent to."""
NEEDS_REPLAY: Final = "it can be continued only with replay=True, a promise that it gives the same items again"
"""The `no_position` of sources whose items may not come again."""


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

    def seek(self, position: Any) -> object:
        """Continue at the `position` of another reader; called before the first read.

        Raises:
            SourceError: If the input is not the one that the position was taken from.
        """
        raise TypeError(f"{type(self).__name__} must have a method seek, to continue after a restart")

    def confirm(self, position: Any) -> object:  # noqa: B027  # most sources keep nothing for a restart
        """Take note that a checkpoint with this `position` is durable: earlier items will not be read again.

        Called between two reads, on the thread that reads.
        """

    def held(self) -> int:
        """Return the number of items taken in but not read, and take in no more.

        Called once, before `close`: they are counted as discarded.
        """
        return 0

    def backlog(self) -> int | None:
        """Return the number of items waiting to be read; None if unknown. Thread-safe."""
        return None

    def journal(self) -> JournalStats | None:
        """Return the state of the journal that it reads; None if it reads none. Thread-safe.

        Called when metrics are scraped; must be quick.
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

    def close(self) -> object:  # noqa: B027  # nothing to give back
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
    replays: bool = False
    """True if it reads a finished recording: nodes behind it then take recorded answers, where they have any."""
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

    def shard(self, worker: int, workers: int) -> Source[T_co]:
        """Return the source of one of several workers, which run the same graph beside each other.

        Sources that write files return one whose files have other names; most sources return themselves.
        """
        return self

    def followed(self) -> Source[T_co]:
        """Return a source that gives the same items at the same positions, and writes nothing: that of a shadow run."""
        return self
