"""Functions of one expression: written into the loop, they do what they do when they are called."""

import ast
import math
import sys
import traceback
import warnings
from collections import namedtuple
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxdag
from rxdag import on_error, sinks, sources
from rxdag import operators as ops
from rxdag.errors import NodeError
from rxdag.expressions import is_traced, plain

LIMIT = 3
Tick = namedtuple("Tick", "symbol price qty")


def text(fn, *names):
    tree = plain(fn, names or ("x0",), lambda name, value: name)
    return None if tree is None else ast.unparse(tree)


def documented(x):
    """Twice as much."""
    return x * 2


def closing(limit):
    return lambda x: x > limit


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x: x * 2 + 1, "x0 * 2 + 1"),
        (lambda tick: (tick.symbol, tick.price * tick.qty), "(x0.symbol, x0.price * x0.qty)"),
        (lambda x: x["a"][0], "x0['a'][0]"),
        (lambda x: not x, "not x0"),
        (lambda x: -x // ~x % 3, "-x0 // ~x0 % 3"),
        (lambda x: x is not None, "x0 is not None"),
        (lambda x: x not in (1, 2), "x0 not in (1, 2)"),
        (lambda x: x > 1 and x < 5 and x != 3, "x0 > 1 and x0 < 5 and (x0 != 3)"),
        (lambda x: x < 1 or x > 5, "x0 < 1 or x0 > 5"),
        (lambda x: 1 if x else 2, "1 if x0 else 2"),
        (lambda x: x, "x0"),
        (lambda x: 5, "5"),
        (lambda x: (x, 1, 1.0, True, -0.0, "1"), "(x0, 1, 1.0, True, -0.0, '1')"),
        (lambda x: [x], "[x0]"),
        (lambda x: 1e400 * x, "1e309 * x0"),
        (documented, "x0 * 2"),
        (lambda x: x > LIMIT, "x0 > globals['LIMIT']"),
        (closing(3), "x0 > cell.cell_contents"),
    ],
)
def test_a_function_of_one_expression_is_read(fn, expected):
    assert text(fn) == expected


def test_a_set_of_constants_is_read():
    tree = text(lambda x: x in {1, 2})
    assert [eval(tree, {"x0": x}) for x in (1, 2, 3)] == [True, True, False]


def test_a_function_of_several_parameters_is_read():
    assert text(lambda n, x: n + x.qty, "n0_state", "x1") == "n0_state + x1.qty"


def with_a_local(x):
    y = x
    return y, y


async def waits(x):
    return x


def yields(x):
    yield x


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: print(x),
        lambda x: x.upper(),
        lambda x: x > missing,  # noqa: F821
        lambda x: x is NotImplemented,
        lambda x, k=1: x * k,
        lambda x, *, k=1: x * k,
        lambda *x: x,
        lambda **x: x,
        lambda: 1,
        lambda x, y: x,
        lambda x: f"{x}",
        lambda x: [y for y in x],
        lambda x: (yield x),
        lambda x: lambda: x,
        lambda x: (
            x
            + 1
            + 2
            + 3
            + 4
            + 5
            + 6
            + 7
            + 8
            + 9
            + 10
            + 11
            + 12
            + 13
            + 14
            + 15
            + 16
            + 17
            + 18
            + 19
            + 20
            + 21
            + 22
            + 23
            + 24
        ),
        with_a_local,
        waits,
        yields,
        len,
        SimpleNamespace,
        "".join,
    ],
)
def test_any_other_is_called(fn):
    assert text(fn) is None


