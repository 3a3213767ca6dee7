"""Distinct until changed: items whose value differs from the previous one of the stream or key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Literal, Self, TypeVar

from rxdag.contract import Duration, Emit, Kernel, Operator, Shape, whole
from rxdag.errors import GraphError
from rxdag.expressions import Field, FieldReader, bound, check_field, getter, why_opaque
from rxdag.operators._arguments import field_or_none
from rxdag.operators._compact import pop_first
from rxdag.operators._first_read import first_read
from rxdag.operators.keyed._by_key import ByKey, KeyedKernel, Lasting, ttl_ns

A = TypeVar("A")
_VALUE: Final = "distinct_until_changed: value"


class _ChangedKernel(Kernel):
    """The last value of each key; of a stream without keys, of the one key None."""

    state = ("values",)

    def __init__(self, value_of: Callable[[Any], Any] | None, max_keys: int | None) -> None:
        self._value_of = first_read(value_of, _VALUE, self, "_value_of")
        self._max_keys = max_keys
        self.values: dict[Any, Any] = {} if max_keys is None else OrderedDict()

    def on_item(self, item: Any, key: Any, emit: Emit[Any]) -> None:
        value = item if self._value_of is None else self._value_of(item)
        values = self.values
        if key in values and values[key] == value:
            return emit.dropped(item, "unchanged")
        if self._max_keys is not None:
            values.pop(key, None)
        values[key] = value
        if self._max_keys is not None and len(values) > self._max_keys:
            pop_first(values)
        emit(item)
        return None

    def in_columns(self) -> Kernel | str:
        if self._value_of is None:
            return "it compares whole items"
        if not isinstance(self._value_of, FieldReader):
            return why_opaque(self._value_of) or ""
        if self._max_keys is not None:
            return "max_keys is counted item by item"
        from rxdag.operators.keyed._distinct_until_changed_columns import ChangedColumnsKernel  # it loads numpy

        return ChangedColumnsKernel(self._value_of)

    def snapshot(self) -> dict[str, Any]:
        return {"values": [[key, value] for key, value in self.values.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        self.values.clear()
        self.values.update({key: value for key, value in saved["values"]})  # noqa: C416  # the rows are lists


class _ExpiringChangedKernel(KeyedKernel):
    """The last value of each key, until the key is idle for the ttl."""

    def __init__(self, value_of: Callable[[Any], Any] | None, lasting: Lasting) -> None:
        super().__init__(lasting)
        self._value_of = first_read(value_of, _VALUE, self, "_value_of")

    def on_item(self, item: Any, ts: int, sequence: int, key: Any, now: int, emit: Emit[Any]) -> None:
        value = item if self._value_of is None else self._value_of(item)
        at = now if self.by_clock else ts
        kept = self.found(key, at)
        if kept is None:
            self.begin(key, value, at, emit)
        elif kept.value == value:
            self.keep(key, kept.value, at)
            return emit.dropped(item, "unchanged")
        else:
            self.keep(key, value, at)
        emit(item)
        return None

    def in_columns(self) -> Kernel | str:
        return "a ttl is judged item by item"


@dataclass(frozen=True)
class _Changed(ByKey[A, A], Generic[A]):
    value: Field[A, Any] | None
    max_keys: int | None
    label = "distinct_until_changed"

    def check(self, shape: Shape, where: str) -> None:
        super().check(shape, where)
        if self.value is not None:
            check_field(self.value, shape.item_type, f"{where}: value")

    def bound(self, shape: Shape) -> Self:
        return replace(super().bound(shape), value=bound(self.value, shape.item_type))

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> _ChangedKernel | _ExpiringChangedKernel:
        value_of = None if self.value is None else getter(self.value)
        if self.ttl_ns is not None:
            return _ExpiringChangedKernel(value_of, self.lasting)
        return _ChangedKernel(value_of, self.max_keys)


def distinct_until_changed(
    value: Field[A, Any] | None = None,
    /,
    *,
    max_keys: int | None = None,
    ttl: Duration | None = None,
    clock: Literal["event", "processing"] | None = None,
) -> Operator[A, A]:
    """Drop each item that equals the one before it; on a keyed stream, per key.

    Emits: the first item, and every item whose value differs from that of the previous item.
    Drops: every other item, counted as dropped, reason "unchanged". NaN never equals NaN, so it passes.
    Holds: one value, or one per key. With `max_keys`, at most that many keys: the key that has not changed for longest
        is forgotten first, and its next item passes. With `ttl`, a key is forgotten after a silence of `ttl`, and its
        next item passes.
    Ends: when the source ends. Fails: if `value` or the comparison raises, subject to the node's `on_error`.
    Clock: none. `ttl` uses event time if the stream has it, else processing time; `clock` overrides this.

    Args:
        value: The value to compare: a function of the item, a field name, or an expression; None for the item itself.
        max_keys: Maximum number of keys to remember, 1 or more; None for no limit. Not with `ttl`.
        ttl: How long to keep a key after its last item, more than 0; by default for ever.
        clock: Clock for `ttl`: "event" or "processing".

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> feed(ops.distinct_until_changed(), [1, 1, 2, 2, 1])
        [1, 2, 1]
    """
    if max_keys is not None:
        whole(max_keys, "distinct_until_changed: max_keys", least=1)
        if ttl is not None:
            raise GraphError("distinct_until_changed: must be bounded by max_keys= or by ttl=, got both")
    return _Changed(
        field_or_none(value, "distinct_until_changed: value"),
        max_keys,
        ttl_ns=ttl_ns(ttl, clock, "distinct_until_changed"),
        chosen_clock=clock,
    )
