"""Processes: a user's own state machine of each key, with timers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Protocol, TypeVar

K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)
In = TypeVar("In")
Out = TypeVar("Out")
Out_contra = TypeVar("Out_contra", contravariant=True)
State = TypeVar("State")


class ProcessContext(Protocol[K_co, Out_contra]):
    """The view that a process has of the run.

    Its actions take effect when the method of the process has returned; if the method raises, none of them does.
    """

    @property
    def key(self) -> K_co:
        """Return the key of the item or timer."""
        ...

    @property
    def ts(self) -> int:
        """Return the time of the item, or the due time of the timer, ns since the epoch.

        For an item it is the event time; 0 on a stream without event time.
        """
        ...

    @property
    def watermark(self) -> int:
        """Return the watermark, ns since the epoch: no item at or below it is expected."""
        ...

    @property
    def now(self) -> int:
        """Return the time of the run's clock, ns since the epoch."""
        ...

    def emit(self, item: Out_contra, /, *, ts: int | None = None) -> None:
        """Emit an item at `ts`, ns since the epoch; by default at the time of `ctx.ts`."""
        ...

    def emit_to(self, port: str, item: Any, /, *, ts: int | None = None) -> None:
        """Emit an item on one of the process's own `ports`."""
        ...

    def set_timer(self, when: int, name: str = "", /) -> None:
        """Set a timer: `on_timer` is called when the watermark or clock reaches `when`.

        `when` is in ns since the epoch. A key has one timer per name; a second call moves it. A timer in the past fires
        at the next watermark, or at once in processing time.

        Raises:
            ValueError: In `on_timer`, if `when` is not later than the timer that is due, which would then fire for
                ever.
        """
        ...

    def clear_timer(self, name: str = "", /) -> None:
        """Cancel a timer, if it is set."""
        ...

    def clear(self) -> None:
        """Forget the key: its state and its timers."""
        ...


class KeyedProcess(ABC, Generic[K, In, Out, State]):
    """A state machine per key, for `ops.process`; subclasses have no mutable state.

    Its type parameters are the key, the item, the output and the state: `class Quiet(ops.KeyedProcess[str, Tick, str,
    int])`. The methods are then called with a `ProcessContext[str, str]`: of the key and the output.

    Example:
        >>> class Quiet(ops.KeyedProcess):  # reports keys without an item for a minute, and how many they had
        ...     def initial(self):
        ...         return 0
        ...
        ...     def on_item(self, ctx, state, item):
        ...         ctx.set_timer(ctx.ts + 60 * 10**9)
        ...         return state + 1
        ...
        ...     def on_timer(self, ctx, state, name):
        ...         ctx.emit(f"{ctx.key} is quiet after {state}")
        ...         return 0
        >>> ticks = rxdag.from_source(sources.iterable([(0, "A"), (10, "B"), (50, "A"), (100, "A")]))
        >>> keyed = ticks.pipe(ops.event_time(lambda t: t[0], unit="s")).pipe(ops.key_by(lambda t: t[1]))
        >>> keyed.pipe(ops.process(Quiet())).collect()
        ['B is quiet after 1', 'A is quiet after 3']
    """

    ports: ClassVar[tuple[str, ...]] = ()
    """Names of its own ports, such as `ports = ("alerts",)`, for `ctx.emit_to`; read one with `stream.side(name)`."""

    @abstractmethod
    def initial(self) -> State:
        """Return the state of a key that is new, or was forgotten.

        If it returns the same object each time, each key gets a copy. In a run with checkpoints, it is also called before
        the start, to check that the state can be saved.
        """

    @abstractmethod
    def on_item(self, ctx: ProcessContext[K, Out], state: State, item: In, /) -> State:
        """Process an item, and return the next state.

        If it raises, the state stays, unless it was changed in place.
        """

    def on_timer(self, ctx: ProcessContext[K, Out], state: State, name: str, /) -> State:
        """Handle a timer that is due, and return the next state."""
        return state

    def on_end(self, ctx: ProcessContext[K, Out], state: State, /) -> None:  # most have nothing to say
        """Finish a key: called once per key, in key order, at the end or on a flush."""
