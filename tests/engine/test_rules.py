"""The rules of nodes, one small graph for each case."""

import asyncio

import numpy as np
import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import element, on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import MAX, MIN, Kernel
from rxdag.engine import Domain, Point
from tests.engine.parts import Burst, Busy, Own, Replayed, Ticking
from tests.engine.running import Stepped


def outcome(*outs):
    result = testing.run_virtual(*outs)
    assert result.problems == ()
    return result


class TestStart:
    def test_what_is_given_out_at_the_start_finds_the_nodes_behind_open(self):
        stream = rxdag.from_source(sources.range(2)).pipe(ops.start_with(10)).pipe(ops.map(lambda x: x + 1))
        sampled = stream.pipe(ops.sample("5ns"))
        out, newest = stream.to(sinks.collect()), sampled.to(sinks.collect())
        result = outcome(out, newest)
        assert result[out] == [11, 1, 2]
        assert result[newest] == [2]

    def test_a_gate_that_is_full_from_the_start_holds_up_nobody_before_a_node_that_takes_everything(self):
        stream = rxdag.from_source(sources.range(4)).pipe(ops.switch_map(lambda x: [x]))
        out = stream.pipe(ops.start_with(7, 8, 9)).buffered(max_items=3).to(sinks.collect())
        assert outcome(out)[out] == [7, 8, 9, 0, 1, 2, 3]


class Later(Kernel):
    """Keeps `emit`, and has somebody else call it."""

    def __init__(self, kept):
        self.kept = kept

    def on_item(self, item, emit):
        self.kept.append(emit)
        emit(item)


class TestUserCode:
    def test_emit_is_open_only_while_its_method_runs(self):
        kept, said = [], []

        def call_it(item):
            kept[-1](item)

        def look(item):
            try:
                call_it(item)
            except RuntimeError as error:
                said.append(str(error))

        source = rxdag.from_source(sources.range(2))
        own = source.pipe(Own(lambda: Later(kept)), name="own").to(sinks.collect())
        late = source.pipe(ops.map(look)).to(sinks.null())
        result = outcome(own, late)
        assert result[own] == [0, 1]
        assert [text.split(" while")[0] for text in said] == ['node "own": emit must be called'] * 2

    def test_a_chain_is_as_long_as_you_like(self):
        stream = rxdag.from_source(sources.range(3))
        for _ in range(1500):
            stream = stream.pipe(ops.map(lambda x: x + 1))
        out = stream.to(sinks.collect())
        assert outcome(out)[out] == [1500, 1501, 1502]


