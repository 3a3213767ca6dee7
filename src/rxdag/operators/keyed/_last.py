"""Last: the last item, or the last of each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Operator, first_call
from rxdag.expressions import Field
from rxdag.operators._arguments import field_or_none
from rxdag.operators._least_time import LeastTime
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import Kept
from rxdag.operators.keyed._predicated import Predicated

A = TypeVar("A")


class _LastKernel(KeyedKernel):
    """The newest item of each key that meets the condition: [item, ts, sequence]."""

    derived = (*KeyedKernel.derived, "_times")
    gives_at_end = True

    def __init__(self, fn: Callable[[Any], Any] | None, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._fn = first_call(fn, "last: predicate", self, "_fn")
        self._times = LeastTime()

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        matches = self._fn is None or self._fn(item)
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        if not matches:
            if kept is not None:
                self.keep(key, kept.value, at)
            return emit.filtered(item)
        self._times.add(ts)
        if kept is None:
            self.begin(key, [item, ts, sequence], at, emit)
            return None
        replaced, replaced_ts, _ = kept.value
        self._times.remove(replaced_ts)
        self.keep(key, [item, ts, sequence], at)
        return emit.dropped(replaced, "replaced")

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        item, ts, sequence = kept.value
        self._times.remove(ts)
        emit(item, ts=ts, sequence=sequence, key=key)

    def held(self) -> int:
        return len(self.keys)

    def low(self) -> int:
        return self._times.least

    def pack(self, value: Any) -> Any:
        return list(value)

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._times.clear()
        for kept in self.keys.values.values():
            self._times.add(kept.value[1])


@dataclass(frozen=True)
class _Last(Predicated[A]):
    label = "last"
    keeps_order = False

    def kernel(self) -> _LastKernel:
        return _LastKernel(self.fn_or_none(), self.lasting)


def last(
    predicate: Field[A, bool] | None = None,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass the last item, or the last that meets a condition; per key if keyed.

    If no item qualifies, nothing is emitted, where RxPY's `last` fails; use `default_if_empty` for a default. The
    downstream watermark stays below the items that are held, because they keep their own event times.

    Emits: that item, or one per key in key order, with its event time and key. With `ttl`, the last item of a key is
        emitted once the key has been silent for `ttl`.
    Drops: every other item: counted as `filtered` if it does not meet the condition, else as dropped, reason
        "replaced".
    Holds: one item, or one per key; with `ttl`, until the key has been silent for `ttl`.
    Ends: when the source ends. Fails: if `predicate` raises, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        predicate: A function of the item, a field name, or an expression; None for any item.
        ttl: How long to keep a key after its last item, more than 0; by default until the source ends.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.last(lambda x: x < 3), [1, 2, 3])
        [2]
    """
    return _Last(field_or_none(predicate, "last: predicate"), ttl_ns=ttl_ns(ttl, clock, "last"), chosen_clock=clock)
