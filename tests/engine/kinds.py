"""What must hold of random graphs: A order, B books and ends in virtual time, S restarts, T and K the same on threads."""

from __future__ import annotations

import faulthandler
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import rxdag
from rxdag.codec import Codec
from rxdag.errors import Stalled
from rxdag.runtime import Run, restore_into, snapshot_of, why_no_snapshot
from tests.engine.graphs import EXACT, FREE, Graph, Wish, make
from tests.engine.parts import Alarm, nobody
from tests.engine.running import Hung, Stepped, Tortured


@dataclass
class Tally:
    """What was run.

    Attributes:
        graphs: How many graphs.
        rests: How often a node was seen resting between two steps.
        saved: Entries that rested in nodes, and items in gates, when runs were saved; of columns, the runs saved.
        items: Items that came to sinks.
        failed: Runs that failed.
        cancelled: Runs that were cancelled.
        drained: Runs that were drained.
    """

    graphs: int = 0
    rests: int = 0
    saved: int = 0
    items: int = 0
    failed: int = 0
    cancelled: int = 0
    drained: int = 0

    def __str__(self) -> str:
        counts = {"graphs": self.graphs, "rests": self.rests, "entries saved": self.saved, "items": self.items}
        ends = {"runs failed": self.failed, "cancelled": self.cancelled, "drained": self.drained}
        return ", ".join(f"{n:,} {name}" for name, n in {**counts, **ends}.items())

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
    reference = Stepped(rxdag.compile(expected.dag), 1)  # so that a mark seldom rests and gives way to the next one
    completed(reference)
    balanced(reference)
    for quantum in (1, 7, 1024):
        graph = make(seed, Wish(has_loop=wish.has_loop))
        execution = Stepped(rxdag.compile(graph.dag), quantum)
        completed(execution)
        balanced(execution)
        assert execution.state == reference.state == "completed", f"{execution.error!r}, {reference.error!r}"
        for name, watched in execution.watched.items():
            compare(name, graph, graph.items[name], expected.items[name])
            if name in graph.straight:
                compare_marks(name, watched.marks, reference.watched[name].marks)
        tally.add(graph, execution)
    tally.graphs += 1


def check_books(seed: int, tally: Tally) -> None:
    """B: hops, policies, failures and stops in virtual time: the books balance, and everything ends.

    A run that is cancelled has given each sink the first of what the run gives that is left alone; one that is drained
    gives it no other items, as far as they are determined.
    """
    rng = random.Random(seed)
    wish = Wish(
        sources=3,
        has_gates=True,
        has_hops=True,
        has_threads=True,
        has_waits=True,
        has_loop=seed % 4 == 0,
        may_stall=True,
        faults=rng.choice([0, 0.05, 0.15]),
    )
    graph, quantum = make(seed, wish), rng.choice([1, 7, 1024])
    stop = rng.choice(["nothing", "nothing", "cancel", "drain", "flush", "drain, then cancel"])
    at, later = rng.randint(1, rng.choice([5, 60, 400])), rng.randint(0, 30)

    def act(step: int) -> None:
        if step == at and stop == "cancel":
            execution.cancel()
        elif step == at and stop != "nothing":
            execution.drain(flush=stop == "flush")
        elif step == at + later and stop == "drain, then cancel":
            execution.cancel()

    execution = Stepped(rxdag.compile(graph.dag), quantum, act=act)
    escaped = execution.settle()
    assert escaped is None or may_escape(escaped, graph), repr(escaped)
    balanced(execution)
    ended(graph, execution)
    if not wish.faults and not graph.may_stall and stop != "nothing" and escaped is None:
        whole = make(seed, wish)
        reference = Stepped(rxdag.compile(whole.dag), quantum)
        completed(reference)
        for name, got in graph.items.items():
            if execution.error is None and reference.error is None:
                begun(name, graph, got, whole.items[name], stop)
    tally.add(graph, execution)
    tally.graphs += 1


def begun(name: str, graph: Graph, got: list[Any], expected: list[Any], stop: str) -> None:
    """A sink has got a part of what it gets in a run that is not stopped."""
    order = graph.order[name]
    if stop == "cancel" or (order == EXACT and stop != "flush"):
        assert got == expected[: len(got)], f"{name}: after a {stop} {parted(got, expected)}"
    elif order != FREE and stop != "flush":
        assert Counter(got) <= Counter(expected), f"{name}: after a {stop} {Counter(got) - Counter(expected)} too many"


