"""What must hold of random graphs: A order, B books and ends in virtual time, S restarts, T books and ends on threads."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rxdag
from rxdag.errors import Stalled
from tests.engine.graphs import EXACT, FREE, Graph, Wish, make
from tests.engine.running import Hung, Stepped


@dataclass
class Tally:
    """What was run.

    Attributes:
        graphs: How many graphs.
        rests: How often a node was seen resting between two steps.
        items: Items that came to sinks.
        failed: Runs that failed.
        cancelled: Runs that were cancelled.
        drained: Runs that were drained.
    """

    graphs: int = 0
    rests: int = 0
    items: int = 0
    failed: int = 0
    cancelled: int = 0
    drained: int = 0
    parts: Counter[str] = field(default_factory=lambda: Counter[str]())

    def add(self, graph: Graph, execution: Any) -> None:
        """Count a run."""
        self.rests += execution.rests
        self.items += sum(len(items) for items in graph.items.values())
        self.failed += execution.error is not None
        self.cancelled += execution.state == "cancelled"
        self.drained += execution.was_drained


def check_order(seed: int, tally: Tally) -> None:
    """A: tiny gates at the exits change nothing: the same items in order, with marks between the same items."""
    wish = Wish(is_open=True, has_loop=seed % 4 == 0)
    expected = make(seed, wish)
    reference = Stepped(rxdag.compile(expected.dag), 1024)
    escaped = reference.settle()
    assert escaped is None, escaped
    balanced(reference)
    for quantum in (1, 7):
        graph = make(seed, Wish(has_loop=wish.has_loop))
        execution = Stepped(rxdag.compile(graph.dag), quantum)
        escaped = execution.settle()
        assert escaped is None, escaped
        balanced(execution)
        assert (execution.state, repr(execution.error)) == (reference.state, repr(reference.error))
        if reference.state == "completed":
            for name, watched in execution.watched.items():
                compare(name, graph, graph.items[name], expected.items[name])
                if name in graph.straight:
                    compare_marks(name, watched.marks, reference.watched[name].marks)
        tally.add(graph, execution)
    tally.graphs += 1


def check_books(seed: int, tally: Tally) -> None:
    """B: hops, policies, failures and stops in virtual time: the books balance, and everything ends."""
    rng = random.Random(seed)
    wish = Wish(
        sources=3,
        has_gates=True,
        has_hops=True,
        has_threads=True,
        has_loop=seed % 4 == 0,
        faults=rng.choice([0, 0.05, 0.15]),
    )
    graph = make(seed, wish)
    stop = rng.choice(["nothing", "nothing", "cancel", "drain", "flush", "drain, then cancel"])
    at, later = rng.randint(1, rng.choice([5, 60, 400])), rng.randint(0, 30)

    def act(step: int) -> None:
        if step == at and stop == "cancel":
            execution.cancel()
        elif step == at and stop != "nothing":
            execution.drain(flush=stop == "flush")
        elif step == at + later and stop == "drain, then cancel":
            execution.cancel()

    execution = Stepped(rxdag.compile(graph.dag), rng.choice([1, 7, 1024]), act=act)
    escaped = execution.settle()
    assert escaped is None or (isinstance(escaped, BaseException) and may_escape(escaped, graph)), escaped
    balanced(execution)
    ended(graph, execution)
    tally.add(graph, execution)
    tally.graphs += 1


def may_escape(error: BaseException, graph: Graph) -> bool:
    """Return True for what may end a run bare: user code wants the process to end, or the graph stands still by its own fault."""
    if isinstance(error, Stalled | Hung):
        return graph.may_stall
    return isinstance(error, SystemExit | KeyboardInterrupt) and error.args == ("boom",)


def balanced(execution: Any) -> None:
    """The books balance, no gate has held more than its bound, and nothing was seen that must not be."""
    result = execution.result
    assert result is not None, execution.standing()
    assert result.problems == (), result.problems
    assert execution.faults == [], execution.faults
    for edge, gate in execution.program.gates.items():
        assert gate.high_water <= max(gate.high, 1), f"{edge}: held {gate.high_water} of {gate.high}"


def ended(graph: Graph, execution: Any) -> None:
    """A run that completes has ended all its sinks; one that fails says with what."""
    if execution.state == "completed":
        open_sinks = [name for name, watched in execution.watched.items() if not watched.ends]
        assert open_sinks == [], f"these sinks have no end: {open_sinks}"
    elif execution.state == "failed":
        error = execution.error
        assert graph.may_stall or not isinstance(error, Stalled), error
        assert is_ours(error), f"{error!r} from {error.__cause__!r}"


def is_ours(error: BaseException | None) -> bool:
    """Return True for an error that a graph was made to raise."""
    while error is not None:
        if error.args and ("boom" in str(error) or "not wanted" in str(error) or "the source broke" in str(error)):
            return True
        if isinstance(error, Stalled | rxdag.BufferOverflow | TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def compare(name: str, graph: Graph, got: list[Any], expected: list[Any]) -> None:
    """A sink has got what it must."""
    order = graph.order[name]
    if order == FREE:
        return
    if order != EXACT:
        got, expected = sorted(got), sorted(expected)
    assert got == expected, f"{name}: {parted(got, expected)}"


def compare_marks(name: str, got: set[tuple[int, int]], expected: set[tuple[int, int]]) -> None:
    """No mark stands before or behind other items than it must.

    One may be missing: a mark that rests gives way to the next one, and a node may give items out at that one.
    """
    assert got <= expected, f"{name}: these marks stand behind the wrong number of items: {sorted(got - expected)}"
    missing = {n for n, _ in expected} - {n for n, _ in got}
    assert len(missing) <= 3, f"{name}: marks behind {sorted(missing)} items are missing"


def parted(got: list[Any], expected: list[Any]) -> str:
    """Tell where two lists part."""
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), min(len(got), len(expected)))
    return f"{len(got)} and {len(expected)}, from {at} on {got[at : at + 6]} != {expected[at : at + 6]}"


KINDS: dict[str, Callable[[int, Tally], None]] = {"A": check_order, "B": check_books}
