"""Strategies for hypothesis: items, marbles, chunkings and small dags. They need the package hypothesis.

Public.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.errors import MissingExtra
from rxdag.graph import Dag, Stream, from_source
from rxdag.operators.joining import merge

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingExtra(
        "testing.strategies: hypothesis must be installed, and is not; run pip install hypothesis"
    ) from error

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

__all__ = ["chunkings", "dags", "marbles", "timed_items"]


def timed_items(
    items: SearchStrategy[T], /, *, max_size: int = 50, most_ns: int = 10**9, out_of_order_ns: int = 0
) -> SearchStrategy[list[tuple[int, T]]]:
    """Draw (event time ns, item) pairs, at most `out_of_order_ns` out of order.

    Args:
        items: Strategy for the items.
        max_size: Maximum number of items.
        most_ns: Longest step between two items, ns.
        out_of_order_ns: How far an item may be behind the largest time before it, ns.

    Example:
        >>> from hypothesis import given, strategies as st
        >>> from rxdag.testing.strategies import timed_items
        >>> @given(timed_items(st.floats(1, 2), out_of_order_ns=5))
        ... def no_tick_is_late(ticks):
        ...     timed = rxdag.wrap(ticks).pipe(ops.event_time(lambda tick: tick[0], out_of_order="5ns"))
        ...     panes = timed.pipe(ops.window_all(windows.tumbling("1s"), agg.count())).collect()
        ...     assert sum(pane.value for pane in panes) == len(ticks)
        >>> no_tick_is_late()
    """

    def placed(drawn: list[tuple[int, int, T]]) -> list[tuple[int, T]]:
        at, out = 0, list[tuple[int, T]]()
        for step, back, item in drawn:
            at += step
            out.append((at - back, item))
        return out

    each = st.tuples(st.integers(0, most_ns), st.integers(0, out_of_order_ns), items)
    return st.lists(each, max_size=max_size).map(placed)


def marbles(*, max_size: int = 20, ends: bool = True) -> SearchStrategy[str]:
    """Draw lines of marbles for `testing.play`.

    They have letters, "-", groups, and an end, "|" or "#".

    Args:
        max_size: Maximum number of marks before the end.
        ends: False to include lines without an end.

    Example:
        >>> from hypothesis import given
        >>> from rxdag.testing.strategies import marbles
        >>> @given(marbles())
        ... def a_filter_that_passes_all_changes_nothing(line):
        ...     assert play(ops.filter(lambda x: True), line) == play(ops.map(lambda x: x), line)
        >>> a_filter_that_passes_all_changes_nothing()
    """
    letter = st.sampled_from("abcxyz")
    group = st.lists(letter, min_size=2, max_size=3).map(lambda letters: f"({''.join(letters)})")
    end = st.sampled_from(["|", "|", "#"] if ends else ["|", "#", ""])
    return st.tuples(st.lists(st.one_of(letter, st.just("-"), group), max_size=max_size), end).map(
        lambda drawn: "".join(drawn[0]) + drawn[1]
    )


def chunkings(items: Sequence[T], /) -> SearchStrategy[list[list[T]]]:
    """Draw ways to cut items into chunks, including empty ones.

    Example:
        >>> from hypothesis import given
        >>> from rxdag.testing.strategies import chunkings
        >>> @given(chunkings([1, 2, 3]))
        ... def a_sum_is_the_same_for_all_chunks(chunks):
        ...     assert sum(sum(chunk) for chunk in chunks) == 6
        >>> a_sum_is_the_same_for_all_chunks()
    """
    cuts = st.lists(st.integers(0, len(items)), max_size=min(10, len(items) + 2)).map(sorted)

    def cut(at: list[int]) -> list[list[T]]:
        edges = [0, *at, len(items)]
        return [list(items[start:stop]) for start, stop in pairwise(edges)]

    return cuts.map(cut)


def _whole(x: Any) -> Any:
    return x


def _few(x: int) -> range:
    return range(x % 3)


def _steps() -> list[Callable[[Stream[Any]], Stream[Any]]]:
    """Return the operators of small dags of integers."""
    return [
        lambda s: s.pipe(ops.map(lambda x: x + 1)),
        lambda s: s.pipe(ops.filter(lambda x: x % 3 != 0)),
        lambda s: s.pipe(ops.explode(_few)),
        lambda s: s.pipe(ops.scan(0, lambda total, x: total + x)),
        lambda s: s.pipe(ops.dedupe(_whole, max_keys=100)),
        lambda s: s.pipe(ops.take(5)),
        lambda s: s.buffered(max_items=2),
        lambda s: s.on("worker"),
    ]


@st.composite
def dags(draw: Any, *, max_nodes: int = 6, fan_in: bool = True) -> Dag:
    """Draw small dags of integers.

    They use map, filter, explode, scan, dedupe, take, gates, threads, forks and merges.

    Args:
        draw: Supplied by Hypothesis.
        max_nodes: Maximum number of operators.
        fan_in: False for dags in which no two streams meet.
    """
    items = draw(st.lists(st.integers(-5, 20), max_size=30))
    streams: list[Stream[Any]] = [from_source(sources.iterable(items))]
    n: int = draw(st.integers(0, max_nodes))
    for _ in range(n):
        at: int = draw(st.integers(0, len(streams) - 1))
        kind: int = draw(st.integers(0, 9 if fan_in else 8))
        if kind == 9 and len(streams) > 1:
            streams = [merge(*streams)]
        elif kind == 8:
            streams.append(streams[at])
        elif kind < 8:
            streams[at] = _steps()[kind](streams[at])
    return Dag(*(stream.to(sinks.collect(), name=f"out{i}") for i, stream in enumerate(streams)), name="small")
