"""Numbers of numpy's in rows: they are added as Python's own, so no integer wraps, and columns give the same."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import market, sinks, sources, windows
from rxdag import operators as ops
from rxdag.contract import BadItem, finite
from rxdag.testing import aggregate, feed


class Trade(NamedTuple):
    ts: int
    price: Any
    qty: Any


AGGREGATES = {
    "sum": (agg.sum("qty"), 200),
    "mean": (agg.mean("qty"), 100.0),
    "var": (agg.var("qty"), 0.0),
    "min": (agg.min("qty"), 100),
    "max": (agg.max("qty"), 100),
    "vwap": (agg.vwap("price", "qty"), 100.0),
    "ohlcv": (agg.ohlcv("price", "qty"), agg.Ohlcv(100, 100, 100, 100, 200, 100.0, 2)),
    "named": (agg.named(sum=agg.sum("qty"), n=agg.count()), {"sum": 200, "n": 2}),
    "quantile": (agg.quantile("qty", 0.5), pytest.approx(100, rel=0.01)),
    "count_distinct": (agg.count_distinct("qty"), 1),
    "twap": (market.twap("price"), 100.0),
    "imbalance": (market.imbalance("qty", lambda t: 1), 1.0),
}
INTS = [np.int8, np.uint8, np.int16, np.int32, np.int64]


def value_of(source, made, columns, assigner):
    panes = rxdag.from_source(source).pipe(ops.event_time("ts", unit="s"), ops.window_all(assigner, made))
    kept = panes.to(sinks.collect())
    return rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept][0].value


@pytest.mark.parametrize("assigner", [windows.tumbling("1m"), windows.session("1m"), windows.count(2)])
@pytest.mark.parametrize("kind", INTS)
@pytest.mark.parametrize("name", AGGREGATES)
def test_small_ints_do_not_wrap_in_rows_nor_in_columns(name, kind, assigner):
    made, expected = AGGREGATES[name]
    numbers = np.array([100, 100], kind)
    rows = [Trade(i, value, value) for i, value in enumerate(numbers)]
    for columns in (True, False):
        value = value_of(sources.iterable(rows, of=Trade), made, columns, assigner)
        assert value == expected
        parts = (
            value.values() if isinstance(value, dict) else (value.volume, value.open) if name == "ohlcv" else (value,)
        )
        assert {type(part).__module__ for part in parts} == {"builtins"}
    if name != "imbalance":
        arrays = sources.arrays({"ts": [0, 1], "price": numbers, "qty": numbers})
        assert value_of(arrays, made, True, assigner) == expected


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("items", [list(np.array([100, 100], np.int8)), [100, np.int8(100)], [0.5, np.int64(2**62)]])
def test_sum_adds_numbers_of_numpy_as_python_does(items, columns):
    expected = sum(item.item() if isinstance(item, np.generic) else item for item in items)
    kept = rxdag.from_source(sources.iterable(items)).pipe(ops.sum()).to(sinks.collect())
    (total,) = rxdag.run(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept]
    assert (total, type(total)) == (expected, type(expected))
    (total,) = feed(ops.sum(lambda x: x), items)
    assert (total, type(total)) == (expected, type(expected))


def test_sum_still_adds_arrays_and_other_types():
    (total,) = feed(ops.sum(), [np.array([1, 2]), np.array([3, 4])])
    assert total.tolist() == [4, 6]


@pytest.mark.parametrize("made", [agg.sum, agg.mean])
def test_a_rolling_window_takes_small_ints_out_again(made):
    items = list(np.array([100, 100, 27], np.int8))
    assert feed(ops.rolling(2, made(lambda x: x)), items)[1:] == ([200, 127] if made is agg.sum else [100.0, 63.5])


def test_a_float_of_numpy_becomes_a_float():
    assert type(aggregate(agg.sum(lambda x: x), [np.float32(0.5), np.float64(0.25)])) is float
    assert type(finite(np.float64(1), "x")) is type(finite(np.float16(1), "x")) is float


@pytest.mark.parametrize(
    "value", [np.array([1]), np.array([1, 2]), np.float64("nan"), np.datetime64("2024-01-01"), "1"]
)
def test_what_is_no_finite_number_is_a_bad_item(value):
    with pytest.raises(BadItem, match="sum: value must be a finite number, got"):
        aggregate(agg.sum(lambda x: x), [value])


def test_distinct_counts_ints_of_all_sizes_alike():
    assert aggregate(agg.count_distinct(lambda x: x), [5, np.int8(5), np.int64(5), np.float32(5)]) == 1
