"""Files that a run continues: whole lines are added to a copy, which replaces the file at the end."""

from __future__ import annotations

import csv
import io
import os
from typing import Any, Final

from rxdag.errors import SourceError, text_of
from rxdag.sinks._packing import PACKED, Packing
from rxdag.sinks._parts import tail_of
from rxdag.sinks._whole_file import WholeFile

_BLOCK_BYTES: Final = 1 << 20


class AppendedFile(WholeFile):
    """A file that begins with the lines of the one that it replaces. These are copied at the first write.

    Args:
        path: Its path.
        where: Name of the sink, for messages.

    Raises:
        SourceError: If the file does not end with a whole line.
    """

    def __init__(self, path: str, where: str) -> None:
        super().__init__(path, where)
        self._is_copied = False
        self._base = self._size()
        """Size of the file when the run began, in bytes."""
        self.has_lines = False
        """True if there are lines before those of the run; a compressed file may have none."""
        try:
            with self.explained():
                self._check_lines()
        except BaseException:
            self.drop()
            raise

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _check_lines(self) -> None:
        last = _last_byte(str(self.path), self._where) if self._base else b""
        self.has_lines = last != b""
        if last not in (b"", b"\n"):
            raise SourceError(
                f'{self._where}: "{self.path}" must end with a line break to be appended to, got a last line without one; '
                "complete that line, or delete it"
            )

    def _copy(self) -> None:
        if self._is_copied:
            return
        if self._base:
            with self.explained(), self.path.open("rb") as file:
                self.raw.begin_again()  # the disk may have been full
                while block := file.read(_BLOCK_BYTES):
                    self.raw.make_room()
                    self.raw.write(block)
        self._is_copied = True

    def write(self, data: bytes) -> None:
        self._copy()
        super().write(data)

    def sync(self) -> None:
        self._copy()
        size = self._size()
        # The file has the size of the copy if a run was killed behind the renaming.
        if size != self.raw.tell() and not (size == self._base and self._has_base()):
            self.drop()
            got = "other content" if size == self._base else f"{size:,} bytes, and {self._base:,} when the run began"
            raise SourceError(
                f'{self._where}: "{self.path}" must not change while a run appends to it, got {got}; write to it from one '
                "place only"
            )
        super().sync()

    def _has_base(self) -> bool:
        """Return True if the file ends as what was copied of it."""
        with self.explained():
            self.raw.flush()
            part = self._target.with_name(self.part_name)
            return not self._base or tail_of(self.path, self._base) == tail_of(part, self._base)

    def save(self) -> dict[str, Any] | None:
        self._copy()
        saved = super().save()
        return None if saved is None else {**saved, "base": self._base}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._base, self._is_copied = saved["base"], True


def header_of(path: str) -> tuple[str, ...]:
    """Return the first row of a CSV file, which may be compressed; nothing of a torn one, which `AppendedFile` refuses.

    Raises:
        SourceError: If it is no row.
    """
    packing = Packing(path, "csv")
    try:
        with packing.opened() as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            return tuple(next(csv.reader(text), ()))
    except packing.damage:
        return ()
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(
            f'csv: "{path}" must begin with a row of names in UTF-8 to be appended to, got {text_of(error)}; restore it, '
            "or choose another file"
        ) from error


def _last_byte(path: str, where: str) -> bytes:
    """Return the last byte of a file; of a compressed one, of its content."""
    last, packing = b"", Packing(path, where)
    with packing.opened() as file:
        try:
            if packing.suffix not in PACKED:
                file.seek(-1, os.SEEK_END)
            while block := file.read(_BLOCK_BYTES):
                last = block[-1:]
        except packing.damage as error:
            raise SourceError(
                f'{where}: "{path}" must be a whole {packing.suffix} file to be appended to, got {text_of(error)}; restore it'
            ) from error
    return last
