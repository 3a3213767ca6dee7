"""What an item costs does not grow with what is open: counted in lines, not in time."""

import asyncio
import sys
from types import SimpleNamespace

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, sources, windows
from rxdag.contract import Overflow
from rxdag.sources._queue import ItemQueue

FEW, MANY = 250, 2000


def keyed(times, name):
    stream = rxdag.from_source(sources.iterable(times), name=name)
    return stream.pipe(ops.event_time(lambda x: x, unit="ms", out_of_order="1d")).pipe(ops.key_by(lambda x: "k"))


def shuffled(n):
    """Give n times, 10 ms apart, the later half of them in turn with the earlier one."""
    half = n // 2
    return [10 * t for i in range(half) for t in (half + i, i)]


def many_keys(n):
    """Give times of which each has a key of its own, in order."""
    stream = rxdag.from_source(sources.range(n))
    return stream.pipe(ops.event_time(lambda x: x, unit="ms")).pipe(ops.key_by(lambda x: x))


def behind(n):
    """Give n times in order, of which half are ahead of the watermark."""
    stream = rxdag.from_source(sources.range(n))
    return stream.pipe(ops.event_time(lambda x: x, unit="ms", out_of_order=f"{n // 2}ms"))


def many_streams(n):
    """Give n times in streams of 25, each in order, that advance together."""
    k = n // 25
    ranges = [rxdag.from_source(sources.iterable(range(i, n, k)), name=f"s{i}") for i in range(k)]
    return [stream.pipe(ops.event_time(lambda x: x, unit="ms")) for stream in ranges]


def one_after_the_other(n):
    """Give two streams of n items; all of the first come before any of the second."""
    both = rxdag.from_source(sources.range(2 * n)).pipe(ops.event_time(lambda x: x, unit="ms"))
    return both.pipe(ops.filter(lambda x: x < n)), both.pipe(ops.filter(lambda x: x >= n))


def looked_up(n):
    """Look up n keys, many at once: no call comes back before half of them are made."""
    most = n // 2
    came, all_came = [], asyncio.Event()

    async def fn(key):
        came.append(key)
        if len(came) == most:
            all_came.set()
        await all_came.wait()
        return key

    return rxdag.from_source(sources.range(n)).pipe(ops.lookup(fn, key=lambda x: x, concurrency=most))


def interval(n):
    return rxdag.join_interval(keyed(shuffled(n), "a"), keyed(shuffled(n), "b"), lower="-15ms", upper="15ms")


def joined_windows(assigner):
    return lambda n: rxdag.join_window(keyed(shuffled(n), "a"), keyed(shuffled(n), "b"), assigner)


def windowed(assigner, **how):
    return lambda n: keyed(shuffled(n), "a").pipe(ops.window(assigner, agg.count(), **how))


