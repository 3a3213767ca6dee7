"""The kernel of folds and totals that forget after a ttl."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxdag.contract import MAX, MIN, Emit
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting
from rxdag.operators.keyed._expiring import ABSENT, Kept
from rxdag.operators.keyed._fold_kernel import begun


class ExpiringTotalKernel(KeyedKernel):
    """Spends the items of a key in one value, which comes out when the key ends: [total, items]."""

    state = ("keys", "n", "ts", "sequence", "has_come")
    passes = False
    gives_at_end = True

    def __init__(
        self,
        initial: Any,
        fn: Callable[[Any, Any], Any],
        lasting: Lasting,
        *,
        by_key: bool,
        value_of: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(lasting)
        self._initial = initial
        self._fn = fn
        self._value_of = value_of
        self._gives_initial = not by_key and initial is not ABSENT
        self.n = 0
        self.ts = MIN + 1
        self.sequence = 0
        self.has_come = False

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        value = item if self._value_of is None else self._value_of(item)
        total = self._fn(begun(self._initial) if kept is None else kept.value[0], value)
        self.n += 1
        self.has_come = True
        if (ts, sequence) > (self.ts, self.sequence):
            self.ts, self.sequence = ts, sequence
        if kept is None:
            self.begin(key, [total, 1], at, emit)
        else:
            kept.value[0] = total
            kept.value[1] += 1
            self.keep(key, kept.value, at)

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        total, n = kept.value
        self.n -= n
        emit.absorbed(n)
        if self.by_clock:
            emit(total, ts=self.ts, sequence=self.sequence, key=key)
        else:
            emit(total, ts=kept.until - 1, sequence=0, key=key)

    def on_end(self, emit: Emit[Any]) -> None:
        super().on_end(emit)
        if self._gives_initial and not self.has_come:
            self.has_come = True
            emit(begun(self._initial), ts=self.ts, sequence=self.sequence, key=None)

    def held(self) -> int:
        return self.n

    def low(self) -> int:
        return self.ts if self.n and self.by_clock else MAX

    def pack(self, value: Any) -> Any:
        return list(value)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "n": self.n, "ts": self.ts, "sequence": self.sequence, "has_come": self.has_come}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.n, self.ts, self.sequence, self.has_come = saved["n"], saved["ts"], saved["sequence"], saved["has_come"]
