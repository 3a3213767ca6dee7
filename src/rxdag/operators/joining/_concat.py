"""One stream after another: when the first has ended, or failed."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, overload

from rxdag.contract import FLUSHED, Emit, FanInKernel, checked_errors
from rxdag.errors import is_a
from rxdag.graph import Stream
from rxdag.operators.joining._combine import combined

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class _ConcatKernel(FanInKernel):
    """Opens its inputs one after the other."""

    state: ClassVar[tuple[str, ...]] = ("open_inputs",)
    may_park = True

    def __init__(self, n: int) -> None:
        self.open_inputs = 1
        self._n = n

    def want_from(self, input: int, now: int) -> int | None:
        return None if input < (self.open_inputs or 0) else 0

    def changed_wants(self) -> list[int]:
        return []  # all are asked when `open_inputs` has changed

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit(item)

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        self.open_inputs = self._first_open(input)

    def _first_open(self, ended: int) -> int:
        marks = self.inputs.of
        # The ending input is excluded by its number, since its mark is recorded only after this call.
        return next((i + 1 for i in range(self._n) if marks[i] < FLUSHED and i != ended), self._n)


class _CatchKernel(_ConcatKernel):
    """Opens the next input when one has failed."""

    state = ("open_inputs", "ended", "failed")

    def __init__(self, n: int, on: tuple[type[Exception], ...]) -> None:
        super().__init__(n)
        self._on = on
        self.may_catch = n - 1
        self.ended = False
        self.failed = -1

    def catches(self, input: int, error: Exception) -> bool:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        if input + 1 < self._n and is_a(cause, self._on):
            self.failed = input
            return True
        return False

    def on_input_end(self, input: int, emit: Emit[Any]) -> None:
        if input == self.failed:
            self.open_inputs = input + 2
        else:
            self.ended = True

    def is_finished(self) -> bool:
        return self.ended


@overload
def concat(a: Stream[A], b: Stream[B], /) -> Stream[A | B]: ...
@overload
def concat(a: Stream[A], b: Stream[B], c: Stream[C], /) -> Stream[A | B | C]: ...
@overload
def concat(*streams: Stream[A]) -> Stream[A]: ...
def concat(*streams: Any) -> Any:
    """Emit all items of the first stream, then all of the second, and so on.

    A stream is not read before its turn; a source that only this node reads is not opened before then.

    Emits: every item, with its event time if all streams have it.
    Drops: nothing.
    Holds: nothing; items already available from a later stream wait in its gate.
    Ends: with the last stream. Fails: if the current stream fails.
    Clock: none.

    Args:
        streams: Two or more streams.

    Raises:
        GraphError: If there are fewer than two streams.

    Example:
        >>> first, second = (rxdag.from_source(sources.iterable(items)) for items in (["a", "b"], ["c", "d"]))
        >>> rxdag.concat(first, second).collect()
        ['a', 'b', 'c', 'd']
    """
    return combined("concat", lambda: _ConcatKernel(len(streams)), streams, keeps_type=True)


@overload
def catch(a: Stream[A], b: Stream[B], /, *, on: tuple[type[Exception], ...] = ...) -> Stream[A | B]: ...
@overload
def catch(
    a: Stream[A], b: Stream[B], c: Stream[C], /, *, on: tuple[type[Exception], ...] = ...
) -> Stream[A | B | C]: ...
def catch(*streams: Any, on: tuple[type[Exception], ...] = (Exception,)) -> Any:
    """Switch to the next stream when one fails.

    If all outputs of a node lead here, its failure does not end the run. A stream is not read before its turn.

    Emits: every item of the first stream; if that fails, every item of the second; and so on.
    Drops: nothing.
    Holds: nothing.
    Ends: when the current stream ends. Fails: if the last stream fails, or one fails with an error that is not in `on`.
    Clock: none.

    Args:
        streams: Two or more streams.
        on: Exceptions to catch, as raised by the source or by user code.

    Raises:
        GraphError: If there are fewer than two streams, or `on` is not a tuple of exceptions.

    Example:
        >>> risky = rxdag.from_source(sources.iterable([1, 0])).pipe(ops.map(lambda x: 10 // x))
        >>> rxdag.catch(risky, rxdag.from_source(sources.iterable([-1]))).collect()
        [10, -1]
    """
    kinds = checked_errors("catch", on)
    return combined("catch", lambda: _CatchKernel(len(streams), kinds), streams, keeps_type=True)
