"""Sources that may block, read on a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from rxdag.contract import END, Chunk, Read, Reader, Source, SourceContext, SourceContextAround


class _LaterContext(SourceContextAround):
    """The context of the source on its thread: what must be counted where the source is read waits for that."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self.calls: list[Callable[[], None]] = []

    def bad(self, item: object, error: Exception) -> None:
        self.calls.append(partial(super().bad, item, error))

    def drop(self, reason: str, n: int = 1) -> None:
        self.calls.append(partial(super().drop, reason, n))

    def call(self) -> None:
        """Make the calls that wait."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Threaded(Reader):
    """Reads a source that may block on a thread of its own, one chunk ahead."""

    def __init__(self, source: Source[Any], context: SourceContext) -> None:
        self._context = _LaterContext(context)
        self._reader = source.open(self._context)
        self._wanted = threading.Event()
        self._read: list[Read | BaseException] = []
        self._position = self._after = self._reader.position()
        """Position after the items that were read here, and after those that the thread has read."""
        self._confirmed: Any = None
        """Position of a durable checkpoint that the reader has not been told."""
        self._is_left = False
        threading.Thread(target=self._work, name=f"rxdag-{source.label}", daemon=True).start()

    def _work(self) -> None:
        while not self._is_left:
            self._wanted.wait()
            self._wanted.clear()
            if self._is_left or self._read:
                continue
            try:
                confirmed, self._confirmed = self._confirmed, None
                if confirmed is not None:
                    self._reader.confirm(confirmed)
                read: Read | BaseException = self._reader.read(1)
            except BaseException as error:  # read() raises it in the run
                read = error
            if read is not None:
                self._after = self._reader.position()
                self._read.append(read)
            self._context.wake()
        # On the reading thread, since not every reader can be closed during a read.
        self._reader.close()

    def read(self, max_items: int) -> Read:
        if not self._read:
            self._wanted.set()
            return None
        read = self._read[0]
        if not isinstance(read, BaseException):
            self._position = self._after
        if read is END:
            self._context.call()
            return END
        self._read.pop()
        self._context.call()
        if isinstance(read, BaseException):
            raise read
        return read

    def position(self) -> Any:
        return self._position

    def confirm(self, position: Any) -> None:
        self._confirmed = position

    def seek(self, position: Any) -> None:
        self._reader.seek(position)
        self._position = self._after = position

    def rest(self, max_items: int) -> Chunk | None:
        self.close()
        read = self._read.pop() if self._read else None
        if not isinstance(read, Chunk):
            return None
        self._context.call()
        self._position = self._after
        return read

    def held(self) -> int:
        return sum(len(read.items) for read in self._read if isinstance(read, Chunk))

    def close(self) -> None:
        self._is_left = True
        self._wanted.set()
