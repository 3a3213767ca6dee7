"""A kernel with several inputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mypy_extensions import mypyc_attr

from rxdag.contract._exits import ColumnsEmit, Emit, Inputs
from rxdag.contract._kernel import Kernel

if TYPE_CHECKING:
    from rxdag.columns import Columns


@mypyc_attr(allow_interpreted_subclasses=True)
class FanInKernel(Kernel):
    """The state machine of an operator with several inputs; `on_item` takes the parameter `input`."""

    open_inputs: int | None = None
    """Number of inputs, counted from the first, that may currently deliver; None for all. It belongs to `state`."""
    may_catch: int = 0
    """Number of inputs, counted from the first, whose failure is offered to `catches`."""
    inputs: Inputs
    """Progress of each input. Set by the node."""

    def want_from(self, input: int, now: int) -> int | None:
        """Return the maximum number of items it accepts from one input now, like `want`."""
        return self.want(now)

    def changed_wants(self) -> Iterable[int] | None:
        """Return the inputs whose `want_from` has changed since it was last asked.

        None means that any of them may have changed. An input that has just delivered an item is asked anyway. Override
        this method if the cost of an item must not grow with the number of inputs.
        """
        return None

    def on_input_end(self, input: int, emit: Emit[Any]) -> object:
        """Note that an input has ended or is flushed; called once for each, before `on_end`."""

    def catches(self, input: int, error: Exception) -> bool:
        """Return True to continue after an input has failed; it then counts as ended."""
        return False

    def on_columns_from(self, input: int, columns: Columns, emit: ColumnsEmit) -> object:
        """Process a run of one input as columns; `columns.before` is the watermark of all inputs together.

        Raises:
            RowFailed: As `on_columns`.
        """
        return self.on_columns(columns, emit)
