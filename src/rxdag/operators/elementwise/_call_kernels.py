"""Kernels and nodes that are one call of a function for each item."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64, mypyc_attr

from rxdag.contract import ColumnsEmit, Emit, Kernel, first_call
from rxdag.engine import StatelessNode
from rxdag.expressions import ITEM, FieldReader, Several, called, why_opaque

if TYPE_CHECKING:
    from rxdag.columns import Columns


@mypyc_attr(allow_interpreted_subclasses=True)
class _Calls(Kernel):
    """A kernel that is one call of a function."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn

    def in_columns(self) -> Kernel | str:
        return why_opaque(self.fn) or self


class _CallNode(StatelessNode):
    """Runs a kernel that is one call of a function."""

    def bind(self) -> None:
        super().bind()
        kernel = self.kernel
        assert isinstance(kernel, _Calls)
        self.given: Callable[[Any], Any] = kernel.fn
        self.fn: Callable[[Any], Any] = called(kernel.fn)

    def look_first(self, where: str, *, may_yield: bool = False) -> None:
        """Check the first result of the function."""
        self.fn = first_call(self.fn, where, self, "fn", may_yield=may_yield)


class _MapNode(_CallNode):
    def bind(self) -> None:
        super().bind()
        self.look_first("map: fn", may_yield=True)

    def step(self) -> Any:
        return "map", self.given

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_quiet and self.wake_up():
            return
        try:
            value = self.fn(item)
        except BaseException as error:
            self.bury(item, error, 1)
            return
        if self.blocked > self.free:
            self.pass_on(value, ts, sequence, key)
        else:
            self.way.out.push(value, ts, sequence, key)


class _FilterNode(_CallNode):
    def bind(self) -> None:
        super().bind()
        self.look_first("filter: predicate")

    def step(self) -> Any:
        return "filter", self.given

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_quiet and self.wake_up():
            return
        try:
            is_left_out = not self.fn(item)
        except BaseException as error:
            self.bury(item, error, 1)
            return
        if is_left_out:
            self.filtered += 1
        elif self.blocked > self.free:
            self.pass_on(item, ts, sequence, key)
        else:
            self.way.out.push(item, ts, sequence, key)


class _TapNode(_CallNode):
    def bind(self) -> None:
        super().bind()
        self.look_first("tap: fn")

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_quiet and self.wake_up():
            return
        try:
            self.fn(item)
        except BaseException as error:
            self.bury(item, error, 1)
            return
        self.pass_on(item, ts, sequence, key)


# mypyc: each class allows interpreted subclasses as `_Calls` does, whose __init__ would otherwise be called twice for an
# object and leak a reference to `fn`.
@mypyc_attr(allow_interpreted_subclasses=True)
class MapKernel(_Calls):
    """Sends out the results of a function."""

    node = _MapNode

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit(self.fn(item))

    def in_columns(self) -> Kernel | str:
        if isinstance(self.fn, FieldReader) and isinstance(self.fn.expr, Several):
            return "it makes tuples"
        return why_opaque(self.fn) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        emit(columns.mapped({ITEM: self.fn}))


@mypyc_attr(allow_interpreted_subclasses=True)
class FilterKernel(_Calls):
    node = _FilterNode

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        if not self.fn(item):
            return emit.filtered(item)
        emit(item)
        return None

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        kept = columns.where(columns.truths(self.fn))
        emit.filtered(columns.n - kept.n)
        emit(kept)


@mypyc_attr(allow_interpreted_subclasses=True)
class TapKernel(_Calls):
    node = _TapNode

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        self.fn(item)
        emit(item)
