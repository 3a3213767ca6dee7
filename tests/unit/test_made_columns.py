"""Rows that are there already and become columns: the same bytes, the very same items, and only where it pays."""

from __future__ import annotations

import dataclasses
import enum
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxdag
from rxdag import aggregates as agg
from rxdag import col, on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.columns import Columns, Known, joined, values_of
from rxdag.runtime import Execution, run_here
from rxdag.testing import Chunked, settle_virtual, virtual


class Tick(NamedTuple):
    t: int
    sym: str
    price: float
    qty: float | None = 1.0


class Struct(msgspec.Struct, frozen=True):
    t: int
    sym: str
    price: float
    qty: float | None = 1.0


@dataclasses.dataclass(frozen=True)
class Data:
    t: int
    sym: str
    price: float
    qty: float | None = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    t: int
    sym: str
    price: float
    qty: float | None = 1.0


class Loud(Tick):
    """A tick of a type of its own."""

    __slots__ = ()


KINDS = (Tick, Struct, Data, Slotted)


def made_of(kind: Callable[..., Any], n: int = 3_000) -> list[Any]:
    return [kind(i - i * 7 % 40, f"S{i % 7}", i % 100 / 4, float(i % 5)) for i in range(n)]


def bars(items: Any, of: Any = Tick, **how: Any) -> rxdag.SinkNode[Any, Any]:
    stream = rxdag.from_source(sources.iterable(items, of=of, **how))
    timed = stream.pipe(ops.event_time("t", unit="s", out_of_order="60s"))
    keyed = timed.pipe(ops.key_by("sym"))
    return keyed.pipe(ops.window(windows.tumbling("100s"), agg.ohlcv("price", "qty"))).to(sinks.collect())


def first_of_each(items: Any, of: Any = Tick) -> rxdag.SinkNode[Any, Any]:
    stream = rxdag.from_source(sources.iterable(items, of=of))
    timed = stream.pipe(ops.event_time("t", unit="s", out_of_order="60s"))
    return timed.pipe(ops.dedupe("sym", "price", within="30s")).to(sinks.collect())


def plan_of(*outs: Any, columns: bool = True) -> rxdag.Plan:
    return rxdag.compile(rxdag.Dag(*outs), columns=columns)


def result_of(out: Any, *, columns: bool = True, quantum: int = 1024) -> Any:
    result = run_here(Execution(plan_of(out, columns=columns), quantum=quantum))
    assert not result.problems
    assert result.error is None, result.error
    return result[out]