def check_restarts(seed: int, tally: Tally) -> None:
    """S: a run whose state goes through bytes into another run, at some step, gives what it gives without."""
    rng = random.Random(seed)
    wish = Wish(
        sources=rng.choice([1, 1, 3]),
        has_gates=rng.random() < 0.5,
        has_hops=rng.random() < 0.3,
        has_waits=rng.random() < 0.5,
        has_loop=seed % 4 == 0,
    )
    expected, quantum = make(seed, wish), rng.choice([1, 7, 1024])
    reference = Stepped(rxdag.compile(expected.dag), quantum)
    completed(reference)
    balanced(reference)
    if reference.state != "completed":
        return
    at, saved = rng.randint(1, reference.steps), b""

    def act(step: int) -> None:
        nonlocal saved
        if step >= at and not saved and why_no_snapshot(first) is None:
            saved = Codec().encode(snapshot_of(first))
            tally.saved += sum(
                len(node.pending) for node in [*first.program.nodes.values(), *first.program.helpers.values()]
            )
            tally.saved += sum(gate.n for gate in first.program.gates.values())
            front.update(delivered(begun_graph, first))
            first.cancel()

    front: dict[str, list[Any]] = {}
    begun_graph = make(seed, wish)
    first = Stepped(rxdag.compile(begun_graph.dag), quantum, act=act)
    completed(first)
    if not saved:  # the rest of its steps is no moment for it
        return
    state = Codec().decode(saved)
    graph = make(seed, wish)
    execution = Stepped(rxdag.compile(graph.dag), quantum, start=state["now"])
    restore_into(execution, state)
    completed(execution)
    balanced(execution)
    if isinstance(execution.error, rxdag.BufferOverflow):
        return  # the first turn begins with what was saved: a gate that raises may get more at once than in one run
    assert execution.state == "completed", execution.error
    for name, items in graph.items.items():
        compare(name, graph, front[name] + items, expected.items[name])
    tally.add(graph, execution)
    tally.graphs += 1


def check_threads(seed: int, tally: Tally) -> None:
    """T: as B, on real threads, stopped by user code in the midst of it."""
    rng = random.Random(seed)
    stop = rng.choice(["nothing", "nothing", "cancel", "drain", "flush", "cancel from outside"])
    has_come = threading.Event()

    def act() -> None:
        if stop == "cancel":
            execution.cancel()
        elif stop in ("drain", "flush"):
            execution.drain(flush=stop == "flush")
        has_come.set()

    alarm = Alarm(rng.randint(1, rng.choice([10, 100, 1000])), act)
    wish = Wish(
        sources=3,
        has_gates=True,
        has_hops=True,
        has_threads=True,
        has_waits=True,
        has_loop=seed % 4 == 0,
        faults=rng.choice([0, 0, 0.05]),
        items=rng.choice([60, 60, 300]),
        tick=rng.choice([1, 1000, 20_000]),
        knock=alarm.knock,
    )
    graph = make(seed, wish)
    execution = Tortured(rxdag.compile(graph.dag), None, rng.choice([1, 7, 1024]))
    execution.on_done(has_come.set)
    run = Run(execution)
    if stop == "cancel from outside":
        has_come.wait(HANG_S)
        run.cancel()
    try:
        wait(run, execution)
    except Hung:
        raise
    except BaseException as error:
        escaped = error
    else:
        escaped = None
    assert escaped is None or isinstance(escaped, rxdag.RxDagError) or may_escape(escaped, graph), repr(escaped)
    balanced(execution)
    ended(graph, execution)
    if stop == "nothing" and not wish.faults and execution.state == "completed":
        whole = make(seed, replace(wish, knock=nobody))
        reference = Stepped(rxdag.compile(whole.dag), 1024)
        completed(reference)
        for name in (
            graph.items if reference.state == "completed" and not any(part in TIMED for part in graph.parts) else ()
        ):
            compare(name, graph, graph.items[name], whole.items[name])
    tally.add(graph, execution)
    tally.graphs += 1


