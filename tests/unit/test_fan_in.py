"""Operators of several streams: whose turn it is, what waits, and what is late."""

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing, windows

S = 10**9


def timed(items, **how):
    return rxdag.from_source(sources.iterable(items)).pipe(ops.event_time(lambda x: x, unit="s", **how))


def opened(log, name, items):
    def read():
        log.append(name)
        yield from items

    return rxdag.from_source(sources.iterable(read()))


def collected(stream, *ports):
    nodes = [stream.to(sinks.collect()), *(stream.side(port).to(sinks.collect()) for port in ports)]
    result = testing.run_virtual(*nodes)
    assert result.problems == ()
    assert result.state == "completed", result.error
    return [result[node] for node in nodes]


def test_concat_reads_a_stream_only_when_its_turn_has_come():
    log = []
    first = opened(log, "first", [1, 2]).pipe(ops.tap(lambda x: log.append(x)))
    joined = rxdag.concat(first, opened(log, "second", [3]).pipe(ops.tap(lambda x: log.append(x))))
    assert joined.collect() == [1, 2, 3]
    assert log.index(2) < log.index(3)


@pytest.mark.parametrize("join", [rxdag.concat, rxdag.catch])
def test_a_stream_that_ends_before_its_turn_ends_nothing(join):
    feeds = {name: sources.ingress() for name in "abc"}
    streams = [rxdag.from_source(feed, name=name).pipe(ops.map(abs)) for name, feed in feeds.items()]
    run = testing.start(rxdag.Dag(out := join(*streams).to(sinks.collect())))
    run.settle()
    feeds["b"].complete()
    feeds["c"].offer(9)
    feeds["c"].complete()
    run.settle()
    feeds["a"].offer(1)
    run.settle()
    assert not run.is_done
    feeds["a"].offer(2)
    feeds["a"].complete()
    run.settle()
    assert run.is_done
    assert run[out] == ([1, 2, 9] if join is rxdag.concat else [1, 2])
    assert run.finish().problems == ()


def test_zip_waits_for_the_slower_and_ends_with_the_shorter():
    (pairs,) = collected(rxdag.zip(rxdag.from_source(sources.range(10_000)), rxdag.from_source(sources.range(3))))
    assert pairs == [(0, 0), (1, 1), (2, 2)]


def drift_of(merged):
    """The furthest that one input is ahead of the other in what comes out, while both go on."""
    at, worst = {"fast": 0, "slow": 0}, 0
    for name, x in merged:
        at[name] = x
        if max(at.values()) < 90:
            worst = max(worst, abs(at["fast"] - at["slow"]))
    return worst


def test_merge_with_max_drift_holds_the_one_that_is_ahead():
    fast = timed(range(100)).pipe(ops.map(lambda x: ("fast", x)))
    slow = timed(range(0, 100, 10)).pipe(ops.map(lambda x: ("slow", x)))
    (merged,) = collected(rxdag.merge(fast, slow, max_drift="20s"))
    (free,) = collected(rxdag.merge(fast, slow))
    assert sorted(merged) == sorted(free)
    assert drift_of(merged) <= 20 + 10  # the step of the slow one
    assert drift_of(free) > 60
    assert "max_drift needs event time" in refused(
        lambda: rxdag.merge(timed([1]), rxdag.from_source(sources.range(1)), max_drift="1s")
    )


def refused(make):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    return str(caught.value)


def test_merge_sorted_sorts_also_one_stream_and_late_items_go_to_their_port():
    out, late = collected(rxdag.merge_sorted(timed([3, 1, 9, 2], out_of_order="5s"), timed([4, 5])), "late")
    assert (out, late) == ([1, 3, 4, 5, 9], [2])


def test_an_idle_input_holds_nobody_up():
    quiet = rxdag.from_source(testing.manual(timed=True), name="quiet")
    busy = rxdag.from_source(testing.manual(timed=True), name="busy")
    out = rxdag.merge_sorted(quiet, busy).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.inputs["busy"].push(1, ts=1 * S)
    run.inputs["busy"].watermark(5 * S)
    run.settle()
    assert run[out] == []
    run.inputs["quiet"].idle()
    run.settle()
    assert run[out] == [1]
    run.cancel()
    assert run.finish().problems == ()


def test_join_asof_in_processing_time_takes_what_came_last():
    left = rxdag.from_source(testing.timeline(("1s", "a"), ("3s", "b")))
    right = rxdag.from_source(testing.timeline(("2s", 1), ("4s", 2)))
    (pairs,) = collected(rxdag.join_asof(left, right, clock="processing"))
    assert pairs == [("a", None), ("b", 1)]


def test_an_interval_may_be_one_instant():
    left, right = (timed(times).pipe(ops.key_by(lambda x: 0)) for times in ([1, 5], [3, 4, 7]))
    assert rxdag.join_interval(left, right, lower="2s", upper="2s").collect() == [(1, 3), (5, 7)]


def test_join_window_and_interval_send_late_items_to_their_port():
    keyed = lambda s: s.pipe(ops.key_by(lambda x: 0))  # noqa: E731
    left, right = keyed(timed([1, 12, 2])), keyed(timed([3, 13]))
    pairs, late = collected(rxdag.join_window(left, right, windows.tumbling("10s")), "late")
    assert (pairs, late) == ([(1, 3), (12, 13)], [2])
    near, late = collected(rxdag.join_interval(left, right, lower="0s", upper="2s"), "late")
    assert (near, late) == ([(1, 3), (12, 13)], [2])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda s, k: rxdag.join_asof(s, k), "join_asof: both streams must have keys, or neither"),
        (lambda s, k: rxdag.join_asof(s, s, strategy="up"), 'strategy must be "backward", "forward" or "nearest"'),
        (lambda s, k: rxdag.join_asof(s, s, clock="processing", tolerance="1s"), "there are no times to compare"),
        (lambda s, k: rxdag.zip(s), "zip"),
        (lambda s, k: rxdag.merge(), "merge: takes one stream or more, got none"),
        (lambda s, k: rxdag.merge(s, [1]), "merge: takes streams, got [1]"),
        (
            lambda s, k: rxdag.merge([s, s]),
            "event_time, port out>]; pass each stream as an argument, as merge(*streams)",
        ),
        (lambda s, k: rxdag.merge_sorted(rxdag.from_source(sources.range(1))), "needs event time"),
        (lambda s, k: rxdag.join_interval(k, k, lower="2s", upper="1s"), "lower"),
        (lambda s, k: s.pipe(ops.take_until([1])), "take_until: takes a stream, got [1]"),
    ],
)
def test_what_operators_of_several_streams_refuse(make, said):
    stream = timed([1])
    assert said in refused(lambda: make(stream, stream.pipe(ops.key_by(lambda x: x))))


def test_the_slowest_input_that_is_not_idle_is_read_though_it_is_full():
    names = ("quiet", "slow", "fast")
    inputs = [rxdag.from_source(testing.manual(timed=True), name=name) for name in names]
    out = rxdag.merge_sorted(*inputs, max_items=2).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.inputs["quiet"].watermark(1 * S)
    run.inputs["quiet"].idle()
    for name, mark in (("slow", 5), ("fast", 9)):
        run.inputs[name].watermark(mark * S)
        run.inputs[name].push(mark + 1, ts=(mark + 1) * S)
        run.inputs[name].push(mark + 2, ts=(mark + 2) * S)
    run.settle()
    run.inputs["slow"].push(20, ts=20 * S)
    run.inputs["slow"].watermark(10 * S)
    run.settle()
    assert run[out] == [6, 7]
    run.cancel()
    assert run.finish().problems == ()
