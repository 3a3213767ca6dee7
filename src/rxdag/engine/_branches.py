"""Nodes that the wiring adds: forks of an output, the lanes of a route, cuts of long chains, and watchers."""

from __future__ import annotations

from typing import Any, Protocol

from mypy_extensions import i64

from rxdag.contract import Chunk
from rxdag.engine._context import RunContext
from rxdag.engine._faults import watcher_error
from rxdag.engine._node import ANY_NUMBER, Exit, Node
from rxdag.engine._point import COLUMNS, END, INPUT, INPUT_COLUMNS, ITEM, MARK, Entry, Point


class Fork(Point):
    """Sends its input to each branch in order.

    A resting item keeps the index of its next branch, so branches that meet again see the order of nested calls.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        if self.blocked:
            self.hold((INPUT, 0, item, ts, sequence, key))
        else:
            self.spread(0, item, ts, sequence, key)

    def spread(self, at: int, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Send an item to the branches from index `at` on, as far as nothing comes in the way."""
        exits = self.exits
        n = len(exits)
        free = self.obstacles()
        while at < n:
            if self.blocked > free:
                self.hold_first((INPUT, at, item, ts, sequence, key))
                return
            exit_ = exits[at]
            at += 1
            exit_.n += 1
            if exit_.is_read:
                exit_.out.push(item, ts, sequence, key)
            else:  # its reader accepts no more items
                exit_.lost += 1

    def push_columns(self, columns: Any) -> None:
        if self.blocked:
            self.hold((INPUT_COLUMNS, 0, columns, 0, 0, None))
        else:
            self.spread_columns(0, columns)

    def spread_columns(self, at: int, columns: Any) -> None:
        """Send columns to the branches from index `at` on, as many items as all of them have room for."""
        exits = self.exits
        n = len(exits)
        free = self.obstacles()
        while True:
            rest: Any = None
            # Resting columns with at > 0 were already cut to the room of all branches.
            room = self.space_behind() if at == 0 else len(columns)
            if room < len(columns):
                rest = columns[room:]
                columns = columns[:room]
            while at < n:
                if self.blocked > free:
                    # Held in reverse, since each call puts its entry first.
                    if rest is not None:
                        self.hold_first((INPUT_COLUMNS, 0, rest, 0, 0, None))
                    self.hold_first((INPUT_COLUMNS, at, columns, 0, 0, None))
                    return
                exit_ = exits[at]
                at += 1
                exit_.n += len(columns)
                if exit_.is_read:
                    exit_.out.push_columns(columns)
                else:
                    exit_.lost += len(columns)
            if rest is None:
                return
            columns = rest
            at = 0

    def space_behind(self) -> int:
        """Return how many items each branch takes at once, at least 1."""
        room = ANY_NUMBER
        for exit_ in self.exits:
            if exit_.is_read:
                room = min(room, exit_.reader.space())
        return max(room, 1)

    def mark(self, watermark: i64) -> None:
        self.give_mark(watermark)

    def end(self, error: Exception | None) -> None:
        self.give_end(error)
        self.seal()

    def take_up(self, entry: Entry) -> None:
        if entry[0] == INPUT_COLUMNS:
            self.spread_columns(entry[1], entry[2])
        else:
            self.spread(entry[1], entry[2], entry[3], entry[4], entry[5])

    def throw(self, entry: Entry) -> None:
        if entry[0] == INPUT or entry[0] == INPUT_COLUMNS:  # the branches that have not received it
            at: int = entry[1]
            count = 1 if entry[0] == INPUT else len(entry[2])
            for exit_ in self.exits[at:]:
                exit_.n += count
                exit_.lost += count
        else:
            super().throw(entry)

    def resting_at(self, exit_: Exit) -> int:
        n = super().resting_at(exit_)
        place = self.exits.index(exit_)
        for entry in self.pending:
            if entry[0] == INPUT and entry[1] <= place:
                n += 1
            elif entry[0] == INPUT_COLUMNS and entry[1] <= place:
                n += len(entry[2])
        return n

    def held(self) -> int:
        return 0

    def unused(self) -> None:
        self.clear()
        super().unused()


