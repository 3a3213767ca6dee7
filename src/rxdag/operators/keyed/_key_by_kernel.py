"""The kernel and the node of key_by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mypy_extensions import i64

from rxdag.contract import ColumnsEmit, Emit, Kernel, first_call
from rxdag.engine import StatelessNode
from rxdag.errors import shown, text_of
from rxdag.expressions import called, why_opaque

if TYPE_CHECKING:
    from rxdag.columns import Columns


class _KeyByNode(StatelessNode):
    def bind(self) -> None:
        super().bind()
        kernel: Any = self.kernel  # it and this node are one operator
        self.key_of: Callable[[Any], Any] = first_call(called(kernel._key_of), "key_by: key", self, "key_of")
        self.is_plain = kernel._is_plain

    def push(self, item: Any, ts: i64, sequence: Any, key: Any) -> None:
        self.came += 1
        if self.is_quiet and self.wake_up():
            return
        try:
            key = self.key_of(item)
            if not self.is_plain and type(key) is not str:
                hash(key)
        except BaseException as error:
            self.bury(item, self.blamed(item, error), 1)
            return
        if self.blocked > self.free:
            self.pass_on(item, ts, sequence, key)
        else:
            self.way.out.push(item, ts, sequence, key)


class KeyByKernel(Kernel):
    node = _KeyByNode

    def __init__(self, key_of: Callable[[Any], Any], *, is_plain: bool) -> None:
        self._key_of = key_of
        self._is_plain = is_plain

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        key = self._key_of(item)
        if (
            not self._is_plain and key.__class__ is not str
        ):  # most keys are texts, and the test is cheaper than the call
            hash(key)
        emit(item, key=key)

    def in_columns(self) -> Kernel | str:
        return why_opaque(self._key_of) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        emit(columns.keyed(columns.coded(self._key_of)))

    def blame(self, item: Any, error: Exception) -> Exception:
        return blamed_key("key_by", self._key_of, item, error)


def blamed_key(name: str, key_of: Callable[[Any], Any] | None, item: Any, error: Exception) -> Exception:
    """Return the error to report for a failed item: that its key is not hashable, if that is the cause."""
    if key_of is not None and isinstance(error, TypeError) and "unhashable" in text_of(error):
        return TypeError(f"{name}: a key must be hashable, got {shown(key_of(item))}; use a tuple")
    return error
