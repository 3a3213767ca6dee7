"""Sources that block a thread: queues, futures and others."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any, Final

from rxdag.adapters._async_iterators import Never
from rxdag.contract import END, RECEIVES, Chunk, Read, Reader, Shape, Source, SourceContext

_POLL_S: Final = 0.05


class Threaded(Reader):
    """Reads a source that may block on a thread of its own, one chunk ahead."""

    def __init__(self, source: Source[Any], context: SourceContext) -> None:
        self._reader = source.open(context)
        self._context = context
        self._wanted = threading.Event()
        self._read: list[Read | BaseException] = []
        self._position = self._after = self._reader.position()
        """Position after the items that were read here, and after those that the thread has read."""
        self._is_left = False
        threading.Thread(target=self._work, name="rxdag-wrap", daemon=True).start()

    def _work(self) -> None:
        while not self._is_left:
            self._wanted.wait()
            self._wanted.clear()
            if self._is_left or self._read:
                continue
            try:
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
            return END
        self._read.pop()
        if isinstance(read, BaseException):
            raise read
        return read

    def position(self) -> Any:
        return self._position

    def seek(self, position: Any) -> None:
        self._reader.seek(position)
        self._position = self._after = position

    def rest(self, max_items: int) -> Chunk | None:
        self.close()
        read = self._read.pop() if self._read else None
        if not isinstance(read, Chunk):
            return None
        self._position = self._after
        return read

    def held(self) -> int:
        return sum(len(read.items) for read in self._read if isinstance(read, Chunk))

    def close(self) -> None:
        self._is_left = True
        self._wanted.set()


@dataclass(frozen=True)
class ThreadQueue(Source[Any]):
    """A queue between threads; remaining items stay in it."""

    items: Any = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "queue"
    where = "blocking"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return _ThreadQueueReader(self.items, context)


class _ThreadQueueReader(Reader):
    def __init__(self, items: Any, context: SourceContext) -> None:
        self._items: Any = items
        self._context = context
        self._counts = isinstance(items, queue.Queue)
        self._shut_down: type[Exception] = getattr(queue, "ShutDown", Never)

    def read(self, max_items: int) -> Read:
        try:
            item = self._items.get(timeout=_POLL_S)
        except queue.Empty:
            self._context.wake()
            return None
        except self._shut_down:
            return END
        if self._counts:
            self._items.task_done()
        return Chunk([item])


@dataclass(frozen=True)
class Futures(Source[Any]):
    """Futures of threads or processes, in the order in which they are done."""

    futures: tuple[Future[Any], ...] = field(repr=False)
    shape: Shape = field(default=Shape(), repr=False)
    label = "futures"
    where = "blocking"
    no_position = RECEIVES

    def open(self, context: SourceContext) -> Reader:
        return _FuturesReader(self.futures, context)


class _FuturesReader(Reader):
    def __init__(self, futures: tuple[Future[Any], ...], context: SourceContext) -> None:
        self._left = list(futures)
        self._context = context

    def read(self, max_items: int) -> Read:
        if not self._left:
            return END
        done, _ = wait_for(self._left, _POLL_S, FIRST_COMPLETED)
        if not done:
            self._context.wake()
            return None
        first = next(future for future in self._left if future in done)
        self._left.remove(first)
        return Chunk([first.result()])
