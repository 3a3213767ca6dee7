"""Footers of files that say where all of their data is, which tell one file from another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from rxdag.errors import SourceError


def footer_of(path: str, end_bytes: int) -> bytes:
    """Return the digest of the footer of a file.

    Args:
        path: Path of the file.
        end_bytes: Length of what ends the file: 4 bytes with the length of the footer, and the magic text.
    """
    with Path(path).open("rb") as file:
        file.seek(-end_bytes, os.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        file.seek(-end_bytes - size, os.SEEK_END)
        return hashlib.blake2b(file.read(), digest_size=16).digest()


def check_footer(saved: object, footer: bytes, where: str) -> None:
    """Raise SourceError if a position is that of a file with another footer."""
    if saved != footer:
        raise SourceError(
            f"{where}: must be the file that the checkpoint was taken from, got one with another footer; put that file "
            "back, or start without the checkpoint"
        )