class TestWhere:
    def test_the_plan_says_where_rows_become_columns(self) -> None:
        text = plan_of(bars(made_of(Tick))).explain()
        [line] = [line for line in text.splitlines() if line.strip().startswith("event_time")]
        assert "[rows become columns; columns from event_time to window, 3 nodes" in line
        assert "parked: " in text

    @pytest.mark.parametrize("kind", KINDS)
    def test_items_with_fields_do(self, kind: Any) -> None:
        assert plan_of(bars(made_of(kind, 3), kind)).lanes.made

    def test_items_of_a_file_do(self, tmp_path: Any) -> None:
        path = tmp_path / "ticks.jsonl"
        path.write_text("".join(f'{{"t": {i}, "sym": "A", "price": 1.0, "qty": 1.0}}\n' for i in range(300)))
        stream = rxdag.from_source(sources.jsonl(path, Struct)).pipe(ops.event_time("t", unit="s"))
        counted = stream.pipe(ops.key_by("sym")).pipe(ops.window(windows.tumbling("100s"), agg.count()))
        out = counted.to(sinks.collect())
        assert plan_of(out).lanes.made
        assert [pane.value for pane in result_of(out)] == [100, 100, 100]

    def test_what_comes_one_by_one_does_not(self) -> None:
        assert not plan_of(bars(made_of(Tick, 3), blocking=True)).lanes.made

    @pytest.mark.parametrize(
        ("source", "is_made"),
        [
            (sources.simulated_trades(trades=10), True),
            (sources.simulated_trades(trades=10, speed=2.0), False),
            (sources.simulated_quotes(quotes=10), True),
            (sources.simulated_quotes(quotes=10, speed=2.0), False),
            (sources.paced(sources.simulated_trades(trades=10), "trade_ms", unit="ms"), False),
            (sources.reconnecting(sources.simulated_trades(trades=10)), True),
        ],
        ids=["trades", "trades in time", "quotes", "quotes in time", "paced", "reconnecting"],
    )
    def test_what_comes_in_its_time_does_not(self, source: Any, is_made: bool) -> None:
        timed = rxdag.from_source(source).pipe(ops.event_time("recv_ns")).pipe(ops.key_by("symbol"))
        out = timed.pipe(ops.window(windows.tumbling("9s"), agg.count())).to(sinks.collect())
        assert bool(plan_of(out).lanes.made) is is_made

    def test_items_of_a_type_that_is_not_said_do_not(self) -> None:
        stream = rxdag.from_source(sources.iterable(made_of(Tick, 3)))
        timed = stream.pipe(ops.event_time("t", unit="s")).pipe(ops.key_by("sym"))
        assert not plan_of(timed.pipe(ops.window(windows.tumbling("9s"), agg.count())).to(sinks.collect())).lanes.made

    def test_mappings_do_not(self) -> None:
        assert not plan_of(bars([{"t": 1, "sym": "A", "price": 1.0, "qty": 1.0}], dict)).lanes.made

    def test_they_do_not_before_a_function(self) -> None:
        stream = rxdag.from_source(sources.iterable(made_of(Tick), of=Tick))
        timed = stream.pipe(ops.event_time(lambda tick: int(tick.t), unit="s")).pipe(ops.key_by("sym"))
        out = timed.pipe(ops.window(windows.tumbling("9s"), agg.count())).to(sinks.collect())
        assert not plan_of(out).lanes.made

    def test_they_do_not_where_nothing_gains_by_it(self) -> None:
        stream = rxdag.from_source(sources.iterable(made_of(Tick), of=Tick))
        plan = plan_of(stream.pipe(ops.filter(col.price > 3)).to(sinks.collect()))
        assert not plan.lanes.made
        assert not plan.lanes.columns

    def test_they_do_not_where_each_item_can_be_seen_at_once(self) -> None:
        seen: list[Any] = []
        stream = rxdag.from_source(sources.iterable(made_of(Tick), of=Tick)).pipe(ops.event_time("t", unit="s"))
        out = stream.pipe(ops.dedupe("sym", within="3s")).to(sinks.call(seen.append))
        assert not plan_of(out).lanes.made

    def test_one_reader_that_gains_is_enough_and_the_others_keep_their_rows(self) -> None:
        source = rxdag.from_source(sources.iterable(made_of(Tick), of=Tick))
        timed = source.pipe(ops.event_time("t", unit="s", out_of_order="60s")).pipe(ops.key_by("sym"))
        short = timed.pipe(ops.window(windows.tumbling("10s"), agg.count()), name="short").to(sinks.collect())
        wide = timed.pipe(ops.window(windows.tumbling("100s"), agg.count()), name="wide").to(sinks.collect())
        rows = source.pipe(ops.filter(col.price > 3), name="dear").to(sinks.collect())
        plan = plan_of(short, wide, rows)
        assert [str(edge) for edge in plan.lanes.made] == ["iterable -> event_time"]
        assert {"event_time", "key_by", "short", "wide"} <= plan.lanes.columns
        assert "dear" not in plan.lanes.columns
        result = run_here(Execution(plan))
        kept = run_here(Execution(plan_of(short, wide, rows, columns=False)))
        for out in (short, wide, rows):
            assert result[out] == kept[out]

    def test_numpy_is_not_loaded_for_a_graph_that_gains_nothing(self) -> None:
        code = (
            "import sys, rxdag\n"
            "from typing import NamedTuple\n"
            "from rxdag import col, operators as ops, sinks, sources\n"
            "class Tick(NamedTuple):\n    t: int\n"
            "stream = rxdag.from_source(sources.iterable([Tick(1)], of=Tick)).pipe(ops.event_time(col.t))\n"
            "changes = stream.pipe(ops.distinct_until_changed(col.t))\n"
            "rxdag.compile(rxdag.Dag(changes.to(sinks.collect())))\n"
            "print('numpy' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"


class TestSame:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("quantum", [1, 100, 1024, 20_000])
    @pytest.mark.parametrize("build", [bars, first_of_each])
    def test_the_result_is_that_of_rows(self, kind: Any, quantum: int, build: Any) -> None:
        out = build(made_of(kind), kind)
        assert plan_of(out).lanes.made
        assert repr(result_of(out, quantum=quantum)) == repr(result_of(out, columns=False))

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_comes_out_are_the_items_that_came_in(self, kind: Any) -> None:
        items = made_of(kind)
        known = {id(item) for item in items}
        assert {id(item) for item in result_of(first_of_each(items, kind))} <= known

    def test_items_of_a_route_that_meet_again_are_those_that_came_in(self) -> None:
        items = made_of(Tick)
        stream = rxdag.from_source(sources.iterable(items, of=Tick)).pipe(ops.event_time("t", unit="s"))
        routes = stream.pipe(ops.dedupe("t", "sym", within="5s")).pipe(
            ops.route({"a": col.sym == "S1", "b": col.price > 9}, default="c")
        )
        met = rxdag.merge(routes["a"].pipe(ops.filter(col.qty > 1)), routes["b"], routes["c"])
        out = met.to(sinks.collect())
        assert plan_of(out).lanes.made
        known = {id(item) for item in items}
        got = result_of(out)
        assert {id(item) for item in got} <= known
        assert [id(item) for item in got] == [id(item) for item in result_of(out, columns=False)]

    @pytest.mark.parametrize(
        "odd",
        [
            Loud(1_500, "S1", 2.5, 1.0),
            Tick(1_500, "S1", 3, 1.0),
            Tick(1_500, "S1", True, 1.0),
            Tick(1_500, "S1", 2**70, 1.0),
            Tick(2**62, "S1", 1.0, 1.0),
            Tick(1_500, "S1", math.nan, 1.0),
            Tick(1_500, "S1", 2.5, None),
            Tick(1_500, "S1", "2.5", 1.0),
            Tick(1_500, None, 2.5, 1.0),
            Tick("late", "S1", 2.5, 1.0),
            None,
            7,
            Struct(1_500, "S1", 2.5, 1.0),
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("policy", [on_error.skip, on_error.dead, on_error.raise_])
    def test_an_item_that_is_not_as_its_type_says(self, odd: Any, policy: Any) -> None:
        items = made_of(Tick, 2_000)
        items[1_500] = odd
        stream = rxdag.from_source(sources.iterable(items, of=Tick))
        timed = stream.pipe(ops.event_time("t", unit="s", out_of_order="60s"), on_error=policy)
        rich = timed.pipe(ops.with_columns(price=col.price * 2), on_error=policy)
        keyed = rich.pipe(ops.key_by("sym"), on_error=policy)
        panes = keyed.pipe(ops.window(windows.tumbling("100s"), agg.ohlcv("price", "qty")), on_error=policy)
        again = timed.pipe(ops.dedupe("sym", "price", within="9s"), on_error=policy)
        outs = panes.to(sinks.collect()), again.to(sinks.collect())
        found = []
        for columns in (True, False):
            plan = plan_of(*outs, columns=columns)
            assert bool(plan.lanes.made) is columns
            result = settle_virtual(virtual(plan))
            assert not result.problems
            complete = result.state == "completed"
            found.append((result.state, repr(result.error), *(repr(result[out]) for out in outs if complete)))
        assert found[0] == found[1]

    def test_a_dead_letter_holds_the_item_itself(self) -> None:
        items = made_of(Tick, 2_000)
        items[1_200] = Tick(1_200, "S1", math.nan, 1.0)
        out = bars(items)
        result = run_here(Execution(plan_of(out)))
        assert result.stats.nodes["window"].dead == 1
        letters: list[Any] = []
        stream = rxdag.from_source(sources.iterable(items, of=Tick)).pipe(ops.event_time("t", unit="s"))
        broken = stream.pipe(ops.filter(100 // (col.t - 1_200) < 1000), on_error=on_error.dead)
        kept = broken.pipe(ops.dedupe("sym", within="9s")).to(sinks.collect())
        dead = rxdag.graph.stream_of(broken.node, "dead").to(sinks.call(letters.append))
        run_here(Execution(plan_of(kept, dead)))
        assert len(letters) == 2
        known = {id(item) for item in items}
        assert {id(letter.item) for letter in letters} <= known

    def test_an_item_without_one_of_its_fields_fails_alone(self) -> None:
        items = made_of(Data)
        object.__delattr__(items[1_700], "price")
        out = first_of_each(items, Data)
        for columns in (True, False):
            result = run_here(Execution(plan_of(out, columns=columns)))
            assert result.error is not None
            assert 'node "dedupe" failed on a Data whose repr raises AttributeError' in str(result.error)
            assert isinstance(result.error.__cause__, AttributeError)

    def test_items_that_come_one_by_one_become_columns_many_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[int] = []
        from_items = Columns.from_items.__func__

        def counted(cls: Any, items: Any, *rest: Any) -> Any:
            made.append(len(items))
            return from_items(cls, items, *rest)

        monkeypatch.setattr(Columns, "from_items", classmethod(counted))
        out = bars(made_of(Tick))
        expected = result_of(out, columns=False)
        assert repr(result_of(out, quantum=1)) == repr(expected)
        assert sum(made) == 3_000
        assert len(made) < 100  # two for each watermark that the window asks for, and not one for each item

    @pytest.mark.parametrize("quantum", [1, 200])
    def test_no_pane_waits_for_items_behind_the_one_that_closes_it(self, quantum: int) -> None:
        read = 0

        def ticks() -> Any:
            nonlocal read
            for tick in made_of(Tick):
                read += 1
                yield tick

        came: list[int] = []
        stream = rxdag.from_source(sources.iterable(ticks(), of=Tick)).pipe(ops.event_time("t", unit="s"))
        keyed = stream.pipe(ops.key_by("sym"))
        panes = keyed.pipe(ops.window(windows.tumbling("1000s"), agg.count()))
        plan = plan_of(panes.to(sinks.call(lambda pane: came.append(read))))
        assert plan.lanes.made
        run_here(Execution(plan, quantum=quantum))
        assert 1_000 <= came[0] <= 1_100 + quantum


@pytest.mark.parametrize("n", [1, 300])
def test_a_batch_of_items_of_several_types_has_their_fields(n: int) -> None:
    items = [*made_of(Tick, n), Loud(1, "L", 9.0, 2.0)]
    stream = rxdag.from_source(sources.iterable(items, of=Tick))
    out = stream.pipe(ops.map_batch(lambda batch: {"value": batch["price"] * batch["qty"]})).to(sinks.collect())
    assert [row["value"] for row in result_of(out)] == [item.price * item.qty for item in items]


class Odd(enum.IntEnum):
    ONE = 1


class Wide(float):
    pass


_VALUES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-5, 5),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.sampled_from([Odd.ONE, Wide(1.5), np.float64(2.5), 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, -0.0]),
)
_RUNS = st.one_of(
    st.lists(st.integers(-(2**33), 2**33), min_size=1),
    st.lists(st.floats(), min_size=1),
    st.lists(st.text(max_size=3), min_size=1),
    st.lists(_VALUES, min_size=1),
)


@given(st.lists(_RUNS, min_size=1, max_size=4))
def test_a_column_gives_back_the_values_of_a_field(runs: list[list[Any]]) -> None:
    known = Known(Tick, ("price",))
    for values in runs:
        got = values_of(known.column("price", values))
        assert [(type(v), repr(v)) for v in got] == [(type(v), repr(v)) for v in values]


def test_texts_share_codes_from_run_to_run_until_there_are_many() -> None:
    known = Known.of_type(Tick)
    assert known is not None
    first = Columns.from_items([Tick(0, "A", 1.0), Tick(0, "B", 1.0)], Tick, known)["sym"]
    second = Columns.from_items([Tick(0, "C", 1.0), Tick(0, "A", 1.0)], Tick, known)["sym"]
    assert first.names is second.names
    assert second.codes.tolist() == [2, 0]
    for run in range(6):
        many = Columns.from_items([Tick(0, f"{run} {i}", 1.0) for i in range(2_000)], Tick, known)["sym"]
        assert values_of(many) == [f"{run} {i}" for i in range(2_000)]
        assert len(many.names) <= 4096 + 2_000


def test_fields_that_nobody_asks_for_are_not_made() -> None:
    known = Known.of_type(Tick)
    items = made_of(Tick, 10)
    columns = Columns.from_items(items, Tick, known)
    columns["price"]
    fields = columns.row_fields()
    assert fields is not None
    assert list(fields.known_columns()) == ["price"]
    whole = joined([columns[:3], columns[5:]])
    both = whole.row_fields()
    assert both is not None
    assert list(both.known_columns()) == ["price"]
    assert whole.rows() == items[:3] + items[5:]
    assert whole["price"].tolist() == [item.price for item in whole.rows()]
    assert values_of(whole["sym"]) == [item.sym for item in whole.rows()]


def test_runs_of_items_and_of_others_can_be_joined() -> None:
    known = Known.of_type(Tick)
    items: list[Any] = [Tick(0, "A", 1.0), Loud(1, "B", 2.0)]
    parts = [Columns.from_items([item], Tick, known) for item in items]
    assert [a is b for a, b in zip(joined(parts).rows(), items, strict=True)] == [True, True]


@pytest.mark.parametrize("n", [0, 1])
def test_a_source_of_nothing_or_one_item(n: int) -> None:
    assert len(result_of(bars(made_of(Tick, n)))) == n


def test_chunks_that_say_they_are_stored_do_too() -> None:
    source = Chunked((tuple(made_of(Tick)),), None, Tick, is_stored=True)
    stream = rxdag.from_source(source).pipe(ops.event_time("t", unit="s")).pipe(ops.conflate("sym", per="instant"))
    assert plan_of(stream.to(sinks.collect())).lanes.made
