"""Types of the fields of a record, as declared: after a class has changed, saved values must fit the new ones."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from rxdag.errors import StateError, text_of

Fit: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]
"""Turns the saved values of a field into values of its type."""

_BUILTIN: Final = (bytes, bytearray, datetime, date, time, timedelta, Decimal, UUID)
"""Types that msgspec would otherwise also make from text."""
_GOT: Final = re.compile(r"got `(?P<kind>\w+)`(?: - at `\$\[\.*\d*\](?P<path>.*)`)?")


def field_types(cls: type, fields: Iterable[str]) -> dict[str, tuple[str, Any]]:
    """Return the type of each field, as text and as an object; the object is None if it cannot be resolved."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception:  # a name that is imported for type checkers only
        raw: dict[str, Any] = {}
        for each in reversed(cls.__mro__):
            raw |= inspect.get_annotations(each)
        return {name: (_spelled(raw.get(name, Any)), None) for name in fields}
    return {name: (_spelled(hints.get(name, Any)), hints.get(name, Any)) for name in fields}


def _spelled(kind: Any) -> str:
    return kind if isinstance(kind, str) else inspect.formatannotation(kind)


def fits(cls: type, was: Mapping[str, str], now: Mapping[str, tuple[str, Any]]) -> dict[str, Fit]:
    """Return how to make the saved values of each field whose type has changed fit.

    Args:
        cls: The class.
        was: Types of the fields when the values were saved, as text.
        now: Types of the fields.
    """
    return {
        name: partial(_fit, f"{cls.__qualname__}.{name}", was[name], *kind)
        for name, kind in now.items()
        if name in was and was[name] != kind[0]
    }


def _fit(field: str, was: str, now: str, kind: Any, values: Sequence[Any]) -> Sequence[Any]:
    must_stay = f"{field} must be {was}, as when it was saved, got {now}; undo that change"
    if kind is None:
        raise StateError(must_stay)
    try:
        return msgspec.convert(list(values), list[kind], builtin_types=_BUILTIN)
    except msgspec.ValidationError as error:
        got = _GOT.search(text_of(error))
        path, found = ("", text_of(error)) if got is None else (got["path"] or "", got["kind"])
        raise StateError(f"{field}{path} must be {now}, got a saved {found}; undo the change from {was}") from error
    except TypeError as error:  # msgspec does not know the type
        raise StateError(must_stay) from error
