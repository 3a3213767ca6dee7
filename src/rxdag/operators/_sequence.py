"""Sequences: the whole numbers that break ties among equal times, or number the items of a feed."""

from __future__ import annotations

import operator
from typing import Any

from rxdag.contract import BadItem
from rxdag.errors import shown


def sequence_number(value: Any, where: str) -> int:
    """Return the value as an int.

    Raises:
        BadItem: If it is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise BadItem(f"{where} must be a whole number, got {shown(value)}") from None
