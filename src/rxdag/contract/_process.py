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
    """What a process may ask and do. What it does takes effect when its method has returned; if that raises, nothing does."""

    @property
    def key(self) -> K_co:
        """Key of the item, or of the timer."""
        ...

    @property
    def ts(self) -> int:
        """Event time of the item, or when the timer was due, ns since the epoch; 0 of a stream without event time."""
        ...

    @property
    def watermark(self) -> int:
        """No item with an event time at or below it is expected any more, ns since the epoch."""
        ...

    @property
    def now(self) -> int:
        """Time of the run's clock, ns since the epoch."""
        ...

    def emit(self, item: Out_contra, /, *, ts: int | None = None) -> None:
        """Send an item out, with the time of the item at hand or of the timer unless given, ns since the epoch."""
        ...

    def emit_to(self, port: str, item: Any, /, *, ts: int | None = None) -> None:
        """Send an item out on one of the ports that the process has named."""
        ...

    def set_timer(self, when: int, name: str = "", /) -> None:
        """Have `on_timer` called when the watermark, or the clock, has reached a time, ns since the epoch.

        A key has one timer of each name; a second call moves it. A timer that is past is due at the next watermark, or at once
        by the clock.
        """
        ...

    def clear_timer(self, name: str = "", /) -> None:
        """Take a timer back, if it is set."""
        ...

    def clear(self) -> None:
        """Forget the key: its state and its timers."""
        ...


class KeyedProcess(ABC, Generic[K, In, Out, State]):
    """A state machine for each key, for `ops.process`; a subclass has parameters, and nothing that changes.

    Example:
        class Idle(KeyedProcess[str, Trade, str, int]):  # says which symbols have been quiet for a minute
            def initial(self) -> int:
                return 0

            def on_item(self, ctx: ProcessContext[str, str], state: int, item: Trade) -> int:
                ctx.set_timer(ctx.ts + 60 * 10**9)
                return state + 1

            def on_timer(self, ctx: ProcessContext[str, str], state: int, name: str) -> int:
                ctx.emit(f"{ctx.key} is quiet after {state} trades")
                return 0
    """

    ports: ClassVar[tuple[str, ...]] = ()
    """Names of ports of its own, for `ctx.emit_to`; `stream.side(name)` reads one."""

    @abstractmethod
    def initial(self) -> State:
        """State of a key that is new, or was forgotten."""

    @abstractmethod
    def on_item(self, ctx: ProcessContext[K, Out], state: State, item: In, /) -> State:
        """Take in an item; returns the next state. If it raises, the state stays, unless it was changed in place."""

    def on_timer(self, ctx: ProcessContext[K, Out], state: State, name: str, /) -> State:
        """Called when a timer is due; returns the next state."""
        return state

    def on_end(self, ctx: ProcessContext[K, Out], state: State, /) -> None:  # most have nothing to say
        """Called once for each key, in their order, when the stream has ended or is flushed."""
