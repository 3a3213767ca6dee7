import dataclasses
import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxdag
from rxdag import GraphError, NodeError, SpecError, aggregates, col, expressions, lit, sources, windows
from rxdag import operators as ops
from rxdag.expressions import FieldReader
from rxdag.testing import run_virtual


class Trade(msgspec.Struct):
    price: float
    qty: int
    symbol: str
    note: str | None = None


@dataclasses.dataclass
class Point:
    price: float
    qty: int
    symbol: str
    note: str | None = None


class Tick(NamedTuple):
    price: float
    qty: int
    symbol: str
    note: str | None = None


class Row(TypedDict):
    price: float
    qty: int
    symbol: str
    note: str | None


VALUES = {"price": 2.5, "qty": 4, "symbol": "A", "note": None}
ITEMS = [
    (Trade, Trade(**VALUES)),
    (Point, Point(**VALUES)),
    (Tick, Tick(**VALUES)),
    (Row, VALUES),
    (None, VALUES),
    (None, Tick(**VALUES)),
    (dict, VALUES),
]

CASES = [
    (col.price * col.qty, 10.0, "col.price * col.qty"),
    (col.price + 1, 3.5, "col.price + 1"),
    (1 - col.price, -1.5, "1 - col.price"),
    (10 / col.qty, 2.5, "10 / col.qty"),
    (col.qty // 3 + col.qty % 3, 2, "(col.qty // 3) + (col.qty % 3)"),
    (-col.qty, -4, "-col.qty"),
    (col.qty**2, 16, "col.qty ** 2"),
    (col.qty**-2, 0.0625, "col.qty ** -2"),
    (2**col.qty, 16, "lit(2) ** col.qty"),
    ((-2) ** (col.qty - 1), -8, "lit(-2) ** (col.qty - 1)"),
    (-(col.qty**2), -16, "-(col.qty ** 2)"),
    ((-col.qty) ** 2, 16, "(-col.qty) ** 2"),
    (col.price**0.5, 2.5**0.5, "col.price ** 0.5"),
    ((-col.qty).abs(), 4, "(-col.qty).abs()"),
    (col.price.min(col.qty), 2.5, "col.price.min(col.qty)"),
    (col.price.max(3), 3, "col.price.max(3)"),
    (col.qty > 0, True, "col.qty > 0"),
    ((col.qty > 0) & (col.symbol == "B"), False, "(col.qty > 0) & (col.symbol == 'B')"),
    ((col.qty > 9) | ~(col.symbol == "B"), True, "(col.qty > 9) | (~(col.symbol == 'B'))"),
    (col.symbol != "A", False, "col.symbol != 'A'"),
    (col.symbol.is_in(["A", "C"]), True, "col.symbol.is_in(['A', 'C'])"),
    (col.price.between(2, 3), True, "col.price.between(2, 3)"),
    (col.note.is_null(), True, "col.note.is_null()"),
    (col.note.fill_null("none"), "none", "col.note.fill_null('none')"),
    (col.price.cast(int), 2, "col.price.cast(int)"),
    (col.qty.cast(str) + "x", "4x", "col.qty.cast(str) + 'x'"),
    (lit(1) / col.qty, 0.25, "1 / col.qty"),
    (col["symbol"] + col.symbol, "AA", "col.symbol + col.symbol"),
    (lit((1, 2)), (1, 2), "(1, 2)"),
]


@pytest.mark.parametrize(("expr", "expected", "shown"), CASES, ids=[shown for *_, shown in CASES])
def test_an_expression_means_the_same_for_every_kind_of_item_and_reads_as_written(expr, expected, shown):
    for item_type, item in ITEMS:
        assert FieldReader(expr, item_type)(item) == expected
    assert repr(expr) == shown


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize(("item_type", "item"), ITEMS)
def test_an_expression_in_a_loop_gives_what_it_gives_alone(item_type, item, columns):
    for expr, expected, _ in CASES:
        stream = rxdag.from_source(sources.iterable([item, item], of=item_type)).pipe(ops.map(expr))
        kept = stream.to(rxdag.sinks.collect())
        assert run_virtual(rxdag.compile(rxdag.Dag(kept), columns=columns))[kept] == [expected, expected]


numbers = st.one_of(st.integers(-5, 5), st.floats(allow_nan=True, allow_infinity=True), st.just(0))


@st.composite
def trees(draw, depth=3):
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([col.a, col.b, lit(2), lit(-1.5)]))
    left, right = draw(trees(depth=depth - 1)), draw(trees(depth=depth - 1))
    op = draw(st.sampled_from(["+", "-", "*", "<", "<=", ">", ">=", "==", "!=", "min", "max", "neg"]))
    made = {
        "+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right, "<": lambda: left < right,
        "<=": lambda: left <= right, ">": lambda: left > right, ">=": lambda: left >= right, "==": lambda: left == right,
        "!=": lambda: left != right, "min": lambda: left.min(right), "max": lambda: left.max(right), "neg": lambda: -left,
    }  # fmt: skip
    return made[op]()


