"""Formats of times as texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Final

_DATES: Final = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y",
    "%d-%b-%Y", "%d %b %Y", "%b %d %Y",
)  # fmt: skip
_BETWEEN: Final = (" ", "T", "-", "_", ", ", "")
_TIMES: Final = (
    "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H%M%S", "%H%M%S.%f", "%H%M%S%f",
)  # fmt: skip
_ZONES: Final = ("", "%z", " %z", " UTC", " GMT", " GMT%z")
_DIRECTIVES: Final = {
    "%Y": "(?:19|20)[0-9]{2}",
    "%m": "(?:1[0-2]|0[1-9])",
    "%d": "(?:3[01]|[12][0-9]|0[1-9])",
    "%b": "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
    "%H": "(?:2[0-3]|[01][0-9])",
    "%I": "(?:1[0-2]|0[1-9])",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
    "%f": "[0-9]+",
    "%p": "[AP]M",
    "%z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})",
}
_ISO: Final = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|[0-9]{8}T)[0-9]{2}.*")
_PACKED: Final = re.compile("(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9][0-9]{9}")


def is_iso(texts: Sequence[str]) -> bool:
    """Return True if all texts are ISO 8601, with date and time."""
    try:
        return all(_ISO.fullmatch(text) and datetime.fromisoformat(text) for text in texts)
    except ValueError:
        return False


def is_packed(texts: Sequence[str]) -> bool:
    """Return True if all texts are HHMMSSnnnnnnnnn, which an int has without leading zeros."""
    return all(len(text) in (14, 15) and _PACKED.fullmatch(text.zfill(15)) for text in texts)


def formats_of(texts: Sequence[str], *, has_date: bool = True, has_time: bool = True) -> list[str]:
    """Return the formats of strptime that all texts have, the most likely one first.

    Args:
        texts: The texts, one or more.
        has_date: True for formats with a date.
        has_time: True for formats with a time of day.
    """
    return [
        each
        for each in _formats(texts[0], _DATES if has_date else ("",), _TIMES if has_time else ("",))
        if all(map(_pattern(each).fullmatch, texts))
    ]


def _formats(text: str, dates: Sequence[str], times: Sequence[str]) -> Iterator[str]:
    for date in dates:
        begin = _pattern(date).match(text)
        if begin is None:
            continue
        for between in _BETWEEN if dates != ("",) and times != ("",) else ("",):
            if text.startswith(between, begin.end()):
                yield from (
                    f"{date}{between}{time}{zone}" for time in times for zone in (_ZONES if times[0] else ("",))
                )


@cache
def _pattern(given: str) -> re.Pattern[str]:
    pattern = re.sub("%[A-Za-z]", lambda found: _DIRECTIVES[found[0]], re.escape(given))
    if "%Y%m" not in given and "%H%M" not in given:
        # A character that is no digit follows, so that a number may have one digit.
        pattern = pattern.replace("0[1-9]", "0?[1-9]").replace("[01][0-9]", "[01]?[0-9]")
    return re.compile(pattern)
