"""Retention: how long a journal keeps its records."""

from __future__ import annotations

from dataclasses import dataclass

from rxdag.contract import Duration, flag, positive_ns, whole


@dataclass(frozen=True)
class Retention:
    """The limits of a journal; a segment is deleted as soon as one limit allows it.

    Segments are deleted whole, so a journal exceeds a limit by up to an eighth of it, or by 64 MB.

    Attributes:
        max_age: Longest time for which records are kept.
        max_bytes: Maximum size of all segments together, in bytes, 1,048,576 or more.
        until_checkpointed: True to delete records that the checkpoints of the recording runs no longer need. Readers in
            other processes are not considered.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> sources.Retention(max_age="7d", max_bytes=50 * 10**9)
        Retention(max_age='7d', max_bytes=50000000000, until_checkpointed=False)
    """

    max_age: Duration | None = None
    max_bytes: int | None = None
    until_checkpointed: bool = False

    def __post_init__(self) -> None:
        self.max_age_ns()
        flag(self.until_checkpointed, "Retention: until_checkpointed")
        if self.max_bytes is not None:
            whole(self.max_bytes, "Retention: max_bytes", least=1 << 20)

    def max_age_ns(self) -> int | None:
        """Return `max_age` in ns."""
        return None if self.max_age is None else positive_ns(self.max_age, "Retention: max_age")
