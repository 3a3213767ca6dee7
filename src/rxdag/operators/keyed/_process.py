"""Process: a user's own state machine of each key."""

from __future__ import annotations

import copy
import heapq
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeVar

from rxdag.contract import (
    MAX,
    MIN,
    BadProgram,
    Duration,
    Emit,
    Kernel,
    KeyedProcess,
    Shape,
    WindowOp,
    check_arguments,
    check_plain,
)
from rxdag.errors import GraphError, shown
from rxdag.operators._arguments import TAKEN
from rxdag.operators._heaps import LEAST, swept
from rxdag.operators._order import in_order
from rxdag.operators.keyed._by_key import ttl_ns
from rxdag.operators.keyed._expiring import Expiring

K = TypeVar("K")
A = TypeVar("A")
B = TypeVar("B")
State = TypeVar("State")

_METHODS: Final = {
    "initial": (),
    "on_item": ("the context", "the state", "the item"),
    "on_timer": ("the context", "the state", "the name of the timer"),
    "on_end": ("the context", "the state"),
}


class _Context:
    """The context of a process; its actions are kept until the method has returned."""

    def __init__(self, process: KeyedProcess[Any, Any, Any, Any]) -> None:
        self._ports = process.ports
        self.key: Any = None
        self.ts = self.watermark = self.now = 0
        self.earliest = MIN
        """A timer must be set to a time after this."""
        self.out: list[tuple[str, Any, int | None]] = []
        self.timers: dict[str, int | None] = {}
        self.is_cleared = False

    def begin(self, key: Any, ts: int, watermark: int, now: int, earliest: int = MIN) -> None:
        """Reset for a call of a key at a time."""
        self.key, self.ts, self.watermark, self.now, self.earliest = key, ts, watermark, now, earliest
        self.out, self.timers, self.is_cleared = [], {}, False

    def emit(self, item: Any, /, *, ts: int | None = None) -> None:
        self._send("out", item, ts)

    def _send(self, port: str, item: Any, ts: int | None) -> None:
        if ts is not None and type(ts) is not int:
            raise BadProgram(f"ctx.emit: ts must be nanoseconds since the epoch, got {shown(ts)}")
        if ts is not None and not MIN < ts < MAX:
            raise OverflowError(f"ctx.emit: ts must be nanoseconds since the epoch in 64 bits, got {ts}")
        self.out.append((port, item, ts))

    def emit_to(self, port: str, item: Any, /, *, ts: int | None = None) -> None:
        if port not in self._ports:
            raise BadProgram(
                f'ctx.emit_to: port must be one of the class\'s ports {self._ports}, got "{port}"; declare it in the '
                f"class: ports = {(*self._ports, port)}"
            )
        self._send(port, item, ts)

    def set_timer(self, when: int, name: str = "", /) -> None:
        if isinstance(when, bool) or not isinstance(when, int):
            raise BadProgram(f"ctx.set_timer: when must be nanoseconds since the epoch, got {shown(when)}")
        if when <= self.earliest:
            raise ValueError(
                f"ctx.set_timer: a timer that is set in on_timer must be later than {self.earliest}, got {when}, "
                "which would fire for ever"
            )
        self.timers[name] = when

    def clear_timer(self, name: str = "", /) -> None:
        self.timers[name] = None

    def clear(self) -> None:
        self.is_cleared = True
        self.timers = {}


