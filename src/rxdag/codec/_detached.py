"""Detached values: copies that a run can no longer change, so that they can be encoded while it continues."""

from __future__ import annotations

from typing import Any, Final

from rxdag._saved_rows import SavedRows
from rxdag.codec._scalars import PLAIN
from rxdag.codec._walk import kind_of

_CONTAINERS: Final[frozenset[Any]] = frozenset((list, tuple, set, dict))
_FEW: Final = 64
"""Most members of a container that are looked at one by one."""


class _Shared(Exception):  # a signal, not an error
    """Raised for a value that somebody else may change."""


def detached(value: Any) -> Any:
    """Return a copy of a value that shares only immutable parts with it; None if checking that would take too long.

    The columns of `SavedRows` are not copied: their maker does not keep them.
    """
    try:
        return _copied(value)
    except _Shared:
        return None


def _copied(value: Any) -> Any:
    kind = kind_of(value)
    if kind in PLAIN:
        return value
    if kind is SavedRows:
        if not value.is_frozen:
            for column in value.columns:
                _check(column)
        return value
    if kind not in _CONTAINERS:
        raise _Shared
    is_short = len(value) <= _FEW
    if kind is dict:
        _check(value)
        if is_short:
            return {key: _copied(each) for key, each in value.items()}
        _check(value.values())
        return value.copy()
    if is_short:
        return kind([_copied(each) for each in value])
    _check(value)
    return kind(value)


def _check(values: Any) -> None:
    """Raise _Shared unless all values are numbers, texts and the like."""
    if type(values) is SavedRows:
        _copied(values)
    elif not PLAIN.issuperset(map(type, values)):
        raise _Shared
