"""JSON lines: log records as objects, for programs that collect and search logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from rxdag.logs._codes import CODES


class JsonFormatter(logging.Formatter):
    r"""A formatter of the standard `logging` that makes each record one JSON object on one line.

    Every object has `time` (UTC), `level`, `logger` and `message`. Events of rxdag also have `code` and its fields. The
    `message` of other records is their text; they have `exception` if they carry one.

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
        return json.dumps(line, default=str)
