"""Numbered files: `bars-000001.csv`, `bars-000002.csv`, ..., each under its name only when it is complete.

In a run with checkpoints, a complete file waits under the name of a part file until a checkpoint that covers it is durable.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rxdag.contract import checked_path, is_forked, refuse_fork
from rxdag.errors import GraphError, SourceError, shown
from rxdag.sinks._parts import remove_saved_of, tail_of
from rxdag.sinks._roll import Roll, roll_of
from rxdag.sinks._whole_file import WholeFile, begins_with, is_stream

_KNOWN: Final = 1_000
"""Number of files, from the newest, by which a checkpoint recognises that another run has continued."""


def numbered(path: str, number: str) -> str:
    """Return the path of a numbered file: "out/bars.csv.gz" and "000001" give "out/bars-000001.csv.gz"."""
    folder, name = os.path.split(path)
    bare = name.removesuffix(".gz")
    stem, ending = os.path.splitext(bare)
    return os.path.join(folder, f"{stem}-{number}{ending}{name[len(bare) :]}")


def of_worker(path: str, worker: int) -> str:
    """Return the path of the file of a worker: "bars.csv" and 1 give "bars-1.csv"; a device or a FIFO is shared."""
    return path if is_stream(path) else numbered(path, str(worker))


def names_of(path: str) -> re.Pattern[str]:
    """Return the pattern of the names of numbered files; its group is the number."""
    begin, end = numbered(Path(path).name, "\0").split("\0")
    return re.compile(f"{re.escape(begin)}([0-9]{{6,}}){re.escape(end)}", re.DOTALL)


def highest_of(path: str) -> int:
    """Return the highest number that a file has, or 0."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = os.listdir(os.path.dirname(path) or ".")
        return max((int(found[1]) for found in map(names_of(path).fullmatch, names) if found), default=0)
    return 0


def left_of(path: str) -> str | None:
    """Return which numbered files there are, as a clause with a fix; None for none."""
    highest = highest_of(path)
    if not highest:
        return None
    return f'files "{numbered(path, "*")}" end with number {highest}: move them away, or pass append=True'


def checked_roll(path: Any, roll: Any, where: str) -> tuple[str, Roll | None]:
    """Return the path of a sink, and when it begins another file.

    Raises:
        GraphError: If one of them is invalid, or a device or a FIFO is to be rolled.
    """
    text, when = checked_path(path, where), roll_of(roll, where)
    if when is not None and is_stream(text) and not os.path.isdir(text):  # a folder is an error of the run
        raise GraphError(f"{where}: roll must be left out for a device or FIFO, got {shown(text)}")
    return text, when


