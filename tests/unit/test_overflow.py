"""Gates that drop: what stays, what is counted, and what comes of an overflow that is an error."""

import asyncio
import random

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing
from rxdag.contract import END, Chunk, Overflow
from rxdag.errors import BufferOverflow
from rxdag.schedulers import DroppingGate

DROPPING = ["drop_oldest", "drop_newest", "drop_tail", "drop_buffer"]


def numbers(*items):
    return Chunk(list(items), list(items), [0] * len(items))


def drained(gate):
    out, marks = [], []
    while True:
        read = gate.take(100)
        if read is None or read is END:
            return out, marks
        out += read.items
        marks += [mark for _, mark in read.marks]


@pytest.mark.parametrize(
    ("overflow", "high", "n", "kept"),
    [
        ("drop_oldest", 100, 200, [*range(100, 200)]),
        ("drop_newest", 8, 100, [*range(8)]),
        ("drop_tail", 100, 200, [*range(99), 199]),
        ("drop_buffer", 100, 150, [*range(100, 150)]),
        ("drop_tail", 1, 5, [4]),
        ("drop_buffer", 1, 5, [4]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_what_stays_does_not_depend_on_how_it_comes(overflow, high, n, kept, size):
    gate = DroppingGate("a -> b", high, Overflow(overflow))
    for start in range(0, n, size):
        gate.on_next(numbers(*range(start, min(start + size, n))))
    assert gate.high_water <= high
    assert gate.n == len(kept)
    assert gate.dropped == n - len(kept)
    assert drained(gate) == (kept, [])


def model(overflow, high, queue, item):
    """One item after the other."""
    if len(queue) < high:
        return [*queue, item]
    return {
        "drop_oldest": [*queue[1:], item],
        "drop_newest": queue,
        "drop_tail": [*queue[:-1], item],
        "drop_buffer": [item],
    }[overflow]


@pytest.mark.parametrize("overflow", DROPPING)
def test_random_chunks_takes_and_watermarks_are_those_of_the_model(overflow):
    rng = random.Random(overflow)
    for _ in range(300):
        high = rng.randint(1, 6)
        gate, queue, taken, expected, came, mark = DroppingGate("g", high, Overflow(overflow)), [], [], [], 0, 0
        seen = []
        for _ in range(rng.randint(1, 12)):
            if rng.random() < 0.6:
                n = rng.randint(0, 8)
                marks = []
                for position in sorted(rng.sample(range(n + 1), rng.randint(0, min(2, n + 1)))):
                    mark += 1
                    marks.append((position, mark))
                items = [*range(came, came + n)]
                came += n
                gate.on_next(Chunk(items, items, [0] * n, None, tuple(marks)))
                for item in items:
                    queue = model(overflow, high, queue, item)
            else:
                read = gate.take(rng.randint(1, 4))
                if read is not None:
                    taken += read.items
                    seen += [m for _, m in read.marks]
                    expected += queue[: len(read.items)]
                    queue = queue[len(read.items) :]
        rest, marks = drained(gate)
        assert (taken, rest) == (expected, queue)
        assert gate.dropped == came - len(taken) - len(rest)
        assert gate.high_water <= high
        seen += marks
        assert seen == sorted(seen)
        assert not mark or seen[-1] == mark


@pytest.mark.parametrize("delay_error", [True, False])
def test_an_overflow_that_is_an_error_ends_the_gate(delay_error):
    gate = DroppingGate("a -> b", 3, Overflow.ERROR, delay_error=delay_error)
    told = []
    gate.on_overflow = lambda: told.append(True)
    gate.on_next(numbers(1, 2, 3, 4, 5))
    gate.on_next(numbers(6))
    assert (gate.dropped, told) == (1, [True])
    assert gate.discarded == (2 if delay_error else 5)
    if delay_error:
        assert gate.take(9).items == [1, 2, 3]
    with pytest.raises(BufferOverflow, match="gate a -> b: must hold no more than 3 items, and one more came"):
        gate.take(9)


async def _slowly(item):
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("overflow", DROPPING)
@pytest.mark.parametrize("fuse", [True, False])
def test_delivered_and_dropped_are_all_that_was_produced(overflow, fuse):
    stream = rxdag.from_source(sources.range(500)).pipe(ops.map(lambda x: x))
    out = stream.buffered(max_items=20, overflow=overflow).pipe(ops.map(lambda x: x)).to(sinks.acall(_slowly))
    plan = rxdag.compile(rxdag.Dag(out), fuse=fuse)
    result = testing.settle_virtual(testing.virtual(plan))
    assert result.state == "completed"
    assert result.problems == ()
    edge = next(edge for edge in result.stats.edges if edge.name.startswith("map"))
    assert edge.sent == 500
    assert edge.received + edge.dropped == 500
    assert result[out] == edge.received
    gate = result.stats.gates[edge.name]
    assert gate.high_water <= 20
    assert gate.dropped == edge.dropped
    if edge.dropped:
        assert f"{edge.dropped:,} items were dropped by the full gate" in str(result)


def test_a_branch_that_drops_does_not_hold_the_other_up():
    source = rxdag.from_source(sources.range(300))
    slow = source.buffered(max_items=2, overflow="drop_oldest").to(sinks.acall(_slowly))
    fast = source.to(sinks.collect())
    result = rxdag.run(slow, fast)
    assert result[fast] == list(range(300))
    assert result.problems == ()
    dropped = sum(edge.dropped for edge in result.stats.edges)
    assert result[slow] + dropped == 300
    assert dropped > 0


@pytest.mark.parametrize("on_thread", [True, False])
def test_an_overflow_fails_the_run_after_what_rested(on_thread):
    stream = rxdag.from_source(sources.range(500))
    gated = stream.buffered(max_items=10, overflow="error")
    if on_thread:
        gated = gated.on("other")
    seen = []
    out = gated.pipe(ops.map(lambda x: x)).to(sinks.call(seen.append))
    plan = rxdag.compile(rxdag.Dag(out))
    assert ": error, 10 items" in plan.explain()
    run = rxdag.start(plan)
    with pytest.raises(BufferOverflow, match="must hold no more than 10 items"):
        run.wait()
    assert seen == list(range(len(seen)))
    assert len(seen) >= 10
    assert run.result.problems == ()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"max_items": 0}, 'buffered: max_items must be 1 or more, or 0 with overflow="drop_newest", got 0'),
        (
            {"overflow": "drop"},
            "buffered: overflow must be one of block, drop_oldest, drop_newest, drop_tail, drop_buffer, error, got 'drop'",
        ),
        ({"delay_error": False}, 'buffered: delay_error goes with overflow="error", got "block"'),
    ],
)
def test_what_buffered_refuses(how, said):
    with pytest.raises(rxdag.GraphError) as caught:
        rxdag.from_source(sources.range(3)).buffered(**how)
    assert str(caught.value) == said
