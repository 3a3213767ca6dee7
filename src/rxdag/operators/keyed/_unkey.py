"""Unkey: items without their key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from rxdag.contract import ColumnsEmit, Emit, Kernel, Shape, Unkeyed

if TYPE_CHECKING:
    from rxdag.columns import Columns

A = TypeVar("A")


class _UnkeyKernel(Kernel):
    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit(item, key=None)

    def in_columns(self) -> Kernel | str:
        return self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        emit(columns.keyed(None))


@dataclass(frozen=True)
class _Unkey(Unkeyed[A, A]):
    label = "unkey"

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, keyed=False, key_names=())

    def kernel(self) -> _UnkeyKernel:
        return _UnkeyKernel()


def unkey() -> Unkeyed[A, A]:
    """Drop the key, so that later operators work on the stream as a whole.

    Emits: every item, with its event time and without a key.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if the source fails.
    Clock: none.

    Example:
        >>> keyed = rxdag.from_source(sources.range(4)).pipe(ops.key_by(lambda n: n % 2))
        >>> keyed.pipe(ops.count()).collect()
        [2, 2]
        >>> keyed.pipe(ops.unkey()).pipe(ops.count()).collect()
        [4]
    """
    return _Unkey()
