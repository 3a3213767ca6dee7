"""Gates that drop: what stays, what is counted, and what comes of an overflow that is an error."""

import asyncio
import random
import threading

import pytest
from tests.unit.gates import Line

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing
from rxdag.contract import Overflow, duration_ns, size_of
from rxdag.engine import Gate
from rxdag.errors import BufferOverflow

DROPPING = ["drop_oldest", "drop_newest", "drop_tail", "drop_buffer"]


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
def test_what_stays_is_what_the_policy_says(overflow, high, n, kept):
    line = Line(Gate("a -> b", high, Overflow(overflow)))
    line.put(*range(n))
    assert line.gate.high_water == high
    assert line.gate.n == len(kept)
    assert line.gate.n_dropped == n - len(kept)
    assert not line.is_blocked
    assert line.take(n) == (kept, [])


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
def test_random_items_takes_and_watermarks_are_those_of_the_model(overflow):
    rng = random.Random(overflow)
    for _ in range(300):
        high = rng.randint(1, 6)
        line, queue, taken, expected, came, mark = Line(Gate("g", high, Overflow(overflow))), [], [], [], 0, 0
        gate, seen = line.gate, []
        for _ in range(rng.randint(1, 40)):
            action = rng.choice(["item", "item", "item", "mark", "take"])
            if action == "item":
                line.put(came)
                queue = model(overflow, high, queue, came)
                came += 1
            elif action == "mark":
                mark += 1
                gate.mark(mark)
            else:
                items, marks = line.take(rng.randint(1, 4))
                taken += items
                seen += marks
                expected += queue[: len(items)]
                queue = queue[len(items) :]
            assert gate.n == len(queue)
        rest, marks = line.take(100)
        assert (taken, rest) == (expected, queue)
        assert gate.n_dropped == came - len(taken) - len(rest)
        assert gate.high_water <= high
        seen += marks
        assert seen == sorted(set(seen))
        assert not mark or seen[-1] == mark


@pytest.mark.parametrize("delay_error", [True, False])
def test_an_overflow_that_is_an_error_ends_the_gate(delay_error):
    line = Line(Gate("a -> b", 3, Overflow.ERROR, delay_error=delay_error))
    line.put(1, 2, 3, 4, 5, 6)
    assert (line.gate.n_dropped, line.gate.lost) == (1, 2 if delay_error else 5)
    assert line.take(9) == ([1, 2, 3] if delay_error else [], [])
    (error,) = line.ends
    assert isinstance(error, BufferOverflow)
    assert str(error).startswith("gate a -> b: must hold at most 3 items, got one more")
    assert line.run.errors == [error]


async def _slowly(item):
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("overflow", DROPPING)
@pytest.mark.parametrize("columns", [True, False])
def test_delivered_and_dropped_are_all_that_was_produced(overflow, columns):
    stream = rxdag.from_source(sources.range(500)).pipe(ops.map(lambda x: x))
    out = stream.buffered(max_items=20, overflow=overflow).pipe(ops.map(lambda x: x)).to(sinks.acall(_slowly))
    plan = rxdag.compile(rxdag.Dag(out), columns=columns)
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
    is_over, seen = threading.Event(), []

    def numbers():
        try:
            yield from range(500)
        finally:
            is_over.set()

    def see(item):
        if on_thread:
            is_over.wait(10)
        seen.append(item)

    gated = rxdag.from_source(sources.iterable(numbers())).buffered(max_items=10, overflow="error")
    if on_thread:
        gated = gated.on("other")
    out = gated.pipe(ops.map(lambda x: x)).to(sinks.call(see))
    plan = rxdag.compile(rxdag.Dag(out))
    assert ": error, 10 items" in plan.explain()
    run = rxdag.start(plan)
    with pytest.raises(BufferOverflow, match="must hold at most 10 items"):
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
            "buffered: overflow must be one of block, drop_oldest, drop_newest, drop_tail, drop_buffer, error, got 'drop'; "
            'did you mean "drop_newest"?',
        ),
        ({"delay_error": False}, 'buffered: delay_error goes with overflow="error", got "block"'),
    ],
)
def test_what_buffered_refuses(how, said):
    with pytest.raises(rxdag.GraphError) as caught:
        rxdag.from_source(sources.range(3)).buffered(**how)
    assert str(caught.value) == said


# ---- bounds in bytes


def sized(overflow, high, max_bytes):
    return Line(Gate("a -> b", high, Overflow(overflow), max_bytes=max_bytes, size_of=lambda item: item))


