"""Compressed files, decompressed while they are read."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from rxdag.contract._extra import import_extra
from rxdag.errors import SourceError, shown

Damage: TypeAlias = tuple[type[Exception], ...]
"""The errors of a decompressor."""


def decompressed(raw: IO[bytes], path: str, where: str) -> tuple[Any, Damage]:
    """Return a file of the decompressed bytes of another, by the end of its name, and the errors of damaged data.

    A file whose name does not end in .gz, .bz2, .zip or .zst is returned as it is.

    Args:
        raw: The file, open.
        path: Its path.
        where: Name of the source, for messages.

    Raises:
        SourceError: If a .zip file is truncated, or does not hold one file to read.
        MissingExtra: If the package for .zst is not installed.
    """
    opener = _OPENERS.get(Path(path).suffix)
    return (raw, ()) if opener is None else opener(raw, path, where)


def _gzip(raw: IO[bytes], path: str, where: str) -> tuple[Any, Damage]:
    import gzip

    return gzip.open(raw, "rb"), (EOFError, gzip.BadGzipFile, zlib.error)


def _bzip2(raw: IO[bytes], path: str, where: str) -> tuple[Any, Damage]:
    import bz2

    return bz2.open(raw, "rb"), (EOFError, OSError)  # its OSError is for invalid data too


def _zstd(raw: IO[bytes], path: str, where: str) -> tuple[Any, Damage]:
    if sys.version_info >= (3, 14):
        zstd: Any = importlib.import_module("compression.zstd")
    else:
        zstd = import_extra("backports.zstd", "zstd", where)
    return zstd.open(raw, "rb"), (EOFError, zstd.ZstdError)


def _zip(raw: IO[bytes], path: str, where: str) -> tuple[Any, Damage]:
    import zipfile

    try:
        archive = zipfile.ZipFile(raw)
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{path}: the .zip file is truncated, damaged or no zip archive ({error}); fetch it again"
        ) from None
    files = [each.filename for each in archive.infolist() if not each.is_dir()]
    # Some archives have a report or a licence beside the data.
    data = files if len(files) == 1 else [name for name in files if name.endswith(f".{where}")]
    if len(data) != 1:
        raise SourceError(
            f'{path}: the .zip file must hold one file, or one that ends in ".{where}", got {shown(files)}; unzip it first'
        )
    try:
        return archive.open(data[0]), (EOFError, zipfile.BadZipFile, zlib.error)
    except (NotImplementedError, RuntimeError) as error:  # an unusual method, or a password
        raise SourceError(f"{path}: the .zip file must be readable, got {error}; unzip it first") from None


_OPENERS: Final[dict[str, Callable[[IO[bytes], str, str], tuple[Any, Damage]]]] = {
    ".gz": _gzip,
    ".bz2": _bzip2,
    ".zip": _zip,
    ".zst": _zstd,
}
COMPRESSED: Final = tuple(_OPENERS)
"""Ends of the names of files that are decompressed."""
