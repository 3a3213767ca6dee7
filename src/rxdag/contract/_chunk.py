"""A chunk: a run of items that travels together, with its times, keys and watermarks beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mypy_extensions import mypyc_attr

from rxdag.contract._time import IDLE

if TYPE_CHECKING:
    from rxdag.columns import Columns


@mypyc_attr(allow_interpreted_subclasses=True)
class Chunk:
    """A run of items that travels together.

    Attributes:
        items: The items, in order: a list, or `Columns`, which also hold times, sequences and keys.
        ts: Event time of each item, ns since the epoch; None on a stream without event time.
        sequence: Tie-breaker for equal times, one per item, given together with `ts`.
        key: Key of each item; None on a stream without keys.
        marks: Pairs (position, watermark): the watermark holds before the item at that position. Positions do not
            decrease; watermarks increase, with IDLE in between. A position equal to the length is after the last item.

    Example:
        >>> chunk = rxdag.Chunk(["a", "b"], ts=[1_000, 2_000], marks=((2, 1_500),))
        >>> len(chunk)
        2
    """

    __slots__ = ("items", "key", "marks", "sequence", "ts")

    # No class with dataclass(): compiled, it would take five times as long to make. No list or tuple among the
    # annotations: compiled, they would be tested.
    def __init__(
        self,
        items: Any,
        ts: Sequence[int] | None = None,
        sequence: Sequence[int] | None = None,
        key: Sequence[Any] | None = None,
        marks: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.items = items
        self.ts = ts
        self.sequence = sequence
        self.key = key
        self.marks = marks

    def __repr__(self) -> str:
        return (
            f"Chunk({self.items!r}, ts={self.ts!r}, sequence={self.sequence!r}, key={self.key!r}, marks={self.marks!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chunk) and self._parts() == other._parts()

    def _parts(self) -> tuple[Any, ...]:
        return self.items, self.ts, self.sequence, self.key, self.marks

    def __len__(self) -> int:
        return len(self.items)

    @property
    def columns(self) -> Columns | None:
        """Return the items if they are columns; None for a list."""
        return None if isinstance(self.items, list) else self.items

    def rows(self) -> Chunk:
        """Return the same chunk with its items in a list."""
        columns = self.columns
        if columns is None:
            return self
        return Chunk(columns.rows(), columns.times(), columns.sequences(), columns.keys(), self.marks)

    def split(self, n: int) -> tuple[Chunk, Chunk]:
        """Split after the first `n` items; a mark at the split belongs to the head."""
        ts, sequence, key = self.ts, self.sequence, self.key
        head = Chunk(
            self.items[:n],
            None if ts is None else ts[:n],
            None if sequence is None else sequence[:n],
            None if key is None else key[:n],
            tuple(m for m in self.marks if m[0] <= n),
        )
        tail = Chunk(
            self.items[n:],
            None if ts is None else ts[n:],
            None if sequence is None else sequence[n:],
            None if key is None else key[n:],
            tuple((p - n, w) for p, w in self.marks if p > n),
        )
        return head, tail

    def join(self, other: Chunk) -> Chunk:
        """Append a chunk of the same stream."""
        n = len(self.items)
        marks = settled((*self.marks, *((p + n, w) for p, w in other.marks)))
        if not n or not len(other.items):
            full = self if n else other
            return Chunk(full.items, full.ts, full.sequence, full.key, marks)
        return Chunk(
            self.items + other.items,
            None if self.ts is None or other.ts is None else [*self.ts, *other.ts],
            None if self.sequence is None or other.sequence is None else [*self.sequence, *other.sequence],
            None if self.key is None or other.key is None else [*self.key, *other.key],
            marks,
        )

    def singles(self) -> list[Chunk]:
        """Return the same items as chunks of one item, with marks in separate chunks."""
        if self.columns is not None:
            return self.rows().singles()
        if len(self.items) == 1 and not self.marks:
            return [self]
        out: list[Chunk] = []
        marks = list(self.marks)
        ts, sequence, key = self.ts, self.sequence, self.key
        for i, item in enumerate(self.items):
            while marks and marks[0][0] <= i:
                out.append(Chunk([], marks=((0, marks.pop(0)[1]),)))
            out.append(
                Chunk(
                    [item],
                    None if ts is None else [ts[i]],
                    None if sequence is None else [sequence[i]],
                    None if key is None else [key[i]],
                )
            )
        out += [Chunk([], marks=((0, w),)) for _, w in marks]
        return out


def settled(marks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Keep the last of several marks at one position, which implies the earlier ones; IDLE does not."""
    out: list[tuple[int, int]] = []
    for mark in marks:
        if out and out[-1][0] == mark[0] and mark[1] != IDLE:
            out.pop()
        out.append(mark)
    return tuple(out)


def joined(chunks: list[Chunk]) -> Chunk:
    """Join chunks of rows of one stream, in time linear in their items."""
    if len(chunks) == 1:
        return chunks[0]
    items: list[Any] = []
    marks: list[tuple[int, int]] = []
    # Chunks of marks only have no times or keys, on any stream.
    timed = any(chunk.ts is not None for chunk in chunks if chunk.items)
    keyed = any(chunk.key is not None for chunk in chunks if chunk.items)
    ts, sequence, key = list[int](), list[int](), list[Any]()
    for chunk in chunks:
        n = len(items)
        marks += [(position + n, mark) for position, mark in chunk.marks]
        items += chunk.items
        ts += chunk.ts or ()
        sequence += chunk.sequence or ()
        key += chunk.key or ()
    return Chunk(
        items, ts if timed else None, sequence if timed else None, key if keyed else None, settled(tuple(marks))
    )
