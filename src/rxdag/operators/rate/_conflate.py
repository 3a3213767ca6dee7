"""Conflate: only the newest counts, where the consumer is slower, or of one instant of event time."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar, overload

from rxdag.contract import MAX, Emit, Kernel, Operator, Shape
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, FieldReader, check_field, why_opaque
from rxdag.operators._arguments import field_of
from rxdag.operators._compact import pop_first
from rxdag.operators._first_read import first_read
from rxdag.operators._least_time import LeastTime
from rxdag.operators.keyed._key_by_kernel import blamed_key
from rxdag.operators.keyed._keyed import one_reader

A = TypeVar("A")


class _InstantKernel(Kernel):
    """Items by (ts, key), until the watermark passes them: rows of [item, sequence, stream's key]."""

    state = ("rows",)
    derived = ("instants", "wake", "_n", "_surplus", "_times")

    def __init__(self, key_of: Callable[[Any], Any] | None, keep: str) -> None:
        self._key_of = first_read(key_of, "conflate: key", self, "_key_of")
        self._keep = keep
        self.instants: dict[int, dict[Any, list[list[Any]]]] = {}
        self._times: list[int] = []
        """Heap of the event times of `instants`."""
        self.wake = MAX
        self._n = 0
        self._surplus: list[list[Any]] = []
        """Rows [item, ts, sequence, key] of a restored state that are replaced; dropped at the next watermark."""

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        if ts <= self.watermark:
            return emit.late(item)
        group = key if self._key_of is None else self._key_of(item)
        rows = self._rows_of(ts, group)
        self.wake = self._times[0]
        if self._keep != "last" or not rows:
            rows.append([item, sequence, key])
            self._n += 1
        elif sequence >= rows[0][1]:  # the later arrival wins a tie
            older, rows[0] = rows[0], [item, sequence, key]
            return emit.dropped(older[0], "conflated")
        else:
            return emit.dropped(item, "conflated")
        return None

    def _rows_of(self, ts: int, group: Any) -> list[list[Any]]:
        """Return the rows of a key at an instant, to be added to."""
        groups = self.instants.get(ts)
        if groups is None:
            groups = dict[Any, list[list[Any]]]()
            rows = groups.setdefault(group, [])  # an unhashable key raises before the state changes
            self.instants[ts] = groups
            heapq.heappush(self._times, ts)
            return rows
        return groups.setdefault(group, [])

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        while self._surplus:
            self._n -= 1
            emit.dropped(self._surplus.pop()[0], "conflated")
        while self._times and self._times[0] <= watermark:
            ts = heapq.heappop(self._times)
            for rows in self.instants.pop(ts).values():
                self._n -= len(rows)
                self._give_out(ts, rows, emit)
        self.wake = self._times[0] if self._times else MAX

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("conflate", self._key_of, item, error)

    def in_columns(self) -> Kernel | str:
        if self._keep == "list":
            return "it gives lists"
        if self._key_of is not None and not isinstance(self._key_of, FieldReader):
            return why_opaque(self._key_of) or ""
        from rxdag.operators.rate._instant_columns import InstantColumnsKernel  # it loads numpy

        return InstantColumnsKernel(self._key_of, self._keep)

    def _give_out(self, ts: int, rows: list[list[Any]], emit: Emit[Any]) -> None:
        for item, sequence, key in rows:
            emit(item, ts=ts, sequence=sequence, key=key)

    def on_end(self, emit: Emit[Any]) -> None:
        self.on_watermark(MAX, emit)

    def held(self) -> int:
        return self._n

    def snapshot(self) -> dict[str, Any]:
        rows = [
            [item, ts, sequence, key]
            for ts, groups in self.instants.items()
            for kept in groups.values()
            for item, sequence, key in kept
        ]
        return {"rows": self._surplus + rows}

    def restore(self, saved: dict[str, Any]) -> None:
        self.instants, self._times, self._surplus = {}, [], []
        self._n = len(saved["rows"])
        # The columns kernel also saves rows that newer ones replace, which are still to be counted as dropped.
        for item, ts, sequence, key in saved["rows"]:
            group = key if self._key_of is None else self._key_of(item)
            rows = self._rows_of(ts, group)
            if self._keep == "last" and rows and sequence < rows[0][1]:
                self._surplus.append([item, ts, sequence, key])
                continue
            if self._keep == "last" and rows:
                older, *beside = rows.pop()
                self._surplus.append([older, ts, *beside])
            rows.append([item, sequence, key])
        self.wake = self._times[0] if self._times else MAX


class _BurstKernel(_InstantKernel):
    """Emits the items of an instant as one list."""

    passes = False

    def _give_out(self, ts: int, rows: list[list[Any]], emit: Emit[Any]) -> None:
        emit.absorbed(len(rows))
        emit([row[0] for row in rows], ts=ts, sequence=rows[-1][1], key=rows[-1][2])


class _NewestKernel(Kernel):
    """The newest item of each key, until there is room downstream: the key that waits longest goes first."""

    state = ("newest",)
    derived = ("_times",)

    def __init__(self, key_of: Callable[[Any], Any] | None) -> None:
        self._key_of = first_read(key_of, "conflate: key", self, "_key_of")
        self.newest: dict[Any, list[Any]] = OrderedDict()
        self._times = LeastTime()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        group = key if self._key_of is None else self._key_of(item)
        older = self.newest.get(group)
        # A key that waits keeps its place in the order.
        self.newest[group] = [item, ts, sequence, key]
        self._times.add(ts)
        if older is not None:
            self._times.remove(older[1])
            return emit.dropped(older[0], "conflated")
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("conflate", self._key_of, item, error)

    def release(self, room: int, emit: Emit[Any]) -> None:
        while self.newest and room > 0:
            _, (item, ts, sequence, key) = pop_first(self.newest)
            self._times.remove(ts)
            emit(item, ts=ts, sequence=sequence, key=key)
            room -= 1

    def on_end(self, emit: Emit[Any]) -> None:
        self.release(len(self.newest), emit)

    def held(self) -> int:
        return len(self.newest)

    def low(self) -> int:
        return self._times.least

    def snapshot(self) -> dict[str, Any]:
        return {"newest": [[group, *row] for group, row in self.newest.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.newest = OrderedDict((group, row) for group, *row in saved["newest"])
        self._times.clear()
        for row in self.newest.values():
            self._times.add(row[1])


@dataclass(frozen=True)
class _Conflate(Operator[A, Any], Generic[A]):
    fields: tuple[Field[A, Any], ...]
    keep: str
    per_instant: bool
    label = "conflate"

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out", "late", "dead") if self.per_instant else ("out", "dead")

    def check(self, shape: Shape, where: str) -> None:
        if self.per_instant and not shape.timed:
            raise GraphError(f'{where}: per="instant" needs event time; put ops.event_time(...) before it')
        for field in self.fields:
            check_field(field, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        return replace(self, fields=(one_reader(self.fields, shape.item_type),) if self.fields else ())

    def shape(self, shape: Shape) -> Shape:
        ordered = shape.ordered and self.per_instant
        return replace(shape, item_type=None if self.keep == "list" else shape.item_type, ordered=ordered)

    def kernel(self) -> _NewestKernel | _InstantKernel:
        key_of = one_reader(self.fields, None) if self.fields else None
        if not self.per_instant:
            return _NewestKernel(key_of)
        return _BurstKernel(key_of, "list") if self.keep == "list" else _InstantKernel(key_of, self.keep)


@overload
def conflate(*key: Field[A, Any]) -> Operator[A, A]: ...
@overload
def conflate(*key: Field[A, Any], per: Literal["instant"], keep: Literal["last", "all"] = ...) -> Operator[A, A]: ...
@overload
def conflate(*key: Field[A, Any], per: Literal["instant"], keep: Literal["list"]) -> Operator[A, list[A]]: ...
def conflate(*key: Any, per: str | None = None, keep: str = "last") -> Any:
    """Keep only the newest item of each key while downstream is busy, or per instant.

    By default the node accepts every item at once and passes it on as soon as downstream has room. A fast consumer
    loses nothing. A slow one gets the newest item of each key, starting with the key that has waited longest. At most 1
    item is queued before an async sink behind the node, 64 before a thread. With per="instant", items of a key that
    have the same event time become one item, however fast the consumer is.

    Emits: an item per key when there is room. With per="instant", when the watermark has passed the instant: the last
        item by sequence, then arrival; with keep "all" every item, with "list" a list of them. Event time and key are
        kept.
    Drops: items that are replaced, reason "conflated"; with per="instant", a late item goes to port "late".
    Holds: one item per key; with per="instant", the items above the watermark.
    Ends: when the source ends, after the items that are held. Fails: if a key function raises, subject to the node's
        `on_error`.
    Clock: none; with per="instant" event time.

    Args:
        key: Key within which items replace each other: field names, expressions or functions; by default the key of the
            stream.
        per: "instant", or None.
        keep: "last", "all" or "list", with per="instant".

    Raises:
        GraphError: If an argument is invalid, or per="instant" is used on a stream without event time.

    Example:
        >>> timed = rxdag.from_source(sources.iterable([(1, "a"), (1, "b"), (2, "c")])).pipe(
        ...     ops.event_time(lambda x: x[0])
        ... )
        >>> timed.pipe(ops.conflate(per="instant")).collect()
        [(1, 'b'), (2, 'c')]
    """
    if per not in (None, "instant"):
        raise GraphError(f'conflate: per must be "instant" or None, got {shown(per)}')
    if keep not in ("last", "all", "list"):
        raise GraphError(f'conflate: keep must be "last", "all" or "list", got {shown(keep)}')
    if per is None and keep != "last":
        raise GraphError(f'conflate: keep goes with per="instant", got {shown(keep)} alone')
    return _Conflate[Any](tuple(field_of(field, "conflate: key") for field in key), keep, per is not None)
