"""A kernel: the sans-I/O state machine of one operator in one run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias, TypeVar

from rxdag.contract._time import MAX, MIN
from rxdag.errors import GraphError

if TYPE_CHECKING:
    from rxdag.columns import Columns

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
B_contra = TypeVar("B_contra", contravariant=True)


class BadItem(ValueError):  # it is the item that is wrong, not the program
    """The item itself is wrong: it goes to port "dead" under every error policy.

    A kernel or an accumulator raises it before it changes any state.
    """


class RowFailed(Exception):  # says what happened, to the host only
    """Raised by `on_columns`, before it changes any state: the item at `index` failed for `cause`.

    Args:
        index: Of the first item that failed, in the columns.
        cause: What it failed for; a `BadItem` if the item itself is wrong.
    """

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index, cause)
        self.index = index
        self.cause = cause


class Emit(Protocol[B_contra]):
    """The exits of a kernel. An item that came in leaves by exactly one of them, or is held."""

    def __call__(self, item: B_contra, /, *, ts: int = ..., sequence: int = ..., key: Hashable = ...) -> None:
        """Send an item out; time, sequence and key are those of the item at hand unless given."""
        ...

    def many(self, items: Sequence[B_contra], /, *, ts: Sequence[int], key: Sequence[Hashable] | None = None) -> None:
        """Send several items out."""
        ...

    def to(self, port: str, item: object, /) -> None:
        """Send the item at hand to another port."""
        ...

    def made(self, item: Any, /, *, ts: int, sequence: int, key: Hashable, port: str = ...) -> None:
        """Send out an item that is none of those that came in, from a kernel that passes items on; or on another port."""
        ...

    def watermark(self, watermark: int, /) -> None:
        """Say that no item with an event time at or below `watermark` is expected any more."""
        ...

    def absorbed(self, n: int, /) -> None:
        """`n` items that were held are spent in outputs that are not they."""
        ...

    def filtered(self, item: object, /) -> None: ...
    def dropped(self, item: object, reason: str, /) -> None: ...
    def late(self, item: object, /) -> None: ...
    def unassigned(self, item: object, /) -> None: ...
    def unrouted(self, item: object, /) -> None: ...


class ColumnsEmit(Protocol):
    """The exits of a kernel that works on columns; an empty run may go out, and is nothing."""

    def __call__(self, columns: Columns, /) -> None:
        """Send items out, with the times and keys that stand beside them."""
        ...

    def to(self, port: str, columns: Columns, /) -> None:
        """Send items to another port."""
        ...

    def watermark(self, watermark: int, /) -> None:
        """Say that no item with an event time at or below `watermark` is expected any more."""
        ...

    def late(self, columns: Columns, /) -> None: ...
    def made(self, columns: Columns, /) -> None:
        """Send out items that are none of those that came in; a kernel that passes nothing uses it."""
        ...

    def rows(self, values: list[Any], columns: Columns, /) -> None:
        """Send out Python values, one for each of these items, with its time and key; of a kernel that gives no columns."""
        ...

    def absorbed(self, n: int, /) -> None: ...
    def filtered(self, n: int, /) -> None: ...
    def dropped(self, n: int, reason: str, /) -> None: ...
    def unassigned(self, n: int, /) -> None: ...
    def unrouted(self, n: int, /) -> None: ...


class Inputs(Protocol):
    """How far each of several inputs is."""

    of: list[int]
    """Watermark of each; at or above FLUSHED for one that has ended."""

    def is_idle(self, input: int) -> bool:
        """True if nothing will come for a while."""
        ...


class Kernel:
    """The sans-I/O state machine of an operator; a subclass adds `on_item`.

    `on_item` takes any of `item, ts, sequence, key, now, input, emit`, by these names and in this order; `now` is the
    time of the run's clock. Rules: user functions are called before any state changes, so that an error leaves the state as it was; `emit(...)` is the
    last thing that happens; every other way out is `return emit.<exit>(item)`. A kernel that keeps to plain
    statements, and calls its own methods as statements only, is written into the loop of its segment; any other is
    called, with the same result.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Attributes that a snapshot holds."""
    passes: ClassVar[bool] = True
    """True: an item leaves as itself, one for one. False: items are spent in outputs that are not they."""
    splices: ClassVar[tuple[str, ...]] = ()
    """Attributes that hold a method of what a kernel keeps, as `add_at` of an accumulator; `on_item` calls
    `self.<name>(owner, ...)` as a statement, and the compiler may write the method's own statements there."""
    shared: tuple[str, ...] = ()
    """Attributes that all owners of spliced methods have in common; the kernel has them as `shared_<name>`."""
    makes_time: ClassVar[bool] = False
    """True: the kernel gives out watermarks of its own, and those that come in end here."""
    gives_columns: ClassVar[bool] = True
    """True: what `on_columns` gives out on its main ports are columns too."""
    needs_columns: ClassVar[bool] = False
    """True: rows that come in are made columns for it."""
    releases: ClassVar[bool] = False
    """True: what it holds goes out by `release` as there is room behind; room behind is not asked for before it."""
    may_park: ClassVar[bool] = False
    """True: `want` can be 0 while the node is alive, so there must be a gate before it."""
    wake: int = MAX
    """Least watermark at which `on_watermark` has something to do."""
    watermark: int = MIN
    """The watermark at the input; the host keeps it up to date, whether `wake` is reached or not."""
    timer: int | None = None
    """When `on_timer` is due, ns since the epoch; None for never."""
    lingers: bool = False
    """True after `on_end` if something is to come out by timer yet: the end waits until it is False."""

    open_inputs: int | None = None
    """Of a kernel with several inputs: so many of them, from the first, may flow yet; None for all."""
    may_catch: int = 0
    """Of a kernel with several inputs: so many of them, from the first, may fail and `catches` be asked."""
    inputs: Inputs
    """Of a kernel with several inputs: how far each of them is; the host sets it."""

    def want(self, now: int) -> int | None:
        """Most items it takes now; None for any number, 0 to be parked until its timer or a wake."""
        return None

    def want_from(self, input: int, now: int) -> int | None:
        """Most items it takes from that input now; a kernel with several inputs may want of one and not of another."""
        return self.want(now)

    def low(self) -> int:
        """Least event time of the items that rest here and will come out yet; the watermark at the output stays below."""
        return MAX

    def is_finished(self) -> bool:
        """Return True once nothing more will come out, whatever goes in."""
        return False

    def held(self) -> int:
        """How many items that came in rest in the state."""
        return 0

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        """Called once, before anything comes in; not after a restart."""

    def release(self, room: int, emit: Emit[Any]) -> None:
        """Give out up to that many of the items that are held; called if `releases`."""

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        """Called when the watermark is at or past `wake`, with the same result as any steps that end there."""

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        """Called when `timer` is due; sets the next one."""

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        """Called once for each of several inputs, when it ended by itself or is flushed; before `on_end`."""

    def catches(self, input: int, error: Exception) -> bool:
        """True to go on when that input has failed; it then counts as one that has ended."""
        return False

    def on_end(self, emit: Emit[Any]) -> None:
        """Called once, when the input ended or is flushed: give out what is open."""

    def in_columns(self) -> Kernel | str:
        """The kernel that works on columns, this one or another with the same meaning; or why there is none."""
        return "it works item by item"

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        """Take in a run of items as columns, with the result of `on_item` for each.

        `columns.before` is the watermark that holds before each item, at or above `self.watermark`; None if that holds
        before all of them. `on_watermark` is called behind the run.

        Raises:
            RowFailed: If an item fails, before any state has changed and anything went out.
        """
        raise TypeError(f"{type(self).__name__} must have a method on_columns to work on columns")

    def on_columns_from(self, input: int, columns: Columns, emit: ColumnsEmit) -> None:
        """Take in a run of one of several inputs; `columns.before` is that of all inputs together.

        Raises:
            RowFailed: As `on_columns`.
        """
        self.on_columns(columns, emit)

    def expand(self, item: Any) -> Iterable[Any] | None:
        """Outputs of one item, made one by one as there is room; None (the default) to use `on_item`."""
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        """What to say of an item on which `on_item` raised; returns the error, or a BadItem if the item is wrong."""
        return error

    def snapshot(self) -> dict[str, Any]:
        """State as plain data: dicts, lists and numbers, with items and keys as they are."""
        return {name: getattr(self, name) for name in self.state}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up what `snapshot` gave."""
        for name in self.state:
            setattr(self, name, saved[name])


class Splitter(Kernel):
    """A kernel that sends each item to the port of the first condition that holds, else to `default`.

    The compiler writes the conditions out one after the other.
    """

    conditions: tuple[tuple[str, Callable[[Any], Any]], ...]
    """Port and condition, in order."""
    default: str | None
    """Port of what meets none; None to count it as unrouted."""

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        """Send the item its way."""
        for port, condition in self.conditions:
            if condition(item):
                return emit.to(port, item)
        if self.default is None:
            return emit.unrouted(item)
        return emit.to(self.default, item)

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        """Send the items their ways; those that meet a condition are not asked for the next."""
        parts, rest = columns.divided([condition for _, condition in self.conditions])
        for (port, _), part in zip(self.conditions, parts, strict=True):
            emit.to(port, part)
        if self.default is None:
            emit.unrouted(len(rest))
        else:
            emit.to(self.default, rest)


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

PARAMETERS: Final = ("item", "ts", "sequence", "key", "now", "input", "emit")


def on_item_parameters(kernel: type[Any]) -> tuple[str, ...]:
    """Names of what a kernel's `on_item` takes, in order.

    Raises:
        GraphError: If there is no `on_item`, or it takes something else or in another order.
    """
    on_item: Callable[..., None] | None = getattr(kernel, "on_item", None)
    if on_item is None:
        raise GraphError(f"{kernel.__name__}: a kernel must have a method on_item, got none")
    names = tuple(inspect.signature(on_item).parameters)[1:]
    if names != tuple(name for name in PARAMETERS if name in names):
        wanted = ", ".join(PARAMETERS)
        raise GraphError(
            f"{kernel.__name__}.on_item: parameters must be some of {wanted}, in this order, got {', '.join(names)}"
        )
    return names