class TestExpressions:
    def test_a_chunk_in_which_an_expression_fails_is_worked_on_item_by_item(self):
        hundredths = ops.map(100 // (element % 5))
        stream = rxdag.from_source(sources.range(8)).pipe(ops.map(element + 1))
        out = stream.pipe(hundredths, name="hundredths", on_error=on_error.skip).to(sinks.collect())
        result = outcome(out)
        assert result[out] == [100, 50, 33, 25, 100, 50, 33]
        assert result.stats.nodes["hundredths"].dropped == {"skipped": 1}


class TestKeys:
    def test_an_output_without_keys_gives_none(self):
        keyed = rxdag.from_source(sources.range(6)).pipe(ops.event_time(lambda x: x)).pipe(ops.key_by(lambda x: x % 2))
        merged = rxdag.merge(keyed, keyed.pipe(ops.filter(lambda x: x > 3)))
        for stream in (merged, rxdag.merge_sorted(keyed), keyed.pipe(ops.batch(1))):
            out = stream.pipe(ops.window_all(windows.tumbling("10ns"), agg.count())).to(sinks.collect())
            assert {pane.key for pane in outcome(out)[out]} == {None}


class TestTimers:
    @pytest.mark.parametrize("quantum", [1, 1000])
    def test_in_virtual_time_all_that_can_be_done_at_an_instant_is_done_before_the_next_timer(self, quantum):
        source = rxdag.from_source(Replayed(((0, 1), (10, 2), (10, 3))))
        late = source.pipe(ops.map(lambda x: -x)).pipe(Own(lambda: Ticking(10, lingers=True)))
        out = rxdag.merge(source, late).to(sinks.collect(), name="out")
        run = Stepped(rxdag.compile(rxdag.Dag(out)), quantum)
        assert run.settle() is None
        assert run.result["out"] == [1, 2, 3, -1, -2, -3]

    def test_a_task_is_part_of_its_instant_too(self):
        async def soon(item):
            for _ in range(5):
                await asyncio.sleep(0)
            return item

        source = rxdag.from_source(Replayed(((0, 1), (10, 2))))
        late = source.pipe(ops.map(lambda x: -x)).pipe(Own(lambda: Ticking(10, lingers=True)))
        out = rxdag.merge(source.pipe(ops.map_async(soon)), late).to(sinks.collect())
        assert outcome(out)[out] == [1, 2, -1, -2]


class TestEnds:
    def test_the_early_end_of_a_take_closes_the_panes_behind_it(self):
        timed = rxdag.from_source(sources.iterable([1, 2, 3, 4, 50])).pipe(ops.event_time(lambda x: x, unit="ns"))
        out = timed.pipe(ops.take(3)).pipe(ops.window_all(windows.tumbling("10ns"), agg.count())).to(sinks.collect())
        assert [(pane.value, pane.closed_by) for pane in outcome(out)[out]] == [(3, "watermark")]

    def test_a_drain_ends_what_waits_for_the_turn_of_its_other_input(self):
        first, second = (rxdag.from_source(testing.manual(), name=name) for name in ("first", "second"))
        out = rxdag.concat(first, second).to(sinks.collect(), name="out")
        beside = second.pipe(ops.map(lambda x: -x)).to(sinks.collect(), name="beside")
        run = testing.start(rxdag.Dag(out, beside))
        run.settle()
        run.inputs["first"].push(1, 2)
        run.inputs["second"].push(7, 8)
        run.settle()
        run.drain()
        run.settle()
        assert run.is_done
        result = run.finish()
        assert (result.state, result.problems, result["out"]) == ("completed", (), [1, 2])

    def test_a_drain_goes_through_all_that_a_flush_opens(self):
        first, second = (rxdag.from_source(testing.manual(), name=name) for name in ("first", "second"))
        out = rxdag.concat(first, second).to(sinks.collect(), name="out")
        run = testing.start(out)
        run.settle()
        run.inputs["first"].push(1, 2)
        run.settle()
        run.drain(flush=True)
        run.settle()
        assert run.is_done
        result = run.finish()
        assert (result.state, result.problems, result["out"]) == ("completed", (), [1, 2])

    def test_a_drain_ends_a_zip_that_has_all_it_may_keep_of_one_input(self):
        left, right = (rxdag.from_source(testing.manual(), name=name) for name in ("left", "right"))
        out = rxdag.zip(left, right, max_items=2).to(sinks.collect(), name="out")
        run = testing.start(out)
        run.settle()
        run.inputs["left"].push(1)
        run.inputs["right"].push(1, 2, 3, 4, 5)
        run.settle()
        run.drain()
        run.settle()
        assert run.is_done
        result = run.finish()
        assert (result.state, result.problems, result["out"]) == ("completed", (), [(1, 1)])
        assert result.stats.nodes["zip"].held == 2

    def test_a_failed_run_in_which_nothing_can_move_ends(self):
        stream = rxdag.from_source(sources.range(5)).buffered(max_items=10).pipe(ops.map(lambda x: x))
        out = rxdag.concat(stream, stream.pipe(ops.map(lambda x: x))).to(sinks.collect(), name="out")
        late = rxdag.from_source(Replayed(((10, 1),)))  # the other source has ended by then
        bad = late.pipe(ops.map(lambda x: 1 // (x - 1)), name="broken")
        other = bad.to(sinks.collect(), name="other")
        run = Stepped(rxdag.compile(rxdag.Dag(out, other)), 1)
        assert run.settle() is None
        assert (run.result.state, run.result.problems) == ("failed", ())
        assert str(run.result.error).startswith('node "broken" failed on 1: ZeroDivisionError')

    @pytest.mark.parametrize("deep", range(1, 8))
    def test_what_nobody_reads_any_more_is_discarded_though_the_run_ends_first(self, deep):
        source = rxdag.from_source(sources.range(1)).pipe(ops.map(lambda x: x))
        nothing = source.pipe(ops.filter(lambda x: False))
        waiting = rxdag.zip(source, source.pipe(ops.filter(lambda x: False))).named("waiting")
        for _ in range(deep):
            waiting = waiting.pipe(ops.map(lambda x: x))
        others = [source.to(sinks.collect()) for _ in range(4)]
        outcome(rxdag.zip(nothing, waiting).to(sinks.collect()), *others)

    @pytest.mark.parametrize("name", ["main", "far"])
    def test_what_rests_in_gates_is_delivered_before_a_failure(self, name):
        def fail_at_9(item):
            if item == 9:
                raise ValueError("boom")
            return item

        stream = rxdag.from_source(sources.range(50)).pipe(ops.map(fail_at_9)).buffered(max_items=20).on(name)
        slow = stream.pipe(Own(lambda: Busy(10))).buffered(max_items=2).pipe(ops.map(lambda x: x))
        out = slow.to(sinks.collect(), name="out")
        run = Stepped(rxdag.compile(rxdag.Dag(out)), 1000)
        assert run.settle() is None
        assert (run.result.state, run.result.problems) == ("failed", ())
        assert str(run.result.error) == 'node "map" failed on 9: ValueError: boom'
        assert run.result["out"] == [0, 1, 2, 3, 4, 5, 6, 7, 8]

    @pytest.mark.parametrize("size", [1, 2, 100])
    def test_a_failure_on_one_way_of_a_diamond_is_caught_behind_it(self, size):
        def fail_at_3(item):
            if item == 3:
                raise ValueError("boom")
            return item * 10

        risky = rxdag.from_source(sources.range(9)).pipe(ops.map(lambda x: x))
        both = rxdag.merge(risky, risky.pipe(ops.map(fail_at_3))).buffered(max_items=size)
        other = rxdag.from_source(sources.iterable([-1, -2]))
        out = rxdag.catch(both, other).buffered(max_items=size).to(sinks.collect())
        assert outcome(out)[out] == [0, 0, 10, 1, 20, 2, -1, -2]

    @pytest.mark.parametrize("after", range(0, 40, 4))
    def test_a_drain_that_takes_too_long_is_cancelled_with_its_books_in_order(self, after):
        source = rxdag.from_source(sources.range(200))
        stream = source.pipe(ops.explode(lambda x: [x] * 3)).buffered(max_items=3)
        out = stream.pipe(Own(lambda: Busy(10))).to(sinks.collect(), name="out")
        run = testing.start(out)
        run.settle()
        run.drain()
        run.advance(f"{after}ns")
        run.cancel()
        result = run.finish()
        assert (result.state, result.problems) == ("cancelled", ())
        items = [x for x in range(200) for _ in range(3)]
        assert result["out"] == items[: after // 10 + 1]


class TestLanes:
    @pytest.mark.parametrize("quantum", [1, 7, 1000])
    @pytest.mark.parametrize("is_merged_before", [False, True])
    def test_what_rests_behind_a_lane_is_not_overtaken_by_another_branch_above_it(self, quantum, is_merged_before):
        stream = rxdag.from_source(sources.range(8)).pipe(ops.map(lambda x: x))
        before = rxdag.merge(stream, stream.pipe(ops.filter(lambda x: False))) if is_merged_before else stream
        routes = before.pipe(ops.route({"even": lambda x: x % 2 == 0}, default="odd"))
        even = routes["even"].pipe(ops.map(lambda x: x))
        small = even.buffered(max_items=1).to(sinks.collect())
        odd = routes["odd"].to(sinks.collect())
        out = rxdag.merge(even.pipe(ops.map(lambda x: x + 10)), stream.pipe(ops.map(lambda x: x + 20)))
        run = Stepped(rxdag.compile(rxdag.Dag(small, odd, out.to(sinks.collect(), name="out"))), quantum)
        assert run.settle() is None
        assert run.result.problems == ()
        assert run.result["out"] == [10, 20, 21, 12, 22, 23, 14, 24, 25, 16, 26, 27]

    @pytest.mark.parametrize("size", [1, 1000])
    def test_a_full_lane_holds_up_no_other_until_an_item_for_it_comes(self, size):
        source = rxdag.from_source(sources.iterable([1, 2, 2, 2, 1, 2]))
        routes = source.pipe(ops.route({"one": lambda x: x == 1}, default="two"))
        slow = routes["one"].buffered(max_items=size).pipe(Own(lambda: Busy(10)))
        seen, run = [], None
        one = slow.pipe(ops.tap(lambda x: seen.append(("one", run.clock.now())))).to(sinks.collect())
        two = routes["two"].pipe(ops.tap(lambda x: seen.append(("two", run.clock.now())))).to(sinks.collect())
        run = Stepped(rxdag.compile(rxdag.Dag(one, two)), 1000)
        assert run.settle() is None
        assert sorted(seen) == [("one", 0), ("one", 10), *[("two", 0)] * 4]


class Stamped(Kernel):
    """Gives each item a time of the test's."""

    def __init__(self, ts):
        self.ts = ts

    def on_item(self, item, emit):
        emit(item, ts=self.ts)


class Telling(Kernel):
    """Gives out the time of each item."""

    def on_item(self, item, ts, emit):
        emit(ts)


def stamped(ts):
    timed = rxdag.from_source(sources.iterable([1])).pipe(ops.event_time(lambda x: x))
    return timed.pipe(Own(lambda: Stamped(ts)), name="own").pipe(Own(Telling)).to(sinks.collect())


class TestSeams:
    @pytest.mark.parametrize("ts", [7, True, np.int64(7), np.uint8(7), MIN + 1, MAX - 1])
    def test_a_time_that_a_kernel_gives_goes_on_as_an_int(self, ts):
        out = stamped(ts)
        [told] = outcome(out)[out]
        assert (type(told), told) == (int, int(ts))

    @pytest.mark.parametrize("ts", [MIN, MAX, 1 << 70])
    def test_a_time_that_does_not_fit_fails_its_node(self, ts):
        with pytest.raises(rxdag.NodeError) as caught:
            testing.run_virtual(stamped(ts))
        assert str(caught.value.__cause__) == (
            f'node "own": an event time must be ns since the epoch in 64 bits, got {ts}'
        )

    @pytest.mark.parametrize("ts", [7.0, "7"])
    def test_a_time_that_is_no_whole_number_fails_its_node(self, ts):
        with pytest.raises(rxdag.NodeError) as caught:
            testing.run_virtual(stamped(ts))
        assert isinstance(caught.value.__cause__, TypeError)


def windowed(stream):
    """Forty panes that are due at once."""
    keyed = stream.pipe(ops.event_time(lambda x: 0)).pipe(ops.key_by(lambda x: x))
    return keyed.pipe(ops.window(windows.tumbling("10ns"), agg.count()))


MANY_ITEMS = {
    "source": lambda: rxdag.from_source(sources.range(40)),
    "gate": lambda: rxdag.from_source(sources.range(40)).buffered(max_items=40),
    "explode": lambda: rxdag.from_source(sources.range(1)).pipe(ops.explode(lambda x: range(40))),
    "kernel": lambda: rxdag.from_source(sources.range(1)).pipe(Own(lambda: Burst(40))),
    "window": lambda: windowed(rxdag.from_source(sources.range(40))),
}


class TestTurns:
    @pytest.mark.parametrize("way", MANY_ITEMS)
    def test_a_cancel_takes_effect_between_two_items(self, way):
        seen = []

        def look(item):
            seen.append(item)
            if len(seen) == 3:
                run.execution.cancel()

        run = testing.start(MANY_ITEMS[way]().pipe(ops.tap(look)).to(sinks.null()))
        result = run.finish()
        assert (result.state, result.problems, len(seen)) == ("cancelled", (), 3)

    def test_a_timer_that_is_always_due_keeps_a_run_from_nothing(self):
        stream = rxdag.from_source(sources.range(50)).pipe(ops.map(lambda x: x)).buffered(max_items=2)
        out = stream.pipe(ops.explode(lambda x: [x] * 3)).to(sinks.collect(), name="out")
        newest = stream.pipe(ops.sample("1ns")).to(sinks.null(), name="newest")
        run = rxdag.start(out, newest)
        assert run.wait(60)["out"] == [x for x in range(50) for _ in range(3)]

    def test_a_cancel_takes_effect_between_two_items_that_rested(self):
        seen = []

        def look(item):
            seen.append(item)
            if len(seen) == 3:
                run.execution.cancel()

        stream = rxdag.from_source(sources.range(1)).pipe(Own(lambda: Burst(100)))
        small, whole = stream.buffered(max_items=1).pipe(ops.take(1)), stream.pipe(ops.tap(look))
        run = testing.start(small.to(sinks.null()), whole.to(sinks.null()))
        result = run.finish()
        assert (result.state, result.problems, seen) == ("cancelled", (), [0, 0, 0])


class TestOrder:
    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    def test_of_the_nodes_that_can_go_on_the_last_one_in_the_graph_does(self, order):
        domain, points = Domain(1024), [Point(name) for name in "abc"]
        for place, point in enumerate(points):
            point.place, point.domain = place, domain
        for place in order:
            points[place].rest()
        assert domain.next_to_resume() is points[2]
        points[2].blocked += 1  # by something behind it
        assert domain.next_to_resume() is points[1]

    @pytest.mark.parametrize("quantum", [1, 1000])
    def test_what_rests_behind_a_node_that_has_ended_is_not_overtaken(self, quantum):
        stream = rxdag.from_source(sources.range(5)).pipe(ops.map(lambda x: x))
        taken = stream.pipe(ops.take(2)).pipe(ops.explode(lambda x: [x + 10, x + 20, x + 30]))
        small = taken.buffered(max_items=2).to(sinks.collect())
        out = rxdag.merge(taken, stream).to(sinks.collect(), name="out")
        run = Stepped(rxdag.compile(rxdag.Dag(small, out)), quantum)
        assert run.settle() is None
        assert run.result.problems == ()
        assert run.result["out"] == [10, 20, 30, 0, 11, 21, 31, 1, 2, 3, 4]
