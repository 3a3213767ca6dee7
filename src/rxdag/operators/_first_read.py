"""Functions that read a key or a value of an item; their first result is checked."""

from __future__ import annotations

from typing import Any

from rxdag.contract import first_call
from rxdag.expressions import FieldReader


def first_read(read: Any, where: str, holder: Any, attribute: str) -> Any:
    """Return the function with a check of its first result; field readers, and None, are returned unchanged."""
    return read if isinstance(read, FieldReader) else first_call(read, where, holder, attribute)
