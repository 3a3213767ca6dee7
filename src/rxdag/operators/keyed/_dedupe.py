"""Dedupe: pass each key once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeVar

from rxdag.contract import Duration, Operator, Shape, positive_ns, whole_or_none
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, check_field
from rxdag.operators.keyed._dedupe_kernel import CappedKernel, SpansKernel
from rxdag.operators.keyed._keyed import one_reader

A = TypeVar("A")


@dataclass(frozen=True)
class _Dedupe(Operator[A, A]):
    key: tuple[Field[A, Hashable], ...]
    within_ns: int | None
    max_keys: int | None
    chosen_clock: Literal["event", "processing"] | None
    label = "dedupe"
    adjustable = ("within",)

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

    def kernel(self) -> SpansKernel | CappedKernel:
        key = one_reader(self.key, None)
        if self.max_keys is None and self.within_ns is not None:
            return SpansKernel(key, self.within_ns)
        return CappedKernel(key, self.within_ns, self.max_keys or 1)


def dedupe(
    *key: Field[A, Hashable],
    within: Duration | None = None,
    max_keys: int | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Pass each key once within a span of time.

    The span starts at the item that passed; repeats do not extend it. An older copy of a key that has passed is also a
    repeat. Once a key has been forgotten, its next item passes. An item so late that its key would already have been
    forgotten passes too, and so does each copy of it; a window downstream treats such items as late.

    Emits: each item whose key has not passed less than `within` before it.
    Drops: every other item, counted as dropped, reason "repeated".
    Holds: a key and a time for each key that passed, until the watermark is `within` to twice `within` past it; longer,
        by up to half the disorder, if items are out of order by much more than that. With `max_keys`, at most that many
        keys; the oldest is forgotten first.
    Ends: when the source ends. Fails: if `key` raises or is not hashable, subject to the node's `on_error`.
    Clock: event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        key: A function of the item; or one or more fields, by name or as `col.<name>`; several fields form a tuple.
        within: Span of time, more than 0; None for ever, which requires `max_keys`.
        max_keys: Maximum number of keys to remember, 1 or more.
        clock: "event" or "processing".

    Raises:
        GraphError: If there is no key, neither `within` nor `max_keys` is given, or an argument is invalid.

    Example:
        >>> feed(ops.dedupe(lambda x: x, max_keys=100), [1, 2, 1, 3])
        [1, 2, 3]
    """
    if not key:
        raise GraphError("dedupe: takes a function or one field or more as key, got none")
    for each in key:
        check_field(each, None, "dedupe: key")
    if within is None and max_keys is None:
        raise GraphError('dedupe: must be bounded by within= or max_keys=, got neither; pass within="5s", for example')
    max_keys = whole_or_none(max_keys, "dedupe: max_keys")
    if clock not in (None, "event", "processing"):
        raise GraphError(f'dedupe: clock must be "event" or "processing", got {shown(clock)}')
    return _Dedupe(key, None if within is None else positive_ns(within, "dedupe: within"), max_keys, clock)
