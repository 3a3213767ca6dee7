"""History, then live: two sources as one, without a gap or a duplicate between them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypeVar

from rxdag.contract import Duration, Overflow, Shape, Source, flag, positive_ns, whole
from rxdag.errors import GraphError, shown
from rxdag.expressions import Field, check_field
from rxdag.sources._seam import ByKey, BySequence
from rxdag.sources._then_source import Then

T = TypeVar("T")


def then(
    history: Source[T],
    live: Source[T],
    /,
    *,
    key: Field[T, Hashable] | tuple[Field[T, Hashable], ...] | None = None,
    overlap: int | Duration | None = None,
    time: Field[T, int | datetime] | None = None,
    unit: Literal["ns", "us", "ms", "s"] = "ns",
    sequence: Field[T, int] | None = None,
    consecutive: bool = False,
    max_items: int = 65_536,
) -> Source[T]:
    """Emit the items of a history, then those of a live source that were not in it.

    The live source is opened before the history is read, so nothing is missed between them. Live items that arrive in the
    meantime are buffered in memory, up to `max_items`; then the live source is not read until the history has ended, so its
    sender waits, or its own queue applies its overflow policy. A stored live source, such as a file, and one that blocks
    a thread are not read before the end of the history. Live items that were in the history are counted as dropped,
    with the reason "double".

    The history must reach the live source: it must hold every item before the first one that the live source delivers.
    Duplicates are found by `key` or by `sequence`.

    Args:
        history: Source that ends, such as a file, a table or a query.
        live: Any other source of items of the same type.
        key: Fields or function that identify an item: a field's name, an expression, a function, or a tuple of them.
            The value must be hashable. A live item is a duplicate if its key is among those of the overlap.
        overlap: With `key`, the end of the history whose keys are remembered: a number of items, or a span of event
            time such as "5m". The memory is dropped after as many new live items, or after the first live item that is
            later than the history by more than the span.
        time: With a span, the event time of an item: an int in `unit`, or a datetime with a time zone.
        unit: Unit of `time`.
        sequence: Instead of `key`, a whole number that grows from item to item in both sources. Live items up to the
            last number of the history are duplicates; the first one above it ends the search. Only for numbers that
            never restart and are not counted by symbol.
        consecutive: True if each number of `sequence` is 1 more than the one before. Numbers that are missing between the
            history and the live source are then logged as `source.gap`; a live source with a port "events" emits a
            `SeamGap` there.
        max_items: Maximum number of live items that are buffered.

    Raises:
        GraphError: If an argument is invalid, or the two sources have items of different types.
        SourceError: While reading, if a key is not hashable, or a time or a sequence is not a number.

    Example:
        >>> history = sources.iterable([{"id": 1}, {"id": 2}, {"id": 3}])
        >>> live = sources.iterable([{"id": 2}, {"id": 3}, {"id": 4}])
        >>> trades = rxdag.from_source(sources.then(history, live, key="id", overlap=1_000))
        >>> trades.collect()
        [{'id': 1}, {'id': 2}, {'id': 3}, {'id': 4}]
    """
    _check_sources(history, live)
    shape = _common_shape(history, live)
    max_items = whole(max_items, "then: max_items", least=1)
    if (key is None) == (sequence is None):
        raise GraphError(f"then: must have either key or sequence, got {'neither' if key is None else 'both'}")
    if sequence is not None:
        if overlap is not None or time is not None:
            raise GraphError("then: overlap and time go with key, got them with sequence; leave them out")
        check_field(sequence, shape.item_type, "then: sequence")
        by_sequence = BySequence(sequence, flag(consecutive, "then: consecutive"))
        return Then(history, live, by_sequence, max_items, shape)
    if flag(consecutive, "then: consecutive"):
        raise GraphError("then: consecutive goes with sequence, got it with key; leave it out")
    by_key = _by_key(key, overlap, time, unit, shape.item_type)
    return Then(history, live, by_key, max_items, shape)


def _check_sources(history: Any, live: Any) -> None:
    if not isinstance(history, Source):
        raise GraphError(f"then: history must be a source, got {shown(history)}")
    if not isinstance(live, Source):
        raise GraphError(f"then: live must be a source, got {shown(live)}")
    queue: Any = live  # pyright: ignore[reportUnknownVariableType]  # of whatever items
    if queue.queues and not queue.can_wait and queue.overflow is Overflow.BLOCK:
        raise GraphError(
            f'then: live cannot be paused, so its overflow policy must be other than "block"; pass overflow= to '
            f"sources.{queue.label}"
        )


def _common_shape(history: Source[Any], live: Source[Any]) -> Shape:
    """Return the shape of the items of both."""
    first, second = history.shape, live.shape
    types = [shape.item_type for shape in (first, second) if shape.item_type is not None]
    if len(types) == 2 and types[0] != types[1]:
        raise GraphError(
            f"then: history and live must have items of one type, got {shown(types[0])} and {shown(types[1])}"
        )
    if (first.timed, first.keyed) != (second.timed, second.keyed):
        raise GraphError("then: history and live must both have event times and keys, or neither, got one of each")
    times = first.times if first.times == second.times else ()
    return replace(second, item_type=types[0] if types else None, ordered=False, times=times)


def _by_key(key: Any, overlap: Any, time: Any, unit: str, item_type: Any) -> ByKey:
    """Return the checked settings for duplicates by key."""
    keys: tuple[Any, ...] = key if key.__class__ is tuple else (key,)
    if not keys:
        raise GraphError("then: key must be one field or more, got none")
    for each in keys:
        check_field(each, item_type, "then: key")
    if unit not in ("ns", "us", "ms", "s"):
        raise GraphError(f'then: unit must be "ns", "us", "ms" or "s", got {shown(unit)}')
    if overlap is None:
        raise GraphError(
            'then: overlap must be given with key, got none; pass a number of items, or a span such as "5m"'
        )
    if overlap.__class__ is int:
        if time is not None:
            raise GraphError(f"then: time goes with a span of time, got it with overlap={overlap}; leave it out")
        return ByKey(keys, whole(overlap, "then: overlap", least=1), None, unit)
    span_ns = positive_ns(overlap, "then: overlap")
    if time is None:
        raise GraphError(f"then: time must be given with a span of time, got overlap={shown(overlap)} alone")
    check_field(time, item_type, "then: time")
    return ByKey(keys, span_ns, time, unit)
