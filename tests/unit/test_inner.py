"""Items that become streams or calls: how many at once, in which order, and what is left at the end."""

import asyncio

import pytest

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.testing import play


class Meter:
    """A coroutine function that notes how many of its calls are under way."""

    def __init__(self, wait=lambda x: 0.01):
        self.now = self.most = 0
        self.calls = []
        self.cancelled = 0
        self._wait = wait

    async def __call__(self, x):
        self.calls.append(x)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self._wait(x))
            return x
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.now -= 1


class Pool:
    """A resource that says whether it is open."""

    def __init__(self):
        self.opened = self.closed = 0

    async def __aenter__(self):
        self.opened += 1
        return self

    async def __aexit__(self, *_):
        self.closed += 1

    async def ask(self, x):
        await asyncio.sleep(0)
        return x * 10


def balanced(*nodes):
    result = testing.run_virtual(*nodes)
    assert result.problems == ()
    return result


def test_no_more_calls_are_under_way_than_concurrency_and_order_is_kept():
    meter = Meter(lambda x: 0.05 - x / 1000)
    out = rxdag.from_source(sources.range(30)).pipe(ops.map_async(meter, concurrency=4)).to(sinks.collect())
    assert balanced(out)[out] == list(range(30))
    assert meter.most == 4


def test_without_order_results_come_as_they_are_there():
    meter = Meter(lambda x: (3 - x) / 10)
    unordered = rxdag.from_source(sources.range(3)).pipe(ops.map_async(meter, ordered=False)).to(sinks.collect())
    assert balanced(unordered)[unordered] == [2, 1, 0]


@pytest.mark.parametrize("end", ["cancel", "fail", "done"])
def test_a_resource_is_entered_once_and_left_at_any_end(end):
    pool = Pool()

    async def ask(opened, x):
        if x == 3 and end == "fail":
            raise ValueError("three")
        if x == 3 and end == "cancel":
            await asyncio.sleep(10**6)
        return await opened.ask(x)

    out = rxdag.from_source(sources.range(5)).pipe(ops.map_async(ask, resource=lambda: pool)).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.settle()
    if end == "cancel":
        run.cancel()
    result = run.finish()
    assert (pool.opened, pool.closed) == (1, 1)
    assert result.problems == ()
    assert result.state == {"cancel": "cancelled", "fail": "failed", "done": "completed"}[end]


def test_a_run_that_is_cancelled_cancels_the_calls_under_way():
    meter = Meter(lambda x: 10**6)
    out = rxdag.from_source(sources.range(5)).pipe(ops.map_async(meter, concurrency=3)).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.settle()
    assert meter.now == 3
    run.cancel()
    assert run.finish().problems == ()
    assert (meter.now, meter.cancelled) == (0, 3)


def test_a_drain_waits_for_the_calls_under_way():
    meter = Meter(lambda x: 5)
    items = rxdag.from_source(testing.manual(), name="in")
    out = items.pipe(ops.map_async(meter)).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.inputs["in"].push(1, 2)
    run.settle()
    run.drain()
    result = run.finish()
    assert (result[out], result.state, result.problems) == ([1, 2], "completed", ())


def test_a_call_that_fails_is_tried_again_or_goes_to_dead():
    failures = {2: 1, 4: 99}

    async def flaky(x):
        await asyncio.sleep(0)
        if failures.get(x, 0):
            failures[x] -= 1
            raise ConnectionError(f"no {x}")
        return x

    stream = rxdag.from_source(sources.range(6)).pipe(
        ops.map_async(flaky), on_error=on_error.retry(3, base="1s", then=on_error.dead)
    )
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = balanced(out, dead)
    assert result[out] == [0, 1, 2, 3, 5]
    assert [letter.item for letter in result[dead]] == [4]


