"""A kernel: the sans-I/O state machine of one operator in one run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mypy_extensions import mypyc_attr

from rxdag.contract._exits import ColumnsEmit, Emit, Inputs
from rxdag.contract._time import MAX, MIN
from rxdag.errors import GraphError

if TYPE_CHECKING:
    from rxdag.columns import Columns


@mypyc_attr(native_class=False)  # it has notes, is pickled, and users derive from it
class BadItem(ValueError):  # it is the item that is wrong, not the program
    """The item itself is wrong: it goes to port "dead" under every error policy.

    A kernel or an accumulator raises it before it changes any state.
    """


@mypyc_attr(native_class=False)
class RowFailed(Exception):  # says what happened, to the node only
    """Raised by `on_columns`, before it changes any state: the item at `index` failed for `cause`.

    Args:
        index: Of the first item that failed, in the columns.
        cause: What it failed for; a `BadItem` if the item itself is wrong.
    """

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index, cause)
        self.index = index
        self.cause = cause


@mypyc_attr(allow_interpreted_subclasses=True)
class Kernel:
    """The sans-I/O state machine of an operator; a subclass adds `on_item`.

    `on_item` takes any of `item, ts, sequence, key, now, input, emit`, by these names and in this order; `now` is the
    time of the run's clock. Rules: user functions are called before any state changes, so that an error leaves the state as it was; `emit(...)` is the
    last thing that happens; every other way out is `return emit.<exit>(item)`.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Attributes that a snapshot holds, by these names; `_x` may be called "x". `wake`, `timer`, `lingers` and `open_inputs` are
    such attributes too where the kernel sets them. All kernels of one operator, of rows or of columns, share one format."""
    cache: ClassVar[tuple[str, ...]] = ()
    """Attributes that change and that a snapshot leaves out, for `restore` makes them anew of the state."""
    node: ClassVar[Any] = None
    """The class of node that runs it; None for the one that calls `on_item`. A node of its own must give the same."""
    passes: ClassVar[bool] = True
    """True: an item leaves as itself, one for one. False: items are spent in outputs that are not they."""
    splices: ClassVar[tuple[str, ...]] = ()
    """Attributes that hold a method of what a kernel keeps, as `add_at` of an accumulator; `on_item` calls
    `self.<name>(owner, ...)` as a statement, and the compiler may write the method's own statements there."""
    shared: tuple[str, ...] = ()
    """Attributes that all owners of spliced methods have in common; the kernel has them as `shared_<name>`."""
    makes_time: ClassVar[bool] = False
    """True: the kernel gives out watermarks of its own, and those that come in end here."""
    can_give_before: ClassVar[bool] = False
    """True: a kernel that makes time can give columns the watermark before each item, `columns.before`, if it has
    `gives_before`; it then gives out one at the end of each run, whatever the grid."""
    reads_before: ClassVar[bool] = False
    """True: `on_columns` looks at `columns.before`, where it is there: columns need not be cut at watermarks for it."""
    takes_inputs: ClassVar[bool] = False
    """True: it works on columns of several inputs, `on_columns_from(input, columns, emit)`, in a host of its own."""
    gives_columns: ClassVar[bool] = True
    """True: what `on_columns` gives out on its main ports are columns too."""
    prefers_columns: ClassVar[bool] = False
    """True: its kernel of columns gains so much that rows are made columns for it, where they are there already and the
    nodes before it can take columns too."""
    needs_columns: ClassVar[bool] = False
    """True: rows that come in are made columns, except where every node is lowered from its kernel alone."""
    is_quiet: ClassVar[bool] = False
    """True: items set nothing free, only watermarks and the end do; so small runs of columns may wait for more."""
    releases: ClassVar[bool] = False
    """True: what it holds goes out by `release` as there is room behind; room behind is not asked for before it."""
    may_park: ClassVar[bool] = False
    """True: `want` can be 0 while the node is alive, so there must be a gate before it."""
    wake: int = MAX
    """Least watermark at which `on_watermark` has something to do."""
    grid: int = 0
    """Watermarks between two multiples of it (less 1) make no difference; 0: watermarks are not asked for."""
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

        Raises:
            RowFailed: If an item fails, before any state has changed and anything went out.
        """
        raise TypeError(f"{type(self).__name__} must have a method on_columns to work on columns")

    def brings_watermark(self, run: Columns | list[Any]) -> bool:
        """Of a kernel that makes time: True if these items, or these few rows, may bring a watermark that somebody asks for."""
        return True

    def expand(self, item: Any) -> Iterable[Any] | None:
        """Outputs of one item, made one by one as there is room; None (the default) to use `on_item`."""
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        """What to say of an item on which `on_item` raised; returns the error, or a BadItem if the item is wrong."""
        return error

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data that `rxdag.codec` can save, under the names in `state`; items and keys are as they are.

        What it returns is read before the kernel is called again, so it may share lists and dicts with the kernel.
        """
        return {name: getattr(self, name) for name in self.state}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up what `snapshot` gave, in a kernel that is new; nobody else holds `saved`, so it may be kept.

        `watermark` is set afterwards.
        """
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
