"""The exits of a kernel that works on columns: open only while a method of the kernel runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rxdag.contract import BadProgram
from rxdag.engine._branches import Watch
from rxdag.engine._node import Exit

if TYPE_CHECKING:
    from rxdag.engine._columns_node import ColumnsNode


class ColumnsExits:
    """The exits of a kernel of columns, into the node that holds it."""

    def __init__(self, node: ColumnsNode) -> None:
        self._node = node
        self.is_open = False

    def _check(self) -> None:
        if not self.is_open:
            raise RuntimeError(
                f'node "{self._node.name}": emit must be called while a method of its kernel runs, got a later call; '
                f"emit inside the method, or keep the items and emit them in on_watermark or on_end"
            )

    def _exit(self, port: str) -> Exit:
        exit_ = self._node.ports.get(port)
        if exit_ is None:
            raise BadProgram(f'node "{self._node.name}" has no port "{port}"')
        return exit_

    def __call__(self, columns: Any, /) -> None:
        """Emit items with their times and keys."""
        self.to("out", columns)

    def made(self, columns: Any, /) -> None:
        """Emit items other than those that came in."""
        self.to("out", columns)

    def to(self, port: str, columns: Any, /) -> None:
        """Send items to a port."""
        self._check()
        node = self._node
        exit_ = self._exit(port)
        n = len(columns)
        if node.passes:
            node.passed += n
        else:
            node.made += n
        if columns.key is not None and not exit_.keyed:
            columns = columns.keyed(None)
        if columns.ts is not None and not exit_.timed:
            columns = columns.untimed()
        node.give_columns(exit_, columns)

    def rows(self, values: list[Any], columns: Any, /) -> None:
        """Send out Python values, one for each of these items, with its time and key."""
        self._check()
        node = self._node
        main = self._exit("out")
        times, sequences, keys = columns.beside_rows()
        before = columns.marks_before() if main.timed else None
        for i, value in enumerate(values):
            # Row nodes behind get the watermark as a mark before the item.
            if before is not None and before[i] > node.watermark:
                node.give_mark(before[i])
            if node.passes:
                node.passed += 1
            else:
                node.made += 1
            if i and node.domain.must_give_back():
                node.rest_on()
            node.give(main, value, times[i], sequences[i], keys[i])

    def watermark(self, watermark: int, /) -> None:
        """Send a watermark out."""
        self._check()
        self._node.give_mark(watermark)

    def late(self, columns: Any, /) -> None:
        """Count items as late; they go to port "late"."""
        self._check()
        node = self._node
        n = len(columns)
        node.late += n
        if n:
            node.note_loss()
        exit_ = node.ports.get("late")
        if exit_ is None or not n:
            return
        # Without a reader or a watcher, no rows need to be made.
        if not exit_.is_read and not isinstance(exit_.out, Watch):
            exit_.n += n
            return
        times, sequences, keys = columns.beside_rows()
        for i, item in enumerate(columns.rows()):
            if i and node.domain.must_give_back():
                node.rest_on()
            node.give(exit_, item, times[i], sequences[i], keys[i])

    def absorbed(self, n: int, /) -> None:
        """Count items that were held and are spent."""
        self._check()
        self._node.absorbed += n

    def filtered(self, n: int, /) -> None:
        """Count items as left out."""
        self._check()
        self._node.filtered += n

    def dropped(self, n: int, reason: str, /) -> None:
        """Count items as dropped."""
        self._check()
        if n:
            self._node.note_drop(reason, n)

    def unassigned(self, n: int, /) -> None:
        """Count items as belonging to no window."""
        self._check()
        self._node.unassigned += n
        if n:
            self._node.note_loss()

    def unrouted(self, n: int, /) -> None:
        """Count items as belonging to no route."""
        self._check()
        self._node.unrouted += n
        if n:
            self._node.note_loss()

    def tell(self, code: str, **fields: object) -> None:
        """Log a documented event of the node; for kernels that know this class."""
        self._node.run.events.tell(code, self._node.name, **fields)