@given(trees(), numbers, numbers)
def test_repr_is_the_expression_again(expr, a, b):
    again = eval(repr(expr), {"col": col, "lit": lit})
    item = {"a": a, "b": b}
    first, second = FieldReader(expressions.as_expr(again), None)(item), FieldReader(expr, None)(item)
    assert first == second or (math.isnan(first) and math.isnan(second))


def test_equal_structures_are_the_same_and_others_are_not():
    assert (col.a + 1).is_same(col.a + 1)
    assert not (col.a + 1).is_same(col.a + 1.0)
    assert not (col.a + 1).is_same(col.a + 2)
    assert not (col.a + 1).is_same(col.a - 1)
    assert hash(col.a + 1) == hash(col.a + 1)


def test_integers_do_not_overflow_and_nan_compares_as_in_python():
    assert FieldReader(col.qty * col.qty, None)({"qty": 2**62}) == 2**124
    nan = {"a": math.nan}
    assert [FieldReader(e, None)(nan) for e in (col.a < 1, col.a > 1, col.a == col.a, col.a != col.a)] == [
        False,
        False,
        False,
        True,
    ]


def test_division_by_zero_is_an_error_of_the_node():
    with pytest.raises(rxdag.NodeError, match='node "map" failed on .*ZeroDivisionError'):
        rxdag.from_source(sources.iterable([{"a": 0}])).pipe(ops.map(1 / col.a)).collect()


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        (col.symbol * 2, "col.symbol * 2: must be arithmetic of numbers, got the text col.symbol"),
        (col.symbol > 1, "col.symbol > 1: must compare values of one kind, got a text and a number"),
        (-col.symbol, "-col.symbol: must negate a number, got the text col.symbol"),
        (col.symbol.abs(), "col.symbol.abs(): must be of a number, got the text col.symbol"),
        (col.price.between("a", 1), "must compare values of one kind, got a text and a number"),
        (col.price + col.prize, 'Trade has no field "prize"; did you mean "price"?'),
    ],
)
def test_an_expression_that_does_not_fit_the_items_is_an_error_when_the_dag_is_made(expr, problem):
    stream = rxdag.from_source(sources.iterable([], of=Trade))
    with pytest.raises(GraphError) as caught:
        stream.pipe(ops.map(expr))
    assert str(caught.value).startswith("map: fn: ")
    assert problem in str(caught.value)


def test_expressions_go_wherever_functions_go():
    rows = [{"ts": i, "s": "ab"[i % 2], "p": float(i), "q": 1} for i in range(8)]

    def bars(**fields):
        stream = rxdag.from_source(sources.iterable(rows)).pipe(
            ops.event_time(fields["ts"], unit="s", sequence=fields["ts"])
        )
        stream = stream.pipe(ops.dedupe(fields["ts"], fields["s"], within="1s")).pipe(ops.key_by(fields["s"]))
        named = aggregates.named(
            bar=aggregates.ohlcv(fields["p"], fields["q"]),
            vwap=aggregates.vwap(fields["p"], fields["q"]),
            sum=aggregates.sum(fields["p"]),
        )
        return stream.pipe(ops.window(windows.tumbling("4s"), named)).collect()

    by_name = bars(ts="ts", s="s", p="p", q="q")
    by_expression = bars(ts=col.ts + 0, s=col.s, p=col.p * 1, q=col.q)
    by_function = bars(ts=lambda r: r["ts"], s=lambda r: r["s"], p=lambda r: r["p"], q=lambda r: r["q"])
    assert by_name == by_expression == by_function
    routes = rxdag.from_source(sources.iterable(rows)).pipe(
        ops.route({"a": col.s == "a", "big": col.p > 5}, default="rest")
    )
    assert [r["ts"] for r in routes["big"].collect()] == [7]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("qty > 0 and symbol in ['BTCUSDT']", (col.qty > 0) & col.symbol.is_in(["BTCUSDT"])),
        ("not (a or b)", ~(col.a | col.b)),
        ("1 < a <= 2", (lit(1) < col.a) & (col.a <= 2)),
        ("a not in (1, 2)", ~col.a.is_in([1, 2])),
        ("a is None or b is not None", col.a.is_null() | ~col.b.is_null()),
        ("-a * 2.5 // b % 3", ((-col.a * 2.5) // col.b) % 3),
        ("abs(a) + min(a, b) - max(a, 1)", col.a.abs() + col.a.min(col.b) - col.a.max(1)),
        ("-5", lit(-5)),
        ("a == 'x' and a != \"y\"", (col.a == "x") & (col.a != "y")),
    ],
)
def test_text_becomes_the_expression_it_says(text, same):
    assert expressions.parse(text).is_same(same)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("__import__('os')", "column 1: must be one of the functions abs, min, max"),
        ("a.b", "column 1: must be fields, values and operators, got attribute"),
        ("a + b[0]", "column 5: must be fields, values and operators, got subscript"),
        ("lambda: 1", "column 1: must be fields, values and operators, got lambda"),
        ("[x for x in a]", "got listcomp"),
        ("f'{a}'", "got joinedstr"),
        ("(a := 1)", "got namedexpr"),
        ("a if b else c", "got ifexp"),
        ("a @ 99999", "got binop"),
        ("~a", "must be - or not, got invert"),
        ("a in b", "column 6: must be a list of values after in"),
        ("a in [b]", "must be a list of plain values after in"),
        ("a is 1", "column 6: must be None after is"),
        ("min(a)", "min takes 2, got 1"),
        ("abs(a, key=b)", "must be one of the functions"),
        ("a +", "must be an expression"),
        ("", "must be an expression"),
        ("a; b", "must be an expression"),
        ("1j", "got constant"),
        ("b'x'", "got constant"),
        ("a" * 20_000, "must be at most 10,000 characters, got 20,000"),
        ("(" * 500 + "a" + ")" * 500, "expression"),
        ("-" * 5_000 + "a", "expression"),
    ],
)
def test_anything_else_is_rejected_with_its_position(text, problem):
    with pytest.raises(SpecError) as caught:
        expressions.parse(text)
    assert problem in str(caught.value)


