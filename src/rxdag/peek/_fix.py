"""Layouts of logs of FIX messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from rxdag.peek._column import Column
from rxdag.peek._head import Head
from rxdag.peek._program import Layout, quoted
from rxdag.peek._text_times import formats_of
from rxdag.peek._times import Time

_BEGIN: Final = re.compile(r"8=FIX[T.0-9]*(.)9=[0-9]+\1")
_UNUSED: Final = "\x1f"


def fix_layout(path: str, head: Head, lines: Sequence[str]) -> Layout | None:
    """Return the layout of a FIX log, a message a line; None if the first line is no message.

    Messages have any number of fields, so that each is read as one text. SendingTime is in tag 52, in UTC.
    """
    messages = [line for line in lines if line.strip()]
    begin = _BEGIN.search(messages[0]) if messages else None
    if begin is None or any(_UNUSED in line for line in lines):
        return None
    between = begin[1]
    tag = f"{between}52="
    times = [message.partition(tag)[2].partition(between)[0] for message in messages]
    formats = formats_of(times)
    line = Column("line", messages, "str", is_text=True)
    time = Time(
        line, "str", {"format": formats[0], "tz": "UTC"}, f"a message with SendingTime in tag 52, {times[0]} in UTC"
    )
    return Layout(
        path,
        f"FIX messages{head.packed}, {quoted(between)} between fields; each is read as one text",
        "csv",
        [line],
        dialect={"delimiter": quoted(_UNUSED), "quote": "None", "header": "False"},
        form="ordered",
        time=time if formats else None,
        ts=f"lambda row: row.line.partition({quoted(tag)})[2].partition({quoted(between)})[0]",
        checks=[] if formats else ["Tag 52 of some messages has no time, or one of another format."],
    )
