"""W3: dedupe, route into three branches, merge, count and sum for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import rxdag
from rxdag import aggregates as agg
from rxdag import col, lit, sources, windows
from rxdag import operators as ops
from rxdag.sinks import Sink, Writer
from tests.benchmarks import budgets
from tests.benchmarks.bars import collected
from tests.benchmarks.data import Tick, repeated
from tests.benchmarks.loops import w3_loop
from tests.benchmarks.work import Case, Data, Work


class Share(NamedTuple):
    """What a tick counts for."""

    branch: int
    value: float


class _ShareWriter(Writer):
    def __init__(self) -> None:
        self._n = [0, 0, 0]
        self._total = [0.0, 0.0, 0.0]

    def write(self, chunk: Any) -> None:
        n, total = self._n, self._total
        for branch, value in chunk.items:
            n[branch] += 1
            total[branch] += value

    def close(self, *, ok: bool) -> tuple[Any, ...]:
        return (*self._n, *self._total)


@dataclass(frozen=True)
class CountAndSum(Sink[Any, tuple[Any, ...]]):
    """A sink of a user's own, as the documentation shows it."""

    def open(self, context: Any) -> Writer:
        return _ShareWriter()


def by_lambdas(stream: rxdag.Stream[Tick]) -> rxdag.Stream[Any]:
    """Build W3 of functions: (branch, value) of each tick that counts."""
    routes = (
        stream.pipe(ops.event_time(lambda t: t.ts, unit="us", out_of_order="500ms"))
        .pipe(ops.dedupe(lambda t: (t.sym, t.tid), within="5s"))
        .pipe(ops.route({"a": lambda t: t.sym < "S33", "b": lambda t: t.sym < "S66"}, default="c"))
    )
    return rxdag.merge(
        routes["a"].pipe(ops.map(lambda t: (0, t.price * t.size))),
        routes["b"].pipe(ops.filter(lambda t: t.size > 2)).pipe(ops.map(lambda t: (1, t.price))),
        routes["c"].pipe(ops.map(lambda t: (2, t.size))),
    )


def by_expressions(stream: rxdag.Stream[Tick]) -> rxdag.Stream[Share]:
    """Build W3 of expressions."""
    routes = (
        stream.pipe(ops.event_time("ts", unit="us", out_of_order="500ms"))
        .pipe(ops.dedupe("sym", "tid", within="5s"))
        .pipe(ops.route({"a": col.sym < "S33", "b": col.sym < "S66"}, default="c"))
    )
    return rxdag.merge(
        routes["a"].pipe(ops.select(branch=lit(0), value=col.price * col.size, into=Share)),
        routes["b"].pipe(ops.filter(col.size > 2)).pipe(ops.select(branch=lit(1), value="price", into=Share)),
        routes["c"].pipe(ops.select(branch=lit(2), value="size", into=Share)),
    )


def counted(shares: rxdag.Stream[Share], *, columns: bool = True) -> list[Any]:
    """Count and sum by operators, and run."""
    totals = agg.named(n=agg.count(), total=agg.sum("value"))
    return collected(shares.pipe(ops.key_by("branch")).pipe(ops.window(windows.global_(), totals)), columns=columns)


def from_panes(panes: list[Any]) -> tuple[Any, ...]:
    """Counts and sums as the loop has them."""
    by_branch = {p.key: p.value for p in panes}
    return (*(by_branch[i]["n"] for i in range(3)), *(by_branch[i]["total"] for i in range(3)))


def _by_sink(build: Callable[[rxdag.Stream[Tick]], rxdag.Stream[Any]], *, columns: bool) -> Callable[[Data], Any]:
    def run(data: Data) -> Any:
        counts = build(rxdag.from_source(sources.iterable(data.rows, of=Tick))).to(CountAndSum())
        return rxdag.run(rxdag.compile(rxdag.Dag(counts), columns=columns))[counts]

    return run


def _by_operators(data: Data) -> list[Any]:
    return counted(by_expressions(rxdag.from_source(sources.iterable(data.rows, of=Tick))))


WORKS = (
    Work(
        "W3",
        "",
        repeated,
        w3_loop,
        (
            Case("lambdas", _by_sink(by_lambdas, columns=True), budget=budgets.W3_ROWS),
            Case("lambdas, columns=False", _by_sink(by_lambdas, columns=False), budget=budgets.W3_ROWS),
            Case("expressions", _by_sink(by_expressions, columns=True), budget=budgets.W3_ROWS),
            Case("expressions, columns=False", _by_sink(by_expressions, columns=False), budget=budgets.W3_ROWS),
            Case("expressions, counted by a window", _by_operators, from_panes),
        ),
    ),
)
