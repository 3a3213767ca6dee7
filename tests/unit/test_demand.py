"""Publishers: subscribers get what they ask for, in order, and one end; runs go at their pace."""

import asyncio
import threading
from dataclasses import dataclass

import pytest

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import Chunk, Enough, Sink, Writer
from rxdag.errors import GraphError, NodeError, RxDagError


class Watcher:
    """A subscriber that keeps all signals, and does what it is told on each."""

    def __init__(self, first=0, on_each=None):
        self.signals = []
        self.first = first
        self.on_each = on_each
        self.over = threading.Event()
        self.came = threading.Semaphore(0)

    @property
    def items(self):
        return [value for kind, value in self.signals if kind == "next"]

    def on_subscribe(self, subscription):
        self.subscription = subscription
        self.signals.append(("subscribed", None))
        if self.first:
            subscription.request(self.first)

    def on_next(self, item):
        self.signals.append(("next", item))
        self.came.release()
        if self.on_each is not None:
            self.on_each(self, item)

    def on_error(self, error):
        self.signals.append(("error", error))
        self.over.set()

    def on_complete(self):
        self.signals.append(("complete", None))
        self.over.set()


def numbers(n, name="out"):
    return rxdag.from_source(sources.range(n)).to(sinks.publisher(), name=name)


def ask_one(watcher, _):
    watcher.subscription.request(1)


# ---- of a plan: a run for each subscriber


def test_each_subscriber_of_a_plan_has_a_run_of_its_own():
    publisher = rxdag.compile(rxdag.Dag(numbers(1000))).publisher("out")
    watchers = [Watcher(first=1, on_each=ask_one) for _ in range(3)]
    for watcher in watchers:
        publisher.subscribe(watcher)
    for watcher in watchers:
        assert watcher.over.wait(10)
        assert watcher.items == list(range(1000))
        assert watcher.signals[0] == ("subscribed", None)
        assert watcher.signals[-1] == ("complete", None)


@pytest.mark.parametrize("name", ["iterable", "map", "file"])
def test_any_node_of_a_plan_can_be_subscribed_to_and_what_else_reads_it_goes_at_that_pace(name):
    written = []
    stream = rxdag.from_source(sources.range(10)).pipe(ops.map(lambda x: x))
    plan = rxdag.compile(rxdag.Dag(stream.to(sinks.call(written.append), name="file")))
    watcher = Watcher(first=3)
    plan.publisher(name).subscribe(watcher)
    for _ in range(3):
        assert watcher.came.acquire(timeout=10)
    assert watcher.items == [0, 1, 2]
    assert len(written) <= 3
    watcher.subscription.request(100)
    assert watcher.over.wait(10)
    assert written == list(range(10))


def test_an_unknown_node_has_no_publisher():
    with pytest.raises(GraphError, match=r'publisher: node "ou" is not known; did you mean "out"\?'):
        rxdag.compile(rxdag.Dag(numbers(1))).publisher("ou")


def test_a_node_that_fails_is_an_error_after_what_came_before():
    def boom(x):
        if x == 3:
            raise ValueError("three")
        return x

    stream = rxdag.from_source(sources.range(10)).pipe(ops.map(boom))
    watcher = Watcher(first=100)
    rxdag.compile(rxdag.Dag(stream.to(sinks.null(), name="n"))).publisher("map").subscribe(watcher)
    assert watcher.over.wait(10)
    assert watcher.items == [0, 1, 2]
    kind, error = watcher.signals[-1]
    assert kind == "error"
    assert isinstance(error, NodeError)
    assert str(error.__cause__) == "three"


def test_a_subscriber_that_cancels_at_once_starts_no_run():
    opened = []

    def items():
        opened.append(True)
        yield 1

    class Shy(Watcher):
        def on_subscribe(self, subscription):
            subscription.cancel()

    sink = rxdag.from_source(sources.iterable(items())).to(sinks.null(), name="n")
    rxdag.compile(rxdag.Dag(sink)).publisher("n").subscribe(Shy())
    assert threading.active_count() == len(threading.enumerate())
    assert not any(thread.name == "rxdag-dag" for thread in threading.enumerate())
    assert opened == []


