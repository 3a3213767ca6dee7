"""Scan: a value along the stream, or one along each key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

from rxdag.contract import LEFT_OUT, Duration, Emit, Kernel, Operator
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import ABSENT
from rxdag.operators.keyed._first_value import first_value

A = TypeVar("A")
B = TypeVar("B")


class _ScanKernel(Kernel):
    state = ("total",)

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self.total = initial
        self._fn = fn

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        total = item if self.total is ABSENT else self._fn(self.total, item)
        self.total = total
        emit(total)

    def snapshot(self) -> dict[str, Any]:
        return {"total": [] if self.total is ABSENT else [self.total]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.total = saved["total"][0] if saved["total"] else ABSENT


class _KeyedScanKernel(Kernel):
    """A total for each key."""

    state = ("totals",)

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self._initial = initial
        self._fn = fn
        self.totals: dict[Any, Any] = {}

    def on_item(self, item: Any, key: Any, emit: Emit[Any]) -> None:
        total = self.totals.get(key, ABSENT)
        if total is ABSENT:
            total = self._first(item)
        else:
            total = self._fn(total, item)
        self.totals[key] = total
        emit(total)

    def _first(self, item: Any) -> Any:
        return item if self._initial is ABSENT else self._fn(copy.deepcopy(self._initial), item)

    def snapshot(self) -> dict[str, Any]:
        return {"totals": [[key, total] for key, total in self.totals.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.totals = {key: total for key, total in saved["totals"]}  # noqa: C416  # the rows are lists


class _ExpiringScanKernel(KeyedKernel):
    """A total for each key, until the key is idle for the ttl."""

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any], lasting: Lasting) -> None:
        super().__init__(lasting)
        self._initial = initial
        self._fn = fn

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        if kept is not None:
            total = self._fn(kept.value, item)
            self.keep(key, total, at)
        else:
            total = item if self._initial is ABSENT else self._fn(copy.deepcopy(self._initial), item)
            self.begin(key, total, at, emit)
        emit(total)


@dataclass(frozen=True)
class _Scan(ByKey[A, B]):
    initial: Any
    fn: Callable[[Any, Any], Any]
    label = "scan"
    adjustable = ("ttl",)

    def kernel(self) -> _ScanKernel | _KeyedScanKernel | _ExpiringScanKernel:
        if self.ttl_ns is not None:
            return _ExpiringScanKernel(self.initial, self.fn, self.lasting)
        if self.by_key:
            return _KeyedScanKernel(self.initial, self.fn)
        return _ScanKernel(copy.deepcopy(self.initial) if self.initial is not ABSENT else ABSENT, self.fn)


@overload
def scan(
    fn: Callable[[A, A], A],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]: ...
@overload
def scan(
    initial: B,
    fn: Callable[[B, A], B],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, B]: ...
def scan(
    initial: Any,
    fn: Callable[[Any, Any], Any] = LEFT_OUT,
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[Any, Any]:
    """Emit a running value after each item; on a keyed stream, one per key.

    Without `initial`, the first item is the first value, as in Flink's reduce; with it, as in Flink's fold. RxPY's scan
    takes the two arguments in the opposite order. `ops.reduce` emits only the last value.

    Emits: `fn(value, item)` for each item, which becomes the next value, with the item's event time and key. Without
        `initial`, the first item itself; `initial` is never emitted.
    Drops: nothing.
    Holds: one value, or one per key, which starts as a copy of `initial`. With `ttl`, a value is discarded after a
        silence of `ttl` and starts again.
    Ends: when the source ends. Fails: if `fn` raises, subject to the node's `on_error`; the value stays as it was.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        initial: Initial value, which must work with `copy.deepcopy`; by default the first item.
        fn: A function of the value and the item that returns the next value.
        ttl: How long to keep a key after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.scan(0, lambda total, x: total + x), [1, 2, 3])
        [1, 3, 6]
        >>> feed(ops.scan(lambda a, b: a * 10 + b), [1, 2, 3])
        [1, 12, 123]
    """
    value, combine = first_value(initial, fn, "scan")
    return _Scan(value, combine, ttl_ns=ttl_ns(ttl, clock, "scan"), chosen_clock=clock)
