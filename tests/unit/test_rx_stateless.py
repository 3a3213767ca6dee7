"""Reactivex operators in runs with checkpoints: those that promise to keep no state, and those that break the promise."""

import pytest
import reactivex.operators as rx
from tests.unit.test_checkpointed_runs import Steady, settled, stop_at, virtual

import rxdag
from rxdag import checkpoints, sinks, sources


def job(operator, *, stateless=True):
    rows = rxdag.from_source(Steady(tuple(range(100))), name="rows")
    return rxdag.Dag(rows.rx(operator, name="mine", stateless=stateless).to(sinks.collect(), name="out"), name="job")


def even():
    return rx.filter(lambda n: n % 2 == 0)


def test_a_stateless_operator_continues():
    store = checkpoints.memory()
    first = stop_at(job(even()), store, 505)

    second = settled(virtual(job(even()), store, start=505_000_000))

    assert first.items_in + second.items_in == 100
    assert (second["out"], second.problems) == (list(range(0, 100, 2)), ())


def test_an_operator_that_may_have_state_is_refused():
    with pytest.raises(rxdag.GraphError) as raised:
        virtual(job(even(), stateless=False), checkpoints.memory())
    assert str(raised.value) == (
        'dag "job": checkpoints: node "mine" is a reactivex operator, whose state cannot be saved; use an operator of '
        "rxdag, or pass stateless=True if it keeps nothing from one item to the next"
    )


@pytest.mark.parametrize(
    ("operator", "item"),
    [(rx.delay(1.0), 0), (rx.count(), 100), (rx.start_with(-1), -1)],
    ids=["later", "at the end", "at the beginning"],
)
def test_an_operator_that_breaks_the_promise_fails_the_run(operator, item):
    result = settled(virtual(job(operator), checkpoints.memory()))
    assert result.state == "failed"
    assert str(result.error) == (
        f'node "mine" failed: BadProgram: rx: an operator with stateless=True must emit while it is called with an item, got '
        f"{item!r} at another time; remove stateless=True"
    )


def test_a_promise_must_be_a_bool():
    with pytest.raises(rxdag.GraphError, match="^rx: stateless must be True or False, got 'yes'$"):
        rxdag.from_source(sources.range(3)).rx(even(), stateless="yes")
