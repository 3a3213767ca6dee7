"""Classes in the state: those that a run knows, and those by which it is refused before it starts."""

import dataclasses
import enum
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypedDict

import msgspec
import numpy as np
import pytest
from tests.unit.test_changed_programs import job, stopped
from tests.unit.test_checkpointed_runs import settled, virtual

import rxdag
from rxdag import checkpoints
from rxdag import operators as ops
from rxdag.codec import cannot_be_saved, classes_in
from rxdag.errors import StateError


def test_local_classes_of_items_are_known_with_those_of_their_fields():
    class Side(enum.Enum):
        BUY = 1

    Tick = msgspec.defstruct("Tick", [("n", int), ("sides", list[Side | None])], module="nowhere")

    def dag():
        return job(("late", ops.delay("1d")), rows=[Tick(i, [Side.BUY]) for i in range(100)], of=Tick)

    result = settled(virtual(dag(), stopped(dag())))
    assert result["out"] == [Tick(i, [Side.BUY]) for i in range(100)]


def test_local_classes_in_the_state_are_known_if_they_are_given():
    class Sum(NamedTuple):
        n: int

    def dag():
        return job(("sum", ops.scan(None, lambda total, row: Sum((total.n if total else 0) + row["n"]))))

    given = {"state_types": [Sum], "every": "1h"}
    store, outcomes = checkpoints.memory(), []
    first = virtual(dag(), store, **given)
    first.main.at(505_000_000, first.drain)
    settled(first)
    assert settled(virtual(dag(), store, **given))["out"][-1] == Sum(sum(range(100)))

    without = virtual(dag(), checkpoints.memory(), every="1h")
    without.main.at(50_000_000, lambda: without.checkpointing.request(outcomes.append))
    settled(without)
    assert type(outcomes[0]) is StateError
    assert "or pass it in types=, or in state_types= of a run" in str(outcomes[0])


class Plain:
    """A class that cannot be saved."""


@dataclasses.dataclass
class Holder:
    name: str
    plain: dict[str, list[Plain]]


class Locked(msgspec.Struct):
    lock: threading.Event


class Above(msgspec.Struct):
    below: Locked | None


class Doc(TypedDict):
    holder: Plain


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (Plain, "Plain of type Plain"),
        (Holder, "Holder.plain of type Plain"),
        (Above, "Above.below.lock of type Event"),
        (Doc, "Doc.holder of type Plain"),
        (tuple[int, Plain], "tuple of type Plain"),
    ],
)
def test_items_that_cannot_be_saved_are_refused_before_the_start(of, said):
    with pytest.raises(rxdag.GraphError) as raised:
        virtual(job(of=of), checkpoints.memory())
    assert str(raised.value) == (
        f'dag "job": checkpoints: node "rows": its items must be plain data to be saved, got {said}; make it a dataclass, '
        "a NamedTuple or a msgspec.Struct, or leave it out"
    )


class Base:
    """A class whose subclasses can be saved."""


@dataclasses.dataclass
class Derived(Base):
    n: int


class Shape(Protocol):
    n: int


@pytest.mark.parametrize(
    "of",
    [
        None,
        Any,
        object,
        int | None,
        dict[str, Any],
        Base,
        Shape,
        Literal["a"],
        Callable[[Plain], int],
        pytest.param(Annotated[int, Plain()], id="annotated"),
        np.ndarray,
        ValueError,
        list["Unknown"],  # noqa: F821
    ],
    ids=str,
)
def test_types_of_which_some_values_can_be_saved_are_not_refused(of):
    assert [path for path, cls in classes_in(of) if cannot_be_saved(cls)] == []


def test_an_initial_value_that_cannot_be_saved_is_refused_before_the_start():
    with pytest.raises(rxdag.GraphError) as raised:
        virtual(job(("sum", ops.scan({"a": [len]}, lambda total, _: total))), checkpoints.memory())
    assert str(raised.value) == (
        'dag "job": checkpoints: node "sum": initial[\'a\'][0]: must be plain data to be saved, got <built-in function '
        "len>; keep it on the operator, and only its data in the state"
    )


class Starts(ops.KeyedProcess):
    def __init__(self, initial):
        self._initial = initial

    def initial(self):
        return self._initial()

    def on_item(self, ctx, state, item):
        return state


@pytest.mark.parametrize(
    ("initial", "said"),
    [
        (
            lambda: {"a": [len]},
            "Starts.initial()['a'][0]: must be plain data to be saved, got <built-in function len>; keep it on the "
            "operator, and only its data in the state",
        ),
        (lambda: 1 / 0, "Starts.initial() must return a state, got ZeroDivisionError: division by zero"),
    ],
)
def test_an_initial_state_of_a_process_that_cannot_be_saved_is_refused_before_the_start(initial, said):
    with pytest.raises(rxdag.GraphError) as raised:
        virtual(job(ops.key_by("key"), ("own", ops.process(Starts(initial)))), checkpoints.memory())
    assert str(raised.value) == f'dag "job": checkpoints: node "own": {said}'
