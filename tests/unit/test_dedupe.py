"""Dedupe by spans of time: how many it keeps, also after a restart, and that it rests where there is no room."""

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.operators.keyed._dedupe_kernel import SpansKernel


def test_dedupe_keeps_few_spans_after_a_restart_too():
    kernel = SpansKernel(lambda x: x, 10)
    for n in range(40):
        assert not kernel.is_repeat(n, n * 10)
    assert len(kernel.spans) <= 8
    again = SpansKernel(lambda x: x, 10)
    again.restore(kernel.snapshot())
    assert len(again.spans) <= 8
    assert all(again.is_repeat(n, n * 10 + 1) for n in range(40))


def test_dedupe_rests_where_there_is_no_room_behind():
    items = [n % 50 for n in range(200)]
    timed = rxdag.from_source(sources.iterable(items)).pipe(ops.event_time(lambda x: x, out_of_order="1s"))
    kept = timed.pipe(ops.dedupe(lambda x: x, within="1h")).buffered(max_items=1).to(sinks.collect())
    result = rxdag.run(kept)
    assert result[kept] == list(range(50))
    assert result.problems == ()
