"""The node that holds a kernel: it calls it with items, watermarks, timers and the end, and guards those calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mypy_extensions import i64

from rxdag.contract import (
    DEAD,
    ENDED,
    FLUSHED,
    IDLE,
    MAX,
    MIN,
    RAISE,
    SKIP,
    BadItem,
    BadProgram,
    DeadLetter,
    Kernel,
    OnError,
    on_item_parameters,
)
from rxdag.engine._context import RunContext
from rxdag.engine._domain import Timer
from rxdag.engine._emit import KernelEmit
from rxdag.engine._faults import node_error
from rxdag.engine._gate import Gate
from rxdag.engine._input_marks import InputMarks
from rxdag.engine._node import Exit, Node
from rxdag.engine._point import Point
from rxdag.errors import trace_of


class Guarded(Point):
    """A node that runs user code: what fails is charged here, and no error unwinds through the nodes above.

    Args:
        name: Of the node.
        run: The run.
        policy: What becomes of an item on which user code fails.
    """

    def __init__(self, name: str, run: RunContext, policy: OnError) -> None:
        super().__init__(name)
        self.run = run
        self.policy = policy
        self.is_caught = False
        self.ports: dict[str, Exit] = {}

    def add_exit(self, exit_: Exit) -> None:
        super().add_exit(exit_)
        self.ports[exit_.port] = exit_

    def bury(self, item: Any, error: BaseException, attempts: int) -> bool:
        """Deal with an item on which user code failed, as the policy says; False if the node has failed."""
        policy = RAISE if isinstance(error, BadProgram) else self.policy.last
        if isinstance(error, BadItem) or (policy is DEAD and isinstance(error, Exception)):
            self.dead += 1
            letters = self.ports.get("dead")
            if letters is not None:
                self.give(letters, DeadLetter(self.name, item, error, attempts, trace_of(error)), 0, 0, None)
            return True
        if policy is SKIP and isinstance(error, Exception):
            self.note_drop("skipped", 1)
            dropped = self.ports.get("dropped")
            if dropped is not None:
                self.give(dropped, item, 0, 0, None)
            return True
        self.failed += 1
        if isinstance(error, KeyboardInterrupt | SystemExit):
            self.domain.interrupt(error)
        self.fail(node_error(self.name, error) if isinstance(error, BadProgram) else node_error(self.name, error, item))
        return False

    def fail(self, error: Exception) -> None:
        """End the node, and the run unless a node behind goes on without it; what it has given out goes on."""
        if self.is_ended:
            return
        self.discard()
        self.give_end(error)
        self.seal()
        if self.is_caught:
            self.domain.retire(self)
        else:
            self.run.fail(error)


class KernelNode(Guarded):
    """Runs a kernel.

    Args:
        name: Of the node.
        run: The run.
        policy: What becomes of an item on which user code fails.
        make: Makes the kernel.
        clock: "processing" to stamp items with the time of the run's clock.
        inputs: How many inputs it has.
    """

    def __init__(
        self, name: str, run: RunContext, policy: OnError, make: Callable[[], Kernel], clock: str, inputs: int
    ) -> None:
        super().__init__(name, run, policy)
        self.make = make
        self.kernel = make()
        kernel = self.kernel
        kind = type(kernel)
        self.passes: bool = kernel.passes
        self.main: Exit | None = None
        self.emit = KernelEmit(self)
        self.n_inputs = inputs
        self.marks = InputMarks(inputs)
        self.open_inputs = inputs
        self.inlets: list[Inlet] = []
        self.in_clock_time = clock == "processing"
        self.makes_time: bool = kernel.makes_time
        self.has_want = kind.want is not Kernel.want or kind.want_from is not Kernel.want_from
        self.holds_back = kind.low is not Kernel.low
        self.hears_ends = kind.on_input_end is not Kernel.on_input_end
        self.can_finish = kind.is_finished is not Kernel.is_finished
        self.has_timer = kind.on_timer is not Kernel.on_timer
        self.has_watermark = kind.on_watermark is not Kernel.on_watermark
        self.fires_before = self.in_clock_time
        """True if the time of an item says that everything before it has come."""
        self.is_simple = inputs == 1 and not self.makes_time and not self.in_clock_time and not self.holds_back
        """True if a watermark goes through as it is, behind what it sets free."""
        self.ended_inputs: set[int] = set()
        self.held_mark: i64 = MIN
        self.is_quiet = False
        """True if all inputs are idle."""
        self.said_idle = False
        """True if those behind know that nothing comes for a while."""
        self.lingering: i64 = MIN
        self.input_error: Exception | None = None
        self.is_drained = False
        """True once one of several inputs has ended for the drain, not by itself."""
        self.is_end_called = False
        self.is_forgotten = False
        self.timer: Timer | None = None
        self.bind()

    def bind(self) -> None:
        """Look how the kernel's `on_item` is called."""
        kernel: Any = self.kernel
        kernel.inputs = self.marks
        parameters = self.parameters()
        self.on_item: Any = getattr(kernel, "on_item", None)
        self.has_now = "now" in parameters or self.in_clock_time
        names = tuple("now" if name == "ts" else name for name in parameters) if self.in_clock_time else parameters
        self.names = names
        forms: dict[tuple[str, ...], int] = {
            ("item", "emit"): 0,
            ("item", "ts", "emit"): 1,
            ("item", "ts", "sequence", "key", "emit"): 2,
        }
        self.form: i64 = forms.get(names, 3)
        self.watches = (
            self.has_timer or self.has_want or self.holds_back or self.can_finish or kernel.open_inputs is not None
        )

    def parameters(self) -> tuple[str, ...]:
        """Return the names of what `on_item` takes."""
        return on_item_parameters(type(self.kernel))

    def open(self) -> None:
        """Begin, once all nodes are linked."""
        self.main = self.ports.get("out")
        if self.is_ended:
            return
        self.shut_inputs()
        if not self.is_restored and type(self.kernel).on_start is not Kernel.on_start:
            self.guard(self.call_start, 0)
        self.look()

    # ---- items

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.take(0, item, ts, sequence, key)

    def take(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Take an item of an input."""
        self.came += 1
        if self.is_ended:
            self.unread += 1
            return
        if self.marks.some_idle:
            self.give_out(self.marks.wake(input))
        if self.fires_before:
            self.fire_before(ts)
            if self.is_ended:
                self.unread += 1
                return
        self.work(input, item, ts, sequence, key)

    def fire_before(self, ts: i64) -> None:
        """Have the kernel do what is due before an item at a time; nothing of this goes downstream as a watermark."""
        if self.in_clock_time:
            ts = self.run.clock.now()
        kernel = self.kernel
        if ts - 1 > kernel.watermark:
            kernel.watermark = ts - 1
            if self.has_watermark and ts - 1 >= kernel.wake:
                self.guard(self.call_watermark, ts - 1)

    def take_columns(self, input: int, columns: Any) -> None:
        """Take a run of columns of an input; of nodes that work on columns."""
        raise NotImplementedError

    def work(self, input: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Call the kernel with an item."""
        emit = self.emit
        emit.input = input
        emit.item = item
        emit.ts = ts
        emit.sequence = sequence
        emit.key = key
        if self.has_now:
            emit.now = self.run.clock.now()
        emit.is_open = True
        try:
            self.call(item, ts, sequence, key)
        except BaseException as error:
            emit.is_open = False
            self.bury(item, self.blamed(item, error), 1)
        emit.is_open = False
        if self.watches:
            self.look()

    def call(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Call `on_item` with what it takes."""
        form = self.form
        emit = self.emit
        if form == 0:
            self.on_item(item, emit)
        elif form == 1:
            self.on_item(item, ts, emit)
        elif form == 2:
            self.on_item(item, ts, sequence, key, emit)
        else:
            self.on_item(*[emit if name == "emit" else getattr(emit, name) for name in self.names])

    def blamed(self, item: Any, error: BaseException) -> BaseException:
        """Return what the kernel says of an error of its own."""
        if not isinstance(error, Exception):
            return error
        try:
            return self.kernel.blame(item, error)
        except BaseException as failure:
            return failure

    # ---- what the kernel wants

    def look(self) -> None:
        """Do what the kernel asks for by its attributes: timers, demand, the watermark it holds back, an early end."""
        if self.is_ended:
            return
        if self.held_mark > self.watermark or self.is_quiet != self.said_idle:
            self.mark_below()
        self.arm()
        if self.has_want or self.inlets:
            self.shut_inputs()
        if self.can_finish and self.kernel.is_finished():
            self.finish_early()

    def wants(self) -> int | None:
        """Return the most items it takes now; None for any number."""
        return None if self.is_ended else self.kernel.want_from(0, self.run.clock.now())

    def shut_inputs(self) -> None:
        """Shut the inputs of which it takes nothing now, and open the others."""
        if not self.inlets:
            if self.has_want:
                self.set_shut(self.kernel.want_from(0, self.run.clock.now()) == 0)
            return
        opened = self.kernel.open_inputs
        now = self.run.clock.now() if self.has_want else 0
        for i, inlet in enumerate(self.inlets):
            inlet.set_entry_shut(opened is not None and i >= opened)
            inlet.set_shut(self.has_want and self.kernel.want_from(i, now) == 0)
        if self.is_drained:
            self.end_if_refused()

    def end_if_refused(self) -> None:
        """End if nothing can come any more: a drain has ended some inputs, and the others have to wait for those."""
        if self.kernel.timer is None and all(inlet.is_ended or inlet.is_shut for inlet in self.inlets):
            self.inputs_ended(None)
            self.leave()

    def arm(self) -> None:
        """Set the timer that the kernel wants."""
        due = self.kernel.timer
        timer = self.timer
        if timer is not None:
            # An earlier timer stays and sets the later one when it fires: one that is put off with each item is one timer.
            if due is not None and timer.when <= due:
                return
            timer.cancel()
            self.timer = None
        if due is not None:
            self.timer = self.domain.driver.at(due, self.on_due, rank=int(self.rank))

    def on_due(self) -> None:
        """The timer is due; while the node rests it waits."""
        if self.must_wait():
            self.domain.deferred.append(self)
        else:
            self.fire()

    def must_wait(self) -> bool:
        return self.is_resting and not self.is_ended

    def fire(self) -> None:
        self.timer = None
        if self.is_ended:
            return
        due = self.kernel.timer
        now = self.run.clock.now()
        if due is None or due > now:
            self.arm()
            return
        self.guard(self.call_timer, now)
        self.said_idle = False  # what came out has said that more may come
        self.look()
        self.stop_lingering()

    # ---- calls where no single item is at hand

    def guard(self, fn: Callable[[i64], None], value: i64) -> None:
        """Call into the kernel; its failure ends the node."""
        emit = self.emit
        emit.is_open = True
        try:
            fn(value)
        except BaseException as error:
            emit.is_open = False
            if isinstance(error, KeyboardInterrupt | SystemExit):
                self.domain.interrupt(error)
            self.fail(node_error(self.name, error))
        emit.is_open = False

    def call_start(self, value: i64) -> None:
        self.kernel.on_start(self.run.clock.now(), self.emit)

    def call_watermark(self, value: i64) -> None:
        self.kernel.on_watermark(value, self.emit)

    def call_timer(self, value: i64) -> None:
        self.kernel.on_timer(value, self.emit)

    def call_end(self, value: i64) -> None:
        self.kernel.on_end(self.emit)

    def call_input_end(self, value: i64) -> None:
        self.kernel.on_input_end(value, self.emit)

    # ---- watermarks

    def mark(self, watermark: i64) -> None:
        if not self.is_simple or watermark >= FLUSHED or self.is_ended or not self.marks.rises(watermark):
            self.take_mark(0, watermark)
            return
        kernel = self.kernel
        if watermark > kernel.watermark:
            kernel.watermark = watermark
            if self.has_watermark and watermark >= kernel.wake:
                self.guard(self.call_watermark, watermark)
                if self.is_ended:
                    return
        self.give_mark(watermark)
        if self.watches:
            self.look()

    def take_mark(self, input: int, watermark: i64) -> None:
        """Take a watermark of an input."""
        if self.is_ended:
            return
        if watermark >= FLUSHED:
            self.note_input_end(input)
        self.give_out(self.marks.advance(input, watermark))
        if self.watches:
            self.look()

    def note_input_end(self, input: int) -> None:
        """Tell the kernel that an input has ended by itself, or is flushed."""
        if self.hears_ends and input not in self.ended_inputs:
            self.ended_inputs.add(input)
            self.guard(self.call_input_end, input)

    def give_out(self, marks: tuple[int, ...]) -> None:
        """Take the watermarks of all inputs together, one after the other."""
        for mark in marks:
            if not self.is_ended:
                self.combined(mark)

    def combined(self, watermark: i64) -> None:
        """All inputs together have got to a watermark, or are idle, or active again."""
        kernel = self.kernel
        if watermark >= FLUSHED:
            if watermark == ENDED and not self.in_clock_time:
                kernel.watermark = MAX
                if self.has_watermark:
                    self.guard(self.call_watermark, MAX)
            self.end_kernel()
        elif self.makes_time:
            return
        elif not self.in_clock_time and watermark > kernel.watermark:
            kernel.watermark = watermark
            if self.has_watermark and watermark >= kernel.wake:
                self.guard(self.call_watermark, watermark)
        if self.is_ended:
            return
        if watermark >= FLUSHED and kernel.lingers:
            self.lingering = watermark  # the end goes on behind what comes out yet
            return
        self.is_quiet = watermark == IDLE
        if self.holds_back and watermark < FLUSHED:
            if watermark > self.held_mark:
                self.held_mark = watermark
            self.mark_below()
            return
        self.said_idle = self.is_quiet
        self.give_mark(watermark)

    def mark_below(self) -> None:
        """Give out the watermark, and that the stream is idle, as far as what rests in the kernel lets them go."""
        low: i64 = self.kernel.low()
        mark = self.held_mark if self.held_mark < low - 1 else low - 1
        if mark > self.watermark:
            self.said_idle = False
            self.give_mark(mark)
        if not self.is_quiet:
            if self.said_idle:
                self.said_idle = False
                self.give_mark(self.watermark)
        elif not self.said_idle and (low == MAX or not self.gives_alone()):
            self.said_idle = True
            self.give_mark(IDLE)

    def gives_alone(self) -> bool:
        """Return True if what rests in the kernel comes out though nothing comes in."""
        return self.kernel.timer is not None

    def end_kernel(self) -> None:
        """Tell the kernel of the end; once."""
        if not self.is_end_called and not self.is_ended:
            self.is_end_called = True
            self.guard(self.call_end, 0)

    # ---- ends

    def end(self, error: Exception | None) -> None:
        self.input_ended(0, error)

    def input_ended(self, input: int, error: Exception | None) -> None:
        """An input has ended; the node ends with the last of them."""
        if error is not None and self.caught(input, error):
            error = None
        self.open_inputs -= 1
        if error is not None:
            self.input_error = error
        if self.is_ended:
            return
        if self.open_inputs == 0:
            self.inputs_ended(self.input_error)
        elif error is not None and (self.is_caught or self.has_want):
            # The run may go on without this node, and what an input is refused would keep its end.
            self.inputs_ended(error)
            self.domain.retire(self)
        elif self.inlets and error is None and self.marks.of[input] < FLUSHED:
            self.is_drained = True
            self.end_if_refused()

    def caught(self, input: int, error: Exception) -> bool:
        """Return True if the kernel goes on although an input has failed."""
        if self.is_ended or input >= self.kernel.may_catch:
            return False
        if not self.kernel.catches(input, error):
            if not self.is_caught:
                self.run.fail(error)
            return False
        self.take_mark(input, ENDED)
        self.look()
        return True

    def inputs_ended(self, error: Exception | None) -> None:
        """All inputs have ended."""
        if error is None and self.lingering != MIN:
            return
        if error is not None:
            self.discard()
        self.finish(error)

    def finish(self, error: Exception | None) -> None:
        """Send the end out, behind what rests here."""
        if self.is_ended:
            return
        if self.timer is not None:
            self.timer.cancel()
        self.give_end(error)
        self.seal()

    def stop_lingering(self) -> None:
        """End if the end waited for what has come out now."""
        if self.lingering == MIN or self.kernel.lingers or self.is_ended:
            return
        watermark, self.lingering = self.lingering, MIN
        self.give_mark(watermark)
        if self.open_inputs == 0:
            self.inputs_ended(None)

    def finish_early(self) -> None:
        """End before the inputs do."""
        if self.is_ended:
            return
        self.give_mark(ENDED)
        self.forget_state()
        self.finish(None)
        self.domain.retire(self)

    def retire(self) -> None:
        self.forget_state()
        self.leave()

    def forget_state(self) -> None:
        """Count what the kernel holds as discarded."""
        if not self.is_forgotten:
            self.discarded += self.kernel.held()
            self.is_forgotten = True
        if self.timer is not None:
            self.timer.cancel()

    def discard(self) -> None:
        self.forget_state()
        self.clear()

    def held(self) -> int:
        return (0 if self.is_forgotten else self.kernel.held()) + super().held()

    def unused(self) -> None:
        self.clear()
        super().unused()

    def leave(self) -> None:
        super().leave()
        for inlet in self.inlets:
            if not inlet.is_ended:
                inlet.is_ended = True
                inlet.set_shut(False)
                inlet.set_entry_shut(False)
                inlet.leave()

    def go_on(self) -> None:
        """Do what waited for room; of nodes that hold items until there is some."""


class Inlet(Node):
    """One of several inputs of a node."""

    def __init__(self, owner: KernelNode, input: int) -> None:
        super().__init__(owner.name)
        self.owner = owner
        self.input = input
        self.gate: Gate | None = None
        """The gate before it."""
        self.is_entry_shut = False

    def readers(self) -> list[Node]:
        return [self.owner]

    def set_entry_shut(self, is_shut: bool) -> None:
        """Let nothing into the gate before it, or let it in again: a source behind it is not even opened meanwhile."""
        gate = self.gate
        if gate is None or is_shut == self.is_entry_shut:
            return
        self.is_entry_shut = is_shut
        if gate.domain is self.domain:
            gate.set_shut(is_shut)
        else:
            gate.domain.driver.call(partial(gate.set_shut, is_shut))

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        self.owner.take(self.input, item, ts, sequence, key)

    def push_columns(self, columns: Any) -> None:
        self.came += len(columns)
        self.owner.take_columns(self.input, columns)

    def mark(self, watermark: i64) -> None:
        self.owner.take_mark(self.input, watermark)

    def end(self, error: Exception | None) -> None:
        if not self.is_ended:
            self.is_ended = True
            self.set_shut(False)
            self.owner.input_ended(self.input, error)
