"""Inner streams being read: the reader of one, and the context of its source."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from rxdag.contract import Boundary, Chunk, Clock, Inner, Reader, Saw, Source, checked_end
from rxdag.engine._domain import TURNS_NS
from rxdag.engine._faults import node_error

if TYPE_CHECKING:
    from rxdag.engine._inner_node import InnerNode


class Reading:
    """One inner stream, and the context that its source sees."""

    def __init__(self, node: InnerNode, inner: Inner) -> None:
        self.node = node
        self.inner = inner
        self.name = node.name
        self.dag = node.run.dag_name
        self.saves = False
        self.wants_columns = False
        self.boundary: Boundary | None = None
        self.saw: Saw | None = None
        self.clock: Clock = node.run.clock
        self.random: Random = node.run.random
        self.source: Source[Any] | None = None
        self.reader: Reader | None = None
        self.is_ready = True
        self.attempts = 0
        self.began = 0
        """Start of its turn, by the domain's `ticks`."""
        self.left: list[Any] = []
        """Items read and not processed yet."""

    def wake(self) -> None:
        self.node.domain.driver.call(self.come)

    def wake_at(self, when: int) -> None:
        self.node.domain.driver.at(when, self.come, rank=int(self.node.rank))

    def come(self) -> None:
        """Schedule a read: the stream may have items now."""
        self.is_ready = True
        self.node.look()

    def wants_thread(self) -> bool:
        domain = self.node.domain
        return domain.must_give_back() or domain.ticks() - self.began >= TURNS_NS

    def emit(self, port: str, item: object) -> None:
        """Ignore side outputs: an inner stream has no side ports."""

    def log(self, code: str, **fields: object) -> None:
        self.node.run.events.tell(code, self.node.name, **fields)

    def drop(self, reason: str, n: int = 1) -> None:
        self.node.came += n
        self.node.came_inside += n
        self.node.note_drop(reason, n)

    def bad(self, item: object, error: Exception) -> None:
        self.node.malformed(item, error)

    def read(self, room: int) -> Any:
        """Return up to that many items, None for nothing now, or END."""
        self.began = self.node.domain.ticks()
        if self.left:
            left, self.left = self.left, []
            return Chunk(left)
        if self.reader is None:
            self.source = self.node.source_of(self.inner)
            reader: Reader = checked_end(self.source, self.source.open(self), Reader)
            self.reader = reader
        return self.reader.read(room)

    def close(self, reason: str | None = None) -> None:
        """Close everything that is open. Items that were taken in and not delivered are dropped for a reason, or discarded."""
        reader, self.reader = self.reader, None
        if reader is None or self.source is None:
            return
        try:
            self.count_left(reader, reason)
        except BaseException as error:
            self.not_closed(error)
        if self.source.where == "async":
            self.node.run.spawn(self.node.name, reader.aclose())
            return
        try:
            reader.close()
        except BaseException as error:
            self.not_closed(error)

    def not_closed(self, error: BaseException) -> None:
        """Fail the run because the stream could not be closed."""
        self.node.domain.interrupt_for(error)
        self.node.run.fail(node_error(self.node.name, error, self.inner.item))

    def count_left(self, reader: Reader, reason: str | None) -> None:
        """Count the items that were taken in and not delivered, without those delivered before a restart."""
        overflow = reader.dropped()
        if overflow:
            self.drop("overflow", overflow)
            self.node.note_loss()
        left = len(self.left) + reader.held() - self.inner.skip
        self.left = []
        if left <= 0:
            return
        if reason is not None:
            self.drop(reason, left)
            self.node.note_loss()
        else:
            self.node.came += left
            self.node.came_inside += left
            self.node.discarded += left
