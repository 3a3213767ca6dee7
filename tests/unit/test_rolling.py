"""Rolling windows: one order of adding, in rows and columns, and a cost that does not depend on the length."""

import random
import struct
import warnings
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import given

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.aggregates import Accumulator, Aggregate
from rxdag.testing import Chunked

BOTH = pytest.mark.parametrize("columns", [True, False])
SUM_X = agg.sum("x")


def timed(times, values):
    return rxdag.from_source(sources.arrays({"t": times, "x": values})).pipe(ops.event_time("t", unit="s"))


def results(stream, columns):
    kept = stream.to(sinks.collect())
    return rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept]


@BOTH
def test_a_rolling_sum_adds_the_part_before_the_border_backwards(columns):
    # The border is at 4 s. In order of arrival, the last sum would be 6.0.
    sums = timed([1, 2, 3, 4], [1e16, -1e16, 1.0, 5.0]).pipe(ops.rolling("4s", SUM_X))
    assert results(sums, columns) == [1e16, 0.0, 1.0, 5.0]


@BOTH
def test_a_rolling_sum_of_items_has_a_border_every_n_items(columns):
    # The border is before the fifth item. In order of arrival, its sum would be 6.0.
    sums = timed([1, 2, 3, 4, 5, 6], [9.0, 1e16, -1e16, 1.0, 5.0, 2.0]).pipe(ops.rolling(4, SUM_X))
    assert results(sums, columns) == [9.0, 1e16 + 8, 8.0, 9.0, 5.0, -1e16 + 8]


FLOATS = agg.named(
    s=agg.sum("x"), m=agg.mean("x"), v=agg.std("x"), lo=agg.min("x"), hi=agg.max("x"), w=agg.vwap("x", "q"),
    b=agg.ohlcv("x", "q"), f=agg.first("x"), z=agg.last("x"), n=agg.count(),
)  # fmt: skip


def bits(value):
    """Return a value with each float as its bytes, which tell 0.0 from -0.0."""
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, dict):
        return {name: bits(each) for name, each in value.items()}
    return tuple(map(bits, value)) if isinstance(value, tuple) else value


class Tick(NamedTuple):
    t: int
    x: float
    q: float
    k: str


def rolled(step, chunk, *, columns):
    """Return the results for 300 ticks, read so many at once."""
    rng = random.Random(1)
    times = sorted(rng.randrange(-50, 50) for _ in range(300))
    values = [rng.choice([0.0, -0.0, rng.uniform(0, 1e9), rng.uniform(0, 1e-3)]) for _ in times]
    rows = [Tick(t, x, rng.choice([0.0, 0.1, 3.7]), rng.choice("ab")) for t, x in zip(times, values, strict=True)]
    chunks = tuple(tuple(rows[i : i + chunk]) for i in range(0, 300, chunk))
    stream = rxdag.from_source(Chunked(chunks, None, Tick, gives_columns=True, is_stored=True))
    made = stream.pipe(ops.event_time("t", unit="s")).pipe(ops.key_by("k")).pipe(step)
    return [bits(result) for result in results(made, columns)]


@pytest.mark.parametrize("closed", ["right", "left", "both", "none"])
@pytest.mark.parametrize("period", ["1s", "7s", "60s", "1d"])
def test_rolling_floats_have_the_same_bits_in_rows_and_in_columns_of_any_size(period, closed):
    step = ops.rolling(period, FLOATS, closed=closed)
    expected = rolled(step, 300, columns=False)
    assert len(expected) == 300
    assert [rolled(step, chunk, columns=True) for chunk in (1, 7, 300)] == [expected] * 3


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_rolling_items_have_the_same_bits_in_rows_and_in_columns_of_any_size(size):
    step = ops.rolling(size, FLOATS)
    expected = rolled(step, 300, columns=False)
    assert len(expected) == 300
    assert [rolled(step, chunk, columns=True) for chunk in (1, 7, 300)] == [expected] * 3


@pytest.mark.parametrize("step", [ops.rolling("7s", FLOATS), ops.rolling(7, FLOATS)], ids=["period", "items"])
def test_a_rolling_aggregate_of_floats_is_computed_on_columns(step):
    stream = rxdag.from_source(sources.arrays({"t": [1], "x": [1.0], "q": [1.0], "k": ["a"]}))
    made = stream.pipe(ops.event_time("t", unit="s")).pipe(ops.key_by("k")).pipe(step, name="rolled")
    line = next(
        line for line in rxdag.compile(rxdag.Dag(made.to(sinks.null()))).explain().splitlines() if "rolled" in line
    )
    assert "columns" in line


class Costs(Accumulator):
    """A sum that counts how often items are added and sums merged."""

    added = merged = 0

    def __init__(self):
        self.total = 0

    def add(self, item, /):
        Costs.added += 1
        self.total += item

    def merge(self, other, /):
        Costs.merged += 1
        self.total += other.total

    def result(self):
        return self.total


@dataclass(frozen=True)
class Costly(Aggregate):
    commutes = True

    def accumulator(self):
        return Costs()