def test_what_is_no_subscriber_is_refused():
    run = testing.start(numbers(1))
    with pytest.raises(
        GraphError, match="on_subscribe, on_next, on_error and on_complete, got .*which lacks on_subscribe"
    ):
        run.publisher("out").subscribe(object())
    run.finish()


# ---- of a run: several subscribers in lock-step


def test_subscribers_of_one_run_get_the_same_at_the_pace_of_the_slowest():
    run = rxdag.start(numbers(500))
    fast, slow = Watcher(first=10**6), Watcher(on_each=ask_one)
    publisher = run.publisher("out")
    publisher.subscribe(slow)
    publisher.subscribe(fast)
    slow.subscription.request(1)
    assert slow.over.wait(10)
    assert fast.over.wait(10)
    assert slow.items == fast.items == list(range(500))
    assert run.wait(10).problems == ()


def test_only_sinks_made_to_publish_can_be_subscribed_to():
    run = testing.start(rxdag.from_source(sources.range(1)).to(sinks.null(), name="n"))
    with pytest.raises(
        GraphError, match=r'publisher: "n" must be a sinks.publisher\(\) of the run; known: none; end a'
    ):
        run.publisher("n")
    run.finish()


def test_one_who_comes_after_the_end_hears_of_it_at_once():
    run = testing.start(numbers(2))
    publisher = run.publisher("out")
    first = Watcher(first=9)
    publisher.subscribe(first)
    run.settle()
    late = Watcher(first=9)
    publisher.subscribe(late)
    run.settle()
    assert run.finish().state == "completed"
    later = Watcher()
    publisher.subscribe(later)
    assert [w.signals for w in (late, later)] == [[("subscribed", None), ("complete", None)]] * 2


def test_a_run_that_is_cancelled_is_an_error_to_its_subscribers():
    run = testing.start(numbers(5))
    watcher = Watcher(first=2)
    run.publisher("out").subscribe(watcher)
    run.settle()
    run.cancel()
    result = run.finish()
    assert watcher.items == [0, 1]
    kind, error = watcher.signals[-1]
    assert (kind, type(error), str(error)) == ("error", RxDagError, "run: was cancelled")
    assert result.problems == ()


def test_when_the_last_subscriber_has_left_only_its_own_branch_stops():
    source = rxdag.from_source(sources.range(10))
    kept = source.to(sinks.collect())
    run = testing.start(kept, source.to(sinks.publisher(), name="out"))
    watcher = Watcher(first=4, on_each=lambda w, x: w.subscription.cancel() if x == 2 else None)
    run.publisher("out").subscribe(watcher)
    run.settle()
    result = run.finish()
    assert watcher.signals == [("subscribed", None), ("next", 0), ("next", 1), ("next", 2)]
    assert result[kept] == list(range(10))
    assert result.problems == ()
    assert result.stats.nodes["out"].passed == 3
    assert result.stats.nodes["out"].unread == 1


def test_a_subscriber_that_raises_fails_the_run_and_the_others_hear_it():
    def raises(_, item):
        if item == 1:
            raise OSError("gone")

    run = testing.start(numbers(5))
    publisher = run.publisher("out")
    bad, good = Watcher(first=9, on_each=raises), Watcher(first=9)
    publisher.subscribe(good)
    publisher.subscribe(bad)
    run.settle()
    result = run.finish()
    assert result.state == "failed"
    assert str(result.error) == 'sink "out": gone'
    assert bad.signals == [("subscribed", None), ("next", 0), ("next", 1)]
    assert good.signals[-1] == ("error", result.error)
    assert result.problems == ()


@pytest.mark.parametrize("n", [0, -1, True, "3"])
def test_a_request_of_nothing_ends_the_subscription_with_an_error(n):
    run = testing.start(numbers(5))
    watcher = Watcher()
    run.publisher("out").subscribe(watcher)
    watcher.subscription.request(n)
    watcher.subscription.request(3)
    run.settle()
    kind, error = watcher.signals[-1]
    assert (kind, str(error)) == ("error", f"request: n must be 1 or more, got {n!r}")
    assert isinstance(error, ValueError)
    assert watcher.items == []
    run.finish()


