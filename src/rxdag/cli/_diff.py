"""`rxdag diff`: two outputs, line by line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from rxdag.cli._options import Traceback
from rxdag.contract import import_extra, nearest_file
from rxdag.errors import SourceError

_LONGEST: Final = 200
"""Most characters of a line that are shown."""


@dataclass
class Difference:
    """The difference of two files.

    Attributes:
        name: Name of the file in its folder.
        lines: Number of lines of each: rows of a Parquet file.
        differing: Number of lines that differ, including those that only one file has.
        first: The first ones: number of the line, from 1, and its text in each file; None if it has no such line.
    """

    name: str
    lines: tuple[int, int] = (0, 0)
    differing: int = 0
    first: list[tuple[int, str | None, str | None]] = field(
        default_factory=lambda: list[tuple[int, str | None, str | None]]()
    )

    def __str__(self) -> str:
        a, b = self.lines
        if not self.differing:
            return f"{self.name}: equal, {a:,} lines"
        differ = "1 line differs" if self.differing == 1 else f"{self.differing:,} lines differ"
        out = [f"{self.name}: {differ}, of {a:,} and {b:,}"]
        for number, left, right in self.first:
            out += [f"  line {number:,}", f"    A: {_shown(left)}", f"    B: {_shown(right)}"]
        return "\n".join(out)


def diff(
    a: Annotated[str, typer.Argument(help="File or folder.", metavar="A")],
    b: Annotated[str, typer.Argument(help="File or folder to compare it with.", metavar="B")],
    most: Annotated[int, typer.Option(min=0, help="Number of differing lines to show per file.")] = 5,
    traceback: Traceback = False,
) -> None:
    """Compare two outputs line by line: files, or the files of two folders. Exits with 1 if they differ."""
    found, only = differences(a, b, most)
    print("\n".join([*map(str, found), *only]))
    raise typer.Exit(1 if only or any(each.differing for each in found) else 0)


def differences(a: str, b: str, most: int) -> tuple[list[Difference], list[str]]:
    """Compare two files, or the files of two folders that have one name.

    Args:
        a: Path of the first.
        b: Path of the second.
        most: Number of differing lines per file to keep.

    Returns:
        The difference of each pair of files, and what only one folder has, as text.

    Raises:
        SourceError: If one does not exist, or one is a file and the other a folder.
    """
    left, right = Path(a), Path(b)
    for path in (left, right):
        if not path.exists():
            raise SourceError(f'diff: "{path}" must be a file or a folder, got none{nearest_file(str(path))}')
    if left.is_dir() != right.is_dir():
        raise SourceError(f"diff: must get two files or two folders, got {_kind(left)} and {_kind(right)}")
    if left.is_file():
        return [compared(left.name, left, right, most)], []
    names = [{str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (left, right)]
    found = [compared(name, left / name, right / name, most) for name in sorted(names[0] & names[1])]
    only = [f"only in {a}: {name}" for name in sorted(names[0] - names[1])]
    return found, only + [f"only in {b}: {name}" for name in sorted(names[1] - names[0])]


def compared(name: str, a: Path, b: Path, most: int) -> Difference:
    """Compare two files line by line, in order; the content of compressed files, and the rows of Parquet files."""
    out = Difference(name)
    n, m = 0, 0
    for number, (left, right) in enumerate(zip_longest(_lines(a), _lines(b)), 1):
        n += left is not None
        m += right is not None
        if left != right:
            out.differing += 1
            if len(out.first) < most:
                out.first.append((number, left, right))
    out.lines = n, m
    return out


def _lines(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        parquet: Any = import_extra("pyarrow.parquet", "arrow", "diff")
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from map(str, batch.to_pylist())
        return
    if path.suffix == ".arrow":
        pa: Any = import_extra("pyarrow", "arrow", "diff")
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            for at in range(reader.num_record_batches):
                yield from map(str, reader.get_batch(at).to_pylist())
        return
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for line in file:
            yield line.decode(errors="backslashreplace")


def _kind(path: Path) -> str:
    return f'{"a folder" if path.is_dir() else "a file"}, "{path}"'


def _shown(line: str | None) -> str:
    if line is None:
        return "(no such line)"
    text = line.rstrip("\r\n")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text):,} characters)"
