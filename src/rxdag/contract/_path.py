"""Paths of files."""

from __future__ import annotations

from os import fsdecode
from typing import Any

from rxdag.errors import GraphError, shown


def checked_path(path: Any, where: str) -> str:
    """Return a path as text.

    Raises:
        GraphError: If it is none, or empty, or holds a null character, which no file has.
    """
    try:
        text = str(fsdecode(path))
    except TypeError:
        raise GraphError(f"{where}: path must be a text or a pathlib.Path, got {shown(path)}") from None
    if not text or "\0" in text:
        raise GraphError(f"{where}: path must name a file, got {shown(text)}")
    return text
