"""What compiled modules must not change: these tests run in whichever form is there."""

import ast
import inspect
import math
import tomllib
import traceback
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.aggregates import accumulators
from rxdag.contract import MAX, MIN
from rxdag.testing import aggregate

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"][
    "custom"
]
COMPILED = sorted(
    {path for pattern in HOOK["modules"] for path in SRC.glob(pattern)}
    - {path for pattern in HOOK["plain"] for path in SRC.glob(pattern)}
)


def itself(value):
    return value


def same(found, expected):
    """Equal, and of the same type."""
    return type(found) is type(expected) and found == expected


class TestNumbersOfUsersKeepTheirType:
    """But those of numpy's, which become Python's own."""

    @pytest.mark.parametrize(
        ("values", "least", "most"),
        [
            ([5, 3], 3, 5),
            ([True, 2], True, 2),
            ([Decimal("5.5"), Decimal("3.5")], Decimal("3.5"), Decimal("5.5")),
            ([Fraction(1, 3), Fraction(1, 2)], Fraction(1, 3), Fraction(1, 2)),
            ([np.int64(5), np.int64(3)], 3, 5),
            ([np.float32(0.5), np.float32(0.25)], 0.25, 0.5),
            ([2**70, 2**70 + 1], 2**70, 2**70 + 1),
        ],
    )
    def test_of_the_least_the_greatest_the_first_and_the_last(self, values, least, most):
        assert same(aggregate(agg.min(itself), values), least)
        assert same(aggregate(agg.max(itself), values), most)
        assert same(aggregate(agg.first(itself), values), values[0])
        assert same(aggregate(agg.last(itself), values), values[-1])

    @pytest.mark.parametrize(
        ("values", "total", "mean"),
        [
            ([5, 3], 8, 4.0),
            ([2**70, 2], 2**70 + 2, 2.0**69),
            ([0.5, 0.25], 0.75, 0.375),
            ([Decimal("5.5"), Decimal("3.5")], Decimal("9.0"), Decimal("4.5")),
            ([Fraction(1, 3), Fraction(1, 2)], Fraction(5, 6), Fraction(5, 12)),
            ([np.int64(5), np.int64(3)], 8, 4.0),
            ([np.float32(0.5), np.float32(0.25)], 0.75, 0.375),
        ],
    )
    def test_of_sums_and_means(self, values, total, mean):
        assert same(aggregate(agg.sum(itself), values), total)
        assert same(aggregate(agg.mean(itself), values), mean)

    def test_of_spreads(self):
        assert same(aggregate(agg.var(itself), [1, 2, 3]), 1.0)
        assert same(aggregate(agg.std(itself, ddof=0), [1, 3]), 1.0)
        assert same(aggregate(agg.var(itself), [np.float32(1), np.float32(2), np.float32(3)]), 1.0)

    @pytest.mark.parametrize(
        ("trades", "expected"),
        [
            ([(10, 1), (12, 2), (11, 1)], agg.Ohlcv(10, 12, 10, 11, 4, 11.25, 3)),
            ([(10.0, 1), (12, 2)], agg.Ohlcv(10.0, 12, 10.0, 12, 3, 34.0 / 3, 2)),
            ([(10.0, 1.0), (12.0, 3.0)], agg.Ohlcv(10.0, 12.0, 10.0, 12.0, 4.0, 11.5, 2)),
            ([(10.0, 1.0), (12, 2), (9.0, 1.0)], agg.Ohlcv(10.0, 12, 9.0, 9.0, 4.0, 10.75, 3)),
            (
                [(np.int64(10), np.int64(1)), (np.int64(12), np.int64(3))],
                agg.Ohlcv(10, 12, 10, 12, 4, 11.5, 2),
            ),
        ],
    )
    def test_of_bars(self, trades, expected):
        bar = aggregate(agg.ohlcv(lambda t: t[0], lambda t: t[1]), trades)
        for name in ("open", "high", "low", "close", "volume", "vwap", "count"):
            assert same(getattr(bar, name), getattr(expected, name)), name

    def test_the_sequence_too(self):
        last = accumulators.Last(itself)
        last.add_at("b", 1, Decimal(2))
        last.add_at("a", 1, Decimal(1))
        assert last.snapshot() == [1, Decimal(2), "b"]


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.relative_to(SRC).as_posix())
def test_a_compiled_module_annotates_nothing_as_float(path):
    # Compiled, such a value is a C double: an int or a Decimal of a user would become a float in silence.
    def annotations(node):
        if isinstance(node, ast.AnnAssign | ast.arg):
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.returns

    found = [
        f"line {name.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        for annotation in annotations(node)
        if annotation is not None
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name) and name.id == "float"
    ]
    assert found == []


