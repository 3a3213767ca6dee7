"""Columns: what an expression gives over arrays is what it gives item by item, to the bit."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from rxdag import Expr, col, lit
from rxdag.columns import (
    MISSING,
    Coded,
    Columns,
    IntTable,
    Nullable,
    SpanTables,
    as_column,
    column_of,
    concatenate,
    rejoined,
    values_of,
)
from rxdag.contract import RowFailed
from rxdag.expressions import FieldReader, element


class Row(NamedTuple):
    i: int
    j: int
    f: float
    g: float
    s: str
    b: bool
    n: int | None
    t: str | None


_INTS = st.one_of(
    st.integers(-10, 10), st.sampled_from([2**62, -(2**62), 2**63 - 1, -(2**63), 2**53 + 1, -(2**53) - 1, 2**31])
)
_FLOATS = st.one_of(
    st.integers(-5, 5).map(float),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, 5e-324, 0.1]),
)
_TEXTS = st.sampled_from(["a", "b", "BTC", ""])
_ROWS = st.lists(
    st.builds(
        Row,
        _INTS,
        _INTS,
        _FLOATS,
        _FLOATS,
        _TEXTS,
        st.booleans(),
        st.one_of(st.none(), _INTS),
        st.one_of(st.none(), _TEXTS),
    ),
    min_size=1,
    max_size=8,
)

_LEAVES = st.one_of(
    st.sampled_from(["i", "j", "f", "g", "s", "b", "n", "t"]).map(lambda name: col[name]),
    _INTS.map(lit),
    _FLOATS.map(lit),
    _TEXTS.map(lit),
    st.booleans().map(lit),
)


def _grow(children: Any) -> Any:
    pair = st.tuples(children, children)
    return st.one_of(
        st.tuples(
            st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "&", "|"]), pair
        ).map(_binary),
        st.tuples(st.sampled_from(["-", "~", "abs", "null", "int", "float", "bool", "str"]), children).map(_unary),
        st.tuples(st.sampled_from(["min", "max", "fill"]), pair).map(_call),
        st.tuples(children, pair).map(lambda x: x[0].between(*x[1])),
        st.tuples(children, st.lists(st.one_of(_INTS, _FLOATS, _TEXTS), max_size=3)).map(lambda x: x[0].is_in(x[1])),
    )


def _binary(drawn: Any) -> Expr:
    op, (a, b) = drawn
    made: Expr = eval(f"a {op} b", {"a": a, "b": b})
    return made


def _unary(drawn: Any) -> Expr:
    op, a = drawn
    if op in "-~":
        return -a if op == "-" else ~a
    if op == "abs":
        return a.abs()
    return a.is_null() if op == "null" else a.cast({"int": int, "float": float, "bool": bool, "str": str}[op])


def _call(drawn: Any) -> Expr:
    op, (a, b) = drawn
    return a.fill_null(b) if op == "fill" else getattr(a, op)(b)


def _by_item(fn: FieldReader, rows: list[Row]) -> Any:
    values = []
    for index, row in enumerate(rows):
        try:
            values.append(fn(row))
        except Exception as error:
            return index, type(error), str(error)
    return values


_POWERS = st.one_of(st.integers(-3, 4).map(lit), st.sampled_from([0.5, -1.5, 2.0]).map(lit), st.just(col.b))
_RAISED = st.one_of(
    st.tuples(st.recursive(_LEAVES, _grow, max_leaves=3), _POWERS).map(lambda x: x[0] ** x[1]),
    st.tuples(st.sampled_from([2, -3, 0, 1.5, -0.5, True]), _POWERS).map(lambda x: lit(x[0]) ** x[1]),
    st.tuples(st.sampled_from([2, -3, 0, 1.5, -0.5]), st.just(col.i % 8 - 3)).map(lambda x: x[0] ** x[1]),
)


@settings(max_examples=700, deadline=None)
@given(_ROWS, st.one_of(st.recursive(_LEAVES, _grow, max_leaves=6), _RAISED, _RAISED.map(lambda x: x + col.i)))
def test_an_expression_gives_the_same_over_columns_as_item_by_item(rows: list[Row], expr: Expr) -> None:
    fn = FieldReader(expr, Row)
    expected = _by_item(fn, rows)
    columns = Columns.from_items(rows, Row)
    try:
        got: Any = values_of(columns.values(fn))
        truths: Any = columns.truths(fn).tolist()
    except RowFailed as failed:
        got = truths = (failed.index, type(failed.cause), str(failed.cause))
    assert repr(got) == repr(expected)
    assert truths == ([bool(v) for v in expected] if isinstance(expected, list) else expected)


def test_common_expressions_are_not_looked_at_item_by_item(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Row(3, -2, 1.5, 0.5, "a", True, 1, "b"), Row(4, 5, -2.0, 0.25, "b", False, 2, None)]
    columns = Columns.from_items(rows * 3, Row)
    monkeypatch.setattr(Columns, "rows", None)
    for expr in (
        col.i * 2 + col.j,
        col.i % 3 == 0,
        col.i**2 + col.j**3,
        col.f**2,
        col.f * col.g,
        (col.f > 0) & (col.s == "a"),
        ~(col.s != "a") | col.b,
        col.s.is_in(["a", "z"]),
        col.i.is_in([3, 7]),
        col.t.is_null(),
        col.t.fill_null("none") == "none",
        col.n.fill_null(0),
        col.f.abs().max(col.g),
        col.f.cast(int),
        col.i.cast(float) / col.f,
        col.i.between(col.j, 10),
        -col.i,
        col.s + "!",
    ):
        assert len(columns.values(FieldReader(expr, Row))) == 6, expr


def test_an_int_that_overflows_stays_exact() -> None:
    columns = Columns.from_columns({"i": as_column(np.array([2**62, 1]))})
    assert values_of(columns.values(FieldReader(col.i * 4, None))) == [2**64, 4]


def test_the_item_itself_is_an_expression() -> None:
    columns = Columns.from_items([1, 2, 3])
    assert values_of(columns.values(FieldReader(element * 2, None))) == [2, 4, 6]
    assert repr(element % 3 == 0) == "(element % 3) == 0"


def test_selections_compose_and_rows_come_back() -> None:
    rows = [Row(i, -i, i / 2, 0.0, "ab"[i % 2], i > 3, None if i % 3 else i, None) for i in range(10)]
    columns = Columns.from_items(rows, Row)
    some = columns[2:9].where(np.array([True, False, True, True, False, False, True]))
    assert some.rows() == [rows[2], rows[4], rows[5], rows[8]]
    assert some[1:3].rows() == [rows[4], rows[5]]
    assert some.row(3) == rows[8]
    assert (columns[:4] + columns[4:]).rows() == rows
    assert (columns[:4] + some).rows() == [*rows[:4], rows[2], rows[4], rows[5], rows[8]]


def test_parts_of_a_split_meet_in_order() -> None:
    whole = Columns.from_items([Row(i, 0, 0.5, 0.5, "s", True, 1, "t") for i in range(6)], Row).placed()
    even = whole.where(np.array([True, False] * 3))
    odd = whole.where(np.array([False, True] * 3)).mapped({"i": FieldReader(col.i * 10, Row)}, Row, keep=True)
    assert [row.i for row in rejoined([odd, even]).rows()] == [0, 10, 2, 30, 4, 50]


def test_parts_of_other_fields_meet_as_objects() -> None:
    whole = Columns.from_items([1, 2, 3]).placed()
    low = whole.where(np.array([True, True, False])).mapped({"a": FieldReader(element + 1, None)})
    high = whole.where(np.array([False, False, True]))
    assert rejoined([high, low]).rows() == [{"a": 2}, {"a": 3}, 3]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2],
        [1.5, math.inf],
        [True, False],
        ["a", None, "a"],
        [1, None],
        [1.0, None],
        [1, 1.0],
        [2**70, 1],
        [None],
        [],
    ],
)
def test_a_column_gives_back_what_went_in(values: list[Any]) -> None:
    column = column_of(values)
    assert repr(values_of(column)) == repr(values)
    assert repr(values_of(concatenate([column, column]))) == repr(values * 2)


def test_columns_of_several_kinds_concatenate() -> None:
    a, b = Coded(np.array([0, 1]), ["x", "y"]), Coded(np.array([0, -1]), ["y"])
    assert values_of(concatenate([a, b])) == ["x", "y", "y", None]
    assert values_of(concatenate([column_of([1]), Nullable(np.array([1, 2]), np.array([True, False]))])) == [1, 1, None]
    assert values_of(concatenate([column_of([1]), column_of([1.5])])) == [1, 1.5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(-50, 2**60), max_size=40), max_size=12), st.integers(0, 3))
def test_an_int_table_holds_what_a_dict_holds(batches: list[list[int]], forget: int) -> None:
    table, known = IntTable(), {}
    for clock, batch in enumerate(batches, start=1):
        keys = np.array(batch, np.int64)
        fresh = np.flatnonzero(table.find(keys) < 0)
        second = table.insert(keys[fresh], np.full(len(fresh), clock))
        firsts = [k for k in dict.fromkeys(batch) if k not in known]
        assert len(fresh) - len(second) == len(firsts)
        known |= dict.fromkeys(firsts, clock)
        if clock % (forget + 2) == 0:
            keys, values = table.items()
            live = values >= clock - forget
            table.replace(keys[live], values[live])
            known = {k: v for k, v in known.items() if v >= clock - forget}
        keys, values = table.items()
        assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == known


_TIMED = st.lists(st.tuples(st.integers(0, 30), st.integers(-25, 60)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(st.lists(_TIMED, max_size=8), st.integers(-2, 5))
def test_tables_of_spans_hold_the_first_time_of_a_key_until_its_span_is_forgotten(
    batches: list[list[tuple[int, int]]], forget: int
) -> None:
    tables, known = SpanTables(10), dict[int, int]()
    for batch in batches:
        keys, times = (np.array([pair[i] for pair in batch], np.int64) for i in (0, 1))
        found, places = tables.find(keys)
        assert found.tolist() == [known.get(key, MISSING) for key in keys.tolist()]
        fresh = np.flatnonzero(found == MISSING)
        again = tables.insert(keys[fresh], times[fresh], None if places is None else places[fresh])
        firsts = dict(zip(keys[fresh][::-1].tolist(), times[fresh][::-1].tolist(), strict=True))
        assert len(fresh) - len(again) == len(firsts)
        known |= firsts
        moved = {key: known[key] + 10 + key for key in firsts if key % 3 == 0}
        tables.put(np.array([*moved], np.int64), np.array([*moved.values()], np.int64))
        known |= moved
        assert dict(zip(*(each.tolist() for each in tables.items()), strict=True)) == known
    tables.forget(forget)
    kept = {key: time for key, time in known.items() if time >= forget * 10}
    left = dict(zip(*(each.tolist() for each in tables.items()), strict=True))
    assert kept.items() <= left.items() <= known.items()
    assert all(time >= forget * 10 - 10 for time in left.values())
