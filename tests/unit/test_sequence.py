"""A sequence is a whole number: a field of another type is refused, another value goes to port dead."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

import msgspec
import pytest

import rxdag
from rxdag import col, element, sinks, sources
from rxdag import operators as ops

np = pytest.importorskip("numpy")


class Trade(msgspec.Struct):
    ts: int
    id: str
    number: int
    maybe: int | None
    price: float
    either: int | str
    texts: str | None
    exact: Decimal
    anything: Any
    thing: object


@dataclass
class Order:
    id: str


class Quote(NamedTuple):
    id: float


class Row(TypedDict):
    id: bytes


def stream(of):
    return rxdag.from_source(sources.iterable([], of=of))


def operators(field):
    return {
        "event_time": lambda: ops.event_time(lambda _: 0, sequence=field),
        "arbitrate": lambda: ops.arbitrate(sequence=field),
    }


@pytest.mark.parametrize("name", ["event_time", "arbitrate"])
@pytest.mark.parametrize(
    ("of", "field", "said"),
    [
        (Trade, "id", 'the field "id" of type str'),
        (Trade, col.id, 'the field "id" of type str'),
        (Trade, "price", 'the field "price" of type float'),
        (Trade, "texts", 'the field "texts" of type str | None'),
        (Trade, "exact", 'the field "exact" of type Decimal'),
        (Order, "id", 'the field "id" of type str'),
        (Quote, "id", 'the field "id" of type float'),
        (Row, "id", 'the field "id" of type bytes'),
        (str, element, "items of type str"),
    ],
)
def test_a_field_of_a_type_without_whole_numbers_is_refused(name, of, field, said):
    with pytest.raises(rxdag.GraphError) as caught:
        stream(of).pipe(operators(field)[name]())
    assert str(caught.value) == f"{name}: sequence must be a whole number, got {said}"


@pytest.mark.parametrize("name", ["event_time", "arbitrate"])
@pytest.mark.parametrize("field", ["number", "maybe", "either", "anything", "thing", col.number + 1, lambda t: t.id])
def test_a_field_that_may_be_a_whole_number_is_taken(name, field):
    stream(Trade).pipe(operators(field)[name]())


MAKES = {
    "rows": lambda: ops.event_time(lambda r: r[0], sequence=lambda r: r[1]),
    "feeds": lambda: ops.event_time(lambda r: r[0], sequence=lambda r: r[1], by=lambda r: 0),
    "source": lambda: ops.event_time(lambda r: r[0], sequence=lambda r: r[1], watermarks="source"),
}


@pytest.mark.parametrize("name", MAKES)
def test_a_sequence_that_is_no_whole_number_goes_to_dead(name):
    rows = [(1, 9), (1, "10"), (1, None), (1, 8.0), (1, np.int64(7)), (1, True)]
    timed = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda r: r[0])).pipe(MAKES[name]())
    out, dead = timed.to(sinks.collect()), timed.dead.to(sinks.collect())
    ordered = rxdag.merge_sorted(timed).to(sinks.collect())
    result = rxdag.run(out, dead, ordered)
    assert result.problems == ()
    assert result[out] == [(1, 9), (1, 7), (1, True)]
    assert result[ordered] == [(1, True), (1, 7), (1, 9)]
    assert [str(letter.error) for letter in result[dead]] == [
        "event_time: sequence must be a whole number, got '10'",
        "event_time: sequence must be a whole number, got None",
        "event_time: sequence must be a whole number, got 8.0",
    ]


@pytest.mark.parametrize(
    ("numbers", "alive", "dead"),
    [
        ([3, 2, 1], [3, 2, 1], 0),
        ([3.0, 2.0, 1.0], [], 3),
        (["3", "2", "1"], [], 3),
        ([3, None, 1], [3, 1], 1),
        ([10**20, 2, 1], [10**20, 2, 1], 0),
    ],
    ids=str,
)
def test_over_columns_the_same_sequences_are_dead(numbers, alive, dead):
    rows = rxdag.from_source(sources.arrays({"t": [1, 1, 1], "n": numbers}))
    timed = rows.pipe(ops.event_time("t", sequence="n"))
    out, letters = timed.to(sinks.collect()), timed.dead.to(sinks.collect())
    plan = rxdag.compile(rxdag.Dag(out, letters))
    assert "event_time" in plan.lanes.columns
    result = rxdag.run(plan)
    assert [row["n"] for row in result[out]] == alive
    assert len(result[letters]) == dead
    assert {str(letter.error).partition(", got ")[0] for letter in result[letters]} <= {
        "event_time: sequence must be a whole number"
    }


def test_of_a_wrong_time_and_a_wrong_sequence_the_time_is_told_in_rows_and_columns():
    rows = {"t": [1, 2**63 - 1], "n": ["1", "x"]}
    texts = []
    for source in (
        sources.arrays(rows),
        sources.iterable([{"t": t, "n": n} for t, n in zip(*rows.values(), strict=True)]),
    ):
        timed = rxdag.from_source(source).pipe(ops.event_time("t", sequence="n"))
        dead = timed.dead.to(sinks.collect())
        texts.append([str(letter.error) for letter in rxdag.run(dead)[dead]])
    assert texts[0] == texts[1]
    assert [text.partition(",")[0] for text in texts[0]] == [
        "event_time: sequence must be a whole number",
        "event_time: a time must be within 1677 to 2262",
    ]
