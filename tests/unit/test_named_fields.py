"""A field of a named tuple is what its attribute is, whatever class an item has, in both forms."""

from typing import NamedTuple

import pytest

from rxdag.expressions import bound, called


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


@pytest.mark.parametrize("item", [(1.0, 2.0), [1.0, 2.0], None])
def test_an_item_without_the_attribute_is_an_error_and_no_place_in_it(item):
    with pytest.raises(AttributeError, match="has no attribute 'ask'"):
        read([item], Quote, "ask")


def test_a_field_that_was_replaced_in_the_class_is_read_as_it_is_now():
    class Patched(NamedTuple):
        bid: float

    Patched.bid = property(lambda self: self[0] * 10)
    assert read([Patched(1.0)], Patched, "bid") == [10.0]
