"""Targets of lines of text: one file, or numbered ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from rxdag.contract import SinkContext
from rxdag.sinks._numbered import NumberedFiles
from rxdag.sinks._roll import Intervals, Roll
from rxdag.sinks._whole_file import WholeFile


class TextFiles(ABC):
    """The files of a writer of lines; its methods are those of a `Writer`."""

    @abstractmethod
    def begin(self) -> None:
        """Write the head into a file that may stay without lines."""

    @abstractmethod
    def write(self, lines: Sequence[bytes]) -> None:
        """Write whole lines; the head is before the first of each file."""

    @abstractmethod
    def sync(self) -> None:
        """Flush and sync."""

    @abstractmethod
    def save(self) -> dict[str, Any] | None:
        """Return the data that `restore` continues from; None for a device or a FIFO."""

    def publish(self) -> None:
        """Name the files that the last `save` covers."""
        return

    @abstractmethod
    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from what `save` returned."""

    @abstractmethod
    def commit(self) -> None:
        """Complete all files."""

    @abstractmethod
    def drop(self) -> None:
        """Leave nothing but what a checkpoint covers."""


class OneFile(TextFiles):
    """One file, which appears at the end of the run.

    Args:
        file: The file.
        head: Returns what comes before the first line.
        has_head: True if it is there already.
    """

    def __init__(self, file: WholeFile, head: Callable[[], bytes], *, has_head: bool = False) -> None:
        self._file = file
        self._head = head
        self._has_head = has_head

    def begin(self) -> None:
        if not self._has_head:
            self._has_head = True
            self._file.write(self._head())

    def write(self, lines: Sequence[bytes]) -> None:
        if lines:
            self.begin()
        self._file.write(b"".join(lines))

    def sync(self) -> None:
        self._file.sync()

    def save(self) -> dict[str, Any] | None:
        saved = self._file.save()
        return None if saved is None else {**saved, "has_head": self._has_head}

    def restore(self, saved: dict[str, Any]) -> None:
        self._file.restore(saved)
        self._has_head = saved["has_head"]

    def commit(self) -> None:
        self._file.commit()

    def drop(self) -> None:
        self._file.drop()


class RolledFiles(TextFiles):
    """Numbered files, each with a head and one line or more.

    Args:
        files: The files.
        roll: When one is complete.
        context: The run.
        head: Returns what comes before the first line of each.
    """

    def __init__(self, files: NumberedFiles, roll: Roll, context: SinkContext, head: Callable[[], bytes]) -> None:
        self._files = files
        self._roll = roll
        self._interval = Intervals(roll, context.clock)
        self._head = head
        self._file: WholeFile | None = None
        self._size = 0
        """Bytes of the open file before compression, head included; 0 if none is open."""
        self._taken = 0
        """Number of lines that were taken by a write that has failed since."""

    def begin(self) -> None:
        """Do nothing: a file without lines is not made."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write whole lines. A write that has failed is repeated with the same lines."""
        if self._interval.is_over():
            self._complete()
        most = self._roll.max_bytes
        if most is not None:
            self._write_full(lines, most)
        self._put(lines[self._taken :])
        self._taken = 0

    def _write_full(self, lines: Sequence[bytes], most: int) -> None:
        """Write and complete the files that get full."""
        size = self._size
        for i in range(self._taken, len(lines)):
            if size and size + len(lines[i]) > most:
                self._put(lines[self._taken : i])
                self._taken = i
                self._complete()
                size = 0
            size = (size or len(self._head())) + len(lines[i])

    def _put(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        if self._file is None:
            self._file = self._files.begin()
            self._file.write(self._head())
            self._interval.begin()
        data = b"".join(lines)
        self._file.write(data)
        self._size = (self._size or len(self._head())) + len(data)

    def _complete(self) -> None:
        if self._file is not None:
            self._files.complete(self._file)
        self._file, self._size = None, 0

    def sync(self) -> None:
        if self._file is not None:
            self._file.sync()

    def save(self) -> dict[str, Any]:
        if self._roll.at_checkpoint or self._interval.is_over():
            self._complete()
        opened = None if self._file is None else self._file.save()
        return {**self._files.save(opened), "size": self._size, "taken": self._taken, "interval": self._interval.number}

    def publish(self) -> None:
        self._files.publish()

    def restore(self, saved: dict[str, Any]) -> None:
        self._file = self._files.restore(saved)
        self._size = 0 if self._file is None else saved["size"]
        self._taken = saved.get("taken", 0)
        self._interval.number = saved["interval"]

    def commit(self) -> None:
        self._files.commit(self._file)

    def drop(self) -> None:
        if self._file is not None:
            self._file.drop()
        self._files.drop()