GRAPHS = {
    "join_interval": interval,
    "join_window, tumbling": joined_windows(windows.tumbling("10ms")),
    "join_window, sliding": joined_windows(windows.sliding("20ms", "10ms")),
    "join_window, sessions": joined_windows(windows.session("5ms")),
    "window, tumbling": windowed(windows.tumbling("10ms")),
    "window, sliding": windowed(windows.sliding("20ms", "10ms")),
    "window, sessions": windowed(windows.session("5ms")),
    "window, sessions that join": windowed(windows.session("10ms")),
    "window, revised": windowed(windows.tumbling("10ms"), allowed_lateness="1s"),
    "window, early": windowed(windows.tumbling("10ms"), early=2),
    "dedupe": lambda n: keyed(shuffled(n), "a").pipe(ops.dedupe(lambda x: x, within="1d")),
    "dedupe, at most n keys": lambda n: keyed(shuffled(n), "a").pipe(ops.dedupe(lambda x: x, within=None, max_keys=n)),
    "conflate by instant": lambda n: keyed(shuffled(n), "a").pipe(ops.conflate(per="instant")),
    "rolling count": lambda n: keyed(range(n), "a").pipe(ops.rolling("1h", agg.count())),
    "rolling items": lambda n: keyed(range(n), "a").pipe(ops.rolling(n, agg.sum(lambda x: 1))),
    "scan by key": lambda n: many_keys(n).pipe(ops.scan(0, lambda a, b: a + b, ttl="1d")),
    "pairwise by key": lambda n: many_keys(n).pipe(ops.pairwise(ttl="1d")),
    "throttle by key": lambda n: many_keys(n).pipe(ops.throttle(1, per="1s")),
    "debounce by key": lambda n: many_keys(n).pipe(ops.debounce("1s")),
    "top_n by key": lambda n: many_keys(n).pipe(ops.top_n(3, by=lambda x: x, ttl="1d")),
    "join_asof": lambda n: rxdag.join_asof(keyed(shuffled(n), "a"), keyed(shuffled(n), "b"), strategy="nearest"),
    "join_asof, rights wait": lambda n: rxdag.join_asof(keyed([0], "a"), keyed(range(n), "b"), tolerance="1d"),
    "arbitrate": lambda n: keyed(shuffled(n), "a").pipe(
        ops.arbitrate(sequence=lambda x: x // 10, wait="1d", max_pending=n)
    ),
    "merge_sorted": lambda n: rxdag.merge_sorted(keyed(shuffled(n), "a"), keyed(shuffled(n), "b")),
    "merge_sorted, many streams": lambda n: rxdag.merge_sorted(*many_streams(n), max_items=4),
    "merge in step, many streams": lambda n: rxdag.merge(*many_streams(n), max_drift="1ms"),
    "zip, many streams": lambda n: rxdag.zip(*many_streams(n)),
    "zip, one ahead": lambda n: rxdag.zip(*one_after_the_other(n), max_items=n),
    "concat, many streams": lambda n: rxdag.concat(*many_streams(n)),
    "rolling, out of order": lambda n: behind(n).pipe(ops.rolling("1ms", agg.count())),
    "conflate by instant, out of order": lambda n: behind(n).pipe(ops.conflate(per="instant")),
    "window of items": lambda n: behind(n).pipe(ops.window_all(windows.count(n // 2, slide=1), agg.sum(lambda x: x))),
    "lookup": looked_up,
}


def steps(graph, n):
    """Return how many lines the operators run for an item, each turn of a loop anew."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if "rxdag/operators" not in frame.f_code.co_filename.replace("\\", "/"):
            return None
        count += event == "line"  # each turn of a loop is one, in a comprehension too
        return trace

    plan = rxdag.compile(rxdag.Dag(graph(n).to(sinks.null())))
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert rxdag.run(plan).problems == ()
    finally:
        sys.settrace(before)
    return count / n


@pytest.mark.parametrize("name", GRAPHS)
def test_the_steps_for_an_item_do_not_grow_with_what_is_open(name):
    few, many = steps(GRAPHS[name], FEW), steps(GRAPHS[name], MANY)
    assert many < 1.5 * few + 20


def test_a_queue_wakes_its_run_only_when_that_waits_for_an_item():
    run = SimpleNamespace(boundary=None, saw=None, woken=0)
    run.wake = lambda: setattr(run, "woken", run.woken + 1)
    queue = ItemQueue("ingress", 4096, Overflow.BLOCK)
    reader = queue.open(run)
    assert reader.read(10) is None
    for i in range(1_000):
        queue.offer(i, wait=True)
    assert run.woken == 1
    while reader.read(300) is not None:
        pass
    queue.offer(1_000, wait=True)
    queue.end(None)
    assert run.woken == 3


class Venue:
    """A value of a route that counts how often it is named."""

    named = 0

    def __str__(self):
        Venue.named += 1
        return f"venue-{id(self)}"


def test_the_ports_of_a_route_are_not_named_again_for_each_port():
    venues = [Venue() for _ in range(200)]
    ways = rxdag.from_source(sources.iterable(venues)).pipe(ops.route_by(lambda venue: venue, venues))
    outs = [ways[f"venue-{id(venue)}"].to(sinks.null()) for venue in venues]
    rxdag.run(*outs)
    assert Venue.named <= 10 * len(venues)
