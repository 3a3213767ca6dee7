"""Dedupe: pass each key once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeVar

from rxdag.contract import MAX, Duration, Emit, Kernel, Operator, Shape, positive_ns
from rxdag.errors import GraphError
from rxdag.expressions import Field, Reader, check_field, why_opaque
from rxdag.operators._compact import compact, pop_first
from rxdag.operators._keyed import blamed_key, one_reader

A = TypeVar("A")


class _DedupeKernel(Kernel):
    """First times by key. Keys are listed by the span their first time is in, and forgotten a span at a time."""

    state = ("first", "spans", "wake")

    def __init__(self, key_of: Callable[[Any], Hashable], within: int | None, max_keys: int | None) -> None:
        self._key_of = key_of
        self._within = within
        self._max_keys = max_keys
        self.grid = within or 0
        self.first: dict[Hashable, int] = {} if max_keys is None else OrderedDict()
        self.spans: dict[int, list[Hashable]] = {}
        self.wake = MAX
        self._low, self._high = 1, 0
        self._keys: list[Hashable] = []
        self._keeps = True
        """False if the span at hand is forgotten already: what is so late is not remembered."""

    def on_item(self, item: Any, ts: int, emit: Emit[Any]) -> None:
        key = self._key_of(item)
        first = self.first.get(key)
        if first is not None:
            if self._within is None or ts - first < self._within:
                return emit.dropped(item, "repeated")
            self._forget(key)
        if self._within is not None and not self._low <= ts < self._high:
            self._open_span(ts // self._within)
        if self._keeps:
            self.first[key] = ts
            if self._within is not None:
                self._keys.append(key)
        if self._max_keys is not None and len(self.first) > self._max_keys:
            pop_first(self.first)
        emit(item)
        return None

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("dedupe", self._key_of, item, error)

    def in_columns(self) -> Kernel | str:
        if not isinstance(self._key_of, Reader):
            return why_opaque(self._key_of) or ""
        if self._within is None or self._max_keys is not None:
            return "max_keys is counted item by item"
        from rxdag.operators._dedupe_columns import DedupeColumnsKernel  # it loads numpy

        return DedupeColumnsKernel(self._key_of, self._within)

    def _forget(self, key: Hashable) -> None:
        """Take a key out, so that it comes in again behind all others: the order of the dict is that of the times."""
        del self.first[key]

    def _open_span(self, span: int) -> None:
        """Find the list of a span of time, and keep it at hand."""
        within = self._within or 1
        self._low, self._high = span * within, (span + 1) * within
        self._keeps = (span + 2) * within - 1 > self.watermark
        if not self._keeps:
            return
        keys = self.spans.get(span)
        if keys is None:
            keys = self.spans[span] = []
            self.wake = min(self.wake, (span + 2) * within - 1)
        self._keys = keys

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        within = self._within or 1
        self._low, self._high, self._keeps = 1, 0, True
        first, n = self.first, len(self.first)
        for span in sorted(span for span in self.spans if (span + 2) * within - 1 <= watermark):
            low, high = span * within, (span + 1) * within
            for key in self.spans.pop(span):
                if low <= first.get(key, high) < high:  # not if it was forgotten, or came again later
                    del first[key]
        compact(first, n - len(first))
        self.wake = (min(self.spans) + 2) * within - 1 if self.spans else MAX

    def snapshot(self) -> dict[str, Any]:
        return {
            "first": [[key, ts] for key, ts in self.first.items()],
            "spans": [[span, list(keys)] for span, keys in self.spans.items()],
            "wake": self.wake,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self.first.clear()
        self.first.update({key: ts for key, ts in saved["first"]})  # noqa: C416  # the rows are lists
        self.spans = {span: list(keys) for span, keys in saved["spans"]}
        self.wake = saved["wake"]
        self._low, self._high, self._keeps = 1, 0, True


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

    def kernel(self) -> _DedupeKernel:
        return _DedupeKernel(one_reader(self.key, None), self.within_ns, self.max_keys)


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
    Holds: a key and a time for each key that passed, until the watermark is `within` to twice `within` past it;
        with `max_keys` no more than that many, the oldest goes first.
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
