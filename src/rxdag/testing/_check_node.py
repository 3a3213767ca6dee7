"""A node of a driven graph: a kernel, its waiting inputs, and its watermarks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from rxdag.contract import (
    DEAD,
    ENDED,
    FLUSHED,
    MAX,
    MIN,
    RAISE,
    SKIP,
    BadItem,
    BadProgram,
    Clock,
    DeadLetter,
    FanInKernel,
    Kernel,
    OnError,
    on_item_parameters,
    releases,
)
from rxdag.errors import NodeError, shown, text_of
from rxdag.testing._check_exits import Exits
from rxdag.testing._check_marks import Marks, steps_between

Entry = list[Any]
"""An entry: [input, "item", item, ts, sequence, key], [input, "mark", watermark] or [input, "fail", error]."""


class Way(Protocol):
    """The destination of a port."""

    timed: bool
    keyed: bool

    def take(self, kind: str, *what: Any) -> None:
        """Take in an item, a mark or an error."""
        ...


class Watch(Protocol):
    """Inspects a kernel before and after each call."""

    def before(self, node: DrivenNode) -> None:
        """Observe the kernel before it takes in an entry."""
        ...

    def after(self, node: DrivenNode, error: Exception | None) -> None:
        """Observe the kernel after an entry, with the error of its item."""
        ...


class DrivenNode:
    """Calls one kernel: items, watermarks, timers and ends, in their order.

    Args:
        name: Of the node.
        kernel: Its state machine.
        policy: Error policy for items on which user code fails.
        n: Number of inputs.
        clock: Clock of the run.
        by_clock: True to stamp items with processing time.
    """

    def __init__(self, name: str, kernel: Kernel, policy: OnError, n: int, clock: Clock, *, by_clock: bool) -> None:
        self.name = name
        self.kernel = kernel
        self.policy = policy
        self.inbox: list[Entry] = []
        self.ways: dict[str, list[Way]] = {}
        self.watch: Watch | None = None
        self.split: random.Random | None = None
        """Draws additional watermarks below each incoming one; None for no additional ones."""
        self.room: Callable[[], int] = lambda: 1
        """Returns the space downstream, for a kernel that releases held items."""
        self.fires_before = False
        """True if an item makes the kernel first emit what is due before it."""
        self.marks = Marks(n)
        self.exits = Exits(self._send, self._mark_out, passes=kernel.passes)
        self.out: Any = self.exits
        """Exits for calls without a current item."""
        self.is_ended = False
        self.n_in = 0
        self.clock = clock
        self.by_clock = by_clock
        self._given = self._held_mark = self._clock_mark = MIN
        self._is_end_called = False
        self._lingering: int | None = None
        self._ended_inputs: list[int] = []
        self.fan_in = kernel if isinstance(kernel, FanInKernel) else None
        if self.fan_in is not None:
            self.fan_in.inputs = self.marks
        if type(kernel).expand is Kernel.expand:
            names = on_item_parameters(type(kernel))
            self._names = [name for name in names if name != "emit"]
            self._takes_emit = "emit" in names

    def step(self) -> bool:
        """Take in the first waiting input that can be taken; False if none can."""
        at = self.next_entry()
        if at is None:
            return False
        self.take_in(self.inbox.pop(at))
        return True

    def next_entry(self) -> int | None:
        """Place of the first entry that is not held up by its input."""
        if self.is_ended:
            self.inbox.clear()
            return None
        shut: set[int] = set()
        for at, (input, kind, *_) in enumerate(self.inbox):
            if input not in shut and self._is_open(input, kind):
                return at
            shut.add(input)
        return None

    def _is_open(self, input: int, kind: str) -> bool:
        fan_in, now = self.fan_in, self.clock.now()
        if fan_in is None:
            return kind != "item" or self.kernel.want(now) != 0
        if fan_in.open_inputs is not None and input >= fan_in.open_inputs:
            return False
        return kind != "item" or fan_in.want_from(input, now) != 0

    @property
    def is_parked(self) -> bool:
        """True if it takes nothing until its timer."""
        return bool(self.inbox) and self.kernel.timer is not None

    @property
    def waits(self) -> bool:
        """True if something may come out that no timer is set for: there may be room at the next turn."""
        return releases(self.kernel) and self.kernel.held() > 0 and not self.is_ended

    def take_in(self, entry: Entry) -> None:
        """Feed an entry to the kernel."""
        input, kind, *what = entry
        self._look_before()
        error: Exception | None = None
        if kind == "fail":
            self._input_failed(input, what[0])
        elif kind == "mark":
            self.mark(input, what[0])
        else:
            error = self._item(input, *what)
        self.settle()
        self._look_after(error)

    def _look_before(self) -> None:
        if self.watch is not None:
            self.watch.before(self)

    def _look_after(self, error: Exception | None) -> None:
        if self.watch is not None:
            self.watch.after(self, error)

    def wake(self, input: int) -> None:
        """Mark the input of an item active."""
        for mark in self.marks.wake(input):
            self._combined(mark)

    def _item(self, input: int, item: Any, ts: int, sequence: int, key: Any) -> Exception | None:
        exits = self.exits
        self.n_in += 1
        self.wake(input)
        exits.now = now = self.clock.now()
        if self.by_clock and now - 1 > self._clock_mark:
            self._clock_mark = self.kernel.watermark = now - 1
            if now - 1 >= self.kernel.wake:
                self._call_out(lambda: self.kernel.on_watermark(now - 1, self.out))
        if self.fires_before and ts - 1 > self.kernel.watermark:
            self._advance(ts - 1)
            if self.is_ended:
                self.exits.counts["unread"] += 1
                return None
            self._look_before()  # outputs due before the item remain even if the item fails
        exits.input, exits.item, exits.ts, exits.sequence, exits.key = input, item, ts, sequence, key
        for attempt in range(1, self.policy.attempts + 1):
            try:
                self._call()
                break
            except Exception as error:
                blamed = self.kernel.blame(item, error)
                if attempt < self.policy.attempts and not isinstance(blamed, BadItem | BadProgram):
                    continue
                self.bury(item, blamed, attempt)
                return error
        if releases(self.kernel) and self.room():
            self.kernel.release(1, exits)
        return None

    def _call(self) -> None:
        kernel: Any = self.kernel
        exits = self.exits
        if type(self.kernel).expand is not Kernel.expand:
            for output in self.kernel.expand(exits.item) or ():
                exits(output)
            exits.absorbed(1)
            return
        of = {"ts": exits.now if self.by_clock else exits.ts, "item": exits.item, "key": exits.key}
        of |= {"sequence": exits.sequence, "now": exits.now, "input": exits.input}
        kernel.on_item(*[of[name] for name in self._names], *([exits] if self._takes_emit else []))

    def bury(self, item: Any, error: Exception, attempts: int = 1) -> None:
        """Apply the error policy to a failed item."""
        last = RAISE if isinstance(error, BadProgram) else self.policy.last
        if isinstance(error, BadItem) or last is DEAD:
            self.exits.counts["dead"] += 1
            self._send("dead", DeadLetter(self.name, item, error, attempts, text_of(error)), 0, 0, None)
        elif last is SKIP:
            self.exits.counts["dropped"] += 1
            self._send("dropped", item, 0, 0, None)
        else:
            self.exits.counts["failed"] += 1
            self.fail(error)

    def mark(self, input: int, mark: int) -> None:
        """Take in the watermark of an input."""
        if mark >= FLUSHED and input not in self._ended_inputs:
            self._ended_inputs.append(input)
            fan_in = self.fan_in
            if fan_in is not None:
                self.guard(lambda: fan_in.on_input_end(input, self.out))
        for each in self.marks.take(input, mark):
            self._combined(each)

    def _combined(self, mark: int) -> None:
        kernel, out = self.kernel, self.out
        if self.is_ended:
            return
        if mark >= FLUSHED:
            if not self.by_clock:
                self._advance(MAX)
                self._call_out(lambda: kernel.on_watermark(MAX, out))
            if not self._is_end_called:
                self._is_end_called = True
                self._call_out(lambda: kernel.on_end(out))
            if kernel.lingers:
                self._lingering = mark
            else:
                self._finish()
            return
        if kernel.makes_time:
            return
        if not self.by_clock and mark > kernel.watermark:
            self._advance(mark)
        if type(kernel).low is not Kernel.low and mark > MIN:
            self._held_mark = max(self._held_mark, mark)
            return
        self.exits.watermark(mark)

    def _advance(self, mark: int) -> None:
        """Advance the kernel to a watermark, perhaps in steps."""
        kernel = self.kernel
        for each in (*steps_between(kernel.watermark, mark, kernel.wake, self.split), mark):
            kernel.watermark = each
            if each >= kernel.wake:
                self._call_out(partial(kernel.on_watermark, each, self.out))

    def _finish(self) -> None:
        if not self.is_ended:
            self.exits.watermark(ENDED)
            self.is_ended = True

    def settle(self) -> None:
        """Emit the watermark as far as allowed; end if nothing more can be emitted."""
        if self.is_ended:
            return
        if self._lingering is not None and not self.kernel.lingers:
            self._finish()
            return
        mark = min(self._held_mark, self.kernel.low() - 1)
        if mark > self._given:
            self.exits.watermark(mark)
        if self.kernel.is_finished():
            self.exits.counts["discarded"] += self.kernel.held()
            self._finish()

    def release(self) -> None:
        """Emit held items as far as there is space."""
        if releases(self.kernel) and not self.is_ended and self.kernel.held() and self.room():
            self.guard(lambda: self.kernel.release(self.room(), self.exits))
            self.settle()

    def open(self) -> None:
        """Begin: only of a run that is new."""
        self.guard(lambda: self.kernel.on_start(self.clock.now(), self.out))
        self.settle()

    @property
    def due(self) -> int | None:
        """Time at which the timer is due; None if there is none."""
        return None if self.is_ended else self.kernel.timer

    def fire(self) -> None:
        """Fire the timer."""
        self._look_before()
        self.exits.now = self.clock.now()
        self.guard(lambda: self.kernel.on_timer(self.clock.now(), self.out))
        self.settle()
        self._look_after(None)

    def guard(self, fn: Callable[[], object]) -> None:
        """Call the kernel outside of single items, unless the node has ended; an error fails the node."""
        if self.is_ended:
            return
        try:
            fn()
        except Exception as error:
            self.fail(error)

    def _call_out(self, fn: Callable[[], object]) -> None:
        """Call a method that may pause, until everything due is out."""
        self.kernel.is_paused = True
        while self.kernel.is_paused and not self.is_ended:
            self.kernel.is_paused = False
            self.guard(fn)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        if self.is_ended:
            return
        made = NodeError(f'node "{self.name}" failed: {shown(error)}', node=self.name)
        made.__cause__ = error
        self._end_with(made)

    def _end_with(self, error: Exception) -> None:
        self.exits.counts["discarded"] += self.kernel.held()
        self.is_ended = True
        for ways in self.ways.values():
            for way in ways:
                way.take("fail", error)

    def _input_failed(self, input: int, error: Exception) -> None:
        fan_in = self.fan_in
        if fan_in is not None and input < fan_in.may_catch and fan_in.catches(input, error):
            self.mark(input, ENDED)
        else:
            self._end_with(error)

    def _send(self, port: str, item: Any, ts: int, sequence: int, key: Any) -> None:
        for way in self.ways.get(port, ()):
            at = (ts, sequence) if way.timed else (0, 0)
            way.take("item", item, *at, key if way.keyed else None)

    def _mark_out(self, mark: int) -> None:
        self._given = max(self._given, mark)
        for ways in self.ways.values():
            for way in ways:
                if way.timed or mark >= FLUSHED:
                    way.take("mark", mark)

    def problem(self, restored: int) -> str | None:
        """Return the violated law of the books; None if they balance.

        Args:
            restored: Number of items that the kernel held when its state was restored.
        """
        left = Counter({exit_: n for exit_, n in self.exits.counts.items() if exit_ != "made"})
        held = 0 if self.is_ended else self.kernel.held()
        if self.n_in + restored == left.total() + held:
            return None
        exits = ", ".join(f"{exit_} {n}" for exit_, n in sorted(left.items()))
        return f"node {self.name}: in {self.n_in} + restored {restored} must be {exits or 'nothing'} + held {held}"

    def save(self) -> dict[str, Any]:
        """Return the state of the kernel and of the node, as plain data."""
        return {
            "kernel": self.kernel.snapshot(),
            "held": self.kernel.held(),
            "watermark": self.kernel.watermark,
            "marks": self.marks.save(),
            "inbox": self.inbox,
            "place": [self._given, self._held_mark, self._clock_mark, self._lingering],
            "ends": [self.is_ended, self._is_end_called, self._ended_inputs],
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Restore the result of `save`."""
        self.kernel.restore(saved["kernel"])
        if self.kernel.held() != saved["held"]:
            raise ValueError(f"held() must be {saved['held']} after restore(), as before, got {self.kernel.held()}")
        self.kernel.watermark = saved["watermark"]
        self.marks.load(saved["marks"])
        self.inbox = saved["inbox"]
        self._given, self._held_mark, self._clock_mark, self._lingering = saved["place"]
        self.is_ended, self._is_end_called, self._ended_inputs = saved["ends"]
