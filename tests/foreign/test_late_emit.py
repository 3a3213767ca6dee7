"""`emit` is open only while its method runs; a later call raises a RuntimeError that says so."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

import rxdag
from rxdag import on_error, sinks, testing
from rxdag import operators as ops
from rxdag.operators import Kernel
from rxdag.sources import END, Chunk, Reader, Source
from tests.foreign import engine
from tests.foreign.entries import EachMark, Own

EXITS = {
    "call": lambda emit: emit(2),
    "call with time": lambda emit: emit(2, ts=0, sequence=0, key=None),
    "to": lambda emit: emit.to("side", 2),
    "many": lambda emit: emit.many([2, 3], ts=[0, 0]),
    "made": lambda emit: emit.made(2, ts=0, sequence=0, key=None),
    "absorbed": lambda emit: emit.absorbed(1),
    "filtered": lambda emit: emit.filtered(2),
    "dropped": lambda emit: emit.dropped(2, "late"),
    "late": lambda emit: emit.late(2),
    "unassigned": lambda emit: emit.unassigned(2),
    "unrouted": lambda emit: emit.unrouted(2),
}


@dataclass
class Kept:
    """The emit that a kernel has kept, and the outcome of the late call."""

    emit: Any = None
    method: str = ""
    errors: list[BaseException | None] = field(default_factory=list)

    def keep(self, emit, method):
        self.emit, self.method = self.emit or emit, self.method or method

    def call(self, use=EXITS["call"]):
        """Use an exit and record the error, or None."""
        try:
            use(self.emit)
        except BaseException as error:
            self.errors.append(error)
        else:
            self.errors.append(None)

    def call_on_a_thread(self):
        thread = threading.Thread(target=self.call)
        thread.start()
        thread.join()

    def check(self):
        """Assert that there was one late call, and that it was refused."""
        (error,) = self.errors
        assert isinstance(error, RuntimeError), f"after {self.method}: got {error!r}"
        assert 'node "keeper"' in str(error)
        assert "emit must be called while a method of its kernel runs" in str(error)


class Keeper(Kernel):
    """Pass items on and keep the emit of `on_item`."""

    def __init__(self, kept):
        self.kept = kept

    def on_item(self, item, emit):
        self.kept.keep(emit, "on_item")
        emit(item)


class OneThenLate(Reader):
    """Give one item, make the late call once the kernel has kept its emit, give another item, and end."""

    def __init__(self, context, kept, late):
        self.context, self.kept, self.late = context, kept, late
        self.n = 0

    def read(self, max_items):
        self.n += 1
        if self.n == 1:
            return Chunk([1])
        if self.kept.emit is None:
            self.context.wake()
            return None
        if not self.kept.errors:
            self.late()
            return Chunk([5])
        return END


@dataclass(frozen=True)
class Late(Source[int]):
    kept: Kept
    late: Any

    def open(self, context):
        return OneThenLate(context, self.kept, self.late)


def run_beside(kept, late, make=Keeper, policy=on_error.raise_):
    """Run a kernel, make the late call between two of its items, and return the outputs."""
    stream = rxdag.from_source(Late(kept, late)).pipe(
        Own(lambda: make(kept), ("side", "late")), name="keeper", on_error=policy
    )
    out = stream.to(sinks.collect())
    result = rxdag.run(engine.compiled(out))
    assert result.problems == ()
    return result[out]


@pytest.mark.parametrize("use", EXITS.values(), ids=list(EXITS))
def test_an_exit_that_is_used_after_its_method_returned_is_refused(use):
    kept = Kept()
    assert run_beside(kept, lambda: kept.call(use)) == [1, 5]
    kept.check()


def test_an_exit_that_was_taken_from_emit_is_refused_too():
    kept = Kept()

    class KeepsAnExit(Kernel):
        def on_item(self, item, emit):
            kept.keep(emit.filtered, "on_item")
            emit(item)

    assert run_beside(kept, lambda: kept.call(lambda filtered: filtered(2)), lambda _: KeepsAnExit()) == [1, 5]
    kept.check()


def test_a_call_from_another_thread_after_the_method_returned_is_refused():
    kept = Kept()
    assert run_beside(kept, kept.call_on_a_thread) == [1, 5]
    kept.check()


@pytest.mark.parametrize("late", [Kept.call, Kept.call_on_a_thread], ids=["here", "on a thread"])
def test_a_call_after_the_end_is_refused(late):
    kept = Kept()
    out = engine.of_list([1]).pipe(Own(lambda: Keeper(kept)), name="keeper").to(sinks.collect())
    result = rxdag.run(engine.compiled(out))
    late(kept)
    kept.check()
    assert result[out] == [1]


def test_a_call_after_the_method_has_raised_is_refused():
    class RaisesAtFirst(Keeper):
        def on_item(self, item, emit):
            self.kept.keep(emit, "on_item")
            if item == 1:
                raise ValueError("no 1")
            emit(item)

    kept = Kept()
    assert run_beside(kept, kept.call, RaisesAtFirst, on_error.skip) == [5]
    kept.check()


def test_the_emit_of_another_node_is_refused():
    kept = Kept()

    class Meddles(Kernel):
        def on_item(self, item, emit):
            if kept.emit is not None:
                kept.call()
            emit(item)

    source = testing.Chunked(((1,), (2,)))
    stream = rxdag.from_source(source).pipe(Own(Meddles), name="meddler")
    out = stream.pipe(Own(lambda: Keeper(kept)), name="keeper").to(sinks.collect())
    result = rxdag.run(engine.compiled(out))
    kept.check()
    assert result[out] == [1, 2]
    assert result.problems == ()


class KeepsOfStart(Keeper):
    def on_start(self, now, emit):
        self.kept.keep(emit, "on_start")

    def on_item(self, item, emit):
        emit(item)


def test_a_call_after_on_start_is_refused():
    kept = Kept()
    assert run_beside(kept, kept.call, KeepsOfStart) == [1, 5]
    kept.check()


def test_a_call_after_on_end_is_refused():
    class KeepsOfEnd(Keeper):
        def on_item(self, item, emit):
            emit(item)

        def on_end(self, emit):
            self.kept.keep(emit, "on_end")

    kept = Kept()
    out = engine.of_list([1]).pipe(Own(lambda: KeepsOfEnd(kept)), name="keeper").to(sinks.collect())
    result = rxdag.run(engine.compiled(out))
    kept.call()
    kept.check()
    assert result[out] == [1]


def test_a_call_after_on_watermark_is_refused():
    class KeepsOfMarks(EachMark):
        def __init__(self, kept):
            self.kept = kept

        def on_item(self, item, emit):
            emit(item)

        def on_watermark(self, watermark, emit):
            self.kept.keep(emit, "on_watermark")

    kept = Kept()
    timed = rxdag.from_source(Late(kept, kept.call)).pipe(ops.event_time(lambda item: item))
    out = timed.pipe(Own(lambda: KeepsOfMarks(kept)), name="keeper").to(sinks.collect())
    result = rxdag.run(engine.compiled(out))
    kept.check()
    assert result[out] == [1, 5]
    assert result.problems == ()


def test_a_call_after_on_timer_is_refused():
    class KeepsOfTimer(Keeper):
        def on_start(self, now, emit):
            self.timer = now + 5

        def on_item(self, item, emit):
            emit(item)

        def on_timer(self, now, emit):
            self.timer = None
            self.kept.keep(emit, "on_timer")

    kept = Kept()
    items = rxdag.from_source(testing.timeline(("1ns", 1), ("9ns", 2))).pipe(
        ops.tap(lambda item: kept.call() if item == 2 else None)
    )
    out = items.pipe(Own(lambda: KeepsOfTimer(kept)), name="keeper").to(sinks.collect())
    result = testing.run_virtual(engine.compiled(out))
    kept.check()
    assert result[out] == [1, 2]
    assert result.problems == ()
