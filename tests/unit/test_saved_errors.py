"""Errors that rest in the state of a run: the next run catches them as the first one would have."""

import pytest
from tests.unit.test_checkpointed_runs import Steady, settled, stop_at, virtual

import rxdag
from rxdag import checkpoints, sinks
from rxdag import operators as ops


class Odd(LookupError):
    """An error that cannot be rebuilt, since its attribute cannot be saved."""

    def __init__(self, text):
        super().__init__(text)
        self.held = object()


def job(error, on):
    """A graph with a stream that fails, behind a gate whose items are taken slowly."""

    def fails_at_5(n):
        if n == 5:
            raise error
        return n

    failing = rxdag.from_source(Steady(tuple(range(10))), name="failing").pipe(ops.map(fails_at_5), name="map")
    slow = failing.buffered(max_items=64).pipe(ops.throttle(10, mode="shape", max_items=1), name="slow")
    other = rxdag.from_source(Steady((70, 71)), name="other")
    return rxdag.Dag(rxdag.catch(slow, other, on=on).named("either").to(sinks.collect(), name="out"), name="job")


ERRORS = pytest.mark.parametrize("error", [KeyError("no"), Odd("no")], ids=lambda each: type(each).__name__)


def stopped(error, on):
    """Return a store with the state of a run whose error rests in the gate."""
    store = checkpoints.memory()
    assert stop_at(job(error, on), store, 155)["out"] == [0, 1]
    assert type(error).__name__.encode() in store.read(1)["map.out -> slow[0]: gate"]
    return store


@ERRORS
def test_an_error_that_rests_is_caught_by_its_class_and_by_that_of_a_base(error):
    for on in ((type(error),), (LookupError,), (OSError, LookupError)):
        # The throttle drops the item that it holds when its source fails, here 4.
        assert settled(virtual(job(error, on), stopped(error, on)))["out"] == [0, 1, 2, 3, 70, 71]


@ERRORS
def test_an_error_that_rests_is_not_caught_as_another_one(error):
    result = settled(virtual(job(error, (OSError,)), stopped(error, (OSError,))))
    assert (result.state, result["out"]) == ("failed", [0, 1, 2, 3])
    assert str(result.error) == f'node "map" failed on 5: {type(error).__name__}: {error}'