def check_safepoints(seed: int, tally: Tally) -> None:
    """K: as S, on real threads: all of them stand at some moment, and another run goes on from there."""
    rng = random.Random(seed)
    saved, front = b"", dict[str, list[Any]]()

    def save() -> bool:
        nonlocal saved
        saved = Codec().encode(snapshot_of(first))
        tally.saved += sum(
            len(node.pending) for node in [*first.program.nodes.values(), *first.program.helpers.values()]
        )
        tally.saved += sum(gate.n for gate in first.program.gates.values())
        front.update(delivered(begun_graph, first))
        first.main.call(first.cancel)
        return rng.random() < 0.5

    alarm = Alarm(rng.randint(1, rng.choice([10, 100, 1000])), lambda: first.safepoint.request(save))
    wish = Wish(
        sources=3,
        has_gates=rng.random() < 0.5,
        has_hops=True,
        has_threads=True,
        has_waits=rng.random() < 0.5,
        items=rng.choice([60, 60, 300]),
        tick=rng.choice([1, 1000, 20_000]),
        knock=alarm.knock,
    )
    begun_graph, quantum = make(seed, wish), rng.choice([1, 7, 1024])
    first = Tortured(rxdag.compile(begun_graph.dag), None, quantum)
    for source in first.program.sources:
        source.keeps_position = source.source.where == "blocking"
    waited(first)
    if not saved:  # it was over before
        return
    graph = make(seed, replace(wish, knock=nobody))
    execution = Tortured(rxdag.compile(graph.dag), None, quantum)
    restore_into(execution, Codec().decode(saved))
    waited(execution)
    balanced(execution)
    if isinstance(execution.error, rxdag.BufferOverflow):
        return  # as in S
    assert execution.state == "completed", execution.error
    whole = make(seed, replace(wish, knock=nobody))
    reference = Stepped(rxdag.compile(whole.dag), 1024)
    completed(reference)
    for name, items in graph.items.items():
        if reference.state == "completed" and not any(part in TIMED for part in graph.parts):
            compare(name, graph, front[name] + items, whole.items[name])
    tally.add(graph, execution)
    tally.graphs += 1


def delivered(graph: Graph, execution: Any) -> dict[str, list[Any]]:
    """Return what each sink has got, but for what it is writing: another run writes that again."""
    out: dict[str, list[Any]] = {}
    for name, items in graph.items.items():
        sink = execution.program.nodes[name]
        out[name] = items[: len(items) - max(0, len(items) + sink.held() - sink.came)]
    return out


def waited(execution: Tortured) -> None:
    """Run on threads to the end."""
    try:
        wait(Run(execution), execution)
    except rxdag.RxDagError:
        assert execution.state == "failed", execution.state


def wait(run: Run, execution: Tortured) -> None:
    """Wait for the end; one that does not come is cancelled and raised, with where it stood."""
    try:
        run.wait(HANG_S)
    except TimeoutError:
        faulthandler.dump_traceback(all_threads=True)
        where = execution.standing()
        execution.cancel()
        raise Hung(where) from None


HANG_S = 60.0
"""A run on threads that takes longer hangs."""
TIMED = ("pace", "throttle", "dedupe", "batch", "timeout", "ticking", "clockwork", "delay")
"""Parts whose outputs depend on the time it takes; a delay that lets several items go at once has one mark behind them."""


def may_escape(error: BaseException, graph: Graph) -> bool:
    """Return True for what may end a run bare: user code wants the process to end, or the graph stands still by its own fault."""
    if isinstance(error, Stalled | Hung):
        return graph.may_stall
    return isinstance(error, SystemExit | KeyboardInterrupt) and error.args == ("boom",)


def completed(execution: Stepped) -> None:
    """Run to the end; nothing must get out of that."""
    escaped = execution.settle()
    assert escaped is None, repr(escaped)


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
        if isinstance(error, Stalled | Hung | rxdag.BufferOverflow | TimeoutError):
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


KINDS: dict[str, Callable[[int, Tally], None]] = {
    "A": check_order,
    "B": check_books,
    "S": check_restarts,
    "T": check_threads,
    "K": check_safepoints,
}