def test_lookup_asks_once_for_each_key_and_forgets_by_ttl_and_by_number():
    meter = Meter()
    rows = [("a", 1), ("a", 2), ("b", 3), ("a", 4)]
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.lookup(meter, key=lambda r: r[0]))
    assert stream.collect() == [(row, row[0]) for row in rows]
    assert meter.calls == ["a", "b"]
    meter = Meter(lambda x: 0)
    later = rxdag.from_source(testing.timeline(("0s", "a"), ("1s", "a"), ("9s", "a")))
    out = later.pipe(ops.lookup(meter, key=lambda x: x, ttl="5s")).to(sinks.collect())
    assert len(balanced(out)[out]) == 3
    assert meter.calls == ["a", "a"]
    meter = Meter(lambda x: 0)
    few = rxdag.from_source(testing.timeline(*((f"{i}s", key) for i, key in enumerate("abcab"))))
    out = few.pipe(ops.lookup(meter, key=lambda x: x, max_keys=2)).to(sinks.collect())
    balanced(out)
    assert meter.calls == ["a", "b", "c", "a", "b"]


@pytest.mark.parametrize(("takes", "ttl", "asked"), [(4.0, "5s", [0, 6]), (1.0, "9s", [0]), (4.0, "6s", [0, 6])])
def test_what_a_lookup_found_is_forgotten_so_long_after_it_was_asked_for(takes, ttl, asked):
    """However long the answer takes, and whatever else comes before it is there."""
    calls = []

    async def fn(key):
        loop = asyncio.get_running_loop()
        calls.append((key, round(loop.time())))
        await asyncio.sleep(takes if key == "a" else 0)
        return key

    rows = rxdag.from_source(testing.timeline(("0s", "a"), ("3s", "b"), ("6s", "a"), ("7s", "b")))
    out = rows.pipe(ops.lookup(fn, key=lambda x: x, ttl=ttl)).to(sinks.collect())
    assert balanced(out)[out] == [(key, key) for key in "abab"]
    assert [when for key, when in calls if key == "a"] == asked


def test_a_failed_lookup_is_not_remembered():
    asked = []

    async def once(key):
        asked.append(key)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise ConnectionError("first")
        return key

    rows = rxdag.from_source(testing.timeline(("0s", "a"), ("1s", "a")))
    out = rows.pipe(ops.lookup(once, key=lambda x: x), on_error=on_error.skip).to(sinks.collect())
    assert balanced(out)[out] == [("a", "a")]


def test_a_lookup_that_takes_longer_than_its_timeout_fails_each_item_that_waits_for_it():
    meter = Meter(lambda x: x)
    rows = rxdag.from_source(sources.iterable([1, 3, 3, 2]))
    looked = rows.pipe(ops.lookup(meter, key=lambda x: x, timeout="2500ms"), on_error="dead")
    good, bad = looked.to(sinks.collect()), looked.dead.to(sinks.collect())
    result = balanced(good, bad)
    assert result[good] == [(1, 1), (2, 2)]
    said = "lookup: a call must return within 2500ms, got no result"
    assert [(letter.item, type(letter.error), str(letter.error)) for letter in result[bad]] == [
        (3, TimeoutError, said)
    ] * 2
    assert (meter.calls, meter.cancelled) == ([1, 3, 2], 1)


def test_the_time_of_a_lookup_ends_the_run_unless_its_node_says_otherwise():
    rows = rxdag.from_source(sources.iterable([1]))
    looked = rows.pipe(ops.lookup(Meter(lambda x: x), key=lambda x: x, timeout="1s"), name="names")
    with pytest.raises(
        rxdag.NodeError, match='node "names" failed on 1: TimeoutError: lookup: a call must return within 1s'
    ):
        testing.run_virtual(looked.to(sinks.null()))


def test_a_lookup_that_took_too_long_is_tried_again_with_the_same_time():
    waits = iter([9, 9, 1])
    meter = Meter(lambda x: next(waits))
    rows = rxdag.from_source(sources.iterable(["a"])).pipe(
        ops.lookup(meter, key=lambda x: x, timeout="2s"), on_error=on_error.retry(3, base="1s", factor=1)
    )
    out = rows.to(sinks.collect())
    result = balanced(out)
    assert result[out] == [("a", "a")]
    assert (meter.calls, meter.cancelled) == (["a", "a", "a"], 2)
    assert result.stats.elapsed_s == 7  # two calls of 2 s, two waits of 1 s, a call of 1 s


