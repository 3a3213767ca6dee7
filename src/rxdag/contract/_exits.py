"""The engine as kernels see it: protocols for their exits, the progress of inputs, and the forms of `on_item`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rxdag.columns import Columns

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
B_contra = TypeVar("B_contra", contravariant=True)


class Emit(Protocol[B_contra]):
    """The exits of a kernel.

    Each input item leaves by exactly one of them, or is held. They are open only while a method of the kernel runs; a
    later call raises RuntimeError.
    """

    def __call__(self, item: B_contra, /, *, ts: int = ..., sequence: int = ..., key: Hashable = ...) -> None:
        """Emit an item; by default with time, sequence and key of the current item."""
        ...

    def many(self, items: Sequence[B_contra], /, *, ts: Sequence[int], key: Sequence[Hashable] | None = None) -> None:
        """Emit several items."""
        ...

    def to(self, port: str, item: object, /) -> None:
        """Emit the current item on another port."""
        ...

    def made(self, item: Any, /, *, ts: int, sequence: int, key: Hashable, port: str = ...) -> None:
        """Emit an item that is not an input item, from a kernel that passes items on.

        With `port`, it goes to that port.
        """
        ...

    def watermark(self, watermark: int, /) -> None:
        """Emit a watermark: no item at or below it is expected any more."""
        ...

    def absorbed(self, n: int, /) -> None:
        """Count `n` held items as absorbed: they went into outputs built from them."""
        ...

    def filtered(self, item: object, /) -> None:
        """Leave the item out, counted as filtered."""
        ...

    def dropped(self, item: object, reason: str, /) -> None:
        """Drop the item, counted by reason; it goes to port "dropped" if that is read."""
        ...

    def late(self, item: object, /) -> None:
        """Send the item to port "late", counted as late."""
        ...

    def unassigned(self, item: object, /) -> None:
        """Leave out an item that is in no window; it goes to port "unassigned" if read."""
        ...

    def unrouted(self, item: object, /) -> None:
        """Leave out an item that matches no route; it goes to port "unrouted" if read."""
        ...

    def must_pause(self) -> bool:
        """Return True if further outputs should wait: there is no room downstream, or the run wants its thread back.

        A kernel that `pauses` asks between two outputs of `on_watermark` or `on_end`; other kernels need not, since
        their outputs rest in the node.
        """
        ...

    def must_give_back(self) -> bool:
        """Return True if the run wants its thread back; for kernels to which each pause is expensive."""
        ...

    def is_over(self) -> bool:
        """Return True if nothing reads the outputs any more; a long loop can stop early."""
        ...


class ColumnsEmit(Protocol):
    """The exits of a kernel that works on columns; an empty run has no effect."""

    def __call__(self, columns: Columns, /) -> None:
        """Emit items, with their times and keys."""
        ...

    def to(self, port: str, columns: Columns, /) -> None:
        """Emit items on another port."""
        ...

    def watermark(self, watermark: int, /) -> None:
        """Emit a watermark: no item at or below it is expected any more."""
        ...

    def late(self, columns: Columns, /) -> None: ...
    def made(self, columns: Columns, /) -> None:
        """Emit items that are not input items; for kernels that pass no input items on."""
        ...

    def rows(self, values: list[Any], columns: Columns, /) -> None:
        """Emit one Python value per item, with the item's time and key.

        For kernels that do not emit columns.
        """
        ...

    def absorbed(self, n: int, /) -> None: ...
    def filtered(self, n: int, /) -> None: ...
    def dropped(self, n: int, reason: str, /) -> None: ...
    def unassigned(self, n: int, /) -> None: ...
    def unrouted(self, n: int, /) -> None: ...


class Inputs(Protocol):
    """The progress of each of several inputs."""

    of: list[int]
    """Watermark of each input; at or above FLUSHED if it has ended."""

    def is_idle(self, input: int) -> bool:
        """Return True if no items are expected from the input for a while."""
        ...


class OnItem(Protocol[A_contra, B_co]):
    """`on_item` of an item."""

    def on_item(self, item: A_contra, emit: Emit[B_co]) -> None: ...


class OnItemTs(Protocol[A_contra, B_co]):
    """`on_item` of an item and its event time."""

    def on_item(self, item: A_contra, ts: int, emit: Emit[B_co]) -> None: ...


class OnItemKey(Protocol[A_contra, B_co]):
    """`on_item` of an item and its key."""

    def on_item(self, item: A_contra, key: Any, emit: Emit[B_co]) -> None: ...


class OnItemTsKey(Protocol[A_contra, B_co]):
    """`on_item` of an item, its event time and its key."""

    def on_item(self, item: A_contra, ts: int, key: Any, emit: Emit[B_co]) -> None: ...


class OnItemNow(Protocol[A_contra, B_co]):
    """`on_item` of an item and the time of the clock."""

    def on_item(self, item: A_contra, now: int, emit: Emit[B_co]) -> None: ...


class OnItemAllNow(Protocol[A_contra, B_co]):
    """`on_item` of an item, its event time, tie-break and key, and the time of the clock."""

    def on_item(self, item: A_contra, ts: int, sequence: int, key: Any, now: int, emit: Emit[B_co]) -> None: ...


class OnItemTsSequence(Protocol[A_contra, B_co]):
    """`on_item` of an item, its event time and its tie-break."""

    def on_item(self, item: A_contra, ts: int, sequence: int, emit: Emit[B_co]) -> None: ...


class OnItemTsSequenceKey(Protocol[A_contra, B_co]):
    """`on_item` of an item, its event time, its tie-break and its key."""

    def on_item(self, item: A_contra, ts: int, sequence: int, key: Any, emit: Emit[B_co]) -> None: ...


KernelOf: TypeAlias = (
    OnItem[A_contra, B_co]
    | OnItemTs[A_contra, B_co]
    | OnItemKey[A_contra, B_co]
    | OnItemTsKey[A_contra, B_co]
    | OnItemTsSequence[A_contra, B_co]
    | OnItemTsSequenceKey[A_contra, B_co]
    | OnItemNow[A_contra, B_co]
    | OnItemAllNow[A_contra, B_co]
)
