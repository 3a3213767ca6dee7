"""Dicts that give memory back, and part with what came first without looking at what is gone."""

import sys
from collections import OrderedDict

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.operators._compact import compact, pop_first


def test_a_dict_that_was_emptied_gives_its_room_back_and_stays_the_same():
    values = dict.fromkeys(range(100_000), 0)
    full = sys.getsizeof(values)
    for key in range(99_000):
        del values[key]
    same = values
    compact(values, 99_000)
    assert sys.getsizeof(values) < full / 10
    assert values is same
    assert list(values) == list(range(99_000, 100_000))


def test_a_dict_that_lost_little_is_left_alone():
    values = dict.fromkeys(range(5000), 0)
    for key in range(1500):
        del values[key]
    size = sys.getsizeof(values)
    compact(values, 1500)
    assert sys.getsizeof(values) == size


def test_the_first_is_taken_of_ordered_dicts_only():
    values = OrderedDict([("a", 1), ("b", 2)])
    assert pop_first(values) == ("a", 1)
    with pytest.raises(TypeError, match="takes an OrderedDict, got dict"):
        pop_first({"a": 1})


@pytest.mark.parametrize(
    "op",
    [
        ops.dedupe(lambda x: x, max_keys=1000),
        ops.distinct_until_changed(max_keys=1000),
    ],
    ids=["dedupe", "distinct_until_changed"],
)
def test_keys_past_the_cap_are_evicted_oldest_first(op):
    stream = rxdag.from_source(sources.iterable([*range(3000), 2999, 2000, 1999])).pipe(ops.key_by(lambda x: x))
    got = rxdag.run(out := stream.pipe(op).to(sinks.collect()))[out]
    assert got == [*range(3000), 1999]