def test_a_compiled_class_allows_interpreted_subclasses_as_the_class_does_whose_init_it_inherits():
    # mypyc: otherwise __init__ is called twice for an object of the class, which leaks references, or not at all.
    classes = {
        node.name: node
        for path in COMPILED
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }

    def allows(node):
        return any("allow_interpreted_subclasses=True" in ast.unparse(each) for each in node.decorator_list)

    def origin(node):
        if any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in node.body):
            return node
        bases = [classes[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
        return next((found for base in bases if (found := origin(base)) is not None), None)

    found = {name: (node, origin(node)) for name, node in classes.items()}
    assert found["FilterKernel"][1] is classes["_Calls"]
    assert [name for name, (node, first) in found.items() if first is not None and allows(node) != allows(first)] == []


def test_the_list_of_what_is_compiled_names_something():
    assert SRC / "rxdag" / "aggregates" / "accumulators" / "_bar.py" in COMPILED


class TestTracebacks:
    def test_out_of_an_accumulator_names_module_function_and_line(self):
        bar = accumulators.Bar(lambda t: t[0] / 0, lambda t: t[1])
        with pytest.raises(ZeroDivisionError) as failed:
            bar.add_at((1, 1), 0, 0)
        frames = traceback.extract_tb(failed.tb)
        assert [frame.name for frame in frames[1:]] == ["add_at", "<lambda>"]
        assert frames[1].filename.endswith("rxdag/aggregates/accumulators/_bar.py")
        source = (SRC / "rxdag" / "aggregates" / "accumulators" / "_bar.py").read_text().splitlines()
        assert source[frames[1].lineno - 1].strip() == "price = self._price(item)"

    def test_out_of_a_run_names_the_node_and_the_item(self):
        def price(trade):
            return trade["price"] / trade["lots"]

        trades = [{"t": 1, "price": 3.0, "lots": 1}, {"t": 2, "price": 5.0, "lots": 0}]
        bars = (
            rxdag.from_source(sources.iterable(trades), name="trades")
            .pipe(ops.event_time(lambda t: t["t"]))
            .pipe(ops.window_all(windows.session("5ns"), agg.max(price)), name="highs")
        )
        with pytest.raises(rxdag.NodeError) as failed:
            rxdag.run(bars.to(sinks.collect()))
        assert str(failed.value) == (
            "node \"highs\" failed on {'t': 2, 'price': 5.0, 'lots': 0}: ZeroDivisionError: float division by zero"
        )
        frames = traceback.extract_tb(failed.value.__cause__.__traceback__)
        assert [(Path(frame.filename).name, frame.name) for frame in frames[-2:]] == [
            ("_one_number.py", "add"),
            ("test_compiled.py", "price"),
        ]


PARTS = accumulators.NamedParts(
    {"n": accumulators.Count, "all": accumulators.Collected, "top": lambda: accumulators.Max(len)}
)


class TestState:
    @pytest.mark.parametrize(
        ("make", "items"),
        [
            (accumulators.Count, [1, 2]),
            (lambda: accumulators.Sum(itself), [1, Decimal(2)]),
            (lambda: accumulators.Mean(itself), [1, 2.5]),
            (lambda: accumulators.Spread(itself, 1, root=True), [1, 2.5]),
            (lambda: accumulators.Vwap(lambda t: t, lambda t: 2), [1, 2.5]),
            (lambda: accumulators.Min(itself), [3, 2]),
            (lambda: accumulators.Max(itself), [3, 2]),
            (lambda: accumulators.First(itself), ["a", "b"]),
            (lambda: accumulators.Last(itself), ["a", "b"]),
            (lambda: accumulators.Bar(lambda t: t, lambda t: 2), [1, 2.5]),
            (lambda: accumulators.Bar(lambda t: t, lambda t: 2.5), [1.5, 2]),
            (lambda: accumulators.Bar(lambda t: t, lambda t: 2.5), [1.5, 2.5]),
            (lambda: accumulators.Folded(0, lambda a, b: a + b, None), [1, 2]),
            (lambda: accumulators.Reduced(lambda a, b: a + b), [1, 2]),
            (accumulators.Collected, ["a", "b"]),
            (lambda: accumulators.Named(PARTS), ["a", "b"]),
        ],
    )
    def test_goes_on_in_another_accumulator_as_if_nothing_had_happened(self, make, items):
        whole, before, after = make(), make(), make()
        for ts, item in enumerate(items):
            whole.add_at(item, ts, 0)
        before.add_at(items[0], 0, 0)
        after.restore(before.snapshot())
        after.add_at(items[1], 1, 0)
        assert after.snapshot() == whole.snapshot()
        assert after.result() == whole.result()

    def test_of_times_reaches_from_end_to_end(self):
        first = accumulators.First(itself)
        assert first.snapshot() == [MAX, 0, None]
        first.add_at("a", -(2**63) + 1, 0)
        assert first.snapshot() == [-(2**63) + 1, 0, "a"]
        last = accumulators.Last(itself)
        assert last.snapshot() == [MIN, 0, None]


def test_a_window_says_what_is_no_number():
    assert math.isinf(accumulators.Max(itself).result())
    with pytest.raises(rxdag.BadItem, match="max: value must be a finite number, got nan"):
        accumulators.Max(itself).add(math.nan)


def test_functions_that_users_call_are_plain_in_both_forms():
    names = [name for name in agg.__all__ if name[0].islower()]
    assert [name for name in names if not inspect.isfunction(getattr(agg, name))] == []
