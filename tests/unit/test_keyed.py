"""Operators of keys: what they forget, when, and what they say of what cannot be."""

import asyncio
import math

import pytest
from tests.unit.drive import KEYED, Driven

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import Shape
from rxdag.testing import feed, play

S = 10**9


def timed(rows, **how):
    """Rows (second, key, ...), by key."""
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda row: row[0], unit="s", **how))
    return stream.pipe(ops.key_by(lambda row: row[1]))


def run(stream, *ports, **sides):
    nodes = [stream.to(sinks.collect()), *(stream.side(port).to(sinks.collect()) for port in ports)]
    result = rxdag.run(*nodes)
    assert result.problems == ()
    return [result[node] for node in nodes]


def refused(make):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    return str(caught.value)


# ---- scan and reduce


def test_a_scan_goes_by_key_and_each_key_begins_with_a_copy():
    rows = [(1, "a"), (2, "b"), (3, "a")]
    scanned = timed(rows).pipe(ops.scan([], lambda seen, row: [*seen, row[0]]))
    assert scanned.collect() == [[1], [2], [1, 3]]


def test_with_a_ttl_a_key_begins_anew_when_nothing_has_come_for_so_long():
    rows = [(0, "a"), (4, "a"), (9, "a"), (13, "a"), (13, "b"), (30, "a")]
    counts = timed(rows).pipe(ops.scan(0, lambda n, _: n + 1, ttl="5s"))
    assert counts.collect() == [1, 2, 1, 2, 1, 1]
    firsts = timed(rows).pipe(ops.scan(lambda first, _: first, ttl="5s"))
    assert [row[0] for row in firsts.collect()] == [0, 0, 9, 9, 13, 30]


def test_reduce_on_a_keyed_stream_gives_one_value_for_each_key_in_their_order():
    rows = timed([(1, "b"), (5, "a"), (3, "b")])
    assert rows.pipe(ops.reduce(0, lambda n, row: n + row[0])).collect() == [5, 4]
    assert rows.pipe(ops.reduce(lambda a, b: (a[0] * 10 + b[0], b[1]))).collect() == [(5, "a"), (13, "b")]


def test_reduce_of_an_empty_stream_gives_its_first_value_and_without_one_nothing():
    assert feed(ops.reduce(7, lambda a, b: a + b), []) == [7]
    assert feed(ops.reduce(lambda a, b: a + b), []) == []
    assert timed([]).pipe(ops.reduce(7, lambda a, b: a + b)).collect() == []


def test_none_is_a_first_value():
    assert feed(ops.reduce(None, lambda seen, x: (seen, x)), [1]) == [(None, 1)]
    assert feed(ops.scan(None, lambda seen, x: (seen, x)), [1]) == [(None, 1)]


def test_reduce_of_one_item_is_that_item():
    assert feed(ops.reduce(lambda a, b: a + b), [5]) == [5]


def test_each_run_of_a_reduce_begins_with_a_copy_of_its_first_value():
    def added(seen, x):
        seen.append(x)
        return seen

    reduced = rxdag.from_source(sources.range(3)).pipe(ops.reduce([], added))
    assert reduced.collect() == reduced.collect() == [[0, 1, 2]]


@pytest.mark.parametrize("name", ["scan", "reduce"])
def test_a_first_value_behind_the_function_is_said_to_be_in_the_wrong_place(name):
    message = f"{name}: fn must be a function, got 0; the first value goes before it: ops.{name}(initial, fn)"
    assert refused(lambda: getattr(ops, name)(lambda a, b: a + b, 0)) == message


def test_with_a_ttl_an_empty_stream_still_gives_the_first_value():
    assert feed(ops.reduce([7], lambda a, b: a, ttl="1s"), []) == [[7]]
    assert feed(ops.reduce(lambda a, b: a, ttl="1s"), []) == []


def test_scan_without_a_first_value_and_last_is_reduce():
    running = rxdag.from_source(sources.range(1, 6)).pipe(ops.scan(lambda a, b: a * b))
    assert running.collect() == [1, 2, 6, 24, 120]
    reduced = rxdag.from_source(sources.range(1, 6)).pipe(ops.reduce(lambda a, b: a * b))
    assert running.pipe(ops.last()).collect() == reduced.collect() == [120]


# ---- rolling


