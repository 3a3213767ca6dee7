"""`explode` gives out whatever its function returns: only None stands for nothing, not what is falsy."""

import array
from collections import deque

import numpy as np
import polars as pl
import pytest

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops


class Falsy:
    """Gives items, and is falsy."""

    def __init__(self, *items):
        self._items = items

    def __iter__(self):
        return iter(self._items)

    def __bool__(self):
        return False


class Undecided(Falsy):
    def __bool__(self):
        raise ValueError("the truth of it is ambiguous")


class Unlike(Falsy):
    """Compares to no truth either."""

    __hash__ = None

    def __eq__(self, other):
        raise ValueError("cannot be compared")


GIVEN = {
    "array of 0": lambda: np.array([0]),
    "array": lambda: np.array([1, 2]),
    "empty array": lambda: np.array([]),
    "polars": lambda: pl.Series([1, 2]),
    "polars of 0": lambda: pl.Series([0]),
    "empty polars": lambda: pl.Series([], dtype=pl.Int64),
    "falsy": lambda: Falsy(1, 2),
    "undecided": lambda: Undecided(1, 2),
    "uncompared": lambda: Unlike(1, 2),
    "array of bytes": lambda: array.array("b", [0]),
    "bytes": lambda: b"\0",
    "text": lambda: "ab",
    "empty text": lambda: "",
    "iterator": lambda: iter((0, 0)),
    "generator": lambda: (x for x in (0, None)),
    "empty generator": lambda: (x for x in ()),
    "deque": lambda: deque([0]),
    "dict": lambda: {0: 1},
    "empty list": list,
    "None": lambda: None,
}
EXPECTED = {
    "array of 0": [0],
    "array": [1, 2],
    "polars": [1, 2],
    "polars of 0": [0],
    "falsy": [1, 2],
    "undecided": [1, 2],
    "uncompared": [1, 2],
    "array of bytes": [0],
    "bytes": [0],
    "text": ["a", "b"],
    "iterator": [0, 0],
    "generator": [0, None],
    "deque": [0],
    "dict": [0],
}
NO_STREAMS = {"text", "empty text", "bytes", "dict", "None"}


@pytest.mark.parametrize("policy", [on_error.raise_, on_error.retry(2, base="1s"), on_error.skip])
@pytest.mark.parametrize("what", GIVEN)
def test_what_is_falsy_is_given_out(what, policy):
    stream = rxdag.from_source(sources.range(2)).pipe(ops.explode(lambda _: GIVEN[what]()), on_error=policy)
    result = testing.run_virtual(stream.to(sinks.collect(), name="out"))
    assert result["out"] == EXPECTED.get(what, []) * 2
    assert (result.stats.nodes["explode"].dropped, result.problems) == ({}, ())


@pytest.mark.parametrize("what", sorted(GIVEN.keys() - NO_STREAMS))
@pytest.mark.parametrize("inner", [ops.concat_map, ops.flat_map, ops.switch_map])
def test_streams_within_may_be_falsy_too(inner, what):
    stream = rxdag.from_source(sources.range(1)).pipe(inner(lambda _: GIVEN[what]()))
    result = testing.run_virtual(stream.to(sinks.collect(), name="out"))
    assert result["out"] == EXPECTED.get(what, [])


@pytest.mark.parametrize("what", sorted(NO_STREAMS))
@pytest.mark.parametrize("inner", [ops.concat_map, ops.flat_map, ops.switch_map])
def test_a_text_bytes_a_dict_and_none_are_no_streams(inner, what):
    stream = rxdag.from_source(sources.range(1)).pipe(inner(lambda _: GIVEN[what]()))
    with pytest.raises(rxdag.NodeError, match="must not be|must return an iterable"):
        testing.run_virtual(stream.to(sinks.collect(), name="out"))


@pytest.mark.parametrize("operator", [ops.explode, ops.concat_map, ops.flat_map, ops.switch_map])
def test_the_documentation_tells_that_explode_takes_what_flat_map_refuses(operator):
    text = " ".join((operator.__doc__ or "").split())
    other = "`flat_map`" if operator is not ops.flat_map else "`explode`"
    assert all(
        word in text
        for word in ("text", "bytes", "dict", "None", "refuse" if operator is ops.explode else "refused", other)
    )


def test_an_item_that_has_given_something_before_it_failed_is_not_tried_again():
    calls = []

    def parts(x):
        calls.append(x)
        yield x
        if x == 1:
            raise OSError("half way")
        yield -x

    policy = on_error.retry(3, base="1s", then=on_error.dead)
    stream = rxdag.from_source(sources.range(3)).pipe(ops.explode(parts), name="parts", on_error=policy)
    dead = stream.dead.to(sinks.collect(), name="letters")
    result = testing.run_virtual(stream.to(sinks.collect(), name="out"), dead)
    assert (result["out"], calls) == ([0, 0, 1, 2, -2], [0, 1, 2])
    assert [(letter.item, letter.attempts) for letter in result["letters"]] == [(1, 1)]
    assert (result.stats.nodes["parts"].retried, result.problems) == (0, ())


def test_an_item_that_has_given_nothing_is_tried_again_from_the_start():
    fails = {1: 2, 2: 9}

    def parts(x):
        if fails.get(x):
            fails[x] -= 1
            raise OSError("not yet")
        yield x
        yield -x

    policy = on_error.retry(3, base="1s", then=on_error.dead)
    stream = rxdag.from_source(sources.range(4)).pipe(ops.explode(parts), name="parts", on_error=policy)
    dead = stream.dead.to(sinks.collect(), name="letters")
    result = testing.run_virtual(stream.to(sinks.collect(), name="out"), dead)
    assert result["out"] == [0, 0, 1, -1, 3, -3]
    assert [(letter.item, letter.attempts) for letter in result["letters"]] == [(2, 3)]
    assert (result.stats.nodes["parts"].retried, result.problems) == (4, ())
