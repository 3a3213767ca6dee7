"""The kernels and the nodes of folds and totals, of the whole stream or by key."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

from mypy_extensions import i64, mypyc_attr

from rxdag.contract import MAX, MIN, Emit, Kernel, own_number
from rxdag.engine import KernelNode
from rxdag.operators._order import in_order, ranked
from rxdag.operators.keyed._expiring import ABSENT


def added(total: Any, value: Any) -> Any:
    """Return the sum of two values; numpy integers do not overflow."""
    return total + own_number(value)


def counted(n: Any, _: Any) -> Any:
    """Return the count with one item more."""
    return n + 1


def lesser(least: Any, value: Any) -> Any:
    """Return the lesser of two values, of equal ones the first."""
    if type(value) is not int:
        ranked(value, "min: value")
    return value if least is ABSENT or value < least else least


def greater(most: Any, value: Any) -> Any:
    """Return the greater of two values, of equal ones the first."""
    if type(value) is not int:
        ranked(value, "max: value")
    return value if most is ABSENT or value > most else most


class Combined:
    """A function of two items as one of the value so far, which is ABSENT at the first item."""

    def __init__(self, fn: Callable[[Any, Any], Any]) -> None:
        self.fn = fn

    def __call__(self, value: Any, item: Any) -> Any:
        return item if value is ABSENT else self.fn(value, item)


def begun(initial: Any) -> Any:
    """Return the value before the first item: a copy, since the function may change it."""
    return ABSENT if initial is ABSENT else copy.deepcopy(initial)


def _is_own(values: list[Any]) -> bool:
    """Return True if none of the values is a numpy number."""
    return all(own_number(value) is value for value in values)


class _FoldNode(KernelNode):
    """Spends items in the value of its kernel."""

    def bind(self) -> None:
        super().bind()
        kernel = self.kernel
        assert isinstance(kernel, FoldKernel)
        self.fold: FoldKernel = kernel
        self.fn: Callable[[Any, Any], Any] = kernel.fn
        self.value_of: Callable[[Any], Any] | None = kernel.value_of
        self.takes_rows = kernel.adds and self.value_of is None and self.n_inputs == 1 and not self.in_clock_time

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        if self.is_ended or self.in_clock_time or self.marks.some_idle:
            super().push(item, ts, sequence, key)
            return
        self.came += 1
        fold = self.fold
        try:
            fold.value = self.fn(fold.value, item if self.value_of is None else self.value_of(item))
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        fold.n += 1
        if ts >= fold.ts:
            fold.ts = ts
            fold.sequence = sequence

    def push_rows(self, items: list[Any]) -> None:
        fold = self.fold
        total = fold.value
        n = 0
        try:
            # A numpy number among the items makes the total one too; push() then adds the items again, one by one.
            for item in items if _is_own(items[:1]) else ():
                total = total + item
                n += 1
        except BaseException:
            total = None
        if n == len(items) and _is_own([total]) and not self.is_ended and not self.marks.some_idle:
            self.came += n
            fold.value = total
            fold.n += n
            if fold.ts <= 0:
                fold.ts = 0
                fold.sequence = 0
            return
        for item in items:
            self.push(item, 0, 0, None)


@mypyc_attr(allow_interpreted_subclasses=True)
class FoldKernel(Kernel):
    """Spends all items in one value, which comes out at the end.

    Args:
        initial: The value before the first item.
        fn: Function of the value and an item, or a value of it.
        value_of: Value of an item; None for the item itself.
    """

    node: ClassVar[Any] = _FoldNode
    state = ("value", "n", "ts", "sequence")
    passes = False

    def __init__(
        self, initial: Any, fn: Callable[[Any, Any], Any], value_of: Callable[[Any], Any] | None = None
    ) -> None:
        self.value: Any = initial
        self.fn = fn
        self.value_of = value_of
        self.adds = fn is added
        """True if the function is addition."""
        self.n: i64 = 0
        self.ts: i64 = MIN + 1
        self.sequence: Any = 0

    def on_item(self, item: Any, ts: int, sequence: int, emit: Emit[Any]) -> None:
        self.value = self.fn(self.value, item if self.value_of is None else self.value_of(item))
        self.n += 1
        if ts >= self.ts:
            self.ts = ts
            self.sequence = sequence

    def held(self) -> int:
        return int(self.n)

    def on_end(self, emit: Emit[Any]) -> None:
        emit.absorbed(int(self.n))
        self.n = 0
        if self.value is not ABSENT:
            emit(self.value, ts=self.ts, sequence=self.sequence, key=None)

    def snapshot(self) -> dict[str, Any]:
        value = [] if self.value is ABSENT else [self.value]
        return {"value": value, "n": int(self.n), "ts": int(self.ts), "sequence": self.sequence}

    def restore(self, saved: dict[str, Any]) -> None:
        self.n, self.ts, self.sequence = saved["n"], saved["ts"], saved["sequence"]
        self.value = saved["value"][0] if saved["value"] else ABSENT


class _KeyedFoldNode(KernelNode):
    """Spends items in the values of its kernel."""

    def bind(self) -> None:
        super().bind()
        kernel = self.kernel
        assert isinstance(kernel, KeyedFoldKernel)
        self.fold: KeyedFoldKernel = kernel

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        if self.is_ended or self.in_clock_time or self.marks.some_idle:
            super().push(item, ts, sequence, key)
            return
        self.came += 1
        try:
            self.fold.add(item, ts, sequence, key)
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        if self.held_mark > self.watermark or self.is_quiet != self.said_idle:
            self.mark_below()


class KeyedFoldKernel(Kernel):
    """Spends the items of each key in one value; all come out at the end: [value, items].

    Args:
        initial: The value of a key before its first item.
        fn: Function of the value and an item, or a value of it.
        value_of: Value of an item; None for the item itself.
    """

    node: ClassVar[Any] = _KeyedFoldNode
    state = ("totals", "n", "ts", "sequence")
    passes = False

    def __init__(
        self, initial: Any, fn: Callable[[Any, Any], Any], value_of: Callable[[Any], Any] | None = None
    ) -> None:
        self._initial = initial
        self._fn = fn
        self._value_of = value_of
        self.totals: dict[Any, list[Any]] = {}
        self.n: i64 = 0
        self.ts: i64 = MIN + 1
        self.sequence: Any = 0

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        self.add(item, ts, sequence, key)

    def add(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        """Spend an item in the value of its key."""
        value = item if self._value_of is None else self._value_of(item)
        row = self.totals.get(key)
        if row is None:
            self.totals[key] = [self._fn(begun(self._initial), value), 1]
        else:
            row[0] = self._fn(row[0], value)
            row[1] += 1
        self.n += 1
        if ts > self.ts or (ts == self.ts and sequence > self.sequence):
            self.ts = ts
            self.sequence = sequence

    def held(self) -> int:
        return int(self.n)

    def low(self) -> int:
        return int(self.ts) if self.n else MAX

    def on_end(self, emit: Emit[Any]) -> None:
        totals, self.totals, self.n = self.totals, {}, 0
        for key in in_order(totals):
            total, n = totals[key]
            emit.absorbed(n)
            emit(total, ts=self.ts, sequence=self.sequence, key=key)

    def snapshot(self) -> dict[str, Any]:
        rows = [[key, *row] for key, row in self.totals.items()]
        return {"totals": rows, "n": int(self.n), "ts": int(self.ts), "sequence": self.sequence}

    def restore(self, saved: dict[str, Any]) -> None:
        self.totals = {row[0]: row[1:] for row in saved["totals"]}
        self.n, self.ts, self.sequence = saved["n"], saved["ts"], saved["sequence"]