def test_asking_in_on_next_does_not_nest():
    depths = []

    def deep(watcher, _):
        import inspect

        depths.append(len(inspect.stack()))
        watcher.subscription.request(1)

    run = testing.start(numbers(50))
    watcher = Watcher(first=1, on_each=deep)
    run.publisher("out").subscribe(watcher)
    run.settle()
    assert watcher.items == list(range(50))
    assert len(set(depths)) == 1
    run.finish()


def test_what_one_item_bursts_into_waits_for_demand():
    stream = rxdag.from_source(sources.range(1, 4)).pipe(ops.explode(lambda x: [x] * 1000))
    run = testing.start(stream.to(sinks.publisher(), name="out"))
    watcher = Watcher(first=5)
    run.publisher("out").subscribe(watcher)
    run.settle()
    assert watcher.items == [1] * 5
    assert sum(gate.high_water for gate in run.stats().gates.values()) <= 5
    watcher.subscription.request(10**6)
    run.settle()
    assert len(watcher.items) == 3000
    assert run.finish().problems == ()


def test_demand_reaches_through_a_thread():
    stream = rxdag.from_source(sources.range(10_000)).on("worker").pipe(ops.map(lambda x: x))
    run = rxdag.start(stream.to(sinks.publisher(), name="out"))
    watcher = Watcher(first=7)
    run.publisher("out").subscribe(watcher)
    for _ in range(7):
        assert watcher.came.acquire(timeout=10)
    run.cancel()
    assert watcher.over.wait(10)
    assert watcher.items == list(range(7))


@pytest.mark.parametrize(
    "between",
    [
        lambda stream: stream,
        lambda stream: stream.pipe(ops.map(abs)),
        lambda stream: stream.pipe(ops.scan(0, lambda total, item: total + item)),
        lambda stream: stream.buffered(max_items=4).pipe(ops.map(abs)),
        lambda stream: stream.pipe(ops.map(abs)).buffered(max_items=4).pipe(ops.batch(1)).pipe(ops.map(sum)),
    ],
    ids=["nothing", "map", "scan", "a gate and map", "map, a gate, batch and map"],
)
@pytest.mark.parametrize("asked", [0, 2])
def test_the_end_needs_no_demand_and_no_room(between, asked):
    feed = sources.ingress()
    out = between(rxdag.from_source(feed, name="feed")).to(sinks.publisher(), name="out")
    run = testing.start(rxdag.Dag(out))
    watcher = Watcher(first=asked)
    run.publisher("out").subscribe(watcher)
    run.settle()
    for item in (1, 0)[:asked]:
        feed.offer(item)
        run.settle()
    assert len(watcher.items) == asked
    assert not watcher.over.is_set()
    feed.complete()
    run.settle()
    assert watcher.signals[-1] == ("complete", None)
    assert run.finish().problems == ()


@dataclass
class Row:
    i: int


async def counted(n):
    for i in range(n):
        yield i


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("where", ["generator", "blocking", "async", "csv", "jsonl", "parquet", "array"])
def test_the_end_behind_the_last_item_needs_no_demand(where, n, tmp_path):
    path = tmp_path / "numbers"
    path.write_text(
        "i\n" + "".join(f"{i}\n" for i in range(n)) if where == "csv" else "".join(f'{{"i":{i}}}\n' for i in range(n))
    )
    if where == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"i": pa.array(range(n), pa.int64())}), path)
    source = {
        "generator": lambda: sources.iterable(i for i in range(n)),
        "blocking": lambda: sources.iterable((i for i in range(n)), blocking=True),
        "async": lambda: sources.async_iterable(counted(n)),
        "csv": lambda: sources.csv(path, Row),
        "jsonl": lambda: sources.jsonl(path, Row),
        "parquet": lambda: sources.parquet(path),
        "array": lambda: sources.arrays({"i": list(range(n))}),
    }[where]()
    run = rxdag.start(rxdag.from_source(source).to(sinks.publisher(), name="out"))
    watcher = Watcher(first=n)
    run.publisher("out").subscribe(watcher)
    assert watcher.over.wait(30)
    assert len(watcher.items) == n
    assert watcher.signals[-1] == ("complete", None)
    assert run.wait(30).problems == ()


