"""Files of lines, plain or gzipped, and stdin."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rxdag.contract._path import format_of, nearest_file
from rxdag.errors import SourceError


class LineFile:
    """An open file of lines, with its name and the current line number for messages.

    Args:
        path: Path of the file, decompressed if it ends in ".gz"; "-" for stdin.
        where: Name of the source, for messages.
    """

    def __init__(self, path: str, where: str) -> None:
        self.path = path
        self.where = where
        self.line = 0
        self._opened: list[IO[bytes]] = []
        self._raw = self._open()

    def _open(self) -> IO[bytes]:
        if self.path == "-":
            return sys.stdin.buffer
        path = Path(self.path)
        try:
            if path.is_dir():
                names = sorted(p.name for p in path.iterdir())[:5]
                inside = f" (it holds {', '.join(names)})" if names else ""
                raise SourceError(f'{self.where}: path must be a file, got the directory "{self.path}"{inside}')
            raw = path.open("rb")
        except FileNotFoundError:
            raise SourceError(f'{self.where}: file must exist, got "{self.path}"{nearest_file(self.path)}') from None
        except PermissionError:
            raise SourceError(
                f'{self.where}: file must be readable, got "{self.path}"; change its permissions or run as another user'
            ) from None
        except OSError as error:
            raise SourceError(f'{self.where}: cannot open "{self.path}": {os.strerror(error.errno or 0)}') from error
        self._opened.append(raw)
        return gzip.open(raw, "rb") if path.suffix == ".gz" else raw  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # reads bytes too

    def lines(self) -> Iterator[str]:
        """Yield the lines, without their ends, as text.

        Raises:
            SourceError: If the file is truncated, not gzip although its name ends in ".gz", or not UTF-8.
        """
        raw = iter(self._raw)
        while True:
            try:
                line = next(raw)
            except StopIteration:
                return
            except EOFError:
                raise self.problem("the .gz file is truncated; fetch it again, or gunzip what is there") from None
            except (gzip.BadGzipFile, zlib.error) as error:
                self._check_format(self._begin())
                raise self.problem(f"the .gz file is damaged or no gzip ({error})") from None
            self.line += 1
            if self.line == 1:
                self._check_format(line)
            try:
                # Only the start of a file may have a byte order mark.
                yield line.decode("utf-8-sig" if self.line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                near = line[max(0, error.start - 10) : error.start + 10]
                raise self.problem(f"must be UTF-8, got byte {error.start + 1} of {near!r}") from None

    def _begin(self) -> bytes:
        """Return the first stored bytes of the file; none if it cannot be read again."""
        try:
            return os.pread(self._opened[0].fileno(), 6, 0)
        except (IndexError, OSError):
            return b""

    def _check_format(self, begin: bytes) -> None:
        """Raise SourceError if a file begins as one that is not text does."""
        what = format_of(begin)
        is_gzip = begin.startswith(b"\x1f\x8b") and self.path.endswith(".gz")
        if what is not None and not is_gzip:
            raise SourceError(f"{self.name}: must be text, plain or .gz, got {what}")

    def progress(self) -> float | None:
        """Return the share of the file read, from 0 to 1; None for stdin or a closed file. Thread-safe."""
        try:
            descriptor = self._opened[0].fileno()
            return os.lseek(descriptor, 0, os.SEEK_CUR) / max(1, os.fstat(descriptor).st_size)
        except (IndexError, ValueError, OSError):
            return None

    def problem(self, what: str) -> SourceError:
        """Return an error that names file and line."""
        return SourceError(f"{self.place}: {what}")

    @property
    def name(self) -> str:
        """The path, or stdin."""
        return "stdin" if self.path == "-" else self.path

    @property
    def place(self) -> str:
        """Current file and line."""
        return f"{self.name}: line {max(self.line, 1)}"

    def close(self) -> None:
        if self.path != "-":
            self._raw.close()
        for file in self._opened:  # gzip does not close the underlying file
            file.close()
