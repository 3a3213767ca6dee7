"""Operators that another stream opens or closes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from rxdag.contract import Beside, Emit, FanIn, FanInKernel, Operator, Shape
from rxdag.graph import Stream, checked_stream

A = TypeVar("A")


class _UntilKernel(FanInKernel):
    """Ends with the first input, or at the first item of the other."""

    state = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False

    def on_item(self, item: Any, input: int, emit: Emit[Any]) -> None:
        if input:
            self.is_over = True
            return emit.absorbed(1)
        emit(item)
        return None

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if input == 0:
            self.is_over = True

    def is_finished(self) -> bool:
        return self.is_over


class _SkipUntilKernel(FanInKernel):
    """Lets the first input through from the first item of the other on."""

    state = ("is_open", "is_over")

    def __init__(self) -> None:
        self.is_open = False
        self.is_over = False

    def on_item(self, item: Any, input: int, emit: Emit[Any]) -> None:
        if input:
            self.is_open = True
            return emit.absorbed(1)
        if not self.is_open:
            return emit.filtered(item)
        emit(item)
        return None

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if input == 0:
            self.is_over = True

    def is_finished(self) -> bool:
        return self.is_over


@dataclass(frozen=True)
class _FirstOf(FanIn):
    """Passes on items of its first input."""

    name: str
    make: Callable[[], FanInKernel]

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, several operators
        return self.name

    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        return shapes[0]

    def shape(self, shape: Shape) -> Shape:
        return shape

    def kernel(self) -> FanInKernel:
        return self.make()


def _beside(name: str, other: Stream[Any], make: Callable[[], FanInKernel]) -> Beside[Any, Any]:
    return Beside(_FirstOf(name, make), (checked_stream(other, name),))


def take_until(other: Stream[Any], /) -> Operator[A, A]:
    """Pass items until another stream emits its first item, then end.

    Emits: every item before that one, with its event time and key.
    Drops: nothing; the item of the other stream is counted as `absorbed`.
    Holds: nothing.
    Ends: at the first item of the other stream, or when the source ends; the end of the other stream has no effect.
        Fails: if either stream fails.
    Clock: order of arrival.

    Args:
        other: The stream that ends this one.

    Raises:
        GraphError: If `other` is not a stream.

    Example:
        >>> stop = rxdag.from_source(sources.timer("3s"))
        >>> play(ops.take_until(stop), "ab-cd|")
        'ab-(c|)'
    """
    return _beside("take_until", other, _UntilKernel)


def skip_until(other: Stream[Any], /) -> Operator[A, A]:
    """Discard items until another stream emits its first item, then pass all.

    Emits: every item after that one, with its event time and key.
    Drops: every earlier item, counted as `filtered`; items of the other stream are counted as `absorbed`.
    Holds: nothing.
    Ends: when the source ends. Fails: if either stream fails.
    Clock: order of arrival.

    Args:
        other: The stream that opens this one.

    Raises:
        GraphError: If `other` is not a stream.

    Example:
        >>> go = rxdag.from_source(sources.timer("2500ms"))
        >>> play(ops.skip_until(go), "ab-cd|")
        '---cd|'
    """
    return _beside("skip_until", other, _SkipUntilKernel)
