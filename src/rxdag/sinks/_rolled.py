"""Rolled files: each place has a file that is open, and the next one begins when it is complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from rxdag.contract import Clock, SinkContext
from rxdag.sinks._file_names import Place
from rxdag.sinks._numbered import NumberedFile, NumberedFiles
from rxdag.sinks._roll import Intervals, Roll

R = TypeVar("R")


class Rolled(ABC, Generic[R]):
    """The rows of one place, in one file after another, of which at most one is open.

    Args:
        files: The files of the sink.
        place: The place.
        roll: When a file is complete.
        clock: Clock of the run.
    """

    def __init__(self, files: NumberedFiles, place: Place, roll: Roll, clock: Clock) -> None:
        self.files = files
        self.place = place
        self.roll = roll
        self.interval = Intervals(roll, clock)
        self.opened: NumberedFile | None = None
        self.size = 0
        """Bytes in the open file before compression; 0 if none is open."""
        self.taken = 0
        """Number of rows that were taken by a write that has failed since, and is repeated with the same rows."""

    @abstractmethod
    def write(self, rows: R) -> None:
        """Write rows behind those that were taken, and count them as taken."""

    @abstractmethod
    def complete(self) -> None:
        """Complete the open file, if there is one."""

    @abstractmethod
    def finish(self) -> NumberedFile | None:
        """Return the open file as it gets its name, synced; nothing is written behind that."""

    def save(self) -> dict[str, Any]:
        """Return the data that `restore` continues from."""
        opened = None if self.opened is None else self.opened.save()
        return {"opened": opened, "size": self.size, "taken": self.taken, "interval": self.interval.number}

    def restore(self, saved: dict[str, Any], opened: NumberedFile | None) -> None:
        """Continue from what `save` returned, with its open file."""
        self.opened, self.size, self.taken = opened, saved["size"], saved["taken"]
        self.interval.number = saved["interval"]

    @abstractmethod
    def drop(self) -> None:
        """Leave nothing but what a checkpoint covers."""


class RolledFiles(Generic[R]):
    """The files of a sink: as many are open as there are places, up to a limit.

    Args:
        files: The files.
        roll: When one is complete.
        max_open: Most files that are open at once; to open one more, the least recently written one is completed.
        context: The run.
        make: Makes the file of a place.
    """

    def __init__(
        self,
        files: NumberedFiles,
        roll: Roll,
        max_open: int,
        context: SinkContext,
        make: Callable[[Place], Rolled[R]],
    ) -> None:
        self._files = files
        self._roll = roll
        self._max_open = max_open
        self._context = context
        self._make = make
        self._rolled: dict[Place, Rolled[R]] = {}
        """Open files by place, the least recently written first."""
        self._early: dict[Place, None] = {}
        """Places whose file was completed early to make room, latest last."""
        self._is_told = self._is_finished = False

    def write(self, rows: Iterable[tuple[Place, R]]) -> None:
        """Write the rows of places. A write that has failed is repeated with the same rows."""
        written = [self._write(place, each) for place, each in rows]
        for one in written:
            one.taken = 0
            self._forget(one)

    def _write(self, place: Place, rows: R) -> Rolled[R]:
        one = self._rolled.pop(place, None)
        if one is None:
            self._make_room(place)
            one = self._make(place)
        self._rolled[place] = one
        one.write(rows)
        return one

    def _make_room(self, place: Place) -> None:
        while len(opened := [one for one in self._rolled.values() if one.opened is not None]) >= self._max_open:
            opened[0].complete()
            self._early[opened[0].place] = None
            self._forget(opened[0])
        if place in self._early and not self._is_told:
            self._is_told = True
            self._context.log("sink.fragmented", max_open=self._max_open)
        while len(self._early) > self._max_open:
            del self._early[next(iter(self._early))]

    def _forget(self, one: Rolled[R]) -> None:
        """Forget a place without an open file, unless a failed write of its rows will be repeated."""
        if one.opened is None and not one.taken:
            self._rolled.pop(one.place, None)

    def finish(self) -> list[NumberedFile]:
        """Return the open files as they get their names, synced; nothing is written behind that."""
        self._is_finished = True
        return [file for one in self._rolled.values() if (file := one.finish()) is not None]

    def save(self) -> dict[str, Any]:
        """Return the data that `restore` continues from."""
        for one in list(self._rolled.values()):
            if self._is_finished or self._roll.at_checkpoint or one.interval.is_over():
                one.complete()
                self._forget(one)
        states = [(one.place, one.save()) for one in self._rolled.values()]
        return {
            **self._files.save([each["opened"] for _, each in states if each["opened"] is not None]),
            "rolled": states,
        }

    def publish(self) -> None:
        """Name the files that the last `save` covers."""
        self._files.publish()

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue from what `save` returned."""
        files = iter(self._files.restore(saved))
        for place, state in saved["rolled"]:
            opened = None if state["opened"] is None else next(files)
            if opened is None and state["opened"] is not None:
                continue  # it got its name at the end of the job, with all rows
            one = self._rolled[tuple(place)] = self._make(tuple(place))
            one.restore(state, opened)

    def commit(self) -> None:
        """Complete all files."""
        self._files.commit(self.finish())

    def drop(self) -> None:
        """Leave nothing but what a checkpoint covers."""
        for one in self._rolled.values():
            one.drop()
        self._files.drop()