def byte_model(overflow, high, most, queue, item):
    """One item after the other; each is its own size."""

    def fits(rest):
        return not rest or (len(rest) < high and sum(rest) + item <= most)

    if overflow == "drop_newest":
        return [*queue, item] if fits(queue) else queue
    if overflow == "drop_buffer":
        return [*queue, item] if fits(queue) else [item]
    while not fits(queue):
        queue = queue[1:] if overflow == "drop_oldest" else queue[:-1]
    return [*queue, item]


@pytest.mark.parametrize("overflow", DROPPING)
def test_a_gate_bound_by_bytes_keeps_what_the_model_keeps(overflow):
    rng = random.Random(overflow)
    for _ in range(300):
        high, most = rng.randint(1, 6), rng.randint(1, 30)
        line, queue, mark, seen, came, taken = sized(overflow, high, most), [], 0, [], 0, 0
        gate = line.gate
        for _ in range(rng.randint(1, 40)):
            action = rng.choice(["item", "item", "item", "mark", "take"])
            if action == "item":
                item = rng.randint(1, 12)
                line.put(item)
                came += 1
                queue = byte_model(overflow, high, most, queue, item)
            elif action == "mark":
                mark += 1
                gate.mark(mark)
            else:
                items, marks = line.take(rng.randint(1, 4))
                assert items == queue[: len(items)]
                queue = queue[len(items) :]
                taken += len(items)
                seen += marks
            assert gate.n == len(queue)
            assert gate.n_bytes == sum(queue)
            assert gate.n_bytes <= most or gate.n == 1
        rest, marks = line.take(100)
        assert rest == queue
        assert gate.n_dropped == came - taken - len(rest)
        seen += marks
        assert seen == sorted(set(seen))
        assert not mark or seen[-1] == mark


def test_a_blocking_gate_bound_by_bytes_opens_when_half_of_them_are_free():
    line = sized("block", 100, 10)
    gate = line.gate
    line.put(4, 4)
    assert (line.is_blocked, gate.n_bytes, gate.room()) == (False, 8, 1)
    line.put(4)
    assert (line.is_blocked, gate.n_bytes) == (True, 12)
    assert line.take(1) == ([4], [])
    assert (line.is_blocked, gate.n_bytes) == (True, 8)
    assert line.take(1) == ([4], [])
    assert (line.is_blocked, gate.n_bytes) == (False, 4)
    assert line.take(1) == ([4], [])
    line.put(50)
    assert (line.is_blocked, gate.n, gate.n_bytes) == (True, 1, 50)


@pytest.mark.parametrize("overflow", ["block", *DROPPING])
@pytest.mark.parametrize("columns", [True, False])
def test_a_run_through_a_gate_bound_by_bytes_keeps_its_books(overflow, columns):
    source = rxdag.from_source(sources.iterable(["x" * (n % 50) for n in range(500)]))
    stream = source.pipe(ops.map(lambda x: x)).buffered(max_items=100, max_bytes=200, size_of=len, overflow=overflow)
    out = stream.to(sinks.acall(_slowly), name="out")
    plan = rxdag.compile(rxdag.Dag(out), columns=columns)
    assert f"map -> out: {overflow}, 100 items, 200 bytes" in plan.explain()
    assert "cap: at most 200 bytes, and an item over it for each gate" in plan.explain()
    execution = testing.virtual(plan)
    result = testing.settle_virtual(execution)
    assert (result.state, result.problems) == ("completed", ())
    (gate,) = execution.program.gates.values()
    assert gate.high_water_bytes <= 200 + (49 if overflow == "block" else 0)  # the item over the bound is the longest
    assert result[out] + gate.n_dropped == 500
    assert (gate.n_dropped == 0) == (overflow == "block")


def test_an_overflow_of_bytes_is_an_error():
    source = rxdag.from_source(sources.iterable(["x" * 30] * 10))
    out = source.buffered(max_items=100, max_bytes=100, size_of=len, overflow="error").to(sinks.acall(_slowly))
    with pytest.raises(BufferOverflow, match="must hold at most 100 items and 100 bytes, got one more"):
        rxdag.run(out)


@pytest.mark.parametrize("overflow", ["block", "drop_oldest"])
def test_an_item_without_a_size_fails_the_run_with_its_books_in_order(overflow):
    def size_of(item):
        return {7: None}.get(item, 1) + 0

    source = rxdag.from_source(sources.range(20))
    out = source.buffered(max_items=100, max_bytes=50, size_of=size_of, overflow=overflow).to(
        sinks.collect(), name="out"
    )
    run = testing.start(out)
    result = run.finish()
    assert "size_of must return the size of each item as a number, raised TypeError" in str(result.error)
    assert str(result.error).endswith(" on 7")
    assert run[out] == list(range(7))
    assert result.problems == ()