class _ProcessKernel(Kernel):
    """States and timers by key; timers are in a heap by when they are due, in order of setting.

    A state has expired or not by the time of the item or timer that reads it, never by the newest watermark, which may
    have jumped. States that have expired by event time are removed when the next item comes, so that `on_end` is called
    for the same keys whatever the last watermark before the end.
    """

    state = ("states", "timers", "now", "seen")
    derived = ("wake", "timer", "_due", "_n_set", "_context", "_sweep_at", "_left", "is_paused", "_is_shared")
    passes = False
    pauses = True
    fires_before = True

    def __init__(self, process: KeyedProcess[Any, Any, Any, Any], ttl: int | None, *, by_clock: bool) -> None:
        self._process = process
        self._by_clock = by_clock
        self._ttl = ttl
        self._states = Expiring()
        self._timers: dict[Any, dict[str, tuple[int, int]]] = {}
        """Due time and number in the order of setting, by key and timer name."""
        self._due: list[tuple[int, int, Any, str]] = []
        self._n_set = 0
        self._context = _Context(process)
        self._now = 0
        self._seen = MIN
        """Watermark at the last item."""
        self._sweep_at = LEAST
        self._left: list[Any] = []
        """Keys whose `on_end` is still to be called at the end, the next one last."""
        self._is_shared: bool | None = None
        """True if `initial` returns one object again and again, which could change; None before the first call."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self._by_clock else ts
        state = self._state_of(key, at, MIN if self._by_clock else self.watermark)
        context = self._context
        context.begin(key, ts, self.watermark, now)
        following = self._checked(self._process.on_item(context, state, item), state, "on_item")
        self._now = now
        self._seen = self.watermark
        emit.absorbed(1)
        self._forget(now if self._by_clock else self.watermark + 1)
        self._take_effect(key, at, following, sequence, emit)
        self._set_alarm()

    def _forget(self, time: int) -> None:
        """Forget expired states, except those that an overdue timer has yet to see."""
        due = self._due[0][0] if self._due else MAX
        self._states.take_out(time if time < due else due)

    def _state_of(self, key: Any, at: int, watermark: int) -> Any:
        kept = self._states.find(key, at, watermark)
        return self._initial() if kept is None else kept.value[0]

    def _initial(self) -> Any:
        """Return the state of a new key: keys share none, as they share none after a restart."""
        made = self._process.initial()
        if self._is_shared is None:
            self._is_shared = made is self._process.initial() and self._copied(made) is not made
        return self._copied(made) if self._is_shared else made

    def _copied(self, made: Any) -> Any:
        try:
            return copy.deepcopy(made)
        except Exception as error:
            raise BadProgram(
                f"{type(self._process).__name__}.initial: must return a new object for each key, got the same "
                f"{type(made).__name__} again, which cannot be copied; make it in initial"
            ) from error

    def _checked(self, following: Any, state: Any, method: str) -> Any:
        if following is None and state is not None:
            kind = type(self._process).__name__
            raise BadProgram(f"{kind}.{method}: must return the next state, got None; end it with `return state`")
        return following

    def _take_effect(self, key: Any, at: int, following: Any, sequence: int, emit: Emit[Any]) -> None:
        """Apply the actions that the process has requested."""
        context = self._context
        if context.is_cleared:
            self._states.drop(key)
            self._timers.pop(key, None)
        else:
            self._keep(key, at, following)
        for name, when in context.timers.items():
            if when is None:
                self._timers.get(key, {}).pop(name, None)
            elif self._timers.get(key, {}).get(name, (None, 0))[0] != when:
                # A timer that is set to the same time again keeps its place among the timers of that time.
                self._n_set += 1
                self._timers.setdefault(key, {})[name] = when, self._n_set
                heapq.heappush(self._due, (when, self._n_set, key, name))
        if len(self._due) > self._sweep_at:
            self._sweep_at = swept(self._due, self._is_set)
        self._send(sequence, emit)

    def _keep(self, key: Any, at: int, state: Any) -> None:
        """Set the state of a key: [state, last time]."""
        kept = self._states.values.get(key)
        last = at if kept is None or at > kept.value[1] else kept.value[1]
        end = MAX if self._ttl is None else at + self._ttl
        self._states.keep(key, [state, last], end if end < MAX else MAX)

    def _send(self, sequence: int, emit: Emit[Any]) -> None:
        context = self._context
        out, own = context.out, context.ts
        for port, item, ts in out:
            emit.made(item, ts=own if ts is None else ts, sequence=sequence, key=None, port=port)

    def _fire(self, until: int, emit: Emit[Any]) -> None:
        """Call the process for each due timer, in order, as long as there is room for the outputs."""
        n = 0
        # One timer at least, so that each call makes progress.
        while self._is_due(until) and not (n and emit.must_pause()):
            n += 1
            row = heapq.heappop(self._due)
            if not self._is_set(row):
                continue
            when, _, key, name = row
            timers = self._timers[key]
            del timers[name]
            if not timers:
                del self._timers[key]
            state = self._state_of(key, when, MIN)
            self._context.begin(key, when, self._watermark_at(when), self._now, earliest=when)
            following = self._checked(self._process.on_timer(self._context, state, name), state, "on_timer")
            self._take_effect(key, when, following, 0, emit)
        self._set_alarm()

    def _is_due(self, time: int) -> bool:
        return bool(self._due) and self._due[0][0] <= time

    def _watermark_at(self, when: int) -> int:
        """Return the event time that a timer sees, however far the watermark has jumped."""
        if self._by_clock:
            return self.watermark
        return when if when > self._seen else self._seen

    def _set_alarm(self) -> None:
        while self._due and not self._is_set(self._due[0]):
            heapq.heappop(self._due)  # otherwise it would wake the kernel, which then forgets too much
        due = self._due[0][0] if self._due else None
        if self._by_clock:
            self.timer = due
        else:
            self.wake = MAX if due is None else due

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if not self._by_clock:
            self._fire(watermark, emit)
            self.is_paused = self._is_due(watermark)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        self._now = now
        self._fire(now, emit)
        self._forget(now)

    def on_end(self, emit: Emit[Any]) -> None:
        # Processing-time timers are discarded at the end.
        self.timer = None
        if self._by_clock:
            self._forget(self._now)
        left = self._left = self._left or in_order(self._states.values)[::-1]
        while left and not self.is_paused:
            key = left.pop()
            state, last = self._states.values[key].value
            self._context.begin(key, last, self.watermark, self._now)
            self._process.on_end(self._context, state)
            self._states.drop(key)
            self._send(0, emit)
            self.is_paused = len(left) > 0 and emit.must_pause()

    def snapshot(self) -> dict[str, Any]:
        return {
            "states": [[key, list(value), until] for key, value, until in self._states.rows()],
            "timers": [list(row) for row in sorted(self._due, key=lambda row: row[:2]) if self._is_set(row)],
            "now": self._now,
            "seen": self._seen,
        }

    def _is_set(self, row: tuple[int, int, Any, str]) -> bool:
        when, n, key, name = row
        return self._timers.get(key, {}).get(name) == (when, n)

    def restore(self, saved: dict[str, Any]) -> None:
        self._states.load(saved["states"])
        self._left = []
        self._timers, self._due = {}, []
        for when, n, key, name in saved["timers"]:
            self._timers.setdefault(key, {})[name] = when, n
            self._due.append((when, n, key, name))  # sorted, so a heap
            self._n_set = max(self._n_set, n)
        self._now, self._seen = saved["now"], saved["seen"]
        self._set_alarm()


@dataclass(frozen=True)
class _Process(WindowOp[K, A, B]):
    process: KeyedProcess[K, A, B, Any]
    ttl: int | None
    chosen_clock: Literal["event", "processing"] | None
    by_clock: bool = True
    label = "process"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", *self.process.ports, "dead")

    def check(self, shape: Shape, where: str) -> None:
        if not shape.keyed:
            raise GraphError(f"{where}: needs a keyed stream; put ops.key_by(...) before it")
        if self.chosen_clock == "event" and not shape.timed:
            raise GraphError(
                f'{where}: clock="event" needs event time, and the stream has none; put ops.event_time(...) before it'
            )

    def bound(self, shape: Shape) -> _Process[K, A, B]:
        return replace(self, by_clock=(self.chosen_clock or ("event" if shape.timed else "processing")) == "processing")

    def shape(self, shape: Shape) -> Shape:
        return Shape(None, timed=shape.timed)

    def port_shape(self, port: str, shape: Shape) -> Shape:
        return super().port_shape(port, shape) if port in ("dead", "dropped") else self.shape(shape)

    def kernel(self) -> _ProcessKernel:
        return _ProcessKernel(self.process, self.ttl, by_clock=self.by_clock)


def process(
    process: KeyedProcess[K, A, B, State],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> WindowOp[K, A, B]:
    """Run your own state machine for each key, with timers.

    It corresponds to Flink's KeyedProcessFunction.

    Emits: the values passed to `ctx.emit`, with the event time of the item or timer and without a key. Values passed to
        `ctx.emit_to` go to the named port. Timers fire in order of their due time, then in the order in which they were
        set. If the stream is in order of event time, timers due before an item fire before it; otherwise they fire when
        the watermark, which follows the item, reaches them.
    Drops: nothing; every item is counted as `absorbed`.
    Holds: one state per key, until it is cleared. With `ttl`, a state is discarded after a silence of `ttl`; the next
        one is `initial()`. Timers, until they are due. A timer sees the state that its key had at the time the timer
        was set for, however far the watermark has jumped.
    Ends: when the source ends, after the event-time timers, and after `on_end` of each key that had not expired when
        the last item arrived; processing-time timers are discarded. Fails: if a method raises. Errors in `on_item` are
        subject to the node's `on_error`; errors in other methods end the run.
    Clock: timers and `ttl` use event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        process: A `KeyedProcess`.
        ttl: How long to keep a state after the last item or timer, more than 0; by default for ever.
        clock: Clock for timers and `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid, or the stream has no key.

    Example:
        >>> class EverySecond(ops.KeyedProcess[str, int, str, int]):
        ...     def initial(self):
        ...         return 0
        ...
        ...     def on_item(self, ctx, state, item):
        ...         if state % 2:
        ...             ctx.emit(f"{ctx.key}{item}")
        ...         return state + 1
        >>> keyed = rxdag.from_source(sources.range(6)).pipe(ops.key_by(lambda x: "ab"[x % 2]))
        >>> keyed.pipe(ops.process(EverySecond())).collect()
        ['a2', 'b3']
    """
    given: object = process
    if not isinstance(given, KeyedProcess):
        raise GraphError(f"process: takes a KeyedProcess, an instance of it, got {shown(given)}")
    for name, takes in _METHODS.items():
        method = getattr(given, name)
        check_plain(method, f"process: {name}", yields="emit items by ctx.emit(item)")
        check_arguments(method, f"process: {name}", *takes)
    for port in process.ports:
        if not isinstance(port, str) or not port.isidentifier() or port in TAKEN:
            raise GraphError(f"process: ports must be names other than {', '.join(TAKEN)}, got {shown(port)}")
    by_clock = clock == "processing"
    return _Process(process, ttl_ns(ttl, clock if ttl is not None else None, "process"), _checked(clock), by_clock)


def _checked(clock: Any) -> Literal["event", "processing"] | None:
    if clock not in (None, "event", "processing"):
        raise GraphError(f'process: clock must be "event" or "processing", got {shown(clock)}')
    return clock  # type: ignore[no-any-return]  # one of the three
