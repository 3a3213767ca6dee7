"""The common part of operators that keep state by key, and forget a key after its ttl."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from rxdag.contract import MAX, MIN, Duration, Emit, Kernel, Operator, Shape, positive_ns
from rxdag.errors import GraphError, shown
from rxdag.operators._order import in_order
from rxdag.operators.keyed._expiring import Expiring, Kept

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Lasting:
    """The lifetime of a key.

    Attributes:
        ttl: Silence after which a key ends, ns; None for never.
        by_clock: True if the ttl is in processing time, False if in event time.
    """

    ttl: int | None = None
    by_clock: bool = False


class KeyedKernel(Kernel):
    """Keeps a value for each key; of a stream without keys, for the one key None.

    A key ends after a silence of its ttl: once the watermark or the clock has passed that time, or when its next item
    is later than that. The operator then emits what it would emit for the key at the end of the stream.
    """

    state: ClassVar[tuple[str, ...]] = ("keys",)
    derived: ClassVar[tuple[str, ...]] = ("wake", "timer")
    fires_before = True
    gives_at_end: ClassVar[bool] = False
    """True if a key's end emits something, so that a ttl in processing time needs a timer. Other kernels free such keys
    as items come."""

    def __init__(self, lasting: Lasting) -> None:
        self.keys = Expiring()
        self.ttl = lasting.ttl
        self.by_clock = lasting.by_clock

    def found(self, key: Any, at: int) -> Kept | None:
        """Return the value of a key at a time; None for a key that is new, or has ended."""
        return self.keys.find(key, at, MIN if self.by_clock else self.watermark)

    def until(self, at: int) -> int:
        """Return the first time at which a key has expired, if no item of it follows."""
        if self.ttl is None:
            return MAX
        end = at + self.ttl
        return end if end < MAX else MAX

    def keep(self, key: Any, value: Any, at: int) -> None:
        """Set the value of a key that is known, or knows nothing that must come out."""
        self.keys.keep(key, value, self.until(at))
        if self.ttl is not None:
            if self.by_clock and not self.gives_at_end and self.keys.due <= at:
                self.keys.take_out(at)
            self.set_alarm()

    def begin(self, key: Any, value: Any, at: int, emit: Emit[Any]) -> None:
        """Set the first value of a key; if an earlier life of the key has ended, its last output is emitted."""
        ended = self.keys.drop(key)
        self.keep(key, value, at)
        if ended is not None:
            self.end_key(key, ended, emit)

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        """Emit the final outputs of a key that was removed."""

    def end_keys(self, ended: Iterable[tuple[Any, Kept]], emit: Emit[Any]) -> None:
        """Emit the final outputs of several keys."""
        for key, kept in ended:
            self.end_key(key, kept, emit)
        self.set_alarm()

    def set_alarm(self) -> None:
        """Set the timer for the next key that expires."""
        due = self.keys.due
        if not self.by_clock:
            # Watermark W means that no item at or before W will come, so at due - 1 no item can still prolong the key.
            self.wake = due - 1 if due < MAX else MAX
        elif self.gives_at_end:
            self.timer = due if due < MAX else None

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if not self.by_clock:
            self.end_keys(self.keys.take_out(watermark + 1), emit)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        if self.by_clock:
            self.end_keys(self.keys.take_out(now), emit)

    def on_end(self, emit: Emit[Any]) -> None:
        """End all keys: by when they would have ended, or, if they last for ever, in their order."""
        if self.ttl is not None:
            self.end_keys(self.keys.take_out(MAX), emit)
        left = dict(self.keys.take_all())
        self.end_keys([(key, left[key]) for key in in_order(left)], emit)

    def pack(self, value: Any) -> Any:
        """Return the value of a key as plain data."""
        return value

    def unpack(self, saved: Any) -> Any:
        """Return the value of a key that `pack` made plain."""
        return saved

    def snapshot(self) -> dict[str, Any]:
        return {"keys": [[key, self.pack(value), until] for key, value, until in self.keys.rows()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.keys.load([[key, self.unpack(value), until] for key, value, until in saved["keys"]])
        self.set_alarm()


@dataclass(frozen=True, kw_only=True)
class ByKey(Operator[A, B], Generic[A, B]):
    """An operator that carries state along each key, and forgets a key after its ttl.

    Attributes:
        ttl_ns: Silence after which a key is forgotten, ns; None for never.
        chosen_clock: Clock of the ttl, if the user has chosen one.
        by_clock: True if the ttl is in processing time.
        by_key: True on a stream that has keys.
    """

    ttl_ns: int | None = None
    chosen_clock: Literal["event", "processing"] | None = None
    by_clock: bool = False
    by_key: bool = False

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.chosen_clock == "event" and not shape.timed:
            raise GraphError(
                f'{where}: clock="event" needs event time, and the stream has none; put ops.event_time(...) before it'
            )

    def bound(self, shape: Shape) -> Self:
        clock = self.chosen_clock or ("event" if shape.timed else "processing")
        return replace(self, by_clock=clock == "processing", by_key=shape.keyed)

    @property
    def lasting(self) -> Lasting:
        """The lifetime of a key."""
        return Lasting(self.ttl_ns, self.by_clock)


def ttl_ns(ttl: Duration | None, clock: str | None, name: str) -> int | None:
    """Return a ttl in nanoseconds, and check the clock that goes with it.

    Raises:
        GraphError: If `ttl` is 0 or not a duration, or `clock` is unknown or given without `ttl`.
    """
    if clock not in (None, "event", "processing"):
        raise GraphError(f'{name}: clock must be "event" or "processing", got {shown(clock)}')
    if ttl is None and clock is not None:
        raise GraphError(f"{name}: clock goes with ttl=, got {shown(clock)} alone")
    return None if ttl is None else positive_ns(ttl, f"{name}: ttl")
