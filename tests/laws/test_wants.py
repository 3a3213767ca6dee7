"""Law of kernels that say which inputs to ask again: the others would answer as before."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import rxdag
from rxdag import operators as ops
from rxdag import sources
from rxdag.contract import ENDED, FLUSHED, IDLE, on_item_parameters
from rxdag.engine._input_marks import InputMarks

N = 3


def streams():
    each = [rxdag.from_source(sources.range(1), name=f"s{i}") for i in range(N)]
    return [stream.pipe(ops.event_time(lambda x: x)) for stream in each]


JOINS = {
    "merge_sorted": lambda: rxdag.merge_sorted(*streams(), max_items=2),
    "merge in step": lambda: rxdag.merge(*streams(), max_drift="3ns"),
    "zip": lambda: rxdag.zip(*streams(), max_items=2),
}
KINDS = ["item", "item", "mark", "mark", "idle", "end"]
STEPS = st.lists(st.tuples(st.integers(0, N - 1), st.sampled_from(KINDS), st.integers(1, 9)), max_size=60)


class Nowhere:
    """Exits that lead nowhere."""

    def __call__(self, *args, **how):
        pass

    def __getattr__(self, name):
        return self


class Asked:
    """A kernel, its inputs, and which of them are shut: asked only as it says."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.marks = kernel.inputs = InputMarks(N)
        self.shut = [False] * N
        self.emit = Nowhere()

    def wants(self, input):
        return self.marks.of[input] >= FLUSHED or self.kernel.want_from(input, 0) != 0

    def take(self, input, kind, step):
        if self.marks.of[input] >= FLUSHED or (kind == "item" and self.shut[input]):
            return
        if kind == "item":
            self.advance(self.marks.wake(input))
            given = {"item": step, "ts": max(self.marks.of[input], 0) + step, "sequence": 0, "input": input}
            names = [name for name in on_item_parameters(type(self.kernel)) if name != "emit"]
            self.kernel.on_item(*[given[name] for name in names], self.emit)
        elif kind == "mark":
            self.advance(self.marks.advance(input, max(self.marks.of[input], 0) + step))
        elif kind == "idle":
            self.advance(self.marks.advance(input, IDLE))
        else:
            self.kernel.on_input_end(input, self.emit)
            self.advance(self.marks.advance(input, ENDED))
        self.ask(input)

    def advance(self, marks):
        for mark in marks:
            if self.kernel.watermark < mark < FLUSHED:
                self.kernel.watermark = mark
                self.kernel.on_watermark(mark, self.emit)

    def ask(self, heard):
        self.shut[heard] = not self.wants(heard)
        changed = self.kernel.changed_wants()
        for input in range(N) if changed is None else changed:
            self.shut[input] = not self.wants(input)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
@pytest.mark.parametrize("name", JOINS)
def test_an_input_that_is_not_to_be_asked_again_answers_as_before(name, steps):
    asked = Asked(JOINS[name]().node.thing.kernel())
    for step in steps:
        asked.take(*step)
        assert asked.shut == [not asked.wants(input) for input in range(N)]