def test_items_of_one_instant_are_in_each_others_rolling_windows():
    rows = [(1, "a", 1), (1, "a", 2), (1, "b", 8), (2, "a", 4)]
    sums = timed(rows).pipe(ops.rolling("1s", agg.sum(lambda row: row[2]), into=lambda row, total: (row[2], total)))
    assert sums.collect() == [(1, 3), (2, 3), (8, 8), (4, 4)]


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        ("right", [[0], [0, 1], [1, 2]]),
        ("left", [None, [0], [0, 1]]),
        ("both", [[0], [0, 1], [0, 1, 2]]),
        ("none", [None, [0], [1]]),
    ],
)
def test_the_ends_of_a_rolling_window_count_as_closed_says(closed, expected):
    rows = [(0, "a"), (1, "a"), (2, "a")]
    rolled = timed(rows).pipe(ops.rolling("2s", agg.collect(), closed=closed)).collect()
    assert [None if made is None else [row[0] for row in made] for made in rolled] == expected


def test_a_rolling_window_sends_late_and_bad_items_to_their_ports():
    rows = [(5, "a", 1.0), (1, "a", 2.0), (6, "a", math.nan), (7, "a", 4.0)]
    rolled = timed(rows).pipe(ops.rolling("9s", agg.sum(lambda row: row[2])), on_error=on_error.dead)
    out, late, dead = run(rolled, "late", "dead")
    assert out == [1.0, 5.0]
    assert late == [(1, "a", 2.0)]
    assert [letter.item[:2] for letter in dead] == [(6, "a")]


def test_what_rolling_refuses():
    assert refused(lambda: ops.rolling(0, agg.count())) == "rolling: period must be 1 or more, got 0"
    assert refused(lambda: ops.rolling(3, agg.count(), closed="left")) == (
        "rolling: closed goes with a period of time, got 'left' with 3 items"
    )
    assert "closed must be" in refused(lambda: ops.rolling("1s", agg.count(), closed="up"))
    assert "takes an aggregate second" in refused(lambda: ops.rolling("1s", len))
    plain = rxdag.from_source(sources.range(3))
    assert refused(lambda: plain.pipe(ops.rolling("1s", agg.count()))) == (
        "rolling: a period needs event time, and the stream has none; put ops.event_time(...) before it, "
        "or pass a number of items"
    )


class Nothing(agg.Aggregate):
    def accumulator(self):
        return None


def test_an_aggregate_that_makes_no_accumulator_is_refused():
    said = "Nothing.accumulator() must return an Accumulator, got None"
    assert refused(lambda: ops.window(windows.tumbling("1s"), Nothing())) == f"window: {said}"
    assert refused(lambda: ops.rolling(2, Nothing())) == f"rolling: {said}"


