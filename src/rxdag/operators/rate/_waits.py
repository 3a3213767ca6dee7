"""The common part of debounce, audit and sample: the newest item of each key waits for its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from rxdag.contract import MAX, Emit, Shape, format_ns
from rxdag.operators._least_time import LeastTime
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting
from rxdag.operators.keyed._expiring import Expiring, Kept

A = TypeVar("A")


class WaitingKernel(KeyedKernel):
    """Holds the newest item of each key, [item, ts, sequence], or [] if none waits, and the time of its emission.

    The watermark stays below the waiting items, since they keep their own event times.
    """

    state: ClassVar[tuple[str, ...]] = ("keys", "waits")
    derived = (*KeyedKernel.derived, "_times")
    gives_at_end = True

    def __init__(self, wait: int, lasting: Lasting) -> None:
        super().__init__(lasting)
        self.wait_ns = wait
        self.waits = Expiring()
        self._times = LeastTime()

    def replace(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> bool:
        """Replace the waiting item of the same key; return False if there is none."""
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        self._times.add(ts)
        if kept is None:
            self.begin(key, [item, ts, sequence], at, emit)
            return False
        older = kept.value
        self.keep(key, [item, ts, sequence], at)
        if older:
            self._times.remove(older[1])
            emit.dropped(older[0], "replaced")
        return True

    def end_key(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        self.waits.drop(key)
        self.hand_out(key, kept, emit)

    def hand_out(self, key: Any, kept: Kept, emit: Emit[Any]) -> None:
        """Emit the waiting item of a key, if any."""
        if kept.value:
            item, ts, sequence = kept.value
            kept.value = []
            self._times.remove(ts)
            emit(item, ts=ts, sequence=sequence, key=key)

    def on_timer(self, now: int, emit: Emit[Any]) -> None:
        for key, _ in self.waits.take_out(now):
            kept = self.keys.drop(key)
            if kept is not None:
                self.end_key(key, kept, emit)
        super().on_timer(now, emit)
        self.set_alarm()

    def set_alarm(self) -> None:
        super().set_alarm()
        due = self.waits.due
        if self.by_clock and self.keys.due < due:
            due = self.keys.due
        self.timer = due if due < MAX else None

    def held(self) -> int:
        return len(self._times)

    def low(self) -> int:
        return self._times.least

    def pack(self, value: Any) -> Any:
        return list(value)

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "waits": [[key, until] for key, _, until in self.waits.rows()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.waits.load([[key, None, until] for key, until in saved["waits"]])
        super().restore(saved)
        self._times.clear()
        for kept in self.keys.values.values():
            if kept.value:
                self._times.add(kept.value[1])


@dataclass(frozen=True, repr=False)
class Waits(ByKey[A, A]):
    """An operator whose main parameter is a duration.

    Attributes:
        wait_ns: The duration, ns.
    """

    wait_ns: int
    keeps_order = False

    def __repr__(self) -> str:
        return f"{self.label}({format_ns(self.wait_ns)})"

    def shape(self, shape: Shape) -> Shape:
        return shape
