"""Functions that stand for expressions: read, evaluated over columns, and called where something is wrong."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.expressions import FieldReader, PlainReader, bound
from rxdag.testing import settle_virtual, virtual

LIMIT = 3


class Tick(NamedTuple):
    t: int
    sym: str
    price: float
    qty: int | None = 1

    @property
    def value(self) -> float:
        return self.price * 2

    def size(self) -> int:
        return 1


def repr_of(fn: Any, of: Any = Tick) -> str | None:
    reader = bound(fn, of)
    return repr(reader.expr) if isinstance(reader, PlainReader) else None


def over(limit: int) -> Any:
    return lambda tick: tick.price > limit


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (lambda t: t.price, "col.price"),
        (lambda t: t.price * t.qty > 3, "(col.price * col.qty) > 3"),
        (lambda t: -t.price / 2 + 1, "((-col.price) / 2) + 1"),
        (lambda t: t.t // 5 % 3 - 1, "((col.t // 5) % 3) - 1"),
        (lambda t: -(t.price**2) + 2**t.t, "(-(col.price ** 2)) + (lit(2) ** col.t)"),
        (lambda t: t.qty is None, "col.qty.is_null()"),
        (lambda t: t.qty is not None, "~col.qty.is_null()"),
        (lambda t: t.sym in ("A", "B"), "col.sym.is_in(['A', 'B'])"),
        (lambda t: t.price > 1 and t.sym == "A" and t.qty, "((col.price > 1) & (col.sym == 'A')) & col.qty"),
        (lambda t: t.price > 1 or not t.qty, "(col.price > 1) | (~col.qty)"),
        (lambda t: (t.sym, t.t), "(col.sym, col.t)"),
    ],
)
def test_a_function_of_one_expression_stands_for_it(fn: Any, text: str) -> None:
    assert repr_of(fn) == text


@pytest.mark.parametrize(
    "fn",
    [
        lambda t: t.price > LIMIT,
        over(3),
        lambda t: t.value,
        lambda t: t.size(),
        lambda t: t.size,
        lambda t: t[0],
        lambda t: t,
        lambda t: t.price if t.qty else 0,
        lambda t: t.qty ^ 2,
        lambda t: 0 < t.price < 3,
        lambda t: t.sym in "AB",
        lambda t: {"a": t.price},
        lambda t: [t.price],
        lambda t: (t.sym, (t.t, t.price)),
        lambda t: t.price.real,
        lambda t, u=1: t.price,
        lambda t: len(t.sym),
        lambda t: t.sym in (None, "A"),
        lambda t: t.price is t.qty,
        print,
    ],
)
def test_any_other_stays_a_function(fn: Any) -> None:
    assert bound(fn, Tick) is fn


@dataclasses.dataclass
class Checked:
    price: float

    def __post_init__(self) -> None:
        self.price *= 2


@dataclasses.dataclass
class Watched:
    price: float

    def __getattribute__(self, name: str) -> Any:
        return 7 if name == "price" else object.__getattribute__(self, name)


@dataclasses.dataclass
class Lazy:
    price: float

    def __getattr__(self, name: str) -> Any:
        return 7


class Hidden(Tick):
    @property
    def price(self) -> float:  # type: ignore[override]
        return 7.0


class Record(TypedDict):
    price: float


@pytest.mark.parametrize("of", [None, int, dict, Record, Checked, Watched, Lazy, Hidden])
def test_so_it_does_where_the_items_are_not_just_their_fields(of: Any) -> None:
    def price_of(tick: Any) -> Any:
        return tick.price

    assert bound(price_of, of) is price_of


def test_a_debugger_sees_each_call() -> None:
    def price_of(tick: Any) -> Any:
        return tick.price

    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        assert bound(price_of, Tick) is price_of
    finally:
        sys.settrace(before)
    assert isinstance(bound(price_of, Tick), FieldReader)


def test_a_debugger_that_comes_after_the_plan_changes_nothing() -> None:
    out = bars(sources.arrays(table_of([Tick(t, "A", 1.0) for t in range(300)]), Tick))
    plan = rxdag.compile(rxdag.Dag(out))
    assert "window" in plan.lanes.columns
    expected = settle_virtual(virtual(plan))[out]
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        traced = settle_virtual(virtual(plan))
        late = rxdag.compile(rxdag.Dag(out))
    finally:
        sys.settrace(before)
    assert traced[out] == expected
    assert "window" not in late.lanes.columns
    assert settle_virtual(virtual(late))[out] == expected


def table_of(items: list[Tick]) -> dict[str, Any]:
    return {
        "t": np.array([item.t for item in items]),
        "sym": [item.sym for item in items],
        "price": np.array([item.price for item in items]),
        "qty": [item.qty for item in items],
    }


def bars(source: Any, key: Any = lambda tick: tick.sym) -> Any:
    timed = rxdag.from_source(source).pipe(ops.event_time(lambda tick: tick.t, unit="s", out_of_order="9s"))
    traded = timed.pipe(ops.filter(lambda tick: tick.qty > 0), on_error=on_error.skip)
    keyed = traded.pipe(ops.key_by(key))
    bar = agg.ohlcv(lambda tick: tick.price, lambda tick: tick.qty)
    return keyed.pipe(ops.window(windows.tumbling("100s"), bar)).to(sinks.collect())


def test_a_graph_of_functions_works_on_columns_with_the_same_result() -> None:
    items = [Tick(t - t * 7 % 8, f"S{t % 5}", t % 100 / 4, None if t % 50 == 0 else t % 4) for t in range(3_000)]
    found = []
    for source in (sources.iterable(items, of=Tick), sources.arrays(table_of(items), Tick)):
        out = bars(source)
        for columns in (True, False):
            plan = rxdag.compile(rxdag.Dag(out), columns=columns)
            works_on_columns = {"event_time", "filter", "key_by", "window"} <= plan.lanes.columns
            assert works_on_columns is (columns and source.gives_columns)
            result = settle_virtual(virtual(plan))
            assert not result.problems
            found.append(repr(result[out]))
    assert len(set(found)) == 1


def test_what_a_function_reads_besides_is_read_when_it_is_called() -> None:
    out = bars(sources.arrays(table_of([Tick(1, "A", 1.0)]), Tick), over(0))
    why = rxdag.compile(rxdag.Dag(out)).lanes.why_rows
    assert why == {"key_by": "opaque callable over.<lambda>"}


def test_a_failing_function_is_in_its_own_traceback() -> None:
    def share(tick: Any) -> Any:
        return 1 / tick.price > 0

    items = [Tick(t, "A", 100.0 - t) for t in range(300)]
    stream = rxdag.from_source(sources.arrays(table_of(items), Tick)).pipe(ops.event_time("t", unit="s"))
    kept = stream.pipe(ops.filter(share)).pipe(ops.dedupe("price", within="9s")).to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(kept))
    assert "filter" in plan.lanes.columns
    error = settle_virtual(virtual(plan)).error
    assert error is not None
    assert "Tick(t=100" in str(error)
    frames = traceback.extract_tb(error.__cause__.__traceback__)
    assert frames[-1].name == "share"
    assert "1 / tick.price" in (frames[-1].line or "")
