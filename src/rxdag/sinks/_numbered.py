"""Numbered files: `bars-000001.csv`, `bars-000002.csv`, ..., each under its name only when it is complete.

In a run with checkpoints, a complete file waits under the name of a part file until a checkpoint that covers it is durable.
Numbers count all files of a sink, whatever their folders, so that a number tells whether a checkpoint knows the file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from rxdag.contract import checked_path, is_forked, refuse_fork
from rxdag.errors import GraphError, SourceError, shown
from rxdag.sinks._file_names import FileNames, Place, numbered, parts_of
from rxdag.sinks._parts import remove_saved_of, tail_of
from rxdag.sinks._roll import Roll, roll_of
from rxdag.sinks._whole_file import WholeFile, begins_with, is_stream

_KNOWN: Final = 1_000
"""Number of files, from the newest, by which a checkpoint recognises that another run has continued."""


def of_worker(path: str, worker: int) -> str:
    """Return the path of the file of a worker: "bars.csv" and 1 give "bars-1.csv"; a device or a FIFO is shared."""
    return path if is_stream(path) else numbered(path, str(worker))


def left_of(path: str) -> str | None:
    """Return which numbered files there are, as a clause with a fix; None for none."""
    names = FileNames(path)
    highest, _ = names.highest()
    if not highest:
        return None
    return f'files "{names.pattern}" end with number {highest}: move them away, or pass append=True'


def checked_roll(path: Any, roll: Any, where: str) -> tuple[str, Roll | None]:
    """Return the path of a sink, and when it begins another file; None if it writes only one.

    Raises:
        GraphError: If one of them is invalid, or a device or a FIFO is to be rolled.
    """
    text, when = checked_path(path, where), roll_of(roll, where)
    if when is not None and is_stream(text) and not os.path.isdir(text):  # a folder is an error of the run
        raise GraphError(f"{where}: roll must be left out for a device or FIFO, got {shown(text)}")
    return text, when or (Roll() if parts_of(text, where) else None)


class NumberedFile(WholeFile):
    """One of the files.

    Args:
        path: Its path.
        where: Name of the sink, for messages.
        place: The parts of its path that differ.
        number: Its number.
        packs: True to compress if the name ends in ".gz" or ".zst".
    """

    def __init__(self, path: str, where: str, place: Place, number: int, *, packs: bool) -> None:
        super().__init__(path, where, packs=packs)
        self.place = place
        self.number = number

    def save(self) -> dict[str, Any] | None:
        saved = super().save()
        return None if saved is None else {**saved, "place": self.place, "number": self.number}


class NumberedFiles:
    """The files of one sink.

    Args:
        path: Path that the names are made of.
        where: Name of the sink, for messages.
        saves: True in a run with checkpoints.
        appends: True to continue after existing numbers, False to refuse them.
        packs: True to compress if the name ends in ".gz" or ".zst".
        is_named: Returns True if an open file of a checkpoint got its name at the end of the job.
    """

    def __init__(
        self,
        path: str,
        where: str,
        *,
        saves: bool,
        appends: bool,
        packs: bool = True,
        is_named: Callable[[Path, dict[str, Any]], bool] | None = None,
    ) -> None:
        self._path = path
        self._names = FileNames(path)
        self._where = where
        self._saves = saves
        self._packs = packs
        self._is_named = is_named or _is_whole
        self._pid = os.getpid()
        self._closed: list[dict[str, Any]] = []
        """Complete files without a name, oldest first."""
        self._n_covered = 0
        """Number of them, from the oldest, that the last `save` covers."""
        self._open_parts: set[str] = set()
        """Names of the part files that were open at the last `save`."""
        self._known: dict[int, tuple[int, int]] = {}
        """Length and tail of the newest complete files, by number."""
        self._is_new = not appends
        self._next = self._names.highest()[0] + 1 if appends else 1
        if Path(path).is_dir():
            raise SourceError(f'{where}: path must be a file, got the directory "{path}"')
        if not saves:
            self._check_new()
        # A folder that cannot be written is an error at the start.
        WholeFile(self._names.first(self._next), where, packs=packs).drop()

    def target(self, saved: dict[str, Any]) -> Path:
        """Return the path of a file that was saved."""
        return Path(self._names.path(saved["number"], tuple(saved["place"])))

    def _opened(self, place: Place, number: int) -> NumberedFile:
        return NumberedFile(self._names.path(number, place), self._where, place, number, packs=self._packs)

    def _check_new(self) -> None:
        """Check that no earlier run has left numbered files; not called before `restore`, whose run may have named some."""
        highest = self._names.highest()[0] if self._is_new else 0
        self._is_new = False
        if highest:
            raise SourceError(
                f'{self._where}: "{self._names.pattern}" must not exist when a run begins, got number {highest} '
                "of an earlier one; move the files away, or pass append=True to continue its numbering"
            )

    def begin(self, place: Place) -> NumberedFile:
        """Return the next file, open and empty."""
        self._check_new()
        file = self._opened(place, self._next)
        self._next += 1
        return file

    def again(self, file: NumberedFile) -> NumberedFile:
        """Return another file, open and empty, that gets the name of this one instead of it."""
        return self._opened(file.place, file.number)

    def complete(self, file: NumberedFile) -> None:
        """Close an open file: it gets its name when a checkpoint covers it, and at once in a run without checkpoints."""
        saved = file.save() if self._saves else None
        if saved is None:
            self._name(file)
            return
        file.drop()
        self._closed.append(saved)
        self._known[file.number] = saved["length"], saved["tail"]
        if len(self._known) > _KNOWN:
            del self._known[min(self._known)]

    def commit(self, opened: Iterable[NumberedFile]) -> None:
        """Name all files, also the open ones, and remove what earlier runs have left."""
        self._n_covered = len(self._closed)
        self.publish()
        for file in opened:
            self._name(file)
        self._sweep()

    def _name(self, file: WholeFile) -> None:
        self._check_free(file.path)
        file.commit()

    def _check_free(self, target: Path) -> None:
        if os.path.lexists(target):
            raise SourceError(
                f'{self._where}: "{target}" must not exist before it is complete, got a file of another run; '
                "stop that run, or choose another path"
            )

    def save(self, opened: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the data to continue from.

        Args:
            opened: The data of the open files.
        """
        self._n_covered = len(self._closed)
        self._open_parts = {each["part"] for each in opened}
        return {"next": self._next, "closed": list(self._closed), "open": opened, "known": dict(self._known)}

    def publish(self) -> None:
        """Name the files that the last `save` covers."""
        refuse_fork(self._pid, f'{self._where} "{self._path}"')
        while self._n_covered:
            self._name_closed(self._closed[0])
            self._n_covered -= 1
            del self._closed[0]

    def _name_closed(self, saved: dict[str, Any]) -> None:
        target = self.target(saved)
        if _is_whole(target, saved):  # named by a run that was killed right afterwards
            return
        self._check_free(target)
        file = WholeFile(str(target), self._where, packs=self._packs)
        file.restore(saved)
        file.commit()

    def restore(self, saved: dict[str, Any]) -> list[NumberedFile | None]:
        """Continue from a checkpoint: name the files it covers, remove later ones, and return its open files.

        An open file that got its name at the end of the job is None.

        Raises:
            SourceError: If there are files with higher numbers, so that the checkpoint is not the last one, or if the last
                file is that of another run, which has continued from another copy.
        """
        self._saves, self._is_new = True, False
        self._next = saved["next"]
        opened = [None if self._is_named(self.target(each), each) else each for each in saved["open"]]
        ahead = [each for each in opened if each is not None and os.path.lexists(self.target(each))]
        highest, path = self._names.highest()
        if ahead or highest >= self._next:
            first = min([self._next, *(each["number"] for each in ahead)])
            raise SourceError(
                f'{self._where}: "{self._names.pattern}" must end before number {first}, the next of the checkpoint, got '
                f"number {highest} of a later one; continue from the newest checkpoint, or {self._way_back(highest, ahead)}"
            )
        self._known = saved["known"]
        self._check_own(highest, Path(path))
        for each in saved["closed"]:
            self._name_closed(each)
        files = self._reopened(opened)
        self._open_parts = {each["part"] for each in opened if each is not None}
        self._sweep()
        return files

    def _reopened(self, opened: list[dict[str, Any] | None]) -> list[NumberedFile | None]:
        files: list[NumberedFile | None] = []
        try:
            for each in opened:
                file = None if each is None else self._opened(tuple(each["place"]), each["number"])
                files.append(file)
                if file is not None and each is not None:
                    file.restore(each)
        except BaseException:
            for file in files:
                if file is not None:
                    file.drop()
            raise
        return files

    def _check_own(self, number: int, target: Path) -> None:
        """Check that a file is the one that the run of the checkpoint has made."""
        known = self._known.get(number)
        if known is not None and not _is_whole(target, {"length": known[0], "tail": known[1]}):
            raise SourceError(
                f'{self._where}: "{target}" must be the file that the run of the checkpoint has made, got that of a run '
                "on another copy of its checkpoints; continue that run, or start over"
            )

    def _way_back(self, highest: int, ahead: list[dict[str, Any]]) -> str:
        """Return what to do with the files of later checkpoints to continue from this one."""
        steps = list[str]()
        for each in ahead:
            target = self.target(each)
            part = target.resolve().with_name(each["part"])
            if not part.exists() and not begins_with(target, each["length"], each["tail"]):
                return "start over: an open file of this one is gone"
            steps.append(f'remove "{target}"' if part.exists() else f'rename "{target}" to "{part}"')
        if self._next <= highest:
            steps.append(f'remove all "{self._names.pattern}" from number {self._next} on')
        return f"{' and '.join(steps)}, to go back to this one"

    def _sweep(self) -> None:
        """Remove the part files that checkpoints have left and nobody has open."""
        if self._saves:
            for folder in self._names.folders():
                remove_saved_of(Path(folder).resolve(), self._names.is_name)

    def drop(self) -> None:
        """Remove complete files that no checkpoint covers."""
        if not is_forked(self._pid):
            for saved in self._closed[self._n_covered :]:
                if (
                    saved["part"] not in self._open_parts
                ):  # complete by now, but the checkpoint continues from its beginning
                    self.target(saved).resolve().with_name(saved["part"]).unlink(missing_ok=True)


def _is_whole(target: Path, saved: dict[str, Any]) -> bool:
    """Return True if a target is the complete file that was saved."""
    length: int = saved["length"]
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return target.stat().st_size == length and tail_of(target, length) == saved["tail"]
    return False