class NumberedFiles:
    """The files of one sink, of which at most one is open.

    Args:
        path: Path that the names are made of.
        where: Name of the sink, for messages.
        saves: True in a run with checkpoints.
        appends: True to continue after existing numbers, False to refuse them.
        packs: True to compress if the name ends in ".gz".
        is_named: Returns True if the open file of a checkpoint got its name at the end of the job.
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
        self._where = where
        self._saves = saves
        self._packs = packs
        self._is_named = is_named or _is_whole
        self._pid = os.getpid()
        self._folder = Path(path).parent
        self._is_mine = names_of(path).fullmatch
        self._closed: list[dict[str, Any]] = []
        """Complete files without a name, oldest first."""
        self._n_covered = 0
        """Number of them, from the oldest, that the last `save` covers."""
        self._open_part = ""
        """Name of the part file that was open at the last `save`; empty for none."""
        self._known: dict[int, tuple[int, int]] = {}
        """Length and tail of the newest complete files, by number."""
        self._is_new = not appends
        self.number = highest_of(self._path) + 1 if appends else 1
        if Path(path).is_dir():
            raise SourceError(f'{where}: path must be a file, got the directory "{path}"')
        if not saves:
            self._check_new()
        self._opened().drop()  # a folder that cannot be written is an error at the start

    def target(self, number: int) -> Path:
        """Return the path of a file."""
        return Path(numbered(self._path, f"{number:06d}"))

    def _opened(self) -> WholeFile:
        return WholeFile(str(self.target(self.number)), self._where, packs=self._packs)

    def _check_new(self) -> None:
        """Check that no earlier run has left numbered files; not called before `restore`, whose run may have named some."""
        highest = highest_of(self._path) if self._is_new else 0
        self._is_new = False
        if highest:
            raise SourceError(
                f'{self._where}: "{numbered(self._path, "*")}" must not exist when a run begins, got number {highest} '
                "of an earlier one; move the files away, or pass append=True to continue its numbering"
            )

    def begin(self) -> WholeFile:
        """Return the next file, open and empty."""
        self._check_new()
        return self._opened()

    def complete(self, file: WholeFile) -> None:
        """Close the open file: it gets its name when a checkpoint covers it, and at once in a run without checkpoints."""
        saved = file.save() if self._saves else None
        if saved is None:
            self._name(file)
            return
        file.drop()
        self._closed.append({"number": self.number, **saved})
        self._known[self.number] = saved["length"], saved["tail"]
        self._known.pop(self.number - _KNOWN, None)
        self.number += 1

    def commit(self, opened: WholeFile | None) -> None:
        """Name all files, also the open one, and remove what earlier runs have left."""
        self._n_covered = len(self._closed)
        self.publish()
        if opened is not None:
            self._name(opened)
        self._sweep()

    def _name(self, file: WholeFile) -> None:
        self._check_free(self.target(self.number))
        file.commit()
        self.number += 1

    def _check_free(self, target: Path) -> None:
        if os.path.lexists(target):
            raise SourceError(
                f'{self._where}: "{target}" must not exist before it is complete, got a file of another run; '
                "stop that run, or choose another path"
            )

    def save(self, opened: dict[str, Any] | None) -> dict[str, Any]:
        """Return the data to continue from.

        Args:
            opened: The data of the open file, if there is one.
        """
        self._n_covered = len(self._closed)
        self._open_part = "" if opened is None else opened["part"]
        return {"number": self.number, "closed": list(self._closed), "open": opened, "known": dict(self._known)}

    def publish(self) -> None:
        """Name the files that the last `save` covers."""
        refuse_fork(self._pid, f'{self._where} "{self._path}"')
        while self._n_covered:
            self._name_closed(self._closed[0])
            self._n_covered -= 1
            del self._closed[0]

    def _name_closed(self, saved: dict[str, Any]) -> None:
        target = self.target(saved["number"])
        if _is_whole(target, saved):  # named by a run that was killed right afterwards
            return
        self._check_free(target)
        file = WholeFile(str(target), self._where, packs=self._packs)
        file.restore(saved)
        file.commit()

    def restore(self, saved: dict[str, Any]) -> WholeFile | None:
        """Continue from a checkpoint: name the files it covers, remove later ones, and return its open file.

        Raises:
            SourceError: If there are files with higher numbers, so that the checkpoint is not the last one, or if the last
                file is that of another run, which has continued from another copy.
        """
        self._saves, self._is_new = True, False
        self.number, opened = saved["number"], saved["open"]
        if opened is not None and self._is_named(self.target(self.number), opened):
            self.number, opened = self.number + 1, None
        highest = highest_of(self._path)
        if highest >= self.number:
            raise SourceError(
                f'{self._where}: "{numbered(self._path, "*")}" must end before number {self.number}, the next of the '
                f"checkpoint, got number {highest} of a later one; continue from the newest checkpoint, or "
                f"{self._way_back(highest, opened)}"
            )
        self._known = saved.get("known", {})
        self._check_own(highest)
        for each in saved["closed"]:
            self._name_closed(each)
        file = None
        if opened is not None:
            file = self._opened()
            file.restore(opened)
            self._open_part = opened["part"]
        self._sweep()
        return file

    def _check_own(self, number: int) -> None:
        """Check that a file is the one that the run of the checkpoint has made."""
        known = self._known.get(number)
        target = self.target(number)
        if known is not None and not _is_whole(target, {"length": known[0], "tail": known[1]}):
            raise SourceError(
                f'{self._where}: "{target}" must be the file that the run of the checkpoint has made, got that of a run '
                "on another copy of its checkpoints; continue that run, or start over"
            )

    def _way_back(self, highest: int, opened: dict[str, Any] | None) -> str:
        """Return what to do with the files of later checkpoints to continue from this one."""
        first, steps = self.number, list[str]()
        target = self.target(first)
        part = None if opened is None else target.resolve().with_name(opened["part"])
        if opened is not None and part is not None and not part.exists():
            if not begins_with(target, opened["length"], opened["tail"]):
                return "start over: the open file of this one is gone"
            steps, first = [f'rename "{target}" to "{part}"'], first + 1
        if first <= highest:
            last = f' to "{self.target(highest)}"' if first < highest else ""
            steps.append(f'remove "{self.target(first)}"{last}')
        return f"{' and '.join(steps)}, to go back to this one"

    def _sweep(self) -> None:
        """Remove the part files that checkpoints have left and nobody has open."""
        if self._saves:
            remove_saved_of(self._folder.resolve(), self._is_mine)

    def drop(self) -> None:
        """Remove complete files that no checkpoint covers."""
        if not is_forked(self._pid):
            for saved in self._closed[self._n_covered :]:
                if saved["part"] != self._open_part:  # complete by now, but the checkpoint continues from its beginning
                    self.target(saved["number"]).resolve().with_name(saved["part"]).unlink(missing_ok=True)


def _is_whole(target: Path, saved: dict[str, Any]) -> bool:
    """Return True if a target is the complete file that was saved."""
    length: int = saved["length"]
    with contextlib.suppress(FileNotFoundError):
        return target.stat().st_size == length and tail_of(target, length) == saved["tail"]
    return False
