"""First arguments that may be left out: `scan(initial, fn)` and `scan(fn)`."""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import Any, Final


class _LeftOut:
    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT: Final[Any] = _LeftOut()
"""Default of a second argument, of a function whose first may be left out: `scan(initial, fn)` and `scan(fn)`."""


def optional_first(signature: inspect.Signature) -> tuple[str, str] | None:
    """Return the names of a first argument that may be left out, and of the second; None if it may not."""
    for first, second in pairwise(signature.parameters.values()):
        if second.default is LEFT_OUT:
            return first.name, second.name
    return None
