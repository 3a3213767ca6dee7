"""The order of panes that come out together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def in_order(keys: Iterable[Any]) -> list[Any]:
    """Keys in their order; in that of arrival where they have none."""
    try:
        return sorted(keys)
    except TypeError:
        return list(keys)
