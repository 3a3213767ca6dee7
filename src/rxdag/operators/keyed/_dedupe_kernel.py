"""The kernels and the node of dedupe."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

from mypy_extensions import i64

from rxdag.contract import MAX, MIN, Emit, Kernel, OnError, first_call
from rxdag.engine import ITEM, KernelNode, RunContext
from rxdag.expressions import FieldReader, called, why_opaque
from rxdag.operators._first_read import first_read
from rxdag.operators.keyed._key_by_kernel import blamed_key

_MOST_SPANS: Final = 8
"""Number of spans above which they are merged into longer ones."""


class _DedupeNode(KernelNode):
    """Passes an item unless its key has passed."""

    def __init__(
        self, name: str, run: RunContext, policy: OnError, make: Callable[[], Kernel], clock: str, inputs: int
    ) -> None:
        super().__init__(name, run, policy, make, clock, inputs)
        self.n_repeats: i64 = 0

    def bind(self) -> None:
        super().bind()
        kernel: Any = self.kernel  # it and this node are one operator
        self.spans: SpansKernel = kernel
        self.key_of: Callable[[Any], Any] = first_call(called(kernel._key_of), "dedupe: key", self, "key_of")

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        if self.in_clock_time or self.marks.some_idle or self.is_ended:
            super().push(item, ts, sequence, key)
            return
        self.came += 1
        try:
            is_repeat = self.spans.is_repeat(self.key_of(item), ts)
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        if is_repeat:
            self.n_repeats += 1
            exit_ = self.ports.get("dropped")
            if exit_ is not None:
                self.give(exit_, item, ts, sequence, key)
            return
        self.passed += 1
        main = self.main
        assert main is not None
        main.n += 1
        if self.blocked > self.free:
            self.hold((ITEM, main, item, ts, sequence, key))
        else:
            main.out.push(item, ts, sequence, key)

    def sync(self) -> None:
        if self.n_repeats:
            self.note_drop("repeated", int(self.n_repeats))
            self.n_repeats = 0


class _Deduped(Kernel):
    """Passes each key once; subclasses decide how keys are stored.

    A first time is forgotten once the watermark has reached the end of the span after its own, where spans are `within`
    long; an item that late is not remembered.
    """

    _key_of: Callable[[Any], Hashable]
    _since = MIN
    """Earliest first time that may still be known."""

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("dedupe", self._key_of, item, error)

    def _look(self, within: int) -> None:
        """Set the start of the remembered time, and the watermark at which it moves next."""
        span = (self.watermark + 1) // within - 1
        self._since = max(span * within, MIN)
        self.wake = min((span + 2) * within - 1, MAX)


class SpansKernel(_Deduped):
    """Holds first times by key, in one dict per time span; whole dicts are forgotten.

    The key of a repeat is in the dict of its own span, of a later one, or, if it passed less than `within` ago, of the
    one before. Spans are `within` long, or twice or four times that and so on, so that few are open whatever the
    disorder.
    """

    node = _DedupeNode
    state = ("first", "since")
    derived = ("spans", "length", "wake", "_low", "_high", "_now", "_before", "_later", "_keeps")

    def __init__(self, key_of: Callable[[Any], Hashable], within: int) -> None:
        self._key_of = key_of
        self._within = within
        self.length = within
        self.spans: dict[int, dict[Hashable, int]] = {}
        self.wake = MIN  # so that the first watermark is processed
        self._low: i64 = 1
        self._high: i64 = 0
        self._now: dict[Hashable, int] = {}
        self._before: dict[Hashable, int] = {}
        self._later: tuple[dict[Hashable, int], ...] = ()
        self._keeps = True
        """False if the current span is partly forgotten already: items that late are not remembered."""

    def on_item(self, item: Any, ts: int, emit: Emit[Any]) -> None:
        if self.is_repeat(self._key_of(item), ts):
            return emit.dropped(item, "repeated")
        emit(item)
        return None

    def is_repeat(self, key: Any, ts: i64) -> bool:
        """Return True if a key has passed before; else remember that it passes now."""
        if not self._low <= ts < self._high:
            self._turn(ts)
        # `since` is checked too, so that the result does not depend on when the dict is freed.
        first: Any = self._before.get(key)
        if first is not None and ts - first < self._within and first >= self._since:
            return True
        if self._later and self._came_later(key):
            return True
        if not self._keeps and ts < self._since:
            first = self._now.get(key)
            return first is not None and ts - first < self._within and first >= self._since
        now = self._now
        n = len(now)
        first = now.setdefault(key, ts)  # most keys are new, and each look-up hashes the key again
        if len(now) > n:
            return False
        if ts - first < self._within and first >= self._since:
            return True
        now[key] = ts
        return False

    def in_columns(self) -> Kernel | str:
        if not isinstance(self._key_of, FieldReader):
            return why_opaque(self._key_of) or ""
        from rxdag.operators.keyed._dedupe_columns import DedupeColumnsKernel  # it loads numpy

        return DedupeColumnsKernel(self._key_of, self._within)

    def _came_later(self, key: Hashable) -> bool:
        # `since` can be MIN itself, so the default of get() alone does not reveal a missing key.
        return any(span.get(key, MIN) >= self._since and key in span for span in self._later)

    def _turn(self, ts: int) -> None:
        """Select the dicts for a time."""
        if ts >= self._since and ts // self.length not in self.spans:
            while len(self.spans) >= _MOST_SPANS:
                self._lengthen()
            self.spans.setdefault(ts // self.length, {})
        spans, span = self.spans, ts // self.length
        self._low, self._high = max(span * self.length, MIN), min((span + 1) * self.length, MAX)
        self._keeps = span * self.length >= self._since
        if span not in spans:  # this item is too late to be remembered, but the next one of its span may not be
            self._low, self._high = 1, 0
        self._now, self._before = spans.get(span, {}), spans.get(span - 1, {})
        self._later = tuple(firsts for other, firsts in spans.items() if other > span)

    def _lengthen(self) -> None:
        """Make one of two spans."""
        self.length *= 2
        merged: dict[int, dict[Hashable, int]] = {}
        for span, firsts in sorted(self.spans.items()):  # the later of two first times counts
            merged.setdefault(span // 2, {}).update(firsts)
        self.spans = merged

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._look(self._within)
        self._low, self._high = 1, 0
        self._now, self._before, self._later = {}, {}, ()
        for span in [span for span in self.spans if (span + 1) * self.length <= self._since]:
            del self.spans[span]

    def snapshot(self) -> dict[str, Any]:
        first: dict[Hashable, int] = {}
        for _, firsts in sorted(self.spans.items()):  # the later of two first times counts
            first.update(firsts)
        return {"first": [[key, ts] for key, ts in first.items() if ts >= self._since], "since": self._since}

    def restore(self, saved: dict[str, Any]) -> None:
        self._since, self.length, self.spans = saved["since"], self._within, {}
        for key, ts in saved["first"]:
            self.spans.setdefault(ts // self.length, {})[key] = ts
        while len(self.spans) > _MOST_SPANS:
            self._lengthen()


class CappedKernel(_Deduped):
    """Up to `max_keys` first times by key: the oldest is forgotten first."""

    state = ("first", "since")
    derived = ("wake",)

    def __init__(self, key_of: Callable[[Any], Hashable], within: int | None, max_keys: int) -> None:
        self._key_of = first_read(key_of, "dedupe: key", self, "_key_of")
        self._within = within
        self._max_keys = max_keys
        self.first: OrderedDict[Hashable, int] = OrderedDict()
        self.wake = MAX if within is None else MIN

    def on_item(self, item: Any, ts: int, emit: Emit[Any]) -> None:
        key = self._key_of(item)
        first = self.first.get(key)
        if first is not None:
            if self._within is None or (ts - first < self._within and first >= self._since):
                return emit.dropped(item, "repeated")
            del self.first[key]  # reinserted at the end, to keep keys in order of passing
        if ts >= self._since:
            self.first[key] = ts
        if len(self.first) > self._max_keys:
            self.first.popitem(last=False)
        emit(item)
        return None

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._key_of) or "max_keys is counted item by item"

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if self._within is not None:
            self._look(self._within)

    def snapshot(self) -> dict[str, Any]:
        return {"first": [[key, ts] for key, ts in self.first.items()], "since": self._since}

    def restore(self, saved: dict[str, Any]) -> None:
        self.first = OrderedDict((key, ts) for key, ts in saved["first"])
        self._since = saved["since"]
