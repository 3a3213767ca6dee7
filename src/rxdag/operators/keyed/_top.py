"""Top n: the items with the greatest value so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeVar

from rxdag.contract import BadItem, Duration, Emit, Kernel, Operator, Shape
from rxdag.expressions import Field, bound, check_field, getter
from rxdag.operators._arguments import field_of, field_or_none, whole
from rxdag.operators.keyed._expiring import ABSENT, Expiring, ttl_ns

A = TypeVar("A")

_Row = tuple[Any, Any, Any]
"""What it is ranked by, what it must be unique in, the item."""


class _TopKernel(Kernel):
    """Ranked rows by key, the greatest first; of equal ones that which came first."""

    state = ("ranks", "wake")
    passes = False

    def __init__(self, n: int, by: Callable[[Any], Any], unique: Callable[[Any], Any] | None, ttl: int | None) -> None:
        self._n = n
        self._by = by
        self._unique = unique
        self._ranks = Expiring(ttl)
        self._held = 0

    def on_item(self, item: Any, ts: int, key: Any, emit: Emit[Any]) -> None:
        older: list[_Row] = self._ranks.get(key, ts, self.watermark)
        if older is ABSENT:
            older = []
        rows = self._ranked(older, item)
        if len(rows) == len(older) and all(a is b for a, b in zip(rows, older, strict=True)):
            return emit.filtered(item)
        expired = self._ranks.values.get(key)
        replaced = len(older) + 1 - len(rows)
        if expired is not None and expired[0] is not older:
            replaced += len(expired[0])
        self._held += 1 - replaced
        self._ranks.put(key, ts, rows)
        self.wake = self._ranks.wake
        if replaced:
            emit.absorbed(replaced)
        top = [row[2] for row in rows[: self._n]]
        if len(top) > len(older) or any(a is not row[2] for a, row in zip(top, older, strict=False)):
            emit(top)
        return None

    def _ranked(self, older: list[_Row], item: Any) -> list[_Row]:
        """The rows with one more, ranked anew; as many as may ever come out."""
        rank = self._by(item)
        if rank != rank:
            raise BadItem(f"top_n: by must have an order, got {rank!r}")
        if self._unique is None:
            return sorted([*older, (rank, None, item)], key=_rank, reverse=True)[: self._n]
        of = self._unique(item)
        return sorted([*(row for row in older if row[1] != of), (rank, of, item)], key=_rank, reverse=True)

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        n = sum(len(rows) for rows in self._ranks.forget(watermark))
        self._held -= n
        self.wake = self._ranks.wake
        if n:
            emit.absorbed(n)

    def on_end(self, emit: Emit[Any]) -> None:
        emit.absorbed(self._held)
        self._held = 0
        self._ranks.load([])

    def held(self) -> int:
        return self._held

    def snapshot(self) -> dict[str, Any]:
        return {"ranks": [[key, [list(row) for row in rows], ts] for key, rows, ts in self._ranks.rows()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self._ranks.load([[key, [tuple(row) for row in rows], ts] for key, rows, ts in saved["ranks"]])
        self._held = sum(len(rows) for rows, _ in self._ranks.values.values())
        self.wake = self._ranks.wake


def _rank(row: _Row) -> Any:
    return row[0]


@dataclass(frozen=True)
class _TopN(Operator[A, list[A]]):
    n: int
    by: Field[A, Any]
    unique: Field[A, Any] | None
    ttl: int | None
    chosen_clock: Literal["event", "processing"] | None
    label = "top_n"

    def check(self, shape: Shape, where: str) -> None:
        check_field(self.by, shape.item_type, f"{where}: by")
        if self.unique is not None:
            check_field(self.unique, shape.item_type, f"{where}: unique")

    def bound(self, shape: Shape) -> Self:
        unique = None if self.unique is None else bound(self.unique, shape.item_type)
        return replace(self, by=bound(self.by, shape.item_type), unique=unique)

    def clock_for(self, shape: Shape) -> Literal["event", "processing"]:
        if self.ttl is None:
            return "event"
        return self.chosen_clock or ("event" if shape.timed else "processing")

    def kernel(self) -> _TopKernel:
        return _TopKernel(self.n, getter(self.by), None if self.unique is None else getter(self.unique), self.ttl)


def top_n(
    n: int,
    /,
    by: Field[A, Any],
    *,
    unique: Field[A, Any] | None = None,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, list[A]]:
    """Give out the `n` greatest items so far, each time they change; on a keyed stream those of the key.

    With `unique` an item takes the place of that which has the same value there: of trades by volume so far, unique in
    the symbol, come the symbols that trade most.

    Emits: a list, the greatest first, of equal ones that which came first; with the event time and key of the item that
        changed it.
    Drops: an item that changes nothing is counted as `filtered`; one whose value is NaN goes to port "dead".
    Holds: `n` items, or `n` of each key; with `unique` one for each value of it. With `ttl` until nothing has changed for so
        long, and the key begins anew.
    Ends: when the source ends. Fails: when a function raises or values cannot be compared, by the node's `on_error`.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        n: How many, 1 or more.
        by: What is compared: a field's name, an expression or a function.
        unique: What must not be twice in a list: a field's name, an expression or a function.
        ttl: How long items last after the last change, more than 0; by default for ever.
        clock: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.top_n(2, lambda x: x), [3, 1, 2, 1])
        [[3], [3, 1], [3, 2]]
    """
    return _TopN(
        whole(n, "top_n: n", least=1),
        field_of(by, "top_n: by"),
        field_or_none(unique, "top_n: unique"),
        ttl_ns(ttl, clock, "top_n"),
        clock,
    )
