"""Files of lines, plain or compressed, and stdin."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

from rxdag.contract._compressed import COMPRESSED, Damage, decompressed
from rxdag.contract._path import format_of, nearest_file
from rxdag.errors import RxDagError, SourceError

_HEAD_BYTES: Final = 4096
"""Number of bytes at the beginning of a file, and most at the end of the last line, by which it is known again."""


class LineFile:
    """An open file of lines, with its name and the current line number for messages.

    Args:
        path: Path of the file, decompressed if it ends in ".gz", ".bz2", ".zip" or ".zst"; "-" for stdin.
        where: Name of the source, for messages.
    """

    def __init__(self, path: str, where: str) -> None:
        self.path = path
        self.where = where
        self.line = 0
        self.byte = 0
        """Number of bytes, decompressed, in the lines so far."""
        self._head = b""
        self._last = b""
        """The last line; empty if it is not known."""
        self._ahead: list[bytes] = []
        """Lines of a block that are read one by one, the next one last."""
        self._opened: list[IO[bytes]] = []
        self._damage: Damage = ()
        """Errors of a compressed file that is damaged."""
        self._raw: IO[bytes] = self._open()

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
        opened: IO[bytes]
        try:
            opened, self._damage = decompressed(raw, self.path, self.where)
        except RxDagError:
            begin = self._begin()
            raw.close()
            self._check_format(begin)
            raise
        return opened

    def lines(self) -> Iterator[str]:
        """Yield the lines as text, each with its end.

        Raises:
            SourceError: If the file is truncated, not compressed as its name says, or not UTF-8.
        """
        line = b""
        ahead, read_line = self._ahead, self._raw.readline
        try:
            while line := ahead.pop() if ahead else read_line():
                self.line += 1
                text = line.decode() if self.byte >= _HEAD_BYTES else self._decode_head(line)
                self.byte += len(line)
                self._last = line
                yield text
        except UnicodeDecodeError as error:
            near = line[max(0, error.start - 10) : error.start + 10]
            problem = self.problem(f"must be UTF-8, got byte {error.start + 1} of {near!r}")
            self.line -= 1
            raise problem from None
        except self._damage as error:
            raise self._damaged(error) from None

    def block(self, n_bytes: int) -> bytes:
        """Return the next lines, `n_bytes` and the rest of the last line, without counting them as read.

        Give them to `pass_lines` or `put_back`. There are none at the end, while lines of an earlier block are left, and
        shortly before a place where the file is damaged.
        """
        if self._ahead:
            return b""
        try:
            return self._raw.read(n_bytes) + self._raw.readline()
        except self._damage:
            self._raw.seek(self.byte)  # `lines` yields those before the damage
            return b""

    def pass_lines(self, block: bytes, n_lines: int) -> None:
        """Count lines of a block as read."""
        self._head += block[: max(0, _HEAD_BYTES - self.byte)]
        self.byte += len(block)
        self.line += n_lines
        self._last = block[block.rfind(b"\n", 0, -1) + 1 :]

    def put_back(self, block: bytes) -> None:
        """Let `lines` yield the lines of a block."""
        self._ahead += reversed(BytesIO(block).readlines())

    def _decode_head(self, line: bytes) -> str:
        if self.line == 1:
            self._check_format(line)
        # Only the start of a file may have a byte order mark.
        text = line.decode("utf-8-sig" if self.line == 1 else "utf-8")
        self._head += line[: _HEAD_BYTES - self.byte]
        return text

    def _damaged(self, error: Exception) -> SourceError:
        """Return the error for a file that cannot be decompressed."""
        kind = Path(self.path).suffix
        if isinstance(error, EOFError):
            return self.problem(f"the {kind} file is truncated; fetch it again, or decompress what is there")
        self._check_format(self._begin())
        return self.problem(f"the {kind} file is damaged, or not compressed as its name says ({error})")

    def give_back(self, lines: Iterable[str]) -> None:
        """Count the last lines as not read."""
        for line in lines:
            self.line -= 1
            self.byte = self.byte - len(line.encode()) if self.line else 0
            self._last = b""

    def set_back(self, line: int, byte: int) -> None:
        """Count the lines after a place as not read."""
        self._last = self._last if byte == self.byte else b""
        self.line, self.byte = line, byte

    def take_again(self, line: str) -> None:
        """Count a line that was given back as read."""
        self.line += 1
        self._last = line.encode()
        self.byte += len(self._last)

    def position(self) -> dict[str, Any] | None:
        """Return the position after the last line; None for stdin.

        It is the number of bytes, decompressed, and of lines. `head` is the digest of the first 4,096 of these bytes, and
        `last` the length and digest of the last line, or of its last 4,096 bytes.
        """
        if self.path == "-":
            return None
        last = self._last[-_HEAD_BYTES:]
        head = _digest(self._head[: self.byte])
        return {"byte": self.byte, "line": self.line, "head": head, "last": (len(last), _digest(last))}

    def verify(self, position: Mapping[str, Any]) -> None:
        """Check that the file begins as the one that a position was taken from; called before the first line.

        Raises:
            SourceError: If it does not, or cannot be read.
        """
        n = min(position["byte"], _HEAD_BYTES)
        head = self._read(n)
        if len(head) < n:
            raise self._too_short(len(head), position["byte"])
        if _digest(head) != position["head"]:
            raise self._other("one that begins differently")
        self._raw.seek(0)

    def skip_to(self, position: Mapping[str, Any]) -> None:
        """Continue at a position, after the lines that must be read in any case.

        Raises:
            SourceError: If the file ends before the position, or the line there is another one or has grown since.
        """
        byte = position["byte"]
        length, digest = position.get("last", (0, b""))
        if not byte:
            return
        missing = min(byte, _HEAD_BYTES) - self.byte
        self._head = (self._head + self._read(missing) if missing > 0 else self._head)[:byte]
        try:
            self._raw.seek(byte - max(length, 1))
        except self._damage as error:
            raise self._damaged(error) from None
        last = self._read(max(length, 1))
        if len(last) < max(length, 1):
            raise self._too_short(self._raw.seek(0, os.SEEK_END), byte)
        self.line, self.byte = position["line"], byte
        if length and _digest(last) != digest:
            raise self._other(f"one whose line {self.line:,} is another one")
        self._last = last
        if last[-1:] != b"\n":
            self._pass_line_end()

    def _pass_line_end(self) -> None:
        """Pass the end of the last line, if it had none when it was read."""
        end = self._read(1)
        end += self._read(1) if end == b"\r" else b""
        if end not in (b"", b"\n", b"\r\n"):
            raise self._other(f"one whose line {self.line:,} has grown since it was read")
        if self.byte < _HEAD_BYTES:
            self._head += end[: _HEAD_BYTES - self.byte]
        self.byte += len(end)
        self._last += end

    def _read(self, n: int) -> bytes:
        try:
            return self._raw.read(n)
        except self._damage as error:
            raise self._damaged(error) from None

    def _too_short(self, size: int, byte: int) -> SourceError:
        return self._other(f"one of {size:,} bytes, which ends before byte {byte:,}")

    def _other(self, got: str) -> SourceError:
        return SourceError(
            f'{self.where}: "{self.name}" must be the file that the checkpoint was taken from, got {got}; put that file '
            "back, or start without the checkpoint"
        )

    def _begin(self) -> bytes:
        """Return the first stored bytes of the file; none if it cannot be read again."""
        try:
            return os.pread(self._opened[0].fileno(), 6, 0)
        except (IndexError, OSError):
            return b""

    def _check_format(self, begin: bytes) -> None:
        """Raise SourceError if a file begins as one that is not text does."""
        found = format_of(begin)
        if found is not None and not (found[0] in COMPRESSED and found[0] == Path(self.path).suffix):
            raise SourceError(f"{self.name}: must be text, plain or compressed, got {found[1]}")

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
        for file in self._opened:  # decompressors do not close the underlying file
            file.close()


def _digest(head: bytes) -> bytes:
    return hashlib.blake2b(head, digest_size=16).digest()
