"""Run every program of the corpus on the engine and compare it with the reference."""

from __future__ import annotations

import importlib
import random

import pytest

from tests.foreign import engine
from tests.foreign.entries import CORPUS
from tests.foreign.reference import play

for module in (
    "kernels_names",
    "kernels_flow",
    "kernels_emit",
    "kernels_statements",
    "kernels_classes",
    "kernels_attributes",
    "kernels_time",
    "processes",
    "accumulators",
    "accumulators_that_merge",
    "functions",
    "values",
):
    importlib.import_module(f"tests.foreign.{module}")

MANY = 1_100
"""More items than fit into one chunk."""

every_program = pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name)
timeless = pytest.mark.parametrize("entry", [e for e in CORPUS if e.times is None], ids=lambda entry: entry.name)


def shown(items):
    """Show items with their types, so that True differs from 1 and NaN equals NaN."""
    return [f"{type(item).__name__} {item!r}" for item in items]


def reference(entry, items, policy):
    steps = entry.steps()
    entry.between()
    return play(steps, items, policy=policy, times=entry.times)


def many(entry):
    """Repeat the items of a program: with later times if they have times, else in random order."""
    if not any(step.makes_time for step in entry.steps()):
        return tuple(random.Random(entry.name).choices(entry.items, k=MANY))
    span = max(item[0] for item in entry.items) + 1
    rounds = range(MANY // len(entry.items) + 1)
    return tuple((item[0] + span * n, *item[1:]) for n in rounds for item in entry.items)


def compare(entry, ran, expected):
    """Assert that ports, books and failure are those of the reference."""
    assert ran.problems == ()
    assert {port: shown(items) for port, items in ran.ports.items()} == {
        port: shown(expected.ports[port]) for port in ran.ports
    }
    if expected.failure is None:
        assert ran.failure is None
        assert {name: engine.books(ledger) for name, ledger in ran.ledgers.items()} == {
            name: {count: n for count, n in expected.books[name].items() if n} for name in ran.ledgers
        }
    else:
        assert ran.failure is not None
        assert ran.failure.name == expected.failure.name
        assert shown([ran.failure.item]) == shown([expected.failure.item])
        assert repr(ran.failure.cause) == repr(expected.failure.cause)


def test_there_are_enough_programs_and_each_has_a_name_of_its_own():
    assert len({entry.name for entry in CORPUS}) == len(CORPUS) >= 60


@every_program
def test_the_reference_gives_what_is_written_out(entry):
    played = reference(entry, entry.items, "dead")
    assert played.failure is None
    ports = {*entry.expected, *(port for port, items in played.ports.items() if items)}
    assert {port: shown(played.ports[port]) for port in ports} == {
        port: shown(items) for port, items in entry.expected.items()
    }


@every_program
def test_the_engine_gives_what_the_reference_gives_in_virtual_time(entry):
    expected = reference(entry, entry.items, "dead")
    compare(entry, engine.run_virtual(entry, entry.items, policy="dead"), expected)


@timeless
@pytest.mark.parametrize("way", engine.WAYS)
def test_the_engine_gives_what_the_reference_gives(entry, way):
    expected = reference(entry, entry.items, "dead")
    compare(entry, engine.run(entry, way, entry.items, policy="dead"), expected)


@pytest.mark.parametrize("entry", [e for e in CORPUS if not e.only_once and e.times is None], ids=lambda e: e.name)
@pytest.mark.parametrize("way", ["list", "thread"])
def test_the_engine_gives_what_the_reference_gives_over_many_items(entry, way):
    items = many(entry)
    expected = reference(entry, items, "dead")
    compare(entry, engine.run(entry, way, items, policy="dead"), expected)


@timeless
def test_a_second_reader_of_the_source_changes_nothing(entry):
    expected = reference(entry, entry.items, "dead")
    compare(entry, engine.run(entry, "list", entry.items, policy="dead", is_forked=True), expected)


@pytest.mark.parametrize("entry", [e for e in CORPUS if e.may_fail and e.times is None], ids=lambda e: e.name)
@pytest.mark.parametrize("way", ["list", "singles", "thread"])
@pytest.mark.parametrize("policy", ["raise_", "skip"])
def test_an_item_that_fails_does_what_the_policy_says(entry, way, policy):
    expected = reference(entry, entry.items, policy)
    compare(entry, engine.run(entry, way, entry.items, policy=policy), expected)