@pytest.mark.parametrize("asked", [0, 2])
def test_one_item_is_read_ahead_of_demand(asked):
    read = []
    run = testing.start(
        rxdag.from_source(sources.iterable(read.append(i) or i for i in range(9))).to(sinks.publisher(), name="out")
    )
    watcher = Watcher(first=asked)
    run.publisher("out").subscribe(watcher)
    run.settle()
    assert (watcher.items, read) == (list(range(asked)), list(range(asked + 1)))
    run.cancel()
    result = run.finish()
    assert result.problems == ()


def test_the_second_of_two_sources_is_not_read_ahead_of_its_turn():
    read = []
    later = rxdag.from_source(sources.iterable(read.append(i) or i for i in range(9)))
    feed = sources.ingress()
    stream = rxdag.concat(rxdag.from_source(feed), later)
    run = testing.start(stream.to(sinks.publisher(), name="out"))
    run.publisher("out").subscribe(Watcher())
    run.settle()
    assert read == []
    run.cancel()
    run.finish()


def test_the_end_waits_for_the_items_before_it():
    feed = sources.ingress()
    stream = rxdag.from_source(feed, name="feed").pipe(ops.map(abs)).buffered(max_items=4).pipe(ops.map(abs))
    run = testing.start(rxdag.Dag(stream.to(sinks.publisher(), name="out")))
    watcher = Watcher()
    run.publisher("out").subscribe(watcher)
    for item in (1, 2):
        feed.offer(item)
        run.settle()
    feed.complete()
    run.settle()
    assert watcher.signals == [("subscribed", None)]
    watcher.subscription.request(2)
    run.settle()
    assert watcher.signals == [("subscribed", None), ("next", 1), ("next", 2), ("complete", None)]
    assert run.finish().problems == ()


def test_a_buffer_before_a_publisher_reads_ahead():
    stream = rxdag.from_source(sources.range(100), name="in").buffered(max_items=10)
    run = testing.start(stream.to(sinks.publisher(), name="out"))
    watcher = Watcher(first=1)
    run.publisher("out").subscribe(watcher)
    run.settle()
    assert watcher.items == [0]
    assert run.stats().nodes["in"].made == 11
    watcher.subscription.cancel()
    assert run.finish().problems == ()


# ---- sinks that say how much they take


class Paced(Sink, Writer):
    """Takes two items at a time, and in all no more than `most`."""

    paces = True
    label = "paced"

    def __init__(self, most):
        self.most = most
        self.chunks = []

    def open(self, context):
        return self

    def want(self):
        return 2

    def write(self, chunk: Chunk):
        room = self.most - sum(map(len, self.chunks))
        self.chunks.append(chunk.items[:room])
        if room < len(chunk):
            raise Enough(room)

    def close(self, *, ok):
        return self.chunks


def test_a_sink_of_your_own_can_pace_and_stop_a_run():
    source = rxdag.from_source(sources.range(100), name="in")
    paced = source.to(Paced(5))
    result = rxdag.run(paced)
    assert result[paced] == [[0, 1], [2, 3], [4]]
    assert result.state == "completed"
    assert result.problems == ()


# ---- routes: one item may go while any route has room


def routed(n):
    return rxdag.from_source(sources.range(n), name="in").pipe(
        ops.route({"even": lambda x: x % 2 == 0, "odd": lambda x: x % 2 == 1})
    )


@pytest.mark.parametrize("columns", [True, False])
def test_a_route_without_room_holds_one_item_and_stops_the_others_behind_it(columns):
    routes = routed(10)
    outs = [routes[name].to(sinks.publisher(), name=name) for name in ("even", "odd")]
    run = testing.start(rxdag.compile(rxdag.Dag(*outs), columns=columns))
    even, odd = Watcher(first=100), Watcher()
    run.publisher("even").subscribe(even)
    run.publisher("odd").subscribe(odd)
    run.settle()
    assert (even.items, odd.items) == ([0], [])
    assert run.stats().nodes["in"].made == 2
    odd.subscription.request(2)
    run.settle()
    assert (even.items, odd.items) == ([0, 2, 4], [1, 3])
    odd.subscription.request(100)
    run.settle()
    assert (even.items, odd.items) == ([0, 2, 4, 6, 8], [1, 3, 5, 7, 9])
    assert run.finish().problems == ()


