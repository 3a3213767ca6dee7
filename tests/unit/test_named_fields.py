"""Fields of named tuples, and expressions of them, are what their attributes are, whatever class an item has, in both forms."""

import traceback
from typing import NamedTuple

import pytest

from rxdag import col
from rxdag.expressions import _evaluated, _named_field, bound, called


class Quote(NamedTuple):
    bid: float
    ask: float


class Mid(Quote):
    @property
    def ask(self):
        return (self[0] + self[1]) / 2


class Loud(Quote):
    def __getattribute__(self, name):
        return (name, tuple.__getattribute__(self, name))


class Other:
    bid = 7


def read(items, of, name):
    reader = called(bound(name, of))
    return [reader(item) for item in items]


def test_items_of_the_class_and_of_others_are_read_as_attributes():
    assert read([Quote(1.0, 2.0), Mid(1.0, 2.0), Loud(1.0, 2.0)], Quote, "ask") == [2.0, 1.5, ("ask", 2.0)]
    assert read([Quote(1.0, 2.0), Other()], Quote, "bid") == [1.0, 7]


def test_a_field_that_a_subclass_overrides_is_read_by_its_property():
    assert read([Mid(1.0, 2.0), Quote(1.0, 2.0)], Mid, "ask") == [1.5, 2.0]


def test_a_class_with_its_own_way_to_read_attributes_keeps_it():
    assert read([Loud(1.0, 2.0)], Loud, "bid") == [("bid", 1.0)]


class Scaled(NamedTuple):
    bid: float
    ask: float

    def __getitem__(self, place):
        return tuple.__getitem__(self, place) * 100


@pytest.mark.parametrize("field", ["ask", col.bid + col.ask])
def test_a_class_with_its_own_places_is_read_by_attribute(field, monkeypatch):
    for module in (_named_field, _evaluated):
        monkeypatch.setattr(module, "IS_COMPILED", True)
    assert read([Scaled(0.0, 2.0)], Scaled, field) == [2.0]


@pytest.mark.parametrize("item", [(1.0, 2.0), [1.0, 2.0], None])
def test_an_item_without_the_attribute_is_an_error_and_no_place_in_it(item):
    with pytest.raises(AttributeError, match="has no attribute 'ask'"):
        read([item], Quote, "ask")


def test_a_field_that_was_replaced_in_the_class_is_read_as_it_is_now():
    class Patched(NamedTuple):
        bid: float

    Patched.bid = property(lambda self: self[0] * 10)
    assert read([Patched(1.0)], Patched, "bid") == [10.0]


SAME = [
    (lambda q: q.bid + 1, col.bid + 1),
    (lambda q: q.bid - q.ask, col.bid - col.ask),
    (lambda q: q.bid * 2.5, col.bid * 2.5),
    (lambda q: 1 / q.bid, 1 / col.bid),
    (lambda q: q.bid < q.ask, col.bid < col.ask),
    (lambda q: q.bid <= 2, col.bid <= 2),
    (lambda q: q.bid > q.ask, col.bid > col.ask),
    (lambda q: q.bid >= 2, col.bid >= 2),
    (lambda q: q.bid == q.ask, col.bid == col.ask),
    (lambda q: q.bid != "x", col.bid != "x"),
    (lambda q: q.bid and q.ask, col.bid & col.ask),
    (lambda q: q.bid or q.ask, col.bid | col.ask),
    (lambda q: not q.bid, ~col.bid),
    (lambda q: -q.bid, -col.bid),
    (lambda q: q.bid // 2 + q.ask % 2, col.bid // 2 + col.ask % 2),
]


@pytest.mark.parametrize(("fn", "expr"), SAME, ids=[repr(expr) for _, expr in SAME])
def test_an_expression_is_what_python_makes_of_it_for_any_values(fn, expr):
    def made(reader, item):
        try:
            value = reader(item)
        except Exception as error:
            return type(error), str(error)
        return type(value), repr(value)

    for reader in (called(bound(fn, Quote)), called(bound(expr, Quote))):
        for bid in (0, 1, 2.0, float("nan"), -0.0, True, None, "x", 10**30, [1]):
            for item in (Quote(bid, 2), Quote(2, bid), Mid(bid, 2.0), Loud(bid, 2.0)):
                assert made(reader, item) == made(fn, item)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_several_values_are_a_tuple(n):
    fns = {1: lambda q: (q.ask,), 2: lambda q: (q.ask, q.bid), 3: lambda q: (0, q.bid * 2, q.ask)}
    assert called(bound(fns[n], Quote))(Quote(1.5, 2.5)) == {1: (2.5,), 2: (2.5, 1.5), 3: (0, 3.0, 2.5)}[n]


def test_an_error_in_an_expression_shows_the_line_of_the_user():
    with pytest.raises(TypeError) as caught:
        called(bound(lambda q: q.bid > 0, Quote))(Quote(None, 1.0))
    assert "lambda q: q.bid > 0" in "".join(traceback.format_exception(caught.value))