class Lane(Point):
    """A way of a route whose ways never meet: it rests if its own way is full, so that the others continue."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.absorbs = True

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        exit_ = self.exits[0]
        exit_.n += 1
        if self.blocked:
            self.hold((ITEM, exit_, item, ts, sequence, key))
        else:
            exit_.out.push(item, ts, sequence, key)

    def push_columns(self, columns: Any) -> None:
        self.give_columns(self.exits[0], columns)

    def mark(self, watermark: i64) -> None:
        if self.is_resting:
            self.hold((MARK, 0, None, watermark, 0, None))
        else:  # a watermark takes no room
            self.exits[0].out.mark(watermark)

    def end(self, error: Exception | None) -> None:
        self.give_end(error)
        self.seal()

    def unused(self) -> None:
        self.clear()
        super().unused()


class Cut(Point):
    """Ends the recursion of a long chain: its input rests here briefly."""

    has_failed: bool = False
    """True if an error rests here; errors do not wait for room."""

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        exit_ = self.exits[0]
        exit_.n += 1
        self.hold((ITEM, exit_, item, ts, sequence, key))

    def push_columns(self, columns: Any) -> None:
        exit_ = self.exits[0]
        exit_.n += len(columns)
        self.hold((COLUMNS, exit_, columns, 0, 0, None))

    def mark(self, watermark: i64) -> None:
        self.hold((MARK, 0, None, watermark, 0, None))

    def end(self, error: Exception | None) -> None:
        if error is not None:
            self.clear()
            self.has_failed = True
        self.hold((END, 0, error, 0, 0, None))
        self.seal()

    def can_resume(self) -> bool:
        return self.has_failed or super().can_resume()

    def unused(self) -> None:
        self.clear()
        super().unused()


class KeyEnd(Node):
    """Follows an unkeyed output of a keyed input: items go on without a key."""

    def __init__(self, name: str, out: Node) -> None:
        super().__init__(name)
        self.out = out

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.out.push(item, ts, sequence, None)

    def push_columns(self, columns: Any) -> None:
        if columns.key is not None:
            columns = columns[:]  # a copy, since others may hold these columns
            columns.key = None
        self.out.push_columns(columns)

    def mark(self, watermark: i64) -> None:
        self.out.mark(watermark)

    def end(self, error: Exception | None) -> None:
        self.out.end(error)


class Watcher(Protocol):
    """Observes the items that pass a place in the graph."""

    def on_next(self, chunk: Chunk, /) -> None:
        """Receive items and watermarks."""
        ...

    def end(self, error: Exception | None, /) -> None:
        """Receive the end."""
        ...


class Watch(Node):
    """Shows its input to a watcher, and passes it on."""

    def __init__(self, name: str, out: Node, watcher: Watcher, run: RunContext) -> None:
        super().__init__(name)
        self.out = out
        self.watcher = watcher
        self.run = run

    def show(self, chunk: Chunk) -> None:
        """Show something; a watcher that fails has failed the run, and sees nothing more."""
        if self.is_ended:
            return
        try:
            self.watcher.on_next(chunk)
        except BaseException as error:
            self.give_up(error)

    def give_up(self, error: BaseException) -> None:
        """Fail the run because the watcher has failed."""
        self.is_ended = True
        self.out.domain.interrupt_for(error)
        self.run.fail(watcher_error(self.name, error))

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.show(Chunk([item], [ts], [sequence], [key]))
        self.out.push(item, ts, sequence, key)

    def push_columns(self, columns: Any) -> None:
        self.show(Chunk(columns).rows())
        self.out.push_columns(columns)

    def mark(self, watermark: i64) -> None:
        self.show(Chunk([], marks=((0, watermark),)))
        self.out.mark(watermark)

    def end(self, error: Exception | None) -> None:
        try:
            self.watcher.end(error)
        except BaseException as failure:
            self.give_up(failure)
        self.out.end(error)
