"""Compression of files, by the end of their name: pieces that can each be read by itself, one behind another."""

from __future__ import annotations

import gzip
import importlib
import os
import sys
import zlib
from typing import IO, Any, Final, cast

from rxdag.contract import import_extra

PACKED: Final = (".gz", ".zst")
"""Ends of the names of files that are compressed."""


class Packing:
    """The compression of a file.

    Args:
        path: Path of the file; ".gz" and ".zst" are compressed.
        where: Name of the sink, for messages.

    Raises:
        MissingExtra: If the package for .zst is not installed.
    """

    def __init__(self, path: str, where: str) -> None:
        self.suffix = os.path.splitext(path)[1]
        self._path = path
        self._zstd = _zstd(where) if self.suffix == ".zst" else None

    def new_piece(self) -> Any:
        """Return a compressor of one piece, with the methods `compress` and `flush`; None for a plain file."""
        if self._zstd is not None:
            return self._zstd.ZstdCompressor()
        # A GzipFile would write once more when it is forgotten.
        return zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS) if self.suffix == ".gz" else None

    def opened(self) -> IO[bytes]:
        """Return the file, opened to be read."""
        if self._zstd is not None:
            return cast("IO[bytes]", self._zstd.open(self._path, "rb"))
        return cast("IO[bytes]", gzip.open(self._path, "rb")) if self.suffix == ".gz" else open(self._path, "rb")

    @property
    def damage(self) -> tuple[type[Exception], ...]:
        """Return the errors of reading a file that is truncated or not compressed."""
        return (EOFError, gzip.BadGzipFile, zlib.error) if self._zstd is None else (EOFError, self._zstd.ZstdError)


def _zstd(where: str) -> Any:
    if sys.version_info >= (3, 14):
        return importlib.import_module("compression.zstd")
    return import_extra("backports.zstd", "zstd", where)
