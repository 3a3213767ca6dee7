"""Targets of lines of text: one file, or numbered ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from rxdag.contract import Clock, SinkContext
from rxdag.sinks._file_names import Place
from rxdag.sinks._numbered import NumberedFile, NumberedFiles
from rxdag.sinks._places import by_place
from rxdag.sinks._roll import Roll
from rxdag.sinks._rolled import Rolled, RolledFiles
from rxdag.sinks._whole_file import WholeFile


class TextFiles(ABC):
    """The files of a writer of lines; its methods are those of a `Writer`."""

    @abstractmethod
    def begin(self) -> None:
        """Write the head into a file that may stay without lines."""

    @abstractmethod
    def write(self, lines: Sequence[bytes], places: Sequence[Place] | None) -> None:
        """Write whole lines; the head is before the first of each file.

        Args:
            lines: The lines.
            places: Place of each; None if all have the same.
        """

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

    def write(self, lines: Sequence[bytes], places: Sequence[Place] | None) -> None:
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


class _RolledLines(Rolled[Sequence[bytes]]):
    """Lines of one place, in files of one line or more, each with a head."""

    def __init__(self, files: NumberedFiles, place: Place, roll: Roll, clock: Clock, head: Callable[[], bytes]) -> None:
        super().__init__(files, place, roll, clock)
        self.head = head

    def write(self, rows: Sequence[bytes]) -> None:
        if self.interval.is_over():
            self.complete()
        if self.roll.max_bytes is not None:
            self._write_full(rows, self.roll.max_bytes)
        self._put(rows[self.taken :])
        self.taken = len(rows)

    def _write_full(self, lines: Sequence[bytes], most: int) -> None:
        """Write and complete the files that get full."""
        size = self.size
        for i in range(self.taken, len(lines)):
            if size and size + len(lines[i]) > most:
                self._put(lines[self.taken : i])
                self.taken = i
                self.complete()
                size = 0
            size = (size or len(self.head())) + len(lines[i])

    def _put(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        if self.opened is None:
            self.opened = self.files.begin(self.place)
            self.opened.write(self.head())
            self.interval.begin()
        data = b"".join(lines)
        self.opened.write(data)
        self.size = (self.size or len(self.head())) + len(data)

    def complete(self) -> None:
        if self.opened is not None:
            self.files.complete(self.opened)
        self.opened, self.size = None, 0

    def finish(self) -> NumberedFile | None:
        if self.opened is not None:
            self.opened.sync()
        return self.opened

    def drop(self) -> None:
        if self.opened is not None:
            self.opened.drop()


class NumberedTexts(TextFiles):
    """Numbered files, each with a head and one line or more.

    Args:
        files: The files.
        roll: When one is complete.
        max_open: Most files that are open at once.
        context: The run.
        head: Returns what comes before the first line of each.
    """

    def __init__(
        self, files: NumberedFiles, roll: Roll, max_open: int, context: SinkContext, head: Callable[[], bytes]
    ) -> None:
        self._rolled = RolledFiles[Sequence[bytes]](
            files, roll, max_open, context, lambda place: _RolledLines(files, place, roll, context.clock, head)
        )

    def begin(self) -> None:
        """Do nothing: a file without lines is not made."""

    def write(self, lines: Sequence[bytes], places: Sequence[Place] | None) -> None:
        """Write whole lines. A write that has failed is repeated with the same lines."""
        if places is None:
            self._rolled.write([((), lines)])
        else:
            self._rolled.write((place, [lines[i] for i in at]) for place, at in by_place(places).items())

    def sync(self) -> None:
        self._rolled.finish()

    def save(self) -> dict[str, Any]:
        return self._rolled.save()

    def publish(self) -> None:
        self._rolled.publish()

    def restore(self, saved: dict[str, Any]) -> None:
        self._rolled.restore(saved)

    def commit(self) -> None:
        self._rolled.commit()

    def drop(self) -> None:
        self._rolled.drop()