def test_a_timeout_error_of_the_coroutine_itself_is_its_own():
    async def slow(x):
        raise TimeoutError("the server's")

    looked = rxdag.from_source(sources.iterable([1])).pipe(ops.lookup(slow, key=lambda x: x, timeout="1h"))
    with pytest.raises(rxdag.NodeError, match="TimeoutError: the server's"):
        testing.run_virtual(looked.to(sinks.null()))


def test_flat_map_takes_no_more_streams_than_concurrency_and_switch_map_leaves_the_old_one():
    assert play(ops.concat_map(lambda x: [x, x.upper()]), "ab|") == "(aA)(bB)|"
    assert play(ops.switch_map(lambda x: sources.timer("2s")), "ab---|") == "---0-|"
    opened = []

    def stream_of(x):
        opened.append(x)
        return sources.interval("1s")

    out = rxdag.from_source(sources.range(9)).pipe(ops.flat_map(stream_of, concurrency=2)).to(sinks.collect())
    run = testing.start(rxdag.Dag(out))
    run.advance("3s")
    assert opened == [0, 1]
    run.cancel()
    assert run.finish().problems == ()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ops.map_async(3), "map_async: fn must be a function, got 3"),
        (lambda: ops.map_async(len, concurrency=0), "map_async: concurrency must be 1 or more, got 0"),
        (lambda: ops.flat_map(len, concurrency=0), "flat_map: concurrency must be 1 or more, got 0"),
        (lambda: ops.lookup(len, key=len, timeout="0s"), "lookup: timeout must be more than 0"),
        (lambda: ops.lookup(len, key=len, max_keys=0), "lookup: max_keys must be 1 or more, got 0"),
        (lambda: ops.map_async(len, timeout="0s"), "map_async: timeout must be more than 0"),
    ],
)
def test_what_they_refuse(make, said):
    with pytest.raises(rxdag.GraphError) as caught:
        make()
    assert said in str(caught.value)


def test_a_function_that_is_no_coroutine_and_a_result_that_is_no_stream_say_so():
    with pytest.raises(rxdag.NodeError, match="must return an awaitable, got 1; a plain function goes into ops.map"):
        rxdag.from_source(sources.range(1)).pipe(ops.map_async(lambda x: 1)).collect()
    with pytest.raises(rxdag.NodeError, match="flat_map"):
        rxdag.from_source(sources.range(1)).pipe(ops.flat_map(lambda x: 1)).collect()


def test_lookup_asks_for_a_key_that_is_nan_as_a_dict_finds_it():
    nan, asked = float("nan"), []

    async def fn(key):
        asked.append(key)
        return len(asked)

    rows = rxdag.from_source(sources.iterable([1.0, nan, nan]))
    assert [value for _, value in rows.pipe(ops.lookup(fn, key=lambda x: x)).collect()] == [1, 2, 2]
    assert len(asked) == 2


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize(
    "operator",
    [lambda fn: ops.lookup(fn, key=lambda x: 0), lambda fn: ops.lookup(fn, key=lambda x: x), ops.map_async],
    ids=["lookup of one key", "lookup", "map_async"],
)
def test_an_error_that_is_no_exception_leaves_balanced_books(operator):
    async def fn(x):
        raise Odd("x")

    run = rxdag.start(rxdag.from_source(sources.range(3)).pipe(operator(fn)).to(sinks.null()))
    with pytest.raises(rxdag.NodeError, match="failed on 0: Odd: x"):
        run.wait()
    books = run.stats().nodes[next(name for name in run.stats().nodes if name in ("lookup", "map_async"))]
    assert (books.failed, books.held, books.failed + books.discarded + books.unread) == (1, 0, books.arrived)
