"""The exits of a driven kernel: outputs are counted, and sent to the nodes after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rxdag.contract import MIN

if TYPE_CHECKING:
    from rxdag.columns import Columns

_KEEP: Final = object()

Send = Callable[[str, Any, int, int, Any], None]
"""Sends an item with its time, sequence and key to a port."""


class Exits:
    """The exits of a kernel that works item by item.

    Attributes:
        item: The current item, with its `ts`, `sequence`, `key`, `input`, and `now`.
        counts: Number of items by exit.
    """

    def __init__(self, send: Send, mark: Callable[[int], None], *, passes: bool) -> None:
        self._send = send
        self.watermark: Callable[[int], None] = mark
        self._main = "passed" if passes else "made"
        self.counts: Counter[str] = Counter()
        self.item: Any = None
        self.ts = self.sequence = self.now = self.input = 0
        self.key: Any = None

    def put(self, port: str, item: Any, ts: Any = _KEEP, sequence: Any = _KEEP, key: Any = _KEEP) -> None:
        """Send an item to a port; omitted parts are those of the current item."""
        self._send(
            port,
            item,
            self.ts if ts is _KEEP else ts,
            self.sequence if sequence is _KEEP else sequence,
            self.key if key is _KEEP else key,
        )

    def __call__(self, item: Any, /, *, ts: Any = _KEEP, sequence: Any = _KEEP, key: Any = _KEEP) -> None:
        self.counts[self._main] += 1
        self.put("out", item, ts, sequence, key)

    def many(self, items: Sequence[Any], /, *, ts: Sequence[int], key: Sequence[Hashable] | None = None) -> None:
        for i, item in enumerate(items):
            self(item, ts=ts[i], sequence=0, key=None if key is None else key[i])

    def to(self, port: str, item: Any, /) -> None:
        self.counts[self._main] += 1
        self.put(port, item)

    def made(self, item: Any, /, *, ts: int, sequence: int, key: Any, port: str = "out") -> None:
        self.counts["made"] += 1
        self.put(port, item, ts, sequence, key)

    def absorbed(self, n: int, /) -> None:
        self.counts["absorbed"] += n

    def filtered(self, item: object, /) -> None:
        self.counts["filtered"] += 1

    def dropped(self, item: object, reason: str, /) -> None:
        self._leave("dropped", item)

    def late(self, item: object, /) -> None:
        self._leave("late", item)

    def unassigned(self, item: object, /) -> None:
        self._leave("unassigned", item)

    def unrouted(self, item: object, /) -> None:
        self._leave("unrouted", item)

    def must_pause(self) -> bool:
        return False

    def must_give_back(self) -> bool:
        return False

    def is_over(self) -> bool:
        return False

    def tell(self, code: str, **fields: object) -> None:
        """Log nothing: a driven kernel has no run."""

    def _leave(self, exit_: str, item: object) -> None:
        self.counts[exit_] += 1
        self.put(exit_, item)


class ColumnsExits:
    """The exits of a columns kernel, which send outputs on as single items.

    Args:
        exits: Those of the same node, item by item.
        passes: True if items leave unchanged, one for one.
        makes_time: True if the kernel makes the watermark before each item, which is emitted before the item.
    """

    def __init__(self, exits: Exits, *, passes: bool, makes_time: bool) -> None:
        self._exits = exits
        self._makes_time = makes_time
        self._given = MIN
        self._main = "passed" if passes else "made"
        self.watermark = exits.watermark

    def __call__(self, columns: Columns, /) -> None:
        self.to("out", columns)

    def made(self, columns: Columns, /) -> None:
        self(columns)

    def to(self, port: str, columns: Columns, /) -> None:
        self._exits.counts[self._main] += columns.n
        self._rows(port, columns.rows(), columns)

    def _rows(self, port: str, values: list[Any], columns: Columns) -> None:
        before = columns.marks_before() if self._makes_time else None
        for i, (value, ts, sequence, key) in enumerate(zip(values, *_beside(columns), strict=True)):
            if before is not None and before[i] > self._given:
                self._given = before[i]
                self._exits.watermark(before[i])
            self._exits.put(port, value, ts, sequence, key)

    def rows(self, values: list[Any], columns: Columns, /) -> None:
        for value, ts, sequence, key in zip(values, *_beside(columns), strict=True):
            self._exits(value, ts=ts, sequence=sequence, key=key)

    def late(self, columns: Columns, /) -> None:
        self._exits.counts["late"] += columns.n
        self._rows("late", columns.rows(), columns)

    def absorbed(self, n: int, /) -> None:
        self._exits.counts["absorbed"] += n

    def filtered(self, n: int, /) -> None:
        self._exits.counts["filtered"] += n

    def dropped(self, n: int, reason: str, /) -> None:
        self._exits.counts["dropped"] += n

    def unassigned(self, n: int, /) -> None:
        self._exits.counts["unassigned"] += n

    def unrouted(self, n: int, /) -> None:
        self._exits.counts["unrouted"] += n

    def tell(self, code: str, **fields: object) -> None:
        self._exits.tell(code, **fields)


def _beside(columns: Columns) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the times, sequences and keys of items, with the values of a stream that has none."""
    n = columns.n
    return columns.times() or [0] * n, columns.sequences() or [0] * n, columns.keys() or [None] * n
