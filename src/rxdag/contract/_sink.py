"""Sinks: where items leave the graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Literal, Protocol, Self, TypeAlias, TypeVar

from rxdag.contract._chunk import Chunk
from rxdag.contract._on_error import RAISE, OnError
from rxdag.contract._shape import Shape
from rxdag.contract._source import Saw, Where
from rxdag.contract._time import Clock

T_co = TypeVar("T_co", covariant=True)
A_contra = TypeVar("A_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

Delivery: TypeAlias = Literal["exactly once", "at least once"]
"""Number of times that an item is in the output of a run that was killed and continued from a checkpoint."""
Visible: TypeAlias = Literal["at once", "at checkpoints", "at the end"]
"""Time at which a reader finds the output of a run with checkpoints."""

NOT_TAKEN_BACK: Final = "what it has delivered cannot be taken back"
"""The `why_repeats` of sinks that deliver to the outside."""


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

    def prepare(self) -> object:  # noqa: B027  # most have nothing to do
        """Make all written data durable, without making it visible as complete.

        Called once, before `close(ok=True)`. All sinks of a run are prepared before any of them is closed, so a failure
        here leaves no sink that looks complete.
        """

    def save(self) -> Any:
        """Make everything written so far durable, but not visible; return the data that `restore` continues from.

        The data is plain, as `rxdag.codec` takes it, and does not change with later writes. None, the default, means that
        the sink cannot be continued. Called at each checkpoint, between two writes, on the thread that writes, and once
        more after the last write. If a checkpoint fails, `publish` is not called, and the next `save` covers the same
        output again.
        """
        return None

    def publish(self) -> Awaitable[None] | None:
        """Make the output that the last `save` covers visible: its checkpoint is durable.

        Called before the next `save`, or before `close(ok=True)`, on the thread that writes. Further items may have been
        written since.
        """
        return None

    def restore(self, saved: Any) -> Awaitable[None] | None:
        """Continue from the data in the last durable checkpoint, which `save` of another writer returned.

        Publish the output that the checkpoint covers, if that has not happened yet, and undo all later output.
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
    """Name of the dag; of a worker, with its share, as "bars 0/2"."""
    clock: Clock
    shape: Shape
    saves: bool
    """True in a run that takes checkpoints: then `save` covers all output before it may become visible."""
    saw: Saw | None

    @property
    def error(self) -> Exception | None:
        """Return the error of the run, if it has failed."""
        ...

    def call(self, fn: Callable[[], object], /) -> None:
        """Call a function soon, where the sink is written. Thread-safe.

        Its `want` is asked again afterwards.
        """
        ...

    def log(self, code: str, **fields: object) -> None:
        """Log a documented event of a sink, such as "sink.disconnected", under the name of the node. Thread-safe.

        Pass an error as `error`: its class and line are logged, never its text, which may hold an item.
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

        An asterisk in the name represents the number in numbered files. A graph may have only one sink per file.
        """
        return None

    @abstractmethod
    def open(self, context: SinkContext) -> Writer:
        """Create the writer of one run."""

    def shard(self, worker: int, workers: int) -> Self:
        """Return the sink of one of several workers, which run the same graph beside each other.

        Sinks of files return one whose files have other names; most sinks return themselves.
        """
        return self

    def left_from(self, dag: str) -> str | None:
        """Describe the rows that earlier runs of a dag have added to its target, in a clause with a fix; None for none.

        A run that starts over would add them again, so it is refused. Called before the sink is opened.
        """
        return None

    def check(self, shape: Shape, where: str) -> None:  # most sinks accept any item
        """Raise GraphError if the sink cannot accept a stream of this shape."""
