"""A kernel: the sans-I/O state machine of one operator in one run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

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
class BadProgram(TypeError):  # it is the program that is wrong, not the item
    """The program is wrong, whatever the item: it fails the run under every error policy, and is not tried again.

    Raised where a function or a class of the user's gives something of the wrong kind.
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


_SET_BY_CLASSES: Final = ("wake", "watermark", "timer", "lingers", "open_inputs", "may_catch")


def _set_first(cls: Any) -> None:
    """Move what a class says of these attributes to each of its objects."""
    first: dict[str, Any] = {name: cls.__dict__[name] for name in _SET_BY_CLASSES if name in cls.__dict__}
    first = {name: value for name, value in first.items() if not hasattr(value.__class__, "__get__")}
    if not first:
        return
    for name in first:
        delattr(cls, name)

    def new(kind: Any, *args: Any, **kwargs: Any) -> Any:
        made: Any = cast("Any", super)(cls, kind).__new__(kind)
        for name, value in first.items():
            setattr(made, name, value)
        return made

    cls.__new__ = new


@mypyc_attr(allow_interpreted_subclasses=True)
class Kernel:
    """The sans-I/O state machine of an operator; a subclass adds `on_item`.

    `on_item` takes any of `item, ts, sequence, key, now, input, emit`, by these names and in this order; `now` is the
    time of the run's clock. Call user functions first, then change state, then emit: an error of a user function then
    leaves the state as it was. Each item leaves by `emit(...)` or one other exit, such as `emit.filtered(item)`, or is
    counted in `held()`. `emit` is open only while a method of the kernel runs; a later call raises RuntimeError.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Attributes that a snapshot holds, by these names; `_x` may be called "x". `wake`, `timer`, `lingers` and `open_inputs` are
    such attributes too where the kernel sets them. All kernels of one operator, of rows or of columns, share one format."""
    derived: ClassVar[tuple[str, ...]] = ()
    """Attributes that change and that a snapshot leaves out, for `restore` makes them anew of the state."""
    node: ClassVar[Any] = None
    """The class of node that runs it; None for the one that calls `on_item`. A node of its own must give the same."""
    passes: ClassVar[bool] = True
    """True: each item leaves as itself, one for one. False: items are absorbed into other outputs, as in a window."""
    fires_before: ClassVar[bool] = False
    """True: where the only input is in order of event time, an item at `ts` says that everything before `ts` has come, so
    `on_watermark(ts - 1)` is called before it."""
    makes_time: ClassVar[bool] = False
    """True: the kernel gives out watermarks of its own, and those that come in end here."""
    gives_columns: ClassVar[bool] = True
    """True: what `on_columns` gives out on its main ports are columns too."""
    needs_columns: ClassVar[bool] = False
    """True: rows that come in are made columns for it."""
    releases: ClassVar[bool] = False
    """True: what it holds goes out by `release` as room appears behind it; it takes items even while there is none."""
    may_park: ClassVar[bool] = False
    """True: `want` can be 0 while the node is alive, so its input needs a gate."""
    pauses: ClassVar[bool] = False
    """True: `on_watermark` and `on_end` may stop in the middle, with `is_paused` set; they are then called again."""
    is_paused: bool = False
    """Set where such a call stops; the node sets it back before the next one."""
    wake: int = MAX
    """Least watermark at which `on_watermark` has something to do; it is not called below."""
    watermark: int = MIN
    """Watermark at the input. The node keeps it up to date, whether or not `wake` is reached."""
    timer: int | None = None
    """When `on_timer` is due, ns since the epoch; None for never."""
    lingers: bool = False
    """Set in `on_end` if a timer will still emit; end-of-stream is delayed until it is False."""

    open_inputs: int | None = None
    """Number of inputs, counted from the first, that may currently deliver; None for all."""
    may_catch: int = 0
    """Number of inputs, counted from the first, whose failure is offered to `catches`."""
    inputs: Inputs
    """Progress of each input. Set by the node; for kernels with several inputs."""

    @classmethod
    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Have attributes that a class sets begin so in its objects, which is where the compiled form looks."""
        super().__init_subclass__(**kwargs)
        _set_first(cls)

    def want(self, now: int) -> int | None:
        """Return the most items it takes now: None for any number, 0 to close the input.

        The node asks again after each call of the kernel, so a kernel that says 0 needs a timer or another input.
        """
        return None

    def want_from(self, input: int, now: int) -> int | None:
        """Return the most items it takes from one input now; for kernels with several inputs."""
        return self.want(now)

    def changed_wants(self) -> Iterable[int] | None:
        """Return the inputs whose `want_from` says something else than when it was last asked; None if it may be any.

        An input that has just brought something is asked before, in any case. Override this where an item must not cost more
        the more inputs there are.
        """
        return None

    def low(self) -> int:
        """Return the least event time of the items held here that will still come out; MAX for none.

        The watermark at the output stays below it.
        """
        return MAX

    def is_finished(self) -> bool:
        """Return True once nothing more will come out, whatever goes in."""
        return False

    def held(self) -> int:
        """Return how many items that came in are held in the state."""
        return 0

    def on_start(self, now: int, emit: Emit[Any]) -> None:
        """Begin: called once, before any input, and not after a restart."""

    def release(self, room: int, emit: Emit[Any]) -> None:
        """Emit up to `room` of the held items; called if `releases` is True."""

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        """Emit what a watermark at or past `wake` sets free.

        The result must not depend on the steps by which the watermark got there: 5 and then 9 is the same as 9.
        """

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        """Emit what is due, and set the next `timer`."""

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        """Note that one of several inputs has ended or is flushed; called once for each, before `on_end`."""

    def catches(self, input: int, error: Exception) -> bool:
        """Return True to continue after an input has failed; it then counts as ended."""
        return False

    def on_end(self, emit: Emit[Any]) -> None:
        """Emit what is open; called once, when the input has ended or is flushed."""

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
        """Return the outputs of one item, to be read one by one as there is room. Override it instead of `on_item`."""
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        """Return the error to report for an item on which `on_item` raised: `error` itself, or a BadItem."""
        return error

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data that `rxdag.codec` can save, under the names in `state`; items and keys are as they are.

        What it returns is read before the kernel is called again, so it may share lists and dicts with the kernel.
        """
        return {name: getattr(self, name) for name in type(self).state}

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up what `snapshot` gave, in a new kernel; nobody else holds `saved`, so it may be kept.

        `watermark` is set afterwards.
        """
        for name in type(self).state:
            setattr(self, name, saved[name])


@mypyc_attr(allow_interpreted_subclasses=True)
class Splitter(Kernel):
    """A kernel that sends each item to the port of the first condition that holds, else to `default`."""

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
    """Return the names of what a kernel's `on_item` takes, in order.

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
