"""Inner streams: items that become streams of their own, which the node opens and reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

from rxdag.contract._exits import Emit
from rxdag.contract._kernel import Kernel
from rxdag.contract._on_error import OnError
from rxdag.contract._source import Source
from rxdag.contract._time import Clock


class InnerContext(Protocol):
    """The run as a kernel with inner streams sees it."""

    name: str
    """Name of the node."""
    dag: str
    """Name of the dag."""
    clock: Clock
    policy: OnError
    """Fate of the items whose streams fail."""
    is_restored: bool
    """True if the state of the kernel is that of a checkpoint."""
    saves: bool
    """True if the run takes checkpoints."""
    replays: bool
    """True if the items are a finished recording, so that answers must be those of the recorded run."""
    records: bool
    """False if the run must write nothing beside its sinks, as a shadow run."""

    def log(self, code: str, **fields: object) -> None:
        """Log a documented event under the name of the node."""
        ...


class Inner:
    """An item that has become a stream, with its time and key.

    Attributes:
        given: Number of items that its stream has delivered.
        skip: Number of repeated items to leave out after the stream was reopened.
        results: Results that the kernel keeps for the item.
        number: Number of items that the node took before this one, if its answers are recorded.
        error: Error of its stream and number of attempts; None without a failure.
        is_done: True once its stream has ended.
    """

    __slots__ = ("error", "given", "is_done", "item", "key", "number", "results", "sequence", "skip", "ts")

    def __init__(self, item: Any, ts: int, sequence: int, key: Any) -> None:
        self.item = item
        self.ts = ts
        self.sequence = sequence
        self.key = key
        self.given = 0
        self.skip = 0
        self.number = 0
        self.results: list[Any] = []
        self.error: tuple[BaseException, int] | None = None
        self.is_done = False

    @property
    def is_settled(self) -> bool:
        """True if its stream has ended or failed."""
        return bool(self.results) or self.error is not None


class InnerKernel(Kernel, ABC):
    """A kernel whose items become streams: the node opens and reads those in `inner`, and closes those that left it."""

    may_park = True
    passes = False
    ends_alone: ClassVar[bool] = False
    """True if its streams soon end by themselves, so that a drain waits for them; otherwise a drain stops them."""
    concurrency: int | None = None
    """Maximum number of open streams; None for any number. A conflating node before it keeps no more items ready."""
    resource: Callable[[], AbstractAsyncContextManager[Any]] | None = None
    """Makes the resource of its streams, which is entered once per run on the run's loop and left at the end."""
    opened: Any = None
    """The entered `resource`; set by the node before any stream is opened."""
    asks: ClassVar[bool] = False
    """True if each stream is a call to the outside, whose answer can differ the next time."""
    record: str | None = None
    """Folder of the journal with the answers of its calls; None if they are not recorded."""
    plays: bool = False
    """True while results come from a journal; no stream is opened then."""

    def __init__(self) -> None:
        self.inner: list[Inner] = []

    def open(self, context: InnerContext) -> None:
        """Open files that the kernel needs; called once, before any input, and after `restore`."""

    def close(self) -> None:
        """Close what `open` has opened. Does nothing if closed."""

    @abstractmethod
    def source_of(self, inner: Inner) -> Source[Any]:
        """Return the stream of an item. This calls user code: if it fails, `on_error` decides about the item."""

    @abstractmethod
    def on_inner(self, inner: Inner, item: Any, emit: Emit[Any]) -> None:
        """Take in an item of an inner stream."""

    def on_inner_end(self, inner: Inner, emit: Emit[Any]) -> None:
        """Take in the end of an inner stream."""

    def on_inner_failed(self, inner: Inner, error: Exception, attempts: int) -> None:
        """Take in the final failure of an inner stream; its items leave by `ready` with the error."""
        inner.error = (error, attempts)

    def let_go(self, inner: Inner, error: BaseException, attempts: int) -> Inner | None:
        """Stop holding an inner stream and the item for which it ends the run, at once; returns the item, None if not held."""
        if inner not in self.inner:
            return None
        self.inner.remove(inner)
        return inner

    def ready(self) -> Inner | None:
        """Return the next item that is done or has failed, and stop holding it.

        The node emits its results, or handles its failure by `on_error`.
        """
        failed = next((inner for inner in self.inner if inner.error is not None), None)
        if failed is not None:
            self.inner.remove(failed)
        return failed

    def give(self, inner: Inner, emit: Emit[Any]) -> None:
        """Emit the result from `ready`; a failure here is charged to its item."""

    def on_end(self, emit: Emit[Any]) -> None:
        self.lingers = self.held() > 0

    def on_drain(self) -> None:
        """Note that a drain has ended the input: no more items come, but those that are held go out."""

    def held(self) -> int:
        return len(self.inner)
