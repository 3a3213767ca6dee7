"""The lines at the beginning of a file, and the last one."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rxdag.contract import LineFile, format_of
from rxdag.errors import SourceError, shown

_HEAD_BYTES: Final = 1 << 20
_TAIL_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    Attributes:
        begin: About the first MiB, decompressed, up to the end of a line.
        is_whole: True if that is the whole file.
        last: Last line of the file that is not blank; None for a long compressed file, whose end is far.
        compressed: End of the name of a compressed file, such as ".gz"; None for others.
    """

    begin: bytes
    is_whole: bool
    last: str | None
    compressed: str | None

    @property
    def packed(self) -> str:
        """The compression, in words; empty if there is none."""
        return f", compressed ({self.compressed})" if self.compressed else ""

    def lines(self, path: str) -> list[str]:
        """Return the lines as text, without their ends.

        Raises:
            SourceError: If they are not UTF-8.
        """
        other = format_of(self.begin)
        if other is not None:
            raise SourceError(f"{path}: must be text, Parquet or Arrow, got {other[1]}")
        if b"\0" in self.begin:
            raise SourceError(f"{path}: must be text in UTF-8, Parquet or Arrow, got bytes of another form")
        try:
            text = self.begin.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            near = self.begin[max(0, error.start - 10) : error.start + 10]
            raise SourceError(
                f"{path}: must be UTF-8, got byte {error.start + 1} of {shown(near)}; convert it with iconv"
            ) from None
        return _lines_of(text)


def head_of(path: str) -> Head:
    """Read the beginning and the end of a file.

    Raises:
        SourceError: If it does not exist, is empty, cannot be read, or is damaged.
    """
    with closing(_opened(path)) as file:
        begin = file.block(_HEAD_BYTES)
        if not begin:
            for _ in file.lines():  # raises the error of a damaged file
                pass
            raise SourceError(f"{path}: must have rows, got an empty file")
        is_whole = not file.block(1)
    with Path(path).open("rb") as stored:
        found = format_of(stored.read(6))
    is_packed = found is not None and found[0] == Path(path).suffix != ".parquet"
    compressed = Path(path).suffix if is_packed else None
    if is_whole:
        last = _last_of(begin)
    else:
        last = None if compressed else _last_of(_tail(path))
    return Head(begin, is_whole, last, compressed)


def _opened(path: str) -> LineFile:
    """Open a file; of a zip archive with several files, the one that ends in .csv, or else in .jsonl."""
    try:
        return LineFile(path, "csv" if Path(path).suffix == ".zip" else "peek")
    except SourceError:
        if Path(path).suffix != ".zip":
            raise
        try:
            return LineFile(path, "jsonl")
        except SourceError:
            pass
        raise


def _tail(path: str) -> bytes:
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read()


def _last_of(data: bytes) -> str | None:
    lines = [line for line in _lines_of(data.decode("utf-8", "replace")) if line.strip()]
    return lines[-1] if lines else None


def _lines_of(text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]
