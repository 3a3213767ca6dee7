"""The host of a node that joins columns of several inputs: it cuts them at watermarks, and hands them on whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxdag.compiler._columns_host import columns_of
from rxdag.compiler._host import node_error
from rxdag.compiler._kernel_host import KernelHost
from rxdag.contract import Chunk

if TYPE_CHECKING:
    from rxdag.columns import Columns


class InputsHost(KernelHost):
    """Runs a kernel that takes runs of columns from several inputs, and gives out items."""

    def _caller(self) -> Any:
        return _no_items

    def _looks_at_clock(self) -> bool:
        return False

    def take(self, input: int, chunk: Chunk) -> None:
        columns = chunk.columns
        if columns is None and chunk.items:
            columns = columns_of(chunk, None)
        at = 0
        for position, mark in chunk.marks:
            if columns is not None and position > at:
                self._join(input, columns[at:position])
                at = position
            self._mark(input, mark)
        if columns is not None and at < columns.n:
            self._join(input, columns[at:] if at else columns)
        self._settle()

    def _join(self, input: int, columns: Columns) -> None:
        if self.is_ended:
            self.ledger.unread += columns.n
            return
        if self._marks.some_idle:
            self._give_out(self._marks.wake(input))
        kernel: Any = self.kernel
        try:
            kernel.on_columns_from(input, columns, self._emit)
        except Exception as error:
            self.ledger.failed += 1
            self.ledger.discarded += columns.n - 1
            self.fail(node_error(self.name, error))


def _no_items() -> None:
    """It is never given single items."""
