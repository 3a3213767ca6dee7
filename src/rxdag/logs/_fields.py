"""Fields of log lines: plain values that fit on one line, and never an item or a credential."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from errno import errorcode
from types import TracebackType
from typing import Final, TypeAlias

from rxdag.contract import without_logins
from rxdag.errors import NodeError

Value: TypeAlias = str | int | float | bool

_PLAIN: Final = re.compile(r"[\w.:@/+<>()\[\]-]+")
_MOST_CHARS: Final = 2000
_HOME: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep
"""The folder of rxdag."""


def plain_fields(given: Mapping[str, object]) -> dict[str, Value]:
    """Return fields as plain values: without None, an error as its class and the line that failed, texts made safe.

    The text of an error is not among them: it may contain the item on which user code failed.
    """
    fields: dict[str, Value] = {}
    for name, value in given.items():
        if isinstance(value, BaseException):
            cause = _first_cause(value)
            number = _number_of(cause)
            fields[name] = type(cause).__qualname__ + (f"[{number}]" if number else "")
            place = _place_of(vars(BaseException)["__traceback__"].__get__(cause))
            if place is not None:
                fields["at"] = place
        elif isinstance(value, str):
            text = without_logins(value)
            fields[name] = text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 3]}..."
        elif isinstance(value, float):
            fields[name] = float(f"{value:.4g}")
        elif isinstance(value, int):
            fields[name] = value
    return fields


def text_of_fields(fields: Mapping[str, Value]) -> str:
    """Return fields as `key=value`, separated by spaces, on one line."""
    return " ".join(f"{name}={_text_of(value)}" for name, value in fields.items())


def _text_of(value: Value) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _first_cause(error: BaseException) -> BaseException:
    """Return the error that user code raised, behind those of rxdag."""
    while isinstance(error, NodeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _number_of(error: BaseException) -> str | None:
    """Return the name of the system's error number, if there is one."""
    number = vars(OSError)["errno"].__get__(error) if isinstance(error, OSError) else None
    return errorcode.get(number) if isinstance(number, int) else None


def _place_of(trace: TracebackType | None) -> str | None:
    """Return file and line of the code that rxdag called last, or of rxdag itself if it called none."""
    place: str | None = None
    is_called = False
    was_ours = True
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        is_ours = path.startswith(_HOME)
        if (was_ours and not is_ours) or (is_ours and not is_called):
            place = f"{os.path.basename(path)}:{trace.tb_lineno}"
        is_called |= not is_ours
        was_ours = is_ours
        trace = trace.tb_next
    return place