def test_gates_behind_a_route_go_one_item_over_their_room_at_most():
    seen = []

    async def slow(item):
        seen.append(item)
        await asyncio.sleep(1)

    routes = routed(40)
    slow_out = routes["odd"].buffered(max_items=2).to(sinks.acall(slow))
    fast_out = routes["even"].buffered(max_items=2).to(sinks.collect())
    run = testing.start(slow_out, fast_out)
    result = run.finish()
    assert result[fast_out] == list(range(0, 40, 2))
    assert seen == list(range(1, 40, 2))
    assert all(gate.high_water <= 2 for gate in result.stats.gates.values())
    assert result.problems == ()


# ---- what cannot wait


def registered(pushes):
    def register(push):
        pushes.append(push)
        return lambda: pushes.remove(push)

    return register


def test_what_cannot_be_paused_must_say_what_gives_way():
    import reactivex

    stream = rxdag.from_source(sources.callback(registered([])), name="prices")
    other = rxdag.from_observable(reactivex.never(), name="news")
    with pytest.raises(rxdag.CompileError) as raised:
        rxdag.compile(rxdag.Dag(stream.to(sinks.null()), other.to(sinks.null())))
    text = str(raised.value)
    for name in ("prices", "news"):
        assert f'source "{name}": this source cannot be paused, so overflow= must be' in text
    assert '"drop_oldest", "drop_newest", "drop_tail", "drop_buffer", "error", got "block"' in text
    assert "callback(..., overflow=...)" in text


@pytest.mark.parametrize(
    ("overflow", "kept"),
    [("drop_oldest", [2, 3]), ("drop_newest", [0, 1]), ("drop_tail", [0, 3]), ("drop_buffer", [2, 3])],
)
@pytest.mark.parametrize("how", ["argument", "buffered"])
def test_a_callback_drops_by_its_policy_and_the_books_say_so(overflow, kept, how):
    pushes = []
    if how == "argument":
        stream = rxdag.from_source(sources.callback(registered(pushes), max_items=2, overflow=overflow), name="in")
    else:
        stream = rxdag.from_source(sources.callback(registered(pushes)), name="in")
        stream = stream.buffered(max_items=2, overflow=overflow)
    run = testing.start(out := stream.to(sinks.collect()))
    run.settle()
    push = pushes[0]
    for item in range(4):
        push(item)
    push.complete()
    push("too late")
    result = run.finish()
    assert result[out] == kept
    assert result.stats.nodes["in"].dropped == {"overflow": 2}
    assert result.problems == ()
    assert pushes == []


def test_a_callback_that_fails_fails_the_run_behind_what_came():
    pushes = []
    stream = rxdag.from_source(sources.callback(registered(pushes), overflow="error"), name="in")
    run = testing.start(out := stream.to(sinks.collect()))
    run.settle()
    pushes[0](1)
    pushes[0].fail(OSError("line cut"))
    result = run.finish()
    assert result.error is not None
    assert 'source "in": line cut' in str(result.error)
    assert run[out] == [1]


def test_a_callback_that_cannot_be_registered_fails_the_run_once_and_without_demand():
    calls = []

    def register(push):
        calls.append(push)
        raise OSError("no such feed")

    stream = rxdag.from_source(sources.callback(register, overflow="error"), name="in")
    run = testing.start(stream.to(sinks.publisher(), name="out"))
    watcher = Watcher()
    run.publisher("out").subscribe(watcher)
    run.settle()
    result = run.finish()
    assert str(result.error) == 'source "in": no such feed'
    assert watcher.signals[-1] == ("error", result.error)
    assert len(calls) == 1


def test_an_overflow_of_a_callback_fails_the_run_and_not_the_caller():
    pushes = []
    stream = rxdag.from_source(sources.callback(registered(pushes), max_items=2, overflow="error"))
    run = testing.start(out := stream.to(sinks.collect()))
    run.settle()
    for item in range(5):
        pushes[0](item)
    result = run.finish()
    assert isinstance(result.error, rxdag.BufferOverflow)
    assert "callback: must hold at most 2 items, got one more" in str(result.error)
    assert run[out] == [0, 1]
    assert result.problems == ()