class Numbers(TypedDict):
    q: int


def nested(text, n):
    made = "q"
    for _ in range(n):
        made = text.format(made)
    return made


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("'a' * 1000000000", "column 1: * must be of numbers, got the text 'a'"),
        ("1000000000 * 'a'", "column 1: * must be of numbers, got the text 'a'"),
        ("1 + q * ('a' + 'b')", "column 5: * must be of numbers, got the text 'a' + 'b'"),
        ("(s + 'b') * q", "* must be of numbers, got the text col.s + 'b'"),
        ("str(q) * q", "* must be of numbers, got the text col.q.cast(str)"),
        ("('a' or 'b') * q", "* must be of numbers, got the text 'a' | 'b'"),
        ("max('a', 'b') * q", "* must be of numbers, got the text"),
        ("fill_null('a', 'b') * q", "* must be of numbers, got the text"),
        ("'%999999999d' % q", "column 1: % must be of numbers, got the text '%999999999d'"),
        ("'a' ** q", "column 1: ** must be of numbers, got the text 'a'"),
        ("str(q) % q", "% must be of numbers, got the text col.q.cast(str)"),
        (nested("fill_null({}, 1)", 20), "must have at most 10,000 fields, values and operators written out, got"),
        (nested("(0 < {} < 9)", 20), "must have at most 10,000 fields, values and operators written out, got"),
        (nested("-{}", 191), "must be nested at most 190 deep, got 192"),
        (" + ".join(["q"] * 191), "must be nested at most 190 deep, got 191"),
    ],
)
def test_a_text_that_asks_for_much_memory_is_refused(text, problem):
    with pytest.raises(SpecError) as caught:
        expressions.parse(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("lane", ["rows", "columns"])
@pytest.mark.parametrize("value", ["%999999999d", [1, 2], (1,), b"x"])
@pytest.mark.parametrize(
    "text", ["s * 1000000000", "1000000000 * s", "s * q", "min(s, s) * q", "(s or q) * q", "fill_null(s, q) * q"]
)
def test_a_field_that_holds_a_text_or_a_list_is_not_multiplied(text, value, lane):
    items = [{"s": value, "q": 10**9}]
    source = sources.iterable(items) if lane == "rows" else sources.arrays({"s": [value], "q": [10**9]})
    with pytest.raises(NodeError, match=r"TypeError: expression: \* must be of numbers, got"):
        rxdag.from_source(source).pipe(ops.map(expressions.parse(text))).collect()


@pytest.mark.parametrize("text", ["s % q", "(s or q) % q"])
@pytest.mark.parametrize("value", ["%999999999d", b"%999999999d"])
def test_a_field_that_holds_a_text_is_no_format(text, value):
    with pytest.raises(NodeError, match="TypeError: expression: % must be of numbers, got"):
        rxdag.from_source(sources.iterable([{"s": value, "q": 1}])).pipe(ops.map(expressions.parse(text))).collect()


@pytest.mark.parametrize("lane", ["rows", "columns"])
@pytest.mark.parametrize("text", ["q ** 99999", "2 ** (q * 1000000)", "(q ** q) ** 5000"])
def test_a_power_of_a_text_has_no_more_than_10_000_bits(text, lane):
    source = sources.iterable([{"q": 7}]) if lane == "rows" else sources.arrays({"q": [7]})
    with pytest.raises(
        NodeError, match=r"OverflowError: expression: \*\* must give a number of at most 10,000 bits, got"
    ):
        rxdag.from_source(source).pipe(ops.map(expressions.parse(text))).collect()


def test_powers_of_texts_are_those_of_python():
    values = [3, True, 2.5, Decimal("1.5"), Fraction(1, 3), -2, 0]
    items = [{"a": a} for a in values]
    for text in ("a ** 2", "a ** 500", "-a ** 2", "a ** 0"):
        got = rxdag.from_source(sources.iterable(items)).pipe(ops.map(expressions.parse(text))).collect()
        assert got == [eval(text, {"a": a}) for a in values]
    assert expressions.parse("1 ** a").is_same(expressions.parse(expressions.unparse(expressions.parse("1 ** a"))))
    assert rxdag.from_source(sources.iterable([{"a": 10**9}])).pipe(ops.map(expressions.parse("1 ** a"))).collect() == [
        1
    ]


def test_numbers_of_all_kinds_are_multiplied_as_python_does():
    values = [3, True, 2.5, Decimal("1.5"), Fraction(1, 3), timedelta(seconds=1)]
    items = [{"a": a, "b": 2} for a in values]
    got = rxdag.from_source(sources.iterable(items)).pipe(ops.map(expressions.parse("a * b"))).collect()
    assert got == [a * 2 for a in values]
    assert expressions.parse("a * b % 7").is_same(col.a * col.b % 7)


def test_a_deep_expression_that_is_parsed_can_be_run():
    deep = expressions.parse(" + ".join(["q"] * 190))
    assert rxdag.from_source(sources.iterable([{"q": 1}])).pipe(ops.map(deep)).collect() == [190]


def test_checking_a_deep_comparison_takes_no_exponential_time():
    deep = expressions.parse(nested("({} < q)", 60))
    within = expressions.parse(nested("between({}, 0, 1)", 60))
    typed = rxdag.from_source(sources.iterable([{"q": 1}], of=Numbers))
    assert typed.pipe(ops.select(deep=deep, within=within)).collect() == [{"deep": True, "within": True}]


def test_an_expression_cannot_be_iterated_or_cast_to_anything():
    with pytest.raises(TypeError, match="cannot be iterated"):
        list(col.a)
    with pytest.raises(TypeError, match="cast: must be to int, float, str or bool"):
        col.a.cast(list)


def plus_one_and_so_on(depth):
    made = col.qty
    for _ in range(depth - 1):
        made = made + 1
    return made


def written_out(doublings):
    made = col.qty
    for _ in range(doublings):
        made = made * made
    return made


TAKERS = {
    "map: fn": lambda e: ops.map(e),
    "filter: predicate": lambda e: ops.filter(e),
    "key_by: key": lambda e: ops.key_by(e),
    "with_columns: z": lambda e: ops.with_columns(z=e),
    'route: predicate of "a"': lambda e: ops.route({"a": e}),
    "event_time: ts": lambda e: ops.event_time(e),
    "sum: value": lambda e: ops.sum(e),
}


@pytest.mark.parametrize("of", [Tick, None])
@pytest.mark.parametrize("where", TAKERS)
def test_an_expression_too_deep_for_python_is_refused_where_it_is_given(where, of):
    stream = rxdag.from_source(sources.iterable([], of=of))
    stream.pipe(TAKERS[where](plus_one_and_so_on(190)))
    for depth in (191, 20_000):
        with pytest.raises(
            rxdag.GraphError, match=f"^{where}: an expression must be nested at most 190 deep, got {depth:,};"
        ):
            stream.pipe(TAKERS[where](plus_one_and_so_on(depth)))


def test_an_expression_that_would_be_endless_once_written_out_is_refused():
    with pytest.raises(
        rxdag.GraphError, match="at most 10,000 fields, values and operators written out, got 2147483647;"
    ):
        rxdag.from_source(sources.iterable([])).pipe(ops.map(written_out(30)))


def test_a_function_of_any_length_is_called():
    many = eval("lambda t: " + " or ".join(f"t.qty == {n}" for n in range(1000)))
    assert rxdag.from_source(sources.iterable([Tick(1.0, 999, "A"), Tick(1.0, 1000, "A")], of=Tick)).pipe(
        ops.filter(many)
    ).collect() == [Tick(1.0, 999, "A")]