def test_an_item_of_two_windows_is_in_both_behind_one_that_was_in_one():
    panes = timed([(5, "a"), (6, "a")]).pipe(ops.window(windows.sliding("3s", "2s"), agg.count()))
    assert [(p.start // S, p.value) for p in panes.collect()] == [(4, 2), (6, 1)]


# ---- windows that come out early


def test_early_panes_count_revisions_and_the_last_one_comes_at_the_end():
    rows = [(1, "a"), (2, "a"), (3, "a"), (12, "a")]
    panes = timed(rows).pipe(ops.window(windows.tumbling("10s"), agg.count(), early=2)).collect()
    assert [(p.start // S, p.value, p.revision, p.closed_by) for p in panes] == [
        (0, 2, 0, "early"),
        (0, 3, 1, "watermark"),
        (10, 1, 0, "watermark"),
    ]


def test_early_panes_by_time_come_when_the_watermark_has_passed_a_multiple():
    rows = [(1, "a"), (2, "a"), (5, "a"), (9, "a"), (12, "a")]
    panes = timed(rows).pipe(ops.window(windows.tumbling("10s"), agg.collect(), early="4s")).collect()
    assert [([row[0] for row in p.value], p.revision, p.closed_by) for p in panes] == [
        ([1, 2, 5], 0, "early"),
        ([1, 2, 5, 9], 1, "watermark"),
        ([12], 0, "early"),
        ([12], 1, "watermark"),
    ]


def test_the_global_window_comes_out_at_the_end_and_as_early_says():
    rows = [(second, "ab"[second % 2]) for second in range(6)]
    plain = timed(rows).pipe(ops.window(windows.global_(), agg.count())).collect()
    assert [(p.key, p.value, p.closed_by) for p in plain] == [("a", 3, "watermark"), ("b", 3, "watermark")]
    every_two = timed(rows).pipe(ops.window(windows.global_(), agg.count(), early=2)).collect()
    assert [(p.key, p.value, p.revision) for p in every_two] == [("a", 2, 0), ("b", 2, 0), ("a", 3, 1), ("b", 3, 1)]


def test_what_windows_refuse():
    assert "early must be 1 or more" in refused(lambda: ops.window(windows.tumbling("1s"), agg.count(), early=0))
    assert "got windows.count" in refused(lambda: ops.window(windows.count(3), agg.count(), early=2))
    assert "takes windows first" in refused(lambda: ops.window_all("1s", agg.count()))


def test_an_aggregate_that_cannot_merge_is_refused_where_windows_merge():
    plain = agg.fold(0, lambda n, row: n + row[0])
    said = (
        "window: these windows merge, and the accumulator of fold cannot; give it a method merge, or pass merge= to "
        "agg.fold"
    )
    assert refused(lambda: ops.window(windows.session("1s"), plain)) == said
    assert "of named cannot" in refused(lambda: ops.window(windows.session("1s"), agg.named(a=plain)))
    merged = agg.fold(0, lambda n, row: n + row[0], merge=lambda a, b: a + b)
    panes = timed([(1, "a"), (4, "a"), (3, "a")], out_of_order="9s").pipe(ops.window(windows.session("2s"), merged))
    assert [pane.value for pane in panes.collect()] == [8]


def test_a_failure_in_a_timer_names_the_node_and_no_item():
    class Fails(Idle):
        def on_timer(self, ctx, state, name):
            raise ValueError("timer")

    with pytest.raises(rxdag.NodeError) as caught:
        timed([(0, "a"), (9, "a")]).pipe(ops.process(Fails())).collect()
    assert str(caught.value) == 'node "process" failed: ValueError: timer'


def test_a_timer_that_is_past_and_fails_ends_the_run_whatever_the_policy_and_the_books_balance():
    class Fails(Idle):
        def on_item(self, ctx, state, item):
            ctx.set_timer(-1)
            return state

        def on_timer(self, ctx, state, name):
            raise ValueError("timer")

    stream = timed([(5, "a"), (9, "a")]).pipe(ops.process(Fails()), on_error=on_error.dead)
    run = testing.start(rxdag.Dag(stream.to(sinks.collect()), stream.dead.to(sinks.collect())))
    result = run.finish()
    assert (result.state, result.problems) == ("failed", ())
    assert str(result.error) == 'node "process" failed: ValueError: timer'


@pytest.mark.parametrize("clock", ["event", "processing"])
def test_what_is_put_off_with_every_item_leaves_nothing_behind(clock):
    class Late(Idle):
        def on_item(self, ctx, state, item):
            ctx.set_timer(10**18)
            return state + 1

    kernel = ops.process(Late(), ttl="1s", clock=clock).bound(rxdag.contract.Shape(timed=True, keyed=True)).kernel()
    emit = _Nowhere()
    for n in range(20_000):
        kernel.watermark = n * 10**6
        if kernel.watermark >= kernel.wake:
            kernel.on_watermark(kernel.watermark, emit)
        kernel.on_item("x", n * 10**6, 0, n // 10, n * 10**6, emit)
    saved = kernel.snapshot()
    assert len(saved["states"]) <= 200
    assert len(saved["timers"]) == 2_000
    sessions = ops.window(windows.session("1h"), agg.count()).kernel()
    for n in range(20_000):
        sessions.on_item("x", n, 0, "a", emit)
    assert len(sessions._due) <= 1_025


# ---- top n


def test_top_n_with_unique_replaces_and_remembers_those_that_fell_behind():
    rows = [("x", 5), ("y", 3), ("z", 4), ("x", 1), ("y", 9)]
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.top_n(2, lambda r: r[1], unique=lambda r: r[0]))
    (out,) = run(stream)
    assert out == [
        [("x", 5)],
        [("x", 5), ("y", 3)],
        [("x", 5), ("z", 4)],
        [("z", 4), ("y", 3)],
        [("y", 9), ("z", 4)],
    ]


def test_top_n_with_unique_is_not_changed_by_an_item_that_is_equal():
    rows = [("a", 3), ("b", 2), ("a", 3), ("b", 4)]
    assert feed(ops.top_n(2, lambda r: r[1], unique=lambda r: r[0]), rows) == [
        [("a", 3)], [("a", 3), ("b", 2)], [("b", 4), ("a", 3)],
    ]  # fmt: skip


def test_top_n_sends_what_has_no_order_to_dead():
    stream = rxdag.from_source(sources.iterable([1.0, math.nan, 2.0])).pipe(ops.top_n(1, lambda x: x))
    out, dead = run(stream, "dead")
    assert (out, len(dead)) == ([[1.0], [2.0]], 1)
    assert refused(lambda: ops.top_n(0, "x")) == "top_n: n must be 1 or more, got 0"
    assert refused(lambda: ops.top_n(1, "x", clock="event")) == "top_n: clock goes with ttl=, got 'event' alone"


# ---- process


class Idle(ops.KeyedProcess):
    """Says that a key has been quiet for five seconds."""

    ports = ("counts",)

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        if item[2:] == ("bad",):
            ctx.emit("never seen")
            raise ValueError("bad item")
        ctx.set_timer((ctx.now if item[2:] == ("clock",) else ctx.ts) + 5 * S)
        ctx.emit_to("counts", state + 1)
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit((ctx.key, ctx.ts // S, state))
        ctx.clear()
        return state

    def on_end(self, ctx, state):
        ctx.emit((ctx.key, "end", state))


class Count(ops.KeyedProcess):
    """Counts the items of a key; says how many there are 30 seconds after the last, and at the end."""

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.set_timer(ctx.ts + 30 * S)
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit((ctx.key, "timer", state, ctx.watermark // S))
        return state

    def on_end(self, ctx, state):
        ctx.emit((ctx.key, "end", state, ctx.ts // S))


@pytest.mark.parametrize(
    ("ttl", "seen"),
    [
        ("31s", [("a", "timer", 3, 32), ("a", "timer", 1, 9030), ("a", "end", 1, 9030)]),
        ("30s", [("a", "timer", 0, 32), ("a", "timer", 0, 9030), ("a", "end", 0, 9030)]),
    ],
)
def test_a_timer_sees_the_state_of_its_own_time_however_far_the_watermark_jumps(ttl, seen):
    rows = [(0, "a"), (1, "a"), (2, "a"), (9000, "a")]
    assert timed(rows).pipe(ops.process(Count(), ttl=ttl)).collect() == seen


def test_the_end_calls_on_end_of_each_key_that_had_not_expired_when_the_last_item_came():
    rows = [(0, "a"), (50, "b"), (99, "c")]
    ends = [row for row in timed(rows).pipe(ops.process(Count(), ttl="100s")).collect() if row[1] == "end"]
    assert ends == [("a", "end", 1, 30), ("b", "end", 1, 80), ("c", "end", 1, 129)]
    ends = [
        row for row in timed([*rows, (131, "c")]).pipe(ops.process(Count(), ttl="100s")).collect() if row[1] == "end"
    ]
    assert ends == [("b", "end", 1, 80), ("c", "end", 2, 161)]


def test_a_timer_that_a_late_item_sets_sees_the_state_of_that_item():
    driven = Driven(ops.process(Count(), ttl="40s"))
    driven.item("x", ts=500 * S, key="b")
    driven.mark(499 * S)
    driven.item("x", ts=0, key="a")
    driven.item("x", ts=500 * S, key="b")
    driven.mark(500 * S)
    assert driven.out == [("a", "timer", 1, 499)]


def test_what_a_process_holds_is_freed_with_its_ttl_as_items_come():
    class Silent(Count):
        def on_item(self, ctx, state, item):
            return state + 1

    for shape, now in ((KEYED, 0), (Shape(keyed=True), 1)):
        driven = Driven(ops.process(Silent(), ttl="3s"), shape)
        for second in range(1000):
            driven.item("x", ts=second * S, key=second, now=now * second * S)
            driven.mark(second * S - 1)
        assert len(driven.kernel.snapshot()["states"]) <= 4


def test_timers_of_a_process_go_by_event_time_whatever_the_machine_does():
    rows = [(0, "a"), (1, "b"), (4, "a"), (20, "b")]
    out, counts = run(timed(rows).pipe(ops.process(Idle())), "counts")
    assert out == [("b", 6, 1), ("a", 9, 2), ("b", 25, 1)]
    assert counts == [1, 1, 2, 1]


def test_what_a_process_did_before_it_raised_does_not_take_effect():
    rows = [(0, "a"), (1, "a", "bad"), (2, "a")]
    out, counts, dead = run(timed(rows).pipe(ops.process(Idle()), on_error=on_error.dead), "counts", "dead")
    assert out == [("a", 7, 2)]
    assert counts == [1, 2]
    assert [letter.item for letter in dead] == [(1, "a", "bad")]


def test_a_flush_calls_on_end_and_no_timer():
    keyed = rxdag.from_source(rxdag.testing.manual(timed=True), name="in").pipe(ops.key_by(lambda row: row[1]))
    out = keyed.pipe(ops.process(Idle())).to(sinks.collect())
    live = rxdag.testing.start(rxdag.Dag(out))
    for row in [(0, "b"), (1, "a"), (3, "b")]:
        live.inputs["in"].push(row, ts=row[0] * S)
    live.settle()
    live.drain(flush=True)
    live.settle()
    assert live[out] == [("a", "end", 1), ("b", "end", 2)]
    assert live.finish().problems == ()


class _Nowhere:
    """Exits that lead nowhere."""

    def __call__(self, *args, **how):
        pass

    def __getattr__(self, name):
        return self


class Bad(ops.KeyedProcess):
    def __init__(self, what):
        self.what = what

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        if self.what == "forgets":
            return None
        if self.what == "port":
            ctx.emit_to("nowhere", item)
        if self.what == "when":
            ctx.set_timer(1.5)
        if self.what == "ts":
            ctx.emit(item, ts="now")
        if self.what == "far":
            ctx.emit(item, ts=2**63)
        ctx.set_timer(ctx.ts)
        return state

    def on_timer(self, ctx, state, name):
        ctx.set_timer(ctx.ts)
        return state


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("forgets", "Bad.on_item: must return the next state, got None; end it with `return state`"),
        ("port", 'ctx.emit_to: port must be one of the class\'s ports (), got "nowhere"'),
        ("when", "ctx.set_timer: when must be nanoseconds since the epoch, got 1.5"),
        ("ts", "ctx.emit: ts must be nanoseconds since the epoch, got 'now'"),
        ("far", "ctx.emit: ts must be nanoseconds since the epoch in 64 bits, got 9223372036854775808"),
        (
            "timer",
            "ctx.set_timer: a timer that is set in on_timer must be later than 0, got 0, which would fire for ever",
        ),
    ],
)
def test_a_process_that_does_what_it_must_not_is_told(what, said):
    with pytest.raises(rxdag.NodeError) as caught:
        timed([(0, "a"), (9, "a")]).pipe(ops.process(Bad(what))).collect()
    assert said in str(caught.value)


def test_an_item_for_which_a_process_gives_a_time_that_is_none_is_dead_and_leaves_the_state_as_it_was():
    class Later(ops.KeyedProcess):
        def initial(self):
            return 0

        def on_item(self, ctx, state, item):
            ctx.emit(state, ts=2 ** item[0])
            return state + 1

    stream = timed([(1, "a"), (63, "a"), (9, "a")]).pipe(ops.process(Later()), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = testing.run_virtual(out, dead)
    assert (result.problems, result[out]) == ((), [0, 1])
    assert [letter.item for letter in result[dead]] == [(63, "a")]


def test_what_process_refuses():
    assert "takes a KeyedProcess, an instance of it" in refused(lambda: ops.process(Idle))
    plain = rxdag.from_source(sources.range(3))
    assert refused(lambda: plain.pipe(ops.process(Idle()))) == (
        "process: needs a keyed stream; put ops.key_by(...) before it"
    )
    taken = type("Taken", (Idle,), {"ports": ("late",)})
    assert refused(lambda: ops.process(taken())) == (
        "process: ports must be names other than out, dead, late, dropped, unassigned, unrouted, got 'late'"
    )


# ---- arbitrate


def test_a_hole_is_given_up_when_the_wait_is_over_and_what_comes_then_is_late():
    assert play(ops.arbitrate(sequence=lambda letter: ord(letter), wait="3s"), "a-c----de|") == "a----c-de|"
    rows = [(1, "a", 1), (2, "a", 3), (5, "a", 4), (9, "a", 2), (9, "a", 4), (9, "a", 5)]
    stream = timed(rows).pipe(ops.arbitrate(sequence=lambda row: row[2], wait="3s"))
    out, gaps, late = run(stream, "gaps", "late")
    assert [row[2] for row in out] == [1, 3, 4, 5]
    assert gaps == [ops.Gap("a", 2, 2)]
    assert late == [(9, "a", 2)]


def test_too_many_that_wait_give_up_the_hole_before_them():
    stream = rxdag.from_source(sources.iterable([0, 2, 3, 5, 6, 7])).pipe(
        ops.arbitrate(sequence=lambda n: n, max_pending=2)
    )
    out, gaps = run(stream, "gaps")
    assert out == [0, 2, 3, 5, 6, 7]
    assert gaps == [ops.Gap(None, 1, 1), ops.Gap(None, 4, 4)]


def test_a_sequence_that_is_no_number_is_dead():
    stream = rxdag.from_source(sources.iterable([1, "x", 2])).pipe(ops.arbitrate(sequence=lambda n: n))
    out, dead = run(stream, "dead")
    assert out == [1, 2]
    assert str(dead[0].error) == "arbitrate: sequence must be a whole number, got 'x'"


# ---- conflate before what is slow


def test_behind_conflate_hardly_anything_rests_before_what_is_slow():
    async def slowly(x):
        await asyncio.sleep(0)
        return x

    newest = rxdag.from_source(sources.range(100)).pipe(ops.conflate(lambda x: 0))
    called = rxdag.compile(rxdag.Dag(newest.pipe(ops.map_async(slowly, concurrency=3)).to(sinks.collect())))
    assert [gate.max_items for gate in called.gates.values() if gate.edge.producer == "conflate"] == [3]
    hopped = rxdag.compile(rxdag.Dag(newest.on("other").pipe(ops.map(lambda x: x)).to(sinks.collect())))
    assert [gate.max_items for gate in hopped.gates.values()] == [64]
    chosen = rxdag.compile(rxdag.Dag(newest.buffered(max_items=9).pipe(ops.map(lambda x: x)).to(sinks.collect())))
    assert [gate.max_items for gate in chosen.gates.values()] == [9]


def test_a_call_that_takes_too_long_says_so():
    async def never(x):
        await asyncio.sleep(60)

    with pytest.raises(rxdag.NodeError) as caught:
        rxdag.from_source(sources.range(1)).pipe(ops.map_async(never, timeout="1ms")).collect()
    assert "map_async: a call must return within 1ms, got no result" in str(caught.value)


def test_lists_that_overlap_or_leave_items_out():
    assert feed(ops.batch(3, skip=2), range(6)) == [[0, 1, 2], [2, 3, 4], [4, 5]]
    assert feed(ops.batch(2, skip=3), range(8)) == [[0, 1], [3, 4], [6, 7]]
    assert "skip goes with max_items" in refused(lambda: ops.batch(max_wait="1s", skip=2))


@pytest.mark.parametrize("name", ["scan", "reduce", "agg.fold"])
def test_a_first_value_that_cannot_be_copied_is_refused_where_it_is_given(name):
    make = {"scan": ops.scan, "reduce": ops.reduce, "agg.fold": agg.fold}[name]
    with pytest.raises(rxdag.GraphError) as caught:
        make((x for x in ()), lambda total, x: total)
    assert f"{name.removeprefix('agg.')}: initial must be a value that copy.deepcopy can copy, got <generator" in str(
        caught.value
    )
    assert "pass None, and let the function build the first value" in str(caught.value)


def test_a_value_of_agg_fold_that_cannot_be_copied_is_an_error_of_the_program():
    timed = rxdag.from_source(sources.range(2)).pipe(ops.event_time(lambda x: x))
    panes = timed.pipe(ops.window_all(windows.tumbling("1s"), agg.fold(None, lambda total, x: (y for y in ()))))
    with pytest.raises(rxdag.NodeError, match="fold: fn must return a value that copy.deepcopy can copy"):
        panes.collect()