def test_a_cold_observable_waits_inside_its_own_loop():
    import reactivex
    from reactivex import operators as rx

    made = []
    cold = reactivex.range(2000).pipe(rx.do_action(made.append))
    stream = rxdag.from_observable(cold, hot=False, max_items=4)
    assert stream.head(10) == list(range(10))
    assert len(made) < 2000
    assert rxdag.from_observable(reactivex.range(300), hot=False, max_items=4).collect() == list(range(300))


def test_an_observable_that_fails_fails_the_run():
    import reactivex

    for hot in (True, False):
        stream = rxdag.from_observable(reactivex.throw(OSError("cut")), hot=hot, overflow="error")
        with pytest.raises(NodeError, match='source "observable": cut'):
            stream.collect()


# ---- the queue of an ingress


def test_nothing_but_what_is_waited_for_gets_into_a_queue_of_no_items():
    feed = sources.ingress(max_items=0, overflow="drop_newest")
    assert feed.try_push(0) is False
    run = testing.start(out := rxdag.from_source(feed, name="in").to(sinks.collect()))
    run.settle()
    assert [feed.try_push(x) for x in (1, 2)] == [True, False]
    run.settle()
    assert feed.try_push(3) is True
    feed.complete()
    result = run.finish()
    assert result[out] == [1, 3]
    assert result.stats.nodes["in"].dropped == {"overflow": 2}
    assert result.problems == ()


def test_a_gate_of_no_items_lets_in_what_its_reader_waits_for():
    feed = sources.ingress()
    stream = rxdag.from_source(feed).pipe(ops.map(lambda x: x)).buffered(max_items=0, overflow="drop_newest")
    run = testing.start(stream.to(sinks.publisher(), name="out"))
    watcher = Watcher()
    run.publisher("out").subscribe(watcher)
    run.settle()
    for item in range(5):
        if item == 2:
            watcher.subscription.request(2)
            run.settle()
        feed.push(item)
        run.settle()
    assert watcher.items == [2, 3]
    assert run.finish().problems == ()


def test_offers_wait_in_line_and_are_let_in_one_by_one():
    feed = sources.ingress(max_items=2)
    run = testing.start(rxdag.from_source(feed).to(sinks.publisher(), name="out"))
    watcher = Watcher()
    run.publisher("out").subscribe(watcher)
    run.settle()
    offers = [feed.offer(x) for x in range(5)]
    assert [offer.done() for offer in offers] == [True, True, False, False, False]
    watcher.subscription.request(2)
    run.settle()
    assert [offer.done() for offer in offers] == [True, True, True, True, False]
    run.cancel()
    run.finish()
    with pytest.raises(RxDagError, match="the run ended while the push was waiting"):
        offers[4].result()


def test_a_dropping_ingress_never_makes_its_producer_wait():
    feed = sources.ingress(max_items=3, overflow="drop_oldest")
    for x in range(10):
        feed.push(x)
    feed.complete()
    result = rxdag.run(out := rxdag.from_source(feed, name="in").to(sinks.collect()))
    assert result[out] == [7, 8, 9]
    assert result.stats.nodes["in"].dropped == {"overflow": 7}


def test_a_plan_says_what_its_queues_do():
    feed = sources.ingress(max_items=10)
    own = rxdag.compile(rxdag.Dag(rxdag.from_source(feed).to(sinks.null())))
    assert "queue of ingress: block, 10 items" in own.explain()
    governed = rxdag.from_source(feed).buffered(max_items=3, overflow="drop_tail").to(sinks.null())
    plan = rxdag.compile(rxdag.Dag(governed))
    assert "queue of ingress: drop_tail, 3 items" in plan.explain()
    assert plan.gates == {}
    assert own.max_held - plan.max_held == 7


def test_dead_letters_of_a_paced_sink_are_a_stream():
    class Picky(Paced):
        def write(self, chunk):
            for index, item in enumerate(chunk.items):
                if item == 3:
                    raise rxdag.contract.WriteFailed(index, ValueError("three"))

    sink = rxdag.from_source(sources.range(6)).to(Picky(100), on_error=on_error.dead)
    dead = sink.dead.to(sinks.collect())
    result = rxdag.run(sink, dead)
    assert [letter.item for letter in result[dead]] == [3]
    assert result.problems == ()
