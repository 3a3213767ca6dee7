"""Nodes that call a kernel: with an item in the form that its `on_item` takes, and guarded outside of items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import i64

from rxdag.contract import FanInKernel, Kernel, OnError, on_item_parameters
from rxdag.engine._context import RunContext
from rxdag.engine._emit import KernelEmit
from rxdag.engine._guarded import Guarded
from rxdag.engine._input_marks import InputMarks
from rxdag.engine._node import Exit


class CallingNode(Guarded):
    """Calls a kernel, and guards those calls.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for items on which user code fails.
        make: Makes the kernel.
        clock: "processing" to stamp items with the time of the run's clock.
        inputs: How many inputs it has.
    """

    def __init__(
        self, name: str, run: RunContext, policy: OnError, make: Callable[[], Kernel], clock: str, inputs: int
    ) -> None:
        super().__init__(name, run, policy)
        self.kernel = make()
        kernel = self.kernel
        fan_in = kernel if isinstance(kernel, FanInKernel) else None
        self.fan_in = fan_in
        """The kernel, if it is one with several inputs."""
        kind = type(kernel)
        self.passes: bool = kernel.passes
        self.main: Exit | None = None
        self.emit = KernelEmit(self)
        self.n_inputs = inputs
        self.marks = InputMarks(inputs)
        self.in_clock_time = clock == "processing"
        self.rests_inputs: bool = kernel.pauses
        """True if inputs rest here while the node cannot process them."""
        self.has_want = kind.want is not Kernel.want or (
            fan_in is not None and type(fan_in).want_from is not FanInKernel.want_from
        )
        self.tells_changed = fan_in is not None and type(fan_in).changed_wants is not FanInKernel.changed_wants
        self.heard: list[int] = []
        """Inputs that have delivered since the demand was last asked; only with `changed_wants`."""
        self.holds_back = kind.low is not Kernel.low
        self.can_finish = kind.is_finished is not Kernel.is_finished
        self.has_timer = kind.on_timer is not Kernel.on_timer
        self.has_watermark = kind.on_watermark is not Kernel.on_watermark
        self.bind()

    def bind(self) -> None:
        """Look how the kernel's `on_item` is called."""
        kernel: Any = self.kernel
        fan_in = self.fan_in
        if fan_in is not None:
            fan_in.inputs = self.marks
        parameters = self.parameters()
        self.on_item: Any = getattr(kernel, "on_item", None)
        self.has_now = "now" in parameters or self.in_clock_time
        # In processing time, the time of an item is the time of the clock.
        names = tuple("now" if name == "ts" else name for name in parameters) if self.in_clock_time else parameters
        self.names = names
        # The common forms, which are called without collecting arguments by name.
        forms: dict[tuple[str, ...], int] = {
            ("item", "emit"): 0,
            ("item", "ts", "emit"): 1,
            ("item", "ts", "sequence", "key", "emit"): 2,
        }
        self.form: i64 = forms.get(names, 3)
        self.watches = (
            self.has_timer
            or self.has_want
            or self.holds_back
            or self.can_finish
            or (fan_in is not None and fan_in.open_inputs is not None)
        )

    def parameters(self) -> tuple[str, ...]:
        """Return the parameter names of `on_item`."""
        return on_item_parameters(type(self.kernel))

    def call(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Call `on_item` with the arguments that it takes."""
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
        """Return the error that the kernel makes of one of its own."""
        if not isinstance(error, Exception):
            return error
        try:
            return self.kernel.blame(item, error)
        except BaseException as failure:
            return failure

    def close_failed(self) -> bool:
        """Close emit after a call that has failed; return True if it has emitted something.

        If the item itself has left, that output counts as made: the item counts as failed, and nothing counts twice.
        """
        emit = self.emit
        given, emit.given = emit.given, -1
        if given > 1:
            self.passed -= 1
            self.made += 1
        return given > 0

    def joining(self) -> FanInKernel:
        """Return the kernel, of a node with several inputs."""
        assert self.fan_in is not None
        return self.fan_in

    def guard(self, fn: Callable[[i64], None], value: i64) -> None:
        """Call into the kernel; its failure ends the node."""
        emit = self.emit
        emit.given = 0
        try:
            fn(value)
        except BaseException as error:
            emit.given = -1
            self.break_down(error)
        emit.given = -1

    def call_start(self, value: i64) -> None:
        self.kernel.on_start(self.run.clock.now(), self.emit)

    def call_watermark(self, value: i64) -> None:
        self.kernel.is_paused = False
        self.kernel.on_watermark(value, self.emit)

    def call_timer(self, value: i64) -> None:
        self.kernel.on_timer(value, self.emit)

    def call_end(self, value: i64) -> None:
        self.kernel.is_paused = False
        self.kernel.on_end(self.emit)

    def call_input_end(self, value: i64) -> None:
        self.joining().on_input_end(value, self.emit)
