"""Calls as their user wrote them: operators, sources, sinks, aggregates and windows as one line of Python."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Final

from rxdag.contract._lambda import is_lambda, lambda_text, placed
from rxdag.contract._logins import has_query, without_logins, without_secret_addresses
from rxdag.contract._origin import Made, made_by
from rxdag.errors import shown

_MOST_CHARS: Final = 60
_MOST_ITEMS: Final = 8
"""Number of items above which a sequence is shown as its length."""
_SENT: Final = (str, bytes, Mapping, Sequence)


def written(thing: object) -> str | None:
    """Return the call that made an object, as `window(tumbling("1s"), count())`; None if no public function made it.

    Arguments that may be large or secret are left out: items, logins in addresses, and options passed to other
    libraries.
    """
    made = made_by(thing)
    return None if made is None else f"{made.name}({', '.join(_arguments(thing, made))})"


def _arguments(thing: Any, made: Made) -> list[str]:
    kept = {each.name: each.repr for each in fields(thing)} if is_dataclass(thing) else {}
    parts: list[str] = []
    for name, value in made.arguments:
        is_named = name in made.keywords or name in made.options
        for each in value if name == made.variable else (value,):
            # Options passed on to a server may contain a key or a password.
            is_sent = made.role in ("source", "sink")
            is_open = kept.get(name, not is_sent or not isinstance(each, _SENT))
            shows = placed(each) if is_sent and is_lambda(each) else argument(each)
            parts.append(f"{f'{name}=' if is_named else ''}{shows if is_open else '...'}")
    return parts


def argument(value: Any) -> str:
    """Return an argument as Python has it, in one short line."""
    call = written(value)
    if call is not None:
        return call
    if isinstance(value, str):
        text = '"' + without_logins(value).replace('"', '\\"') + '"'
        return text if len(text) <= _MOST_CHARS else f'{text[: _MOST_CHARS - 4]}..."'
    if isinstance(value, type):
        return value.__qualname__
    if inspect.isroutine(value) or isinstance(value, partial):
        return _function(value)
    given: Any = value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{argument(key)}: {_inside(each)}" for key, each in given.items()) + "}"
    if isinstance(value, list | tuple):
        return _sequence(given)
    if isinstance(value, Set):
        return f"{{{len(given):,} values}}"
    return shown(given, most=_MOST_CHARS)


def _sequence(value: Sequence[Any]) -> str:
    begin, end = "[]" if isinstance(value, list) else "()"
    if len(value) > _MOST_ITEMS:
        return f"{begin}{len(value):,} items{end}"
    inner = ", ".join(argument(each) for each in value)
    return f"{begin}{inner}{',' if begin == '(' and len(value) == 1 else ''}{end}"


def _inside(value: Any) -> str:
    """Return a value of a mapping: functions and expressions, and nothing that may be secret."""
    return "..." if isinstance(value, str | bytes) else argument(value)


def _function(fn: Any) -> str:
    """Return the name of a function; of a lambda, its text, or its place if the text is long, unknown or has a query."""
    if isinstance(fn, partial):
        return f"partial({_function(fn.func)}, ...)"
    name: str = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or type(fn).__name__
    if is_lambda(fn):
        text = lambda_text(fn.__code__)
        if text is None or len(text) > _MOST_CHARS or has_query(text):
            return placed(fn)
        shows = without_secret_addresses(text)
        return shows if shows == without_logins(text) else placed(fn)
    return name.rpartition("<locals>.")[2]
