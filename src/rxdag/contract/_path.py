"""Paths of files."""

from __future__ import annotations

import os
from os import fsdecode
from typing import Any, Final

from rxdag.errors import GraphError, shown

_FORMATS: Final = (
    (b"PK\x03\x04", ".zip", "a zip archive; name it .zip"),
    (b"\x1f\x8b", ".gz", "a file compressed by gzip; name it .gz"),
    (b"BZh", ".bz2", "a file compressed by bzip2; name it .bz2"),
    (b"\xfd7zXZ\x00", ".xz", "a file compressed by xz; unxz it first"),
    (b"\x28\xb5\x2f\xfd", ".zst", "a file compressed by zstd; name it .zst"),
    (b"PAR1", ".parquet", "a Parquet file; sources.parquet reads it"),
)
"""First bytes of files that are not text, the end of the names of such files, and how to read each of them."""


def format_of(begin: bytes) -> tuple[str, str] | None:
    """Return the format of a file that is not text, by its first bytes; None if it may be text.

    It is the end of the names of such files, and a text that says how to read it.
    """
    return next(((suffix, what) for magic, suffix, what in _FORMATS if begin.startswith(magic)), None)


def nearest_file(path: str) -> str:
    """Return '; did you mean "bars.yaml"?' for a file that does not exist, or nothing if none near it has such a name."""
    from difflib import get_close_matches  # only errors need it

    folder, name = os.path.split(path)
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return f'; its directory "{folder}" does not exist either' if folder and not os.path.exists(folder) else ""
    # Files in a directory often share an ending, so it only decides among files of the same name.
    stem = get_close_matches(name.partition(".")[0], sorted({each.partition(".")[0] for each in names}), n=1)
    same = [each for each in names if each.partition(".")[0] in stem]
    near = get_close_matches(name, same, n=1, cutoff=0.0)
    return f'; did you mean "{os.path.join(folder, near[0])}"?' if near else ""


def checked_path(path: Any, where: str) -> str:
    """Return a path as text.

    Raises:
        GraphError: If it is not a path, is empty, or contains a null character.
    """
    try:
        text = str(fsdecode(path))
    except TypeError:
        raise GraphError(f"{where}: path must be a text or a pathlib.Path, got {shown(path)}") from None
    if not text or "\0" in text:
        raise GraphError(f"{where}: path must name a file, got {shown(text)}")
    return text


def folder_of_worker(path: str, worker: int) -> str:
    """Return the path of the folder of a worker: "answers" and 1 give "answers-1"."""
    return f"{path.rstrip(os.sep)}-{worker}"
