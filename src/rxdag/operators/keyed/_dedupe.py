"""Dedupe: pass each key once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeVar

from rxdag.contract import MAX, MIN, Duration, Emit, Kernel, Operator, Shape, positive_ns
from rxdag.errors import GraphError
from rxdag.expressions import Field, Reader, check_field, why_opaque
from rxdag.operators.keyed._keyed import blamed_key, one_reader

A = TypeVar("A")

_MOST_SPANS: Final = 8
"""More spans than that are made longer ones."""


class _Deduped(Kernel):
    """What passes each key once, whatever it keeps of them.

    A first time is forgotten when the watermark has reached the end of the span behind its own, of spans as long as
    `within`; what comes so late is not remembered.
    """

    _key_of: Callable[[Any], Hashable]
    _since = MIN
    """The least first time that is known still."""

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("dedupe", self._key_of, item, error)

    def _look(self, within: int) -> None:
        """Say what is known still, and when that changes next."""
        span = (self.watermark + 1) // within - 1
        self._since = max(span * within, MIN)
        self.wake = min((span + 2) * within - 1, MAX)


class _SpansKernel(_Deduped):
    """First times by key, in a dict for each span of time, let go of a dict at a time.

    A repeat's key is in the dict of its own span, in that of a later one, or, if not too long ago, in the one before. Spans
    are as long as `within`, or twice that, or four times, so that few are open however much out of order the items are.
    """

    state = ("spans", "length", "wake")

    def __init__(self, key_of: Callable[[Any], Hashable], within: int) -> None:
        self._key_of = key_of
        self._within = within
        self.length = within
        self.spans: dict[int, dict[Hashable, int]] = {}
        self.wake = MIN  # so that it looks at the first watermark
        self._low, self._high = 1, 0
        self._now: dict[Hashable, int] = {}
        self._before: dict[Hashable, int] = {}
        self._later: tuple[dict[Hashable, int], ...] = ()
        self._keeps = True
        """False if some of the span at hand is forgotten already: what is so late is not remembered."""

    def on_item(self, item: Any, ts: int, emit: Emit[Any]) -> None:
        key = self._key_of(item)
        if not self._low <= ts < self._high:
            self._turn(ts)
        first = self._now.get(key)
        if first is None:
            first = self._before.get(key)
        if first is not None and ts - first < self._within and first >= self._since:
            return emit.dropped(item, "repeated")
        if self._later:
            came = self._came_later(key)
            if came:
                return emit.dropped(item, "repeated")
        if self._keeps or ts >= self._since:
            self._now[key] = ts
        emit(item)
        return None

    def in_columns(self) -> Kernel | str:
        if not isinstance(self._key_of, Reader):
            return why_opaque(self._key_of) or ""
        from rxdag.operators.keyed._dedupe_columns import DedupeColumnsKernel  # it loads numpy

        return DedupeColumnsKernel(self._key_of, self._within)

    def _came_later(self, key: Hashable) -> bool:
        return any(span.get(key, MIN) >= self._since and key in span for span in self._later)

    def _turn(self, ts: int) -> None:
        """Have the dicts at hand that a time needs."""
        if ts >= self._since and ts // self.length not in self.spans:
            while len(self.spans) >= _MOST_SPANS:
                self._lengthen()
            self.spans.setdefault(ts // self.length, {})
        spans, span = self.spans, ts // self.length
        self._low, self._high = span * self.length, (span + 1) * self.length
        self._keeps = self._low >= self._since
        if span not in spans:  # it is too late to be remembered, as the next one of this span need not be
            self._low, self._high = 1, 0
        self._now, self._before = spans.get(span, {}), spans.get(span - 1, {})
        self._later = tuple(firsts for other, firsts in spans.items() if other > span)

    def _lengthen(self) -> None:
        """Make one of two spans."""
        self.length *= 2
        merged: dict[int, dict[Hashable, int]] = {}
        for span, firsts in sorted(self.spans.items()):  # of two first times the later one counts
            merged.setdefault(span // 2, {}).update(firsts)
        self.spans = merged

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        self._look(self._within)
        self._low, self._high = 1, 0
        self._now, self._before, self._later = {}, {}, ()
        for span in [span for span in self.spans if (span + 1) * self.length <= self._since]:
            del self.spans[span]

    def snapshot(self) -> dict[str, Any]:
        spans = [[span, [[key, ts] for key, ts in firsts.items()]] for span, firsts in self.spans.items()]
        return {"spans": spans, "length": self.length, "since": self._since, "wake": self.wake}

    def restore(self, saved: dict[str, Any]) -> None:
        self.spans = {span: {key: ts for key, ts in rows} for span, rows in saved["spans"]}  # noqa: C416  # lists
        self.length, self._since, self.wake = saved["length"], saved["since"], saved["wake"]
        self._low, self._high = 1, 0


class _CappedKernel(_Deduped):
    """First times by key, no more of them than `max_keys`: the oldest goes first."""

    state = ("first", "wake")

    def __init__(self, key_of: Callable[[Any], Hashable], within: int | None, max_keys: int) -> None:
        self._key_of = key_of
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
            del self.first[key]  # it comes in again behind all others: their order is that of their passing
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
        return {
            "first": [[key, ts] for key, ts in self.first.items()],
            "since": self._since,
            "wake": self.wake,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.first = OrderedDict((key, ts) for key, ts in saved["first"])
        self._since, self.wake = saved["since"], saved["wake"]


@dataclass(frozen=True)
class _Dedupe(Operator[A, A]):
    key: tuple[Field[A, Hashable], ...]
    within_ns: int | None
    max_keys: int | None
    chosen_clock: Literal["event", "processing"] | None
    label = "dedupe"

    def check(self, shape: Shape, where: str) -> None:
        for each in self.key:
            check_field(each, shape.item_type, f"{where}: key")
        if self.chosen_clock == "event" and not shape.timed:
            raise GraphError(
                f'{where}: clock="event" needs event time, and the stream has none; put ops.event_time(...) before it'
            )

    def bound(self, shape: Shape) -> Self:
        return replace(self, key=(one_reader(self.key, shape.item_type),))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def clock_for(self, shape: Shape) -> Literal["event", "processing"]:
        return self.chosen_clock or ("event" if shape.timed else "processing")

    def kernel(self) -> _SpansKernel | _CappedKernel:
        key = one_reader(self.key, None)
        if self.max_keys is None and self.within_ns is not None:
            return _SpansKernel(key, self.within_ns)
        return _CappedKernel(key, self.within_ns, self.max_keys or 1)


def dedupe(
    *key: Field[A, Hashable],
    within: Duration | None = None,
    max_keys: int | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass each key once within a span of time.

    A repeat does not extend the span. An older copy of a key that has passed is a repeat too. What comes after its
    key was forgotten passes, and so does every copy of what comes when its key would be forgotten already; a window
    behind calls it late.

    Emits: an item whose key has not passed less than `within` before it.
    Drops: every other item, counted as dropped, reason "repeated".
    Holds: a key and a time for each key that passed, until the watermark is `within` to twice `within` past it, and
        where items are out of order by much more than that up to half of that disorder longer; with `max_keys` no more
        than that many, the oldest goes first.
    Ends: when the source ends. Fails: when `key` raises or is not hashable, by the node's `on_error`.
    Clock: event time if the stream has it, else processing time; `clock` chooses.

    Args:
        key: A function of the item; or one or more fields, by name or as `col.<name>`; several make a tuple.
        within: Span of time, more than 0; None for ever, which needs `max_keys`.
        max_keys: Most keys to remember, 1 or more.
        clock: "event" or "processing".

    Raises:
        GraphError: If there is no key, nothing bounds what is held, or an argument is not as above.

    Example:
        >>> feed(ops.dedupe(lambda x: x, max_keys=100), [1, 2, 1, 3])
        [1, 2, 3]
    """
    if not key:
        raise GraphError("dedupe: takes a function or one field or more as key, got none")
    for each in key:
        check_field(each, None, "dedupe: key")
    if within is None and max_keys is None:
        raise GraphError('dedupe: must be bounded by within= or max_keys=, got neither; say within="5s", for example')
    if max_keys is not None and max_keys < 1:
        raise GraphError(f"dedupe: max_keys must be 1 or more, got {max_keys}")
    if clock not in (None, "event", "processing"):
        raise GraphError(f'dedupe: clock must be "event" or "processing", got {clock!r}')
    return _Dedupe(key, None if within is None else positive_ns(within, "dedupe: within"), max_keys, clock)