@pytest.mark.parametrize("source", ["x is 1", f"x + 0x{'f' * 4000}", "(1, 2)['a']", "x + '\\ud800'"])
def test_what_cannot_be_written_again_without_a_warning_is_called(source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fn = eval(f"lambda x: {source}")
    assert text(fn) in (None, r"x0 + '\ud800'")


def test_all_are_called_while_a_debugger_looks():
    before = sys.gettrace()
    assert not is_traced()
    sys.settrace(lambda *_: None)
    try:
        assert is_traced()
        found = text(documented)
    finally:
        sys.settrace(before)
    assert found is None


NAMES = st.sampled_from(["x", "x.a", "x.b", "x[0]"])
CONSTANTS = st.sampled_from(["0", "1", "2", "-1", "True", "None", "1.5", "-0.0", "'s'", "(1, 2)", "''"])


def _compound(parts):
    two = st.tuples(parts, parts)
    return st.one_of(
        st.tuples(two, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"])).map(
            lambda t: f"({t[0][0]} {t[1]} {t[0][1]})"
        ),
        st.tuples(
            two, st.sampled_from(["<", "<=", "==", "!=", ">", ">=", "is", "is not", "in", "not in", "and", "or"])
        ).map(lambda t: f"({t[0][0]} {t[1]} {t[0][1]})"),
        st.tuples(parts, parts, parts).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(parts, parts, parts).map(lambda t: f"({t[0]} < {t[1]} < {t[2]})"),
        parts.map(lambda t: f"(not {t})"),
        parts.map(lambda t: f"(-{t})"),
        two.map(lambda t: f"({t[0]}, {t[1]})"),
        two.map(lambda t: f"({t[0]})[{t[1]}]"),
    )


class Item(tuple):
    a = 2
    b = -1.5


def outcome(fn, item):
    try:
        return repr(fn(item))
    except Exception as error:
        return type(error).__name__, str(error)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@given(st.recursive(NAMES | CONSTANTS, _compound, max_leaves=6))
def test_what_is_read_gives_what_the_function_gives(source):
    fn = eval(f"lambda x: {source}")
    tree = text(fn, "y")
    if tree is not None:
        again = eval(f"lambda y: {tree}")
        for item in (Item((1, 2)), Item((0.0, "s")), Item(), 3, None):
            assert outcome(again, item) == outcome(fn, item)


class TestInAGraph:
    def run(self, *operators, items, **options):
        stream = rxdag.wrap(items)
        for operator in operators:
            stream = stream.pipe(operator)
        return rxdag.run(stream.to(sinks.collect(), name="out"), **options)["out"]

    def test_it_reads_a_field_as_often_as_the_function_does(self):
        class Counts:
            read = 0

            @property
            def price(self):
                self.read += 1
                return self.read

        items = [Counts() for _ in range(10)]
        assert self.run(ops.map(lambda x: x.price), ops.filter(lambda n: n > 0), items=items) == [1] * 10
        assert {item.read for item in items} == {1}

    def test_a_failure_has_the_frame_of_the_function(self):
        with pytest.raises(NodeError, match='node "map" failed on 0: ZeroDivisionError: division by zero') as caught:
            self.run(ops.map(lambda x: 1 / x), items=[2, 1, 0, 3])
        last = traceback.extract_tb(caught.value.__cause__.__traceback__)[-1]
        assert (last.filename, last.name) == (__file__, "<lambda>")
        assert "1 / x" in last.line
        assert caught.value.__cause__.__context__ is None

    def test_each_item_that_fails_is_a_dead_letter_and_the_others_go_on(self):
        stream = rxdag.wrap([1, 0, 2, None, 4]).pipe(ops.map(lambda x: 4 / x), on_error=on_error.dead)
        dead = stream.dead.to(sinks.collect(), name="dead")
        result = rxdag.run(stream.to(sinks.collect(), name="out"), dead)
        assert result["out"] == [4, 2, 1]
        assert [(letter.item, type(letter.error)) for letter in result["dead"]] == [
            (0, ZeroDivisionError),
            (None, TypeError),
        ]
        assert all("<lambda>" in letter.traceback and "test_plain.py" in letter.traceback for letter in result["dead"])

    def test_a_failure_of_one_of_several_functions_is_that_ones(self):
        stream = rxdag.wrap([Tick("A", 1.0, 2.0), Tick("A", None, 1.0)], of=Tick)
        routes = stream.pipe(ops.route({"a": lambda t: t.qty > 1, "b": lambda t: t.price > 0}, default="c"))
        with pytest.raises(NodeError, match="route") as caught:
            rxdag.run(*(routes[port].to(sinks.collect()) for port in "abc"))
        assert "t.price > 0" in traceback.extract_tb(caught.value.__cause__.__traceback__)[-1].line

    def test_a_function_that_a_kernel_changes_is_called(self):
        class Switches(ops.Kernel):
            def __init__(self):
                self._fn = lambda x: x + 1

            def on_item(self, item, emit):
                emit(self._fn(item))
                self._fn = lambda x: x * 10

        class Made(ops.Operator):
            def shape(self, shape):
                return shape

            def kernel(self):
                return Switches()

        assert self.run(Made(), items=[1, 2, 3]) == [2, 20, 30]

    def test_what_it_reads_outside_may_change_while_the_graph_runs(self):
        limit = 0

        def raised(x):
            nonlocal limit
            global LIMIT
            limit += 1
            LIMIT = 100 * limit
            return x

        try:
            out = self.run(ops.map(raised), ops.map(lambda x: (x, limit, LIMIT)), items=["a", "b", "c"])
        finally:
            globals()["LIMIT"] = 3
        assert out == [("a", 1, 100), ("b", 2, 200), ("c", 3, 300)]

    def test_what_it_reads_outside_may_be_gone(self):
        def gone(x):
            global GONE
            if x == 2:
                del GONE
            return x

        globals()["GONE"] = 1
        with pytest.raises(NodeError, match="failed on 2: NameError: name 'GONE' is not defined"):
            self.run(ops.map(gone), ops.map(lambda x: x + GONE), items=[1, 2])

    def test_state_goes_on_behind_an_item_that_fails(self):
        stream = rxdag.wrap([2, None, 3]).pipe(ops.scan(1, lambda n, x: n + x), on_error=on_error.skip)
        assert rxdag.run(stream.to(sinks.collect(), name="out"))["out"] == [3, 6]

    def test_nan_stays_nan(self):
        (value,) = self.run(ops.map(lambda x: x * 0), items=[math.inf])
        assert math.isnan(value)


def test_sources_need_no_text_of_a_function():
    fn = eval("lambda x: x + 1")
    assert rxdag.run(rxdag.from_source(sources.range(3)).pipe(ops.map(fn)).to(sinks.collect(), name="o"))["o"] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("source", ["lambda x: x.a > 1", "lambda x: ('a', 'b')[x.a]", "lambda x: x is None"])
def test_reading_a_function_does_not_touch_the_warnings_of_the_process(source, monkeypatch):
    monkeypatch.setattr(warnings, "simplefilter", lambda *_: pytest.fail("a filter of the whole process was set"))
    assert plain(eval(source), ("x",), lambda name, value: name) is not None
