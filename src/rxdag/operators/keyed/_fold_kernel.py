"""The kernel and the node of folds and totals without keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from mypy_extensions import i64, mypyc_attr

from rxdag.contract import MIN, Emit, Kernel, own_number
from rxdag.engine import KernelNode
from rxdag.operators.keyed._expiring import ABSENT


def added(total: Any, value: Any) -> Any:
    """Return the sum of two values; numpy integers do not overflow."""
    return total + own_number(value)


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
        self.takes_rows = kernel.adds and self.n_inputs == 1 and not self.in_clock_time

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        if self.is_ended or self.in_clock_time or self.marks.some_idle:
            super().push(item, ts, sequence, key)
            return
        self.came += 1
        fold = self.fold
        try:
            fold.value = self.fn(fold.value, item)
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
    """Spends all items in one value, which comes out at the end."""

    node: ClassVar[Any] = _FoldNode
    state = ("value", "n", "ts", "sequence")
    passes = False

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self.value: Any = initial
        self.fn = fn
        self.adds = fn is added
        """True if the function is addition."""
        self.n: i64 = 0
        self.ts: i64 = MIN + 1
        self.sequence: Any = 0

    def on_item(self, item: Any, ts: int, sequence: int, emit: Emit[Any]) -> None:
        self.value = self.fn(self.value, item)
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
