"""Scan: a value along the stream, or one along each key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, check_copyable
from rxdag.operators._arguments import function
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns
from rxdag.operators.keyed._expiring import ABSENT

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
    """A total for each key, until nothing has come for the ttl."""

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
class Scan(ByKey[A, B]):
    """A running value: of `scan`, and of `reduce`, whose first value is the first item."""

    initial: Any
    fn: Callable[[Any, Any], Any]
    name: str = "scan"

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, two operators
        return self.name

    def kernel(self) -> _ScanKernel | _KeyedScanKernel | _ExpiringScanKernel:
        if self.ttl_ns is not None:
            return _ExpiringScanKernel(self.initial, self.fn, self.lasting)
        if self.by_key:
            return _KeyedScanKernel(self.initial, self.fn)
        return _ScanKernel(copy.deepcopy(self.initial) if self.initial is not ABSENT else ABSENT, self.fn)


def scan(
    initial: B,
    fn: Callable[[B, A], B],
    /,
    *,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, B]:
    """Carry a value along the stream and give it out after each item; on a keyed stream one for each key.

    As Flink's fold of a keyed stream, RxPY's scan, and a cumulative sum in polars.

    Emits: `fn(value, item)` for each item, which is the next value; with its event time and key. `initial` itself is not
        emitted.
    Drops: nothing.
    Holds: one value, or one for each key, which begins as a copy of `initial`; with `ttl` until nothing has come for so
        long, and it begins anew.
    Ends: when the source ends. Fails: when `fn` raises, by the node's `on_error`; the value stays as it was.
    Clock: none; with `ttl` event time if the stream has it, else processing time; `clock` chooses.

    Args:
        initial: First value, one that `copy.deepcopy` copies.
        fn: A function of the value and the item that returns the next value.
        ttl: How long a key lasts after its last item, more than 0; by default for ever.
        clock: Of `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is not as above.

    Example:
        >>> feed(ops.scan(0, lambda total, x: total + x), [1, 2, 3])
        [1, 3, 6]
    """
    check_copyable(initial, "scan: initial")
    return Scan(
        initial,
        function(fn, "scan: fn", "the state", "the item"),
        ttl_ns=ttl_ns(ttl, clock, "scan"),
        chosen_clock=clock,
    )
