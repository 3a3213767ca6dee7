"""Functions that read a key or a value of an item; their first result is checked."""

from __future__ import annotations

from typing import Any

from rxdag.contract import first_call
from rxdag.expressions import FieldReader


def first_read(read: Any, where: str, holder: Any, attribute: str) -> Any:
    """Return what looks at a function's first result; what reads a field, and None, stay as they are."""
    return read if isinstance(read, FieldReader) else first_call(read, where, holder, attribute)
