"""JSON lines: log records as objects, for programs that collect and search logs."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, Final

from rxdag.errors import shown
from rxdag.logs._codes import CODES

_MOST_DEPTH: Final = 32
_MOST_INT: Final = 10**4000
"""Python writes no longer int."""


class JsonFormatter(logging.Formatter):
    r"""A formatter of the standard `logging` that makes each record one JSON object on one line.

    Every object has `time` (UTC), `level`, `logger` and `message`. Events of rxdag also have `code` and its fields. The
    `message` of other records is their text; they have `exception` if they carry one. NaN, infinities and objects are
    texts, so every line is JSON by RFC 8259.

    Example:
        >>> import json, logging, rxdag
        >>> record = logging.LogRecord("other", logging.INFO, "", 0, "two\nlines", (), None)
        >>> json.loads(rxdag.logs.JsonFormatter().format(record))["message"]
        'two\nlines'
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        when = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when.replace("+00:00", "Z"), "level": record.levelname, "logger": record.name}
        given = vars(record)
        code = CODES.get(str(given.get("code")))
        if code is None:
            line["message"] = record.getMessage()
            if record.exc_info:
                line["exception"] = self.formatException(record.exc_info)
        else:
            line["code"] = code.name
            line |= {name: given[name] for name in (*code.fields, "repeated") if name in given}
            line["message"] = code.sentence
        return json_text(line)


def json_text(value: object) -> str:
    """Return a value as JSON by RFC 8259, in ASCII on one line.

    Values that JSON lacks are texts: NaN and infinities, objects, and what is nested deeper than 32. So are keys.
    Lone surrogates become U+FFFD.
    """
    return json.dumps(_plain(value, _MOST_DEPTH), allow_nan=False)


def _plain(value: Any, depth: int) -> Any:
    inside: Any = value  # `isinstance` forgets its items
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Integral) and abs(int(value)) < _MOST_INT:
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Integral | Fraction):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping) and depth:
        return {_text(key): _plain(each, depth - 1) for key, each in inside.items()}
    if isinstance(value, list | tuple) and depth:
        return [_plain(each, depth - 1) for each in inside]
    return _text(inside)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:
        text = shown(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
