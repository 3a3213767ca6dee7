"""Feeds of sources: they pass on items read, one by one or as columns, with watermarks between."""

from __future__ import annotations

from typing import Any

from mypy_extensions import i64

from rxdag.contract import Boundary, Chunk, OnError, Source
from rxdag.engine._context import RunContext
from rxdag.engine._node import Exit
from rxdag.engine._opened_source import OpenedSource
from rxdag.engine._receipts import GRAIN_NS
from rxdag.engine._shortcut import FEWEST, Shortcut, shortcut_behind


class SourceFeed(OpenedSource):
    """Passes on a chunk read from a source until something blocks.

    Args:
        name: Of the node.
        run: The run.
        policy: Error policy for malformed input.
        source: Source that it reads.
        wants_columns: True if the node behind works on columns.
        boundary: Bounds and overflow policy that the user has set right behind a source with a queue of its own.
    """

    def __init__(
        self,
        name: str,
        run: RunContext,
        policy: OnError,
        source: Source[Any],
        *,
        wants_columns: bool,
        boundary: Boundary | None,
    ) -> None:
        super().__init__(name, run, policy, source, wants_columns=wants_columns, boundary=boundary)
        self.main: Exit
        self.shortcut: Shortcut | None = None
        self.chunk: Chunk | None = None
        """The chunk being passed on; `at` is the index of its next item, `next_mark` that of its next mark."""
        self.at: i64 = 0
        self.next_mark: i64 = 0
        self.received_at: i64 = -1
        """Receipt of the chunk; -1 if none was taken."""
        self.next_receipt: i64 = 0
        """Earliest time of the next receipt."""

    def find_shortcut(self) -> None:
        """Look for expressions behind it that are worked on a chunk at a time; once all nodes are open."""
        shape = self.source.shape
        if not shape.timed and not shape.keyed and not self.wants_columns:
            self.shortcut = shortcut_behind(self.main, shape.item_type)

    def begin_chunk(self, chunk: Chunk) -> None:
        """Begin to hand on a chunk."""
        self.chunk = chunk
        self.at = 0
        self.next_mark = 0
        self.received_at = -1
        if self.began >= self.next_receipt:
            self.received_at = self.domain.ticks()
            self.next_receipt = self.received_at + GRAIN_NS

    def feed(self) -> None:
        """Pass items on; blocks and stops of the domain are checked before each one."""
        chunk = self.chunk
        assert chunk is not None
        if self.wants_columns:
            self.feed_columns(chunk)
            return
        if chunk.columns is not None:
            chunk = self.chunk = chunk.rows()
        domain = self.domain
        items: list[Any] = chunk.items
        times = chunk.ts
        sequences = chunk.sequence
        keys = chunk.key
        marks = chunk.marks
        main = self.main
        out = main.out
        i: i64 = self.at
        n: i64 = len(items)
        is_timed = domain.is_timed
        first = i
        shortcut = self.shortcut
        if (
            shortcut is not None
            and i == 0
            and n >= FEWEST
            and times is None
            and keys is None
            and not marks
            and shortcut.takes(items)
        ):
            values = shortcut.run(items)
            if values is not None:
                self.count(n)
                self.chunk = None
                shortcut.give(values)
                return
        if times is None and keys is None and not marks and not is_timed:  # the common case
            while i < n and not self.blocked and not domain.stop:
                item = items[i]
                i += 1
                out.push(item, 0, 0, None)
            self.count(i - first)
            if i == n:
                self.chunk = None
            return
        while True:
            # Before the test for the end of the chunk: marks may stand behind its last item.
            if self.next_mark < len(marks) and marks[self.next_mark][0] <= i:
                if self.blocked:
                    break
                watermark = marks[self.next_mark][1]
                self.next_mark += 1
                self.give_mark(watermark)
                continue
            if i >= n:
                self.chunk = None
                break
            if self.blocked or domain.stop:
                break
            if is_timed and domain.is_over(i - first):
                break
            item = items[i]
            ts: i64 = 0 if times is None else times[i]
            sequence: Any = 0 if sequences is None else sequences[i]
            key: Any = None if keys is None else keys[i]
            i += 1
            self.at = i
            # All updates precede the call, so that books and position hold if it does not return.
            self.made += 1
            main.n += 1
            out.push(item, ts, sequence, key)

    def count(self, n: i64) -> None:
        """Count items that were handed on."""
        self.at += n
        self.made += n
        self.main.n += n

    def feed_columns(self, chunk: Chunk) -> None:
        """Pass a run of columns on, cut at its watermarks."""
        if chunk.columns is None and chunk.items:
            from rxdag.columns import gathered  # it loads numpy, which columns have done

            times, sequences, keys = chunk.ts, chunk.sequence, chunk.key
            items = gathered(chunk.items, self.source.shape.item_type, times=times, sequences=sequences, keys=keys)
            chunk = self.chunk = Chunk(items, marks=chunk.marks)
        domain = self.domain
        columns = chunk.items
        marks = chunk.marks
        n: i64 = len(columns)
        while True:
            if self.next_mark < len(marks) and marks[self.next_mark][0] <= self.at:
                if self.blocked:
                    return
                watermark = marks[self.next_mark][1]
                self.next_mark += 1
                self.give_mark(watermark)
                continue
            if self.at >= n:
                self.chunk = None
                return
            if self.blocked or domain.stop:
                return
            end: i64 = n
            if self.next_mark < len(marks) and marks[self.next_mark][0] < n:
                end = marks[self.next_mark][0]
            part = columns if self.at == 0 and end == n else columns[self.at : end]
            self.made += end - self.at
            self.at = end
            self.give_columns(self.main, part)
            if self.is_finished:
                return

    def left_over(self) -> int:
        """Return how many items were read and not handed on."""
        return 0 if self.chunk is None else len(self.chunk) - int(self.at)

    def put_back(self) -> None:
        """Discard the items read but not passed on: their source still holds them and reads no more."""
        left = self.left_over()
        self.came += left
        self.unread += left
        self.chunk = None

    def discard_chunk(self) -> None:
        """Count items read but not passed on as discarded."""
        left = self.left_over()
        self.came += left
        self.discarded += left
        self.chunk = None
