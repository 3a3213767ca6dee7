"""Saved rows and detached values: what a checkpoint takes from a run in the pause, to encode it later."""

from collections import OrderedDict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxdag import aggregates as agg
from rxdag.codec import Codec, detached
from rxdag.contract import Accumulator, SavedRows, snapshots_of
from rxdag.errors import StateError


def test_rows_equal_the_list_of_lists():
    rows = SavedRows(["a", "b"], SavedRows([1, 2], [3.0, None]))
    assert rows == [["a", [1, 3.0]], ["b", [2, None]]]
    assert (len(rows), rows[1], list(rows[:1])) == (2, ["b", [2, None]], [["a", [1, 3.0]]])
    assert rows != [["a", [1, 3.0]]]
    assert repr(SavedRows([1], [2])) == "[[1, 2]]"


@given(st.lists(st.tuples(st.text(), st.integers(), st.floats(allow_nan=False) | st.none()), max_size=12))
def test_rows_are_saved_as_the_list_that_they_equal(tuples):
    rows = SavedRows([t[0] for t in tuples], SavedRows([t[1] for t in tuples], [t[2] for t in tuples]))
    plain = [[a, [b, c]] for a, b, c in tuples]
    assert Codec().encode({"rows": rows}) == Codec().encode({"rows": plain})


def test_what_cannot_be_saved_in_rows_is_named_by_its_place():
    with pytest.raises(StateError, match=r"state\['rows'\]\[3\]\[1\]: must be plain data to be saved, got <function"):
        Codec().encode({"rows": SavedRows([1, 2, 3, 4], [1, 2, 3, lambda: 0])})


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, [2, (3,)]], "set": {1, 2}, "none": None},
        {"long": list(range(1000)), "texts": {str(i): i for i in range(1000)}},
        [],
    ],
)
def test_a_detached_value_does_not_follow_later_changes(value):
    before = Codec().encode(value)
    copy = detached(value)
    for each in [value, *(value.values() if isinstance(value, dict) else ())]:
        if isinstance(each, list):
            each.append("later")
        elif isinstance(each, dict):
            each["later"] = "later"
    assert Codec().encode(copy) == before


@pytest.mark.parametrize(
    "value",
    [
        Decimal(1),
        [Decimal(1)],
        OrderedDict(),
        [object()] * 100,
        {"a": [[1]] * 100},
        {(1,): 1},
        SavedRows([[1]]),
        SavedRows([1], SavedRows([[1]])),
    ],
)
def test_a_value_that_takes_long_to_copy_or_may_change_is_not_detached(value):
    assert detached(value) is None


def test_rows_that_are_frozen_are_taken_unseen():
    rows = SavedRows([Decimal(1)], is_frozen=True)
    assert detached({"rows": SavedRows(["a"], rows)}) == {"rows": [["a", [Decimal(1)]]]}


TICKS = [(10.0, 1.0), (11.5, 2.0), (9.0, 3.0)]
MIXED = [*TICKS, (10, Decimal(2))]


class Own(Accumulator):
    """An accumulator that saves itself in its own way."""

    state = ("total",)

    def __init__(self):
        self.total = 0

    def add(self, item):
        self.total += item[0]

    def result(self):
        return self.total

    def snapshot(self):
        return [self.total * 2]


MADE = {
    "bars": agg.ohlcv(lambda t: t[0], lambda t: t[1]).accumulator,
    "sum": agg.sum(lambda t: t[0]).accumulator,
    "list": agg.collect().accumulator,
    "named": agg.named(n=agg.count(), best=agg.max(lambda t: t[0])).accumulator,
    "own": Own,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("items", [[], TICKS, MIXED[:1], [(1, 2)]])
def test_the_states_of_accumulators_are_those_of_each(make, items):
    accumulators = [make() for _ in range(5)]
    for place, accumulator in enumerate(accumulators):
        for item in items[place % 2 :]:
            accumulator.add(item)
    assert snapshots_of(accumulators) == [each.snapshot() for each in accumulators]


def test_the_states_of_accumulators_of_several_kinds_are_those_of_each():
    mixed = [MADE["own"](), MADE["sum"]()]
    mixed[0].add((4, 1))
    assert snapshots_of(mixed) == [[8], mixed[1].snapshot()]
    assert snapshots_of([]) == []


def test_the_bars_of_floats_are_frozen_only_with_sequences_that_cannot_change():
    made = [MADE["bars"]() for _ in range(2)]
    for each in made:
        each.add_at((1.0, 2.0), 1, 7)
    assert detached(snapshots_of(made)) is not None
    made[0].add_at((1.0, 2.0), 2, [7])
    assert detached(snapshots_of(made)) is None
