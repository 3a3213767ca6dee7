"""Top n: the items with the greatest value so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeVar

from rxdag.contract import Duration, Emit, Operator, Shape, whole
from rxdag.expressions import Field, bound, called, check_field
from rxdag.operators._arguments import field_of, field_or_none
from rxdag.operators._first_read import first_read
from rxdag.operators._order import ranked
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import Kept

A = TypeVar("A")

_Row = tuple[Any, Any, Any]
"""Rank, unique value, item."""


class _TopKernel(KeyedKernel):
    """Ranked rows of each key, the greatest first; of equal ones that which came first."""

    derived = (*KeyedKernel.derived, "_held")
    passes = False
    gives_at_end = True

    def __init__(self, n: int, by: Callable[[Any], Any], unique: Callable[[Any], Any] | None, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._n = n
        self._by = by
        self._unique = first_read(unique, "top_n: unique", self, "_unique")
        self._held = 0

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        older: list[_Row] = [] if kept is None else kept.value
        rows = self._ranked(older, item)
        if _are_same(rows, older):
            return emit.filtered(item)
        replaced = len(older) + 1 - len(rows)
        self._held += 1 - replaced
        if kept is None:
            self.begin(key, rows, at, emit)
        else:
            self.keep(key, rows, at)
        if replaced:
            emit.absorbed(replaced)
        top = rows[: self._n]
        if not _are_same(top, older[: self._n]):
            emit([row[2] for row in top])
        return None

    def _ranked(self, older: list[_Row], item: Any) -> list[_Row]:
        """Return the rows with one more, ranked again, cut to the number that may ever be emitted."""
        rank = ranked(self._by(item), "top_n: by")
        if self._unique is None:
            # sorted() is stable even with reverse=True, so equal ranks stay in order of arrival.
            return sorted([*older, (rank, None, item)], key=_rank, reverse=True)[: self._n]
        of = self._unique(item)
        others = [row for row in older if row[1] != of]
        if any(row[1] == of and _are_equal(row[2], item) for row in older):
            return older  # replacing an item by an equal one changes nothing
        return sorted([*others, (rank, of, item)], key=_rank, reverse=True)

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        n = len(kept.value)
        self._held -= n
        emit.absorbed(n)

    def held(self) -> int:
        return self._held

    def pack(self, value: Any) -> Any:
        return [list(row) for row in value]

    def unpack(self, saved: Any) -> Any:
        return [tuple(row) for row in saved]

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._held = sum(len(kept.value) for kept in self.keys.values.values())


def _are_equal(a: Any, b: Any) -> bool:
    """Return True if two items compare equal; items that cannot be compared, as with arrays inside, are not equal."""
    try:
        return bool(a == b)
    except Exception:
        return False


def _are_same(rows: list[_Row], older: list[_Row]) -> bool:
    """Return True if they are the same rows in the same order."""
    return len(rows) == len(older) and all(a is b for a, b in zip(rows, older, strict=True))


def _rank(row: _Row) -> Any:
    return row[0]


@dataclass(frozen=True)
class _TopN(ByKey[A, list[A]]):
    n: int
    by: Field[A, Any]
    unique: Field[A, Any] | None
    label = "top_n"

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        check_field(self.by, shape.item_type, f"{where}: by")
        if self.unique is not None:
            check_field(self.unique, shape.item_type, f"{where}: unique")

    def bound(self, shape: Shape) -> Self:
        unique = None if self.unique is None else bound(self.unique, shape.item_type)
        return replace(super().bound(shape), by=bound(self.by, shape.item_type), unique=unique)

    def kernel(self) -> _TopKernel:
        unique = None if self.unique is None else called(self.unique)
        return _TopKernel(self.n, called(self.by), unique, self.lasting)


def top_n(
    n: int,
    /,
    by: Field[A, Any],
    *,
    unique: Field[A, Any] | None = None,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, list[A]]:
    """Emit the `n` largest items so far whenever they change; per key if keyed.

    With `unique`, an item replaces the one with the same `unique` value. For example, trades ranked by running volume
    and unique by symbol give the symbols that trade most.

    Emits: a list, largest first, ties in order of arrival; with the event time and key of the item that changed it.
    Drops: an item that changes nothing is counted as `filtered`; one whose value is NaN or None goes to port "dead".
    Holds: `n` items, or `n` per key; with `unique`, one for each `unique` value. With `ttl`, a key is forgotten once
        its list has not changed for `ttl`, and starts again.
    Ends: when the source ends. Fails: if a function raises or values cannot be compared, subject to the node's
        `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        n: Maximum length of the list, 1 or more.
        by: The value to rank by: a field name, an expression or a function.
        unique: The value that occurs only once in a list: a field name, an expression or a function.
        ttl: How long to keep items after the last change, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.top_n(2, lambda x: x), [3, 1, 2, 1])
        [[3], [3, 1], [3, 2]]
    """
    return _TopN(
        whole(n, "top_n: n", least=1),
        field_of(by, "top_n: by"),
        field_or_none(unique, "top_n: unique"),
        ttl_ns=ttl_ns(ttl, clock, "top_n"),
        chosen_clock=clock,
    )
