"""The kernels of totals that go by key, or forget after a ttl."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rxdag.contract import MAX, MIN, Emit, Kernel
from rxdag.operators._order import in_order
from rxdag.operators.keyed._by_key import KeyedKernel, Lasting
from rxdag.operators.keyed._expiring import ABSENT, Kept


def _begun(initial: Any) -> Any:
    """Return the value of a key before its first item: a copy, since the function may change it."""
    return ABSENT if initial is ABSENT else copy.deepcopy(initial)


class KeyedTotalKernel(Kernel):
    """Spends the items of each key in one value; all come out at the end: [total, items]."""

    state = ("totals", "n", "ts", "sequence")
    passes = False

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any]) -> None:
        self._initial = initial
        self._fn = fn
        self.totals: dict[Any, list[Any]] = {}
        self.n = 0
        self.ts = MIN + 1
        self.sequence = 0

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, emit: Emit[Any]) -> None:
        row = self.totals.get(key)
        if row is None:
            self.totals[key] = [self._fn(_begun(self._initial), item), 1]
        else:
            row[0] = self._fn(row[0], item)
            row[1] += 1
        self.n += 1
        if ts > self.ts or (ts == self.ts and sequence > self.sequence):
            self.ts, self.sequence = ts, sequence

    def held(self) -> int:
        return self.n

    def low(self) -> int:
        return self.ts if self.n else MAX

    def on_end(self, emit: Emit[Any]) -> None:
        totals, self.totals, self.n = self.totals, {}, 0
        for key in in_order(totals):
            total, n = totals[key]
            emit.absorbed(n)
            emit(total, ts=self.ts, sequence=self.sequence, key=key)

    def snapshot(self) -> dict[str, Any]:
        rows = [[key, *row] for key, row in self.totals.items()]
        return {"totals": rows, "n": self.n, "ts": self.ts, "sequence": self.sequence}

    def restore(self, saved: dict[str, Any]) -> None:
        self.totals = {key: row for key, *row in saved["totals"]}
        self.n, self.ts, self.sequence = saved["n"], saved["ts"], saved["sequence"]


class ExpiringTotalKernel(KeyedKernel):
    """Spends the items of a key in one value, which comes out when the key ends: [total, items]."""

    state = ("keys", "n", "ts", "sequence", "has_come")
    passes = False
    gives_at_end = True

    def __init__(self, initial: Any, fn: Callable[[Any, Any], Any], lasting: Lasting, *, by_key: bool) -> None:
        super().__init__(lasting)
        self._initial = initial
        self._fn = fn
        self._gives_initial = not by_key and initial is not ABSENT
        self.n = 0
        self.ts = MIN + 1
        self.sequence = 0
        self.has_come = False

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        total = self._fn(_begun(self._initial) if kept is None else kept.value[0], item)
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
            emit(_begun(self._initial), ts=self.ts, sequence=self.sequence, key=None)

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