def test_the_size_of_an_item_counts_what_it_holds():
    import msgspec

    class Tick(msgspec.Struct):
        a: str
        b: int

    text = "x" * 1000
    for item in ({"a": text}, (text,), [text], Tick(text, 1), type("C", (), {})()):
        if not isinstance(item, dict | tuple | list | Tick):
            item.a = text
        assert 1000 < size_of(item) < 2000
    assert size_of(7) < 100


# ---- what a plan says


def test_a_plan_says_which_way_can_stall_which():
    source = rxdag.from_source(sources.range(10), name="in")
    slow = source.to(sinks.acall(_slowly), name="db")
    fast = source.pipe(ops.map(lambda x: x)).to(sinks.collect(), name="file")
    assert (
        "stall: db can stall file, behind in; put .buffered(overflow=...) on the slow way if the others must not wait"
        in rxdag.compile(rxdag.Dag(slow, fast)).explain()
    )
    drops = source.buffered(max_items=5, overflow="drop_oldest").to(sinks.acall(_slowly), name="db")
    newest = source.pipe(ops.conflate(lambda x: x)).to(sinks.acall(_slowly), name="screen")
    assert "stall: " not in rxdag.compile(rxdag.Dag(drops, newest, fast)).explain()
    alone = source.pipe(ops.map(lambda x: x)).to(sinks.acall(_slowly), name="db")
    assert "stall: " not in rxdag.compile(rxdag.Dag(alone)).explain()


def test_a_deep_and_a_wide_plan_can_be_explained():
    deep = rxdag.from_source(sources.range(3), name="in")
    for _ in range(60):  # each diamond doubles the ways through it
        deep = rxdag.merge(deep.pipe(ops.map(lambda x: x)), deep.pipe(ops.map(lambda x: x)))
    for _ in range(1500):
        deep = deep.pipe(ops.map(lambda x: x))
    source = rxdag.from_source(sources.range(3), name="fork")
    wide = [source.to(sinks.acall(_slowly), name=f"s{i}") for i in range(300)]
    text = rxdag.compile(rxdag.Dag(deep.to(sinks.acall(_slowly), name="deep"), *wide), columns=False).explain()
    lines = [line for line in text.splitlines() if line.startswith("stall: ")]
    assert lines == [
        "stall: s0 and s1 and s2 and s3 and s4 and 295 more can stall s0 and s1 and s2 and s3 and s4 and 295 more, "
        "behind fork; put .buffered(overflow=...) on the slow way if the others must not wait"
    ]


def test_a_plan_says_how_old_an_item_can_be():
    source = rxdag.from_source(sources.range(10), name="in")
    slow = source.buffered(max_items=100).to(sinks.acall(_slowly), name="db")
    plan = rxdag.compile(rxdag.Dag(slow))
    assert "age: an item is 3062.5ms old at most when db has taken it (1,224 before it, 2.5ms each)" in plan.explain(
        service={"db": "2.5ms"}
    )
    with pytest.raises(rxdag.GraphError, match='explain: service of "dp" must be of a sink'):
        plan.explain(service={"dp": "1ms"})
    newest = source.pipe(ops.conflate(lambda x: x)).to(sinks.acall(_slowly), name="screen")
    assert "is 7.5ms old at most" in rxdag.compile(rxdag.Dag(newest)).explain(service={"screen": "2.5ms"})


@pytest.mark.parametrize("seed", range(40))
def test_no_item_is_older_than_the_plan_says(seed):
    rng = random.Random(seed)
    service = rng.choice(["1ms", "2.5ms", "10ms"])
    stream = rxdag.from_source(sources.interval("1ms", count=400), name="in").pipe(ops.timestamp())
    for _ in range(rng.randint(0, 2)):
        stream = stream.buffered(max_items=rng.randint(1, 40)).pipe(ops.map(lambda x: x))
    out = stream.buffered(max_items=rng.randint(1, 40)).to(sinks.collect(), name="out")
    ages = []
    run = testing.start(rxdag.Dag(out), replace={"out": Slow(float(service[:-2]) / 1000, ages)})
    result = run.finish()
    assert result.problems == ()
    text = run.execution.plan.explain(service={"out": service})
    line = next(line for line in text.splitlines() if line.startswith("age"))
    assert max(ages) <= duration_ns(line.split()[4], "age")


class Slow(sinks.Sink, sinks.Writer):
    """Takes its time, and notes how old each item was when it had taken it."""

    where = "async"

    def __init__(self, takes, ages):
        self.takes, self.ages = takes, ages

    def open(self, context):
        self.context = context
        return self

    async def write(self, chunk):
        for item in chunk.items:
            await asyncio.sleep(self.takes)
            self.ages.append(self.context.clock.now() - item.ts)

    def close(self, *, ok):
        return len(self.ages)