LENGTHS = (4, 100, 1000)
STEPS = {
    "period": lambda length: ops.rolling(f"{length}s", Costly()),
    "items": lambda length: ops.rolling(length, Costly()),
    "window of items": lambda length: ops.window_all(windows.count(length, slide=1), Costly()),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("length", LENGTHS)
def test_an_item_is_added_three_times_and_merged_three_times_whatever_the_length(name, length):
    Costs.added = Costs.merged = 0
    timed = rxdag.from_source(sources.range(4000)).pipe(ops.event_time(lambda x: x, unit="s"))
    assert len(timed.pipe(STEPS[name](length)).collect()) > 3000 - length
    # Added to a first accumulator that is thrown away, which finds bad items, to the newer part, and to the older part.
    assert Costs.added <= 3 * 4000
    # Merged with the older part; the result merges both parts.
    assert Costs.merged <= 3 * 4000


REMOVING = {
    "count": agg.count(),
    "collect": agg.collect(),
    "quantile": agg.quantile(lambda x: x, 0.3),
    "named": agg.named(n=agg.count(), median=agg.quantile(lambda x: x, 0.5)),
}


@given(values=st.lists(st.integers(-5, 5) | st.floats(-1e9, 1e9), min_size=2, max_size=20), data=st.data())
@pytest.mark.parametrize("name", REMOVING)
def test_what_is_left_after_a_removal_is_what_a_new_accumulator_gives(name, values, data):
    n = data.draw(st.integers(1, len(values) - 1))
    whole, rest = REMOVING[name].accumulator(), REMOVING[name].accumulator()
    assert whole.can_remove()
    for value in values:
        whole.add(value)
    for value in values[:n]:
        assert whole.remove(value)
    for value in values[n:]:
        rest.add(value)
    assert whole.result() == rest.result()
    again = REMOVING[name].accumulator()
    again.restore(whole.snapshot())
    assert again.result() == rest.result()


ADDED = [agg.sum("x"), agg.mean("x"), agg.vwap("x", "q"), agg.ohlcv("x", "q")]
OPERATORS = {
    "rolling items": lambda of: ops.rolling(2, of),
    "rolling time": lambda of: ops.rolling("5s", of),
    "window": lambda of: ops.window(windows.tumbling("10s"), of),
}


def outcome(operator, values, columns):
    """Return the results and the errors of dead items; the key makes windows work on columns."""
    data = {"t": list(range(len(values))), "x": values, "q": [1000.0] * len(values), "k": ["a"] * len(values)}
    stream = rxdag.from_source(sources.arrays(data)).pipe(ops.event_time("t", unit="s")).pipe(ops.key_by("k"))
    made = stream.pipe(operator, name="made", on_error=on_error.dead)
    dead = made.dead.pipe(ops.map(lambda letter: str(letter.error))).to(sinks.collect())
    kept = made.to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(kept, dead), columns=columns)
    assert ("made" in plan.lanes.columns) == columns
    result = rxdag.run(plan)
    return repr(result[kept]), result[dead]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("of", ADDED, ids=lambda of: of.name)
def test_a_sum_that_overflows_is_infinite_without_a_warning(operator, of):
    made = OPERATORS[operator](of)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = outcome(made, [1.7e308, 1.7e308, -1.7e308], columns=True)
    assert found == outcome(made, [1.7e308, 1.7e308, -1.7e308], columns=False)


@BOTH
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("of", [agg.vwap("x", "q"), agg.ohlcv("x", "q")], ids=["vwap", "ohlcv"])
def test_a_price_that_cannot_be_multiplied_by_its_quantity_fails_its_item_alone(operator, of, columns):
    _, dead = outcome(OPERATORS[operator](of), [1.5, Decimal(1), 2.5], columns)
    assert [error.partition(": ")[2] for error in dead] == [
        "price must be of a type that can be multiplied by its qty, got Decimal('1') and 1000.0; cast both to one type"
    ]


@BOTH
@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (agg.sum("x"), [1.5, 4.0, 6.0, 8.0]),
        (agg.mean("x"), [1.5, 2.0, 3.0, 4.0]),
        (agg.var("x"), [None, 0.5, 0.5, 0.5]),
    ],
    ids=["sum", "mean", "var"],
)
def test_a_value_that_does_not_add_to_those_of_its_window_fails_its_item_alone(of, expected, columns):
    kept, dead = outcome(ops.rolling(2, of), [1.5, 2.5, Decimal(1), 3.5, Decimal(2), 4.5], columns)
    assert kept == repr(expected)
    assert ["must be of a type that adds to the values before it" in error for error in dead] == [True, True]


@BOTH
def test_a_sum_over_time_of_types_that_do_not_add_ends_the_run_with_both(columns):
    message = r"sum: value must be .*, got Decimal\('1'\) to add to 1\.5; cast all to one type"
    with pytest.raises(rxdag.NodeError, match=message):
        outcome(ops.rolling("5s", agg.sum("x")), [1.5, Decimal(1)], columns)
