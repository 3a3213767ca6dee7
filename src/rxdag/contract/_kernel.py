"""A kernel: the sans-I/O state machine of one operator in one run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from mypy_extensions import mypyc_attr

from rxdag.contract._exits import ColumnsEmit, Emit
from rxdag.contract._time import MAX, MIN
from rxdag.errors import GraphError, StateError

if TYPE_CHECKING:
    from rxdag.columns import Columns


@mypyc_attr(native_class=False)  # it has notes, is pickled, and users derive from it
class BadItem(ValueError):  # it is the item that is wrong, not the program
    """Raised for an item that is itself invalid.

    Under every error policy, the item goes to port "dead". A kernel or an accumulator raises it before it changes any
    state.
    """


@mypyc_attr(native_class=False)
class BadProgram(TypeError):  # it is the program that is wrong, not the item
    """Raised if the program is wrong, regardless of the item.

    It fails the run under every error policy, and is not retried. It is raised where a user function or class returns a
    value of the wrong kind.
    """


@mypyc_attr(native_class=False)
class RowFailed(Exception):  # a signal to the node
    """Raised by `on_columns`, before any state changes: an item failed.

    Args:
        index: Index of the first item that failed, in the columns.
        cause: The error; a `BadItem` if the item itself is invalid.
    """

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index, cause)
        self.index = index
        self.cause = cause


_SET_BY_CLASSES: Final = ("wake", "watermark", "timer", "lingers", "open_inputs", "may_catch")


def _set_first(cls: Any) -> None:
    """Copy a class's values of these attributes to each of its objects."""
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
    time of the run's clock. First call user functions, then change state, then emit, so that an error in a user
    function leaves the state unchanged. Each item leaves by `emit(...)` or one other exit, such as
    `emit.filtered(item)`, or is counted in `held()`. `emit` is open only while a method of the kernel runs; a later
    call raises RuntimeError.
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that a snapshot holds; `_x` may be called "x". `wake`, `timer` and
    `lingers` belong here too if the kernel sets them. All kernels of an operator, for rows or columns, share one
    format.
    """
    derived: ClassVar[tuple[str, ...]] = ()
    """Attributes that change but are not in a snapshot; `restore` rebuilds them from the state."""
    state_version: ClassVar[int] = 1
    """Version of the form of the state: raise it when you change the form, and define `migrate`."""
    node: ClassVar[Any] = None
    """Class of the node that runs the kernel; None for the one that calls `on_item`. A custom node must give equal
    results."""
    passes: ClassVar[bool] = True
    """True if each item leaves as itself, one for one; False if items are absorbed into other outputs, as in windows."""
    fires_before: ClassVar[bool] = False
    """True to call `on_watermark(ts - 1)` before each item at `ts`, if the only input is in order of event time: the
    item implies that everything before `ts` has arrived.
    """
    makes_time: ClassVar[bool] = False
    """True if the kernel emits its own watermarks; incoming ones stop here."""
    gives_columns: ClassVar[bool] = True
    """True if the outputs of `on_columns` on the main ports are columns too."""
    may_park: ClassVar[bool] = False
    """True if `want` can be 0 while the node is alive; its input then needs a gate."""
    pauses: ClassVar[bool] = False
    """True if `on_watermark` and `on_end` may stop halfway, with `is_paused` set; they are then called again."""
    is_paused: bool = False
    """Set when such a call stops; the node resets it before the next call."""
    wake: int = MAX
    """Lowest watermark at which `on_watermark` has work to do; below it, it is not called."""
    watermark: int = MIN
    """Watermark at the input. The node keeps it up to date, even if `wake` is not reached."""
    timer: int | None = None
    """Time at which `on_timer` is due, ns since the epoch; None for never."""
    lingers: bool = False
    """Set in `on_end` if a timer will still emit; end-of-stream is delayed until it is False."""

    @classmethod
    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Use attributes set on a class as the initial values in its objects, where the compiled form reads them."""
        super().__init_subclass__(**kwargs)
        _set_first(cls)

    def want(self, now: int) -> int | None:
        """Return the maximum number of items it accepts now.

        None stands for any number; 0 closes the input. The node asks again after each call of the kernel, so a kernel
        that returns 0 needs a timer or another input.
        """
        return None

    def low(self) -> int:
        """Return the lowest event time of held items that will be emitted; MAX for none.

        The watermark at the output stays below it.
        """
        return MAX

    def is_finished(self) -> bool:
        """Return True once nothing more will be emitted, whatever the input."""
        return False

    def held(self) -> int:
        """Return the number of input items held in the state."""
        return 0

    def on_start(self, now: int, emit: Emit[Any]) -> object:
        """Start the run; called once, before any input, and not after a restart."""

    def release(self, room: int, emit: Emit[Any]) -> object:
        """Emit up to `room` of the held items.

        Called as room appears downstream. A kernel that overrides it accepts items even without room.
        """

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> object:
        """Emit everything that is due when the watermark is at or past `wake`.

        The result must not depend on the steps of the watermark: 5 and then 9 must give the same as 9.
        """

    def on_timer(self, now: int, emit: Emit[Any]) -> object:
        """Emit everything that is due, and set the next `timer`."""

    def on_end(self, emit: Emit[Any]) -> object:
        """Emit what is open; called once, when the input has ended or is flushed."""

    def in_columns(self) -> Kernel | str:
        """Return the kernel that works on columns, or the reason why there is none.

        It may be this kernel or another one with the same results.
        """
        return "it works item by item"

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> object:
        """Process a run of items as columns, with the same result as `on_item` for each.

        `columns.before` is the watermark that holds before each item, at or above `self.watermark`; None if the latter
        holds before all of them. `on_watermark` is called after the run.

        Raises:
            RowFailed: If an item fails, before any state has changed and anything was emitted.
        """
        raise TypeError(f"{type(self).__name__} must have a method on_columns to work on columns")

    def expand(self, item: Any) -> Iterable[Any] | None:
        """Return the outputs of one item, which are read one by one as there is room.

        Override it instead of `on_item`.
        """
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        """Return the error to report for an item on which `on_item` raised.

        It is `error` itself, or a BadItem.
        """
        return error

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data, under the names in `state`.

        `rxdag.codec` must be able to save it. Items and keys are returned as they are. The result is read before the
        kernel is called again, so it may share lists and dicts with the kernel.
        """
        return {name: getattr(self, name) for name in type(self).state}

    def restore(self, saved: dict[str, Any]) -> object:
        """Load the result of `snapshot` into a new kernel.

        The kernel may keep `saved`, which is not used elsewhere. `watermark` is set afterwards.
        """
        for name in type(self).state:
            setattr(self, name, saved[name])
        return None

    def migrate(self, saved: dict[str, Any], version: int) -> dict[str, Any]:
        """Return what `snapshot` gave at an older `state_version` in the form of this one.

        Called before `restore`, on the kernel for rows, in a run that continues from a checkpoint of an older program.

        Args:
            saved: The state; it is not used elsewhere, and may be changed.
            version: The `state_version` of the kernel that saved it, 1 or more.

        Raises:
            StateError: If state of that version cannot be taken up.
        """
        raise StateError(f"{type(self).__name__} must define migrate to read state of version {version}, got none")


@mypyc_attr(allow_interpreted_subclasses=True)
class ColumnsKernel(Kernel):
    """A kernel for which incoming rows are converted to columns; a subclass adds `on_columns`.

    It gets items one by one, by `on_item`, only where they must keep their order among those of other branches, and
    where the node tries failed items again.
    """

    def in_columns(self) -> Kernel:
        return self


@mypyc_attr(allow_interpreted_subclasses=True)
class Splitter(Kernel):
    """A kernel that sends each item to one port at once, or counts it as unrouted.

    Branches of its ports that meet again on columns keep the order of the items.
    """


def releases(kernel: Kernel) -> bool:
    """Return True if a kernel accepts items without room downstream, and emits them as room appears."""
    return type(kernel).release is not Kernel.release


PARAMETERS: Final = ("item", "ts", "sequence", "key", "now", "input", "emit")


def on_item_parameters(kernel: type[Any]) -> tuple[str, ...]:
    """Return the parameter names of a kernel's `on_item`, in order.

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
