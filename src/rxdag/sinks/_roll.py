"""Rolling: another file begins at a checkpoint, at a size, or after a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias

from rxdag.contract import Clock, positive_ns
from rxdag.errors import GraphError, shown

RollBy: TypeAlias = str | int | timedelta
"""As users say it: "checkpoint", a size such as "100MB" or a number of bytes, or a duration such as "1h"."""

_SIZE: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))? ?([kKMGT]?i?)B")
_POWERS: Final = ("", "k", "m", "g", "t")


@dataclass(frozen=True)
class Roll:
    """The rule by which a file is complete; one of the three.

    Attributes:
        max_bytes: Most bytes in it, before compression.
        every_ns: Length of the intervals, aligned to the epoch, of which each has its file, ns.
        at_checkpoint: True if each checkpoint completes it.
    """

    max_bytes: int | None = None
    every_ns: int | None = None
    at_checkpoint: bool = False


class Intervals:
    """The interval that the open file belongs to, if files are those of intervals.

    Args:
        roll: The rule.
        clock: Clock of the run.
    """

    def __init__(self, roll: Roll, clock: Clock) -> None:
        self._every_ns = roll.every_ns
        self._clock = clock
        self.number = 0
        """Number of the interval, counted from the epoch."""

    def begin(self) -> None:
        """Note that a file begins."""
        if self._every_ns is not None:
            self.number = self._clock.now() // self._every_ns

    def is_over(self) -> bool:
        """Return True if the open file belongs to an earlier interval."""
        return self._every_ns is not None and self._clock.now() // self._every_ns != self.number


def roll_of(given: Any, where: str) -> Roll | None:
    """Return when a sink begins another file; None if it writes only one.

    Raises:
        GraphError: If it is neither "checkpoint", a size nor a duration.
    """
    if given is None:
        return None
    if given == "checkpoint":
        return Roll(at_checkpoint=True)
    size = _bytes_of(given)
    if size is not None:
        if size < 1:
            raise GraphError(f"{where}: roll must be 1 byte or more, got {shown(given)}")
        return Roll(max_bytes=size)
    try:
        return Roll(every_ns=positive_ns(given, f"{where}: roll"))
    except GraphError:
        raise GraphError(
            f'{where}: roll must be "checkpoint", a size such as "100MB", or a duration such as "1h", got {shown(given)}'
        ) from None


def _bytes_of(given: Any) -> int | None:
    """Return a size in bytes; None for anything else."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    found = _SIZE.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        return None
    whole, part, unit = found.groups()
    unit_bytes = (1024 if unit.endswith("i") else 1000) ** _POWERS.index(unit.removesuffix("i").lower())
    size: int = int(f"{whole}{part or ''}") * unit_bytes // 10 ** len(part or "")
    return size
