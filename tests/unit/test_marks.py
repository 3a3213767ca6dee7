"""Watermarks: each follows the item that raises it, and what is due before an item in order comes before it."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import IDLE, MAX, MIN, Emit, Kernel, Operator
from rxdag.engine import Gate, GatePump

S = 10**9


class _TellKernel(Kernel):
    """Tells of each item and watermark, in order."""

    passes = False
    wake = MIN

    def on_item(self, item: Any, emit: Emit[Any]) -> None:
        emit.absorbed(1)
        emit(("item", item))

    def on_watermark(self, watermark: int, emit: Emit[Any]) -> None:
        if watermark < MAX:
            emit(("mark", watermark), ts=watermark, sequence=0, key=None)


@dataclass(frozen=True)
class Tell(Operator[Any, Any]):
    def kernel(self) -> _TellKernel:
        return _TellKernel()


def feed(*times, name=None, **how):
    """Items that are their own event times, ns."""
    return rxdag.from_source(sources.iterable(times), name=name).pipe(ops.event_time(lambda t: t, **how))


def collected(stream):
    result = testing.run_virtual(out := stream.to(sinks.collect()))
    assert result.problems == ()
    assert result.state == "completed", result.error
    return result[out]


def by_hand(*names):
    return [rxdag.from_source(testing.manual(timed=True), name=name) for name in names]


# ---- a mark follows its item


@pytest.mark.parametrize(
    "how",
    [{}, {"idle_timeout": "5s"}, {"max_future": "1s"}, {"by": lambda t: "one feed"}],
    ids=lambda how: "".join(how),
)
def test_the_watermark_of_event_time_follows_the_item_that_raises_it(how):
    assert collected(feed(4, 9, 7, 12, out_of_order="2ns", **how).pipe(Tell())) == [
        ("item", 4),
        ("mark", 1),
        ("item", 9),
        ("mark", 6),
        ("item", 7),
        ("item", 12),
        ("mark", 9),
    ]


def test_the_watermark_of_the_slowest_feed_follows_the_item_that_raises_it():
    rows = [(3, "x"), (7, "y"), (9, "x"), (11, "y")]
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda row: row[0], by=lambda row: row[1]))
    assert collected(stream.pipe(ops.map(lambda row: row[0])).pipe(Tell())) == [
        ("item", 3),
        ("mark", 2),
        ("item", 7),
        ("item", 9),
        ("mark", 6),
        ("item", 11),
        ("mark", 8),
    ]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 12))))
def test_the_watermark_of_feeds_is_below_the_least_of_their_largest_times(rows):
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda row: row[1], by=lambda row: row[0]))
    largest, highest, told = {}, MIN, []
    for row in rows:
        told.append(("item", row))
        largest[row[0]] = max(row[1], largest.get(row[0], 0))
        if min(largest.values()) - 1 > highest:
            highest = min(largest.values()) - 1
            told.append(("mark", highest))
    assert collected(stream.pipe(Tell())) == told


def test_a_feed_that_falls_silent_no_longer_holds_back_the_others():
    timed = ops.event_time(lambda row: row[0], by=lambda row: row[1], idle_timeout="5s")
    stream = rxdag.from_source(testing.manual(), name="in").pipe(timed)
    run = testing.start(out := stream.pipe(ops.map(lambda row: row[0])).pipe(Tell()).to(sinks.collect()))
    run.inputs["in"].push((3, "slow"), (7, "quick"))
    run.advance("4s")
    run.inputs["in"].push((9, "quick"))
    run.settle()
    assert run[out] == [("item", 3), ("mark", 2), ("item", 7), ("item", 9)]
    run.advance("2s")
    assert run[out][4:] == [("mark", 8)]
    run.inputs["in"].push((6, "slow"), (10, "quick"), (12, "slow"))
    run.settle()
    assert run[out][5:] == [("item", 6), ("item", 10), ("mark", 9), ("item", 12)]
    assert run.finish().problems == ()


# ---- merge_sorted


def test_each_item_of_merge_sorted_raises_the_watermark_behind_it():
    merged = rxdag.merge_sorted(feed(1, 10, 20), feed(5, 15, 15, 25))
    told = [each for ts in (1, 5, 10) for each in (("item", ts), ("mark", ts - 1))]
    told += [("item", 15), ("mark", 14), ("item", 15), ("item", 20), ("mark", 19), ("item", 25), ("mark", 24)]
    assert collected(merged.pipe(Tell())) == told


def test_merge_sorted_moves_on_where_the_items_that_raise_the_watermark_were_filtered_out():
    a, b = by_hand("a", "b")
    run = testing.start(rxdag.Dag(out := rxdag.merge_sorted(a, b).pipe(Tell()).to(sinks.collect())))
    run.inputs["a"].push("late in the day", ts=100)
    run.inputs["a"].watermark(99)
    run.inputs["b"].watermark(50)
    run.settle()
    assert run[out] == [("mark", 49)]
    run.inputs["b"].watermark(99)
    run.settle()
    assert run[out] == [("mark", 49)]  # the item at 100 raises 99 itself
    run.inputs["a"].watermark(105)
    run.inputs["b"].watermark(102)
    run.settle()
    assert run[out][1:] == [("item", "late in the day"), ("mark", 99), ("mark", 101)]
    assert run.finish().problems == ()


def test_merge_sorted_gives_out_the_time_that_has_passed_before_it_is_idle():
    a, b = by_hand("a", "b")
    merged = rxdag.merge_sorted(a, b).pipe(ops.window_all(windows.tumbling("10ns"), agg.count()))
    run = testing.start(rxdag.Dag(out := merged.to(sinks.collect())))
    run.inputs["a"].push("a", ts=12)
    run.inputs["a"].watermark(11)
    run.inputs["b"].push("b", ts=25)
    run.inputs["b"].watermark(24)
    run.inputs["a"].idle()
    run.settle()
    assert run[out] == []
    run.inputs["b"].idle()
    run.settle()
    assert [(pane.start, pane.value) for pane in run[out]] == [(10, 1)]
    assert run.finish().problems == ()


def test_a_flush_of_merge_sorted_moves_no_event_time():
    a, b = by_hand("a", "b")
    merged = rxdag.merge_sorted(a, b).pipe(ops.window_all(windows.tumbling("10ns"), agg.count()))
    run = testing.start(rxdag.Dag(out := merged.to(sinks.collect())))
    for ts in (12, 25):
        run.inputs["a"].push("a", ts=ts)
        run.inputs["a"].watermark(ts - 1)
    run.settle()
    run.drain(flush=True)
    run.settle()
    assert [(pane.start, pane.value, pane.closed_by) for pane in run[out]] == [(10, 1, "end"), (20, 1, "end")]
    assert run.finish().problems == ()


# ---- sessions


@pytest.mark.parametrize("gap", ["10ns", "11ns"])
@pytest.mark.parametrize("lateness", ["0s", "3ns"])
@pytest.mark.parametrize(
    "stream",
    [
        lambda: feed(0, 10, 20, 25),
        lambda: feed(0, 10, 20, 25).pipe(ops.filter(lambda t: True)),
        lambda: rxdag.merge_sorted(feed(0, 20), feed(10, 25)),
        lambda: rxdag.merge_sorted(feed(0, 10, 20, 25)),
        lambda: rxdag.merge(feed(0, 10, 20, 25)),
        lambda: feed(0, 10, 20, 25, by=lambda t: "one feed"),
    ],
    ids=["event_time", "filter", "merge_sorted of two", "merge_sorted", "merge", "by"],
)
def test_items_exactly_a_gap_apart_are_one_session(stream, gap, lateness):
    window = ops.window_all(windows.session(gap), agg.count(), allowed_lateness=lateness)
    assert [pane.value for pane in collected(stream().pipe(window))] == [4]


def test_items_more_than_a_gap_apart_are_two_sessions():
    for stream in (feed(0, 10, 20, 25), rxdag.merge_sorted(feed(0, 20), feed(10, 25))):
        panes = collected(stream.pipe(ops.window_all(windows.session("9ns"), agg.count())))
        assert [(pane.start, pane.end, pane.value) for pane in panes] == [(0, 9, 1), (10, 19, 1), (20, 34, 2)]


# ---- what is due before an item comes before it


class Timers(ops.KeyedProcess):
    """Sets a timer three behind each item; tells of both, and of the watermark."""

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.emit(("item", item, ctx.watermark))
        ctx.set_timer(item + 3, str(item))
        return state

    def on_timer(self, ctx, state, name):
        ctx.emit(("timer", ctx.ts))
        return state


def told(stream, **how):
    rows = collected(stream.pipe(ops.key_by(lambda t: "k")).pipe(ops.process(Timers()), **how))
    return [f"{row[0]} {row[1]}" for row in rows]


IN_TIME = ["item 1", "timer 4", "item 5", "timer 8", "item 10", "timer 13"]
AFTER = ["item 1", "item 5", "timer 4", "item 10", "timer 8", "timer 13"]


@dataclass(frozen=True)
class Own(Operator[Any, Any]):
    """Hands each item on."""

    def kernel(self) -> Kernel:
        return ops.map(lambda item: item).kernel()


@dataclass(frozen=True)
class OwnOrder(Own):
    keeps_order = False


@dataclass(frozen=True)
class OwnShape(Own):
    def shape(self, shape):
        return replace(shape, ordered=False)


IN_ORDER = {
    "event_time": lambda: feed(1, 5, 10),
    "event_time with an idle timeout": lambda: feed(1, 5, 10, idle_timeout="5s"),
    "merge_sorted": lambda: rxdag.merge_sorted(feed(1, 10), feed(5)),
    "merge_sorted of what is not in order": lambda: rxdag.merge_sorted(feed(5, 1, 10, out_of_order="4ns")),
    "map and filter": lambda: feed(1, 5, 10).pipe(ops.map(lambda t: t)).pipe(ops.filter(lambda t: True)),
    "a gate": lambda: feed(1, 5, 10).buffered(max_items=1),
    "a route": lambda: feed(1, 5, 10).pipe(ops.route({"low": lambda t: t < 0, "high": lambda t: t > 0}))["high"],
    "an operator of your own": lambda: feed(1, 5, 10).pipe(Own()),
}

NOT_IN_ORDER = {
    "merge": lambda: rxdag.merge(feed(1, 5, 10)),
    "by": lambda: feed(1, 5, 10, by=lambda t: "one feed"),
    "an operator that does not keep the order": lambda: feed(1, 5, 10).pipe(OwnOrder()),
    "an operator whose shape has no order": lambda: feed(1, 5, 10).pipe(OwnShape()),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_timers_that_are_due_before_an_item_come_before_it_if_the_stream_is_in_order(name):
    assert told(IN_ORDER[name]()) == IN_TIME
    assert told(IN_ORDER[name](), on_error=on_error.retry(2, base="1s")) == IN_TIME


@pytest.mark.parametrize("name", NOT_IN_ORDER)
def test_timers_follow_the_watermark_if_the_stream_may_not_be_in_order(name):
    assert told(NOT_IN_ORDER[name]()) == AFTER


def test_a_timer_that_is_due_with_an_item_comes_behind_it():
    # Another item at 4 may follow, so nothing at 4 has passed yet.
    assert told(feed(1, 4, 4, 5)) == ["item 1", "item 4", "item 4", "timer 4", "item 5", "timer 7", "timer 8"]


def test_a_stream_with_disorder_fires_timers_by_its_watermark_alone():
    # The watermarks are -1, 3 and 8: that of the item at 5 is below the timer at 4.
    assert told(feed(1, 5, 10, out_of_order="1ns")) == ["item 1", "item 5", "item 10", "timer 4", "timer 8", "timer 13"]


def test_a_process_sees_the_watermark_that_an_item_in_order_implies():
    rows = collected(feed(1, 5, 5, 10).pipe(ops.key_by(lambda t: "k")).pipe(ops.process(Timers())))
    assert [row for row in rows if row[0] == "item"] == [
        ("item", 1, 0),
        ("item", 5, 4),
        ("item", 5, 4),
        ("item", 10, 9),
    ]


def test_an_item_behind_the_watermark_of_a_stream_in_order_fires_nothing_and_moves_nothing_back():
    rows = collected(feed(1, 10, 2, 11).pipe(ops.key_by(lambda t: "k")).pipe(ops.process(Timers())))
    assert rows == [
        ("item", 1, 0),
        ("timer", 4),
        ("item", 10, 9),
        ("item", 2, 9),
        ("timer", 5),
        ("item", 11, 10),
        ("timer", 13),
        ("timer", 14),
    ]


def test_what_fires_before_an_item_puts_no_watermark_into_the_stream():
    process = feed(1, 5).pipe(ops.key_by(lambda t: "k")).pipe(ops.process(Timers()))
    assert collected(process.pipe(Tell())) == [
        ("item", ("item", 1, 0)),
        ("mark", 0),
        ("item", ("timer", 4)),
        ("item", ("item", 5, 4)),
        ("mark", 4),
        ("item", ("timer", 8)),
    ]


def test_keys_that_end_before_an_item_leave_before_it():
    rows = [(0, "a"), (4, "c"), (7, "c")]

    def lists(**how):
        timed = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda row: row[0], **how))
        return collected(timed.pipe(ops.key_by(lambda row: row[1])).pipe(ops.batch(2, ttl="5ns")))

    assert lists() == [[(0, "a")], [(4, "c"), (7, "c")]]
    assert lists(out_of_order="1ns") == [[(4, "c"), (7, "c")], [(0, "a")]]


class Burst(ops.KeyedProcess):
    """Sets five timers at each item."""

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.emit(f"item {item}")
        for i in range(1, 6):
            ctx.set_timer(item + i, str(i))
        return state

    def on_timer(self, ctx, state, name):
        ctx.emit(f"timer {ctx.ts}")
        return state


@pytest.mark.parametrize("policy", [on_error.raise_, on_error.retry(2, base="1s")], ids=["raise", "retry"])
def test_an_item_waits_behind_what_it_fires_into_a_full_gate(policy):
    stream = feed(0, 10, 11, 20).pipe(ops.key_by(lambda t: "k")).pipe(ops.process(Burst()), on_error=policy)
    expected = ["item 0", *(f"timer {t}" for t in range(1, 6)), "item 10", "item 11"]
    expected += [*(f"timer {t}" for t in range(12, 17)), "item 20", *(f"timer {t}" for t in range(21, 26))]
    assert collected(stream.buffered(max_items=1).pipe(ops.map(str))) == expected


def test_a_timer_that_fails_before_an_item_ends_the_run_with_books_that_balance():
    class Failing(Timers):
        def on_timer(self, ctx, state, name):
            raise ValueError("no timer")

    for policy in (on_error.skip, on_error.retry(2, base="1s")):
        keyed = feed(1, 5, 10).pipe(ops.key_by(lambda t: "k"))
        out = keyed.pipe(ops.process(Failing()), name="process", on_error=policy).to(sinks.collect())
        result = testing.settle_virtual(testing.virtual(rxdag.compile(rxdag.Dag(out))))
        assert result.state == "failed"
        assert str(result.error) == 'node "process" failed: ValueError: no timer'
        assert result.problems == ()
        assert result[out] == [("item", 1, 0)]


class _LeastKernel(Kernel):
    """Gives each second as it ends."""

    state = ("second", "wake")
    passes = False
    fires_before = True

    def __init__(self):
        self.second = 0

    def on_item(self, item, ts, emit):
        self.second, self.wake = ts // 10, ts // 10 * 10 + 9
        emit.absorbed(1)
        emit(("item", item))

    def on_watermark(self, watermark, emit):
        self.wake = MAX
        emit(("end", self.second), ts=self.second * 10 + 9, sequence=0, key=None)


@dataclass(frozen=True)
class Ends(Operator[Any, Any]):
    def kernel(self):
        return _LeastKernel()


def test_a_kernel_of_your_own_fires_before_items_in_order_if_it_says_so():
    assert collected(feed(1, 5, 12).pipe(Ends())) == [("item", 1), ("item", 5), ("end", 0), ("item", 12), ("end", 1)]
    disordered = feed(1, 5, 12, out_of_order="1ns").pipe(Ends())
    assert collected(disordered) == [("item", 1), ("item", 5), ("item", 12), ("end", 1)]


# ---- idle inputs


def test_an_input_that_ended_counts_with_its_last_watermark_once_the_others_are_idle():
    a, b = by_hand("a", "b")
    counts = rxdag.merge(a, b).pipe(ops.window_all(windows.tumbling("10ns"), agg.count()))
    run = testing.start(rxdag.Dag(out := counts.to(sinks.collect())))
    for ts in (1, 12, 25):
        run.inputs["b"].push("b", ts=ts)
        run.inputs["b"].watermark(ts - 1)
    run.inputs["b"].complete()
    run.settle()
    assert run[out] == []
    run.inputs["a"].idle()
    run.settle()
    assert [pane.start for pane in run[out]] == [0, 10]
    run.inputs["a"].push("a", ts=26)
    run.inputs["a"].watermark(39)
    run.settle()
    assert [(pane.start, pane.value) for pane in run[out]] == [(0, 1), (10, 1), (20, 2)]
    assert run.finish().problems == ()


def test_a_stream_is_idle_behind_a_node_once_nothing_rests_in_it():
    a, b = by_hand("a", "b")
    merged = rxdag.merge(a.pipe(ops.delay("5s")), b)
    run = testing.start(
        rxdag.Dag(
            out := merged.pipe(ops.window_all(windows.tumbling("10ns"), agg.count())).to(sinks.collect(), name="out")
        )
    )
    run.inputs["a"].push("a", ts=3)
    run.inputs["a"].watermark(3)
    run.inputs["a"].idle()
    run.inputs["b"].watermark(50)
    run.settle()
    assert run[out] == []  # the item that is delayed is to come yet
    run.advance("5s")
    assert [(pane.start, pane.value) for pane in run[out]] == [(0, 1)]
    run.inputs["b"].push("b", ts=60)
    run.inputs["b"].watermark(70)
    run.settle()
    assert [(pane.start, pane.value) for pane in run[out]] == [(0, 1), (60, 1)]  # and the other is idle again
    run.inputs["a"].push("a", ts=75)
    run.inputs["a"].watermark(74)
    run.settle()
    run.inputs["b"].watermark(100)
    run.advance("5s")
    assert len(run[out]) == 2  # it has come back
    run.inputs["a"].watermark(80)
    run.settle()
    assert [(pane.start, pane.value) for pane in run[out]] == [(0, 1), (60, 1), (70, 1)]
    assert run.finish().problems == ()


def test_idle_marks_do_not_heap_up_before_a_reader_that_waits():
    gate = Gate("a -> b", 4)
    gate.reader = GatePump("a -> b", "b", gate)
    gate.reader.blocked = 1
    for mark in (3, IDLE, IDLE):
        gate.mark(mark)
    assert list(gate.queue) == [3, IDLE]
    for mark in (4, IDLE, IDLE, 7, 8):
        gate.mark(mark)
    assert list(gate.queue) == [8]


# ---- the clock


def test_what_dedupe_remembers_by_the_clock_is_freed_as_items_come():
    async def numbers():
        for n in range(100):
            yield n
            await asyncio.sleep(1)

    stream = rxdag.from_source(sources.async_iterable(numbers)).pipe(
        ops.dedupe(lambda n: n, within="1s"), name="dedupe"
    )
    execution = testing.virtual(rxdag.compile(rxdag.Dag(stream.to(sinks.null()))))
    assert testing.settle_virtual(execution).problems == ()
    assert len(execution.program.nodes["dedupe"].kernel.snapshot()["first"]) <= 3
