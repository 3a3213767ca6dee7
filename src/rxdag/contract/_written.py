"""Calls as their user wrote them: operators, sources, sinks, aggregates and windows as one line of Python."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Final

from rxdag.contract._made import Made, made_by
from rxdag.errors import shown

_MOST_CHARS: Final = 60
_MOST_ITEMS: Final = 8
"""Longer sequences are shown as their length."""
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s]*@")


def written(thing: object) -> str | None:
    """Return the call that made a thing, as `window(tumbling("1s"), count())`; None if no public function made it.

    What may be large or secret is left out: items, logins in addresses, and options that are handed on to another library.
    """
    made = made_by(thing)
    return None if made is None else f"{made.name}({', '.join(_arguments(thing, made))})"


def _arguments(thing: Any, made: Made) -> list[str]:
    hidden = {each.name for each in fields(thing) if not each.repr} if is_dataclass(thing) else set[str]()
    parts: list[str] = []
    for name, value in made.arguments:
        if name in made.options:
            text = "..." if made.room in ("source", "sink") else argument(value)
            parts.append(f"{name}={text}")
        elif name in made.keywords:
            parts.append(f"{name}={'...' if name in hidden else argument(value)}")
        elif name in hidden:
            parts.append("...")
        elif name == made.variable:
            parts += [argument(each) for each in value]
        else:
            parts.append(argument(value))
    return parts


def argument(value: Any) -> str:
    """Return an argument as Python has it, in one short line."""
    call = written(value)
    if call is not None:
        return call
    if isinstance(value, str):
        text = '"' + _LOGIN.sub("...@", value).replace('"', '\\"') + '"'
        return text if len(text) <= _MOST_CHARS else f'{text[: _MOST_CHARS - 4]}..."'
    if isinstance(value, type):
        return value.__qualname__
    if inspect.isroutine(value) or isinstance(value, partial):
        return _function(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{argument(key)}: {_inside(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return _sequence(value)
    if isinstance(value, Set):
        return f"{{{len(value):,} values}}"
    return shown(value, most=_MOST_CHARS)


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
    """Return the name of a function; of one without a name, where it is."""
    if isinstance(fn, partial):
        return f"partial({_function(fn.func)}, ...)"
    name: str = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or type(fn).__name__
    name = name.rpartition("<locals>.")[2]
    code = getattr(fn, "__code__", None)
    if name == "<lambda>" and code is not None:
        return f"<lambda {os.path.basename(code.co_filename)}:{code.co_firstlineno}>"
    return name
