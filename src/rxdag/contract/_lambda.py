"""Lambdas as text: cut out of their line, or named by file and line."""

from __future__ import annotations

import linecache
import os
import re
from types import CodeType
from typing import Any, Final

_HEAD: Final = re.compile(r"lambda\b[^:\"'#]*:")
"""The part from `lambda` to its colon, if no default value contains a colon, a quote or a #."""


def is_lambda(fn: Any) -> bool:
    """Return True for a lambda written in Python."""
    return getattr(fn, "__name__", None) == "<lambda>" and isinstance(getattr(fn, "__code__", None), CodeType)


def placed(fn: Any) -> str:
    """Return the file and line of a lambda."""
    code = fn.__code__
    return f"<lambda {os.path.basename(code.co_filename)}:{code.co_firstlineno}>"


def lambda_text(code: CodeType) -> str | None:
    """Return the text of a lambda; None if it spans lines or its file cannot be read.

    The bytecode gives the columns of the body, and the arguments directly precede it. The source is not parsed.
    """
    spans = [
        (begin, end)
        for first, last, begin, end in code.co_positions()
        if first == last == code.co_firstlineno and begin is not None and end is not None and end > begin
    ]
    lines = {line for first, last, _, end in code.co_positions() if end for line in (first, last)}
    if not spans or lines - {code.co_firstlineno}:
        return None
    line = linecache.getline(code.co_filename, code.co_firstlineno).encode()  # columns are counted in bytes
    begin, end = min(begin for begin, _ in spans), max(end for _, end in spans)
    before, body = line[:begin].decode(errors="replace"), line[begin:end].decode(errors="replace")
    head = before[max(before.rfind("lambda"), 0) :].rstrip(" (")
    # The file may have been edited since it was loaded.
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if _HEAD.fullmatch(head) is None or not set(arguments) <= set(re.findall(r"\w+", head)[1:]):
        return None
    return f"{head} {body}"
