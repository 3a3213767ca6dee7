"""An item that is tried again keeps its place: a watermark that comes meanwhile waits behind it, so it is not late."""

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.contract import KeyedProcess

RETRY = on_error.retry(3, base="50ms")
PANES = [(0, 5), (20, 26), (40, 44)]


class Flaky:
    """Gives an item back; the first call with each of some fails."""

    def __init__(self, *items):
        self.failing = set(items)
        self.failures = 0

    def __call__(self, item):
        if item in self.failing:
            self.failing.remove(item)
            self.failures += 1
            raise OSError("once")
        return item


class Sums(KeyedProcess):
    """A window by hand: the sum of each ten, when the watermark has passed it."""

    def __init__(self, fn):
        self._fn = fn

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.set_timer(item // 10 * 10 + 9)
        return state + self._fn(item)

    def on_timer(self, ctx, state, name):
        ctx.emit((ctx.ts - 9, state))
        return 0


async def same(item):
    return item


def lane(stream):
    return stream.pipe(ops.route({"all": lambda x: x > 0}, default="none"))["all"]


def both_lanes(stream):
    ways = stream.pipe(ops.route({"odd": lambda x: x % 2}, default="even"))
    return rxdag.merge(ways["odd"], ways["even"])


BEFORE = {
    "nothing": lambda s: s,
    "a map": lambda s: s.pipe(ops.map(lambda x: x)),
    "conflate": lambda s: s.pipe(ops.conflate(lambda x: x)),
    "map_async": lambda s: s.pipe(ops.map_async(same)),
    "a lane of a route": lane,
    "lanes that meet": both_lanes,
    "a gate": lambda s: s.buffered(max_items=1),
    "explode": lambda s: s.pipe(ops.explode(lambda x: [x])),
}


def ten(pane):
    return pane.start, pane.value


NODES = {
    "window": lambda fn: ops.window(windows.tumbling("10ns"), agg.sum(fn), into=ten),
    "sliding window": lambda fn: ops.window(windows.sliding("10ns", "10ns"), agg.sum(fn), into=ten),
    "revised window": lambda fn: ops.window(windows.tumbling("10ns"), agg.sum(fn), into=ten, allowed_lateness="1ns"),
    "session": lambda fn: ops.window(
        windows.session("5ns"), agg.sum(fn), into=lambda pane: (pane.start // 10 * 10, pane.value)
    ),
    "window_all": lambda fn: ops.window_all(windows.tumbling("10ns"), agg.sum(fn), into=ten),
    "process": lambda fn: ops.process(Sums(fn)),
}


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("node", NODES)
def test_an_item_that_is_tried_again_is_not_late(node, before, columns):
    fn = Flaky(5, 26)
    stream = rxdag.from_source(sources.iterable([5, 26, 44])).pipe(ops.event_time(lambda x: x))
    if node != "window_all":
        stream = stream.pipe(ops.key_by(lambda x: x // 10))
    stream = BEFORE[before](stream)
    if node != "window_all" and before == "lanes that meet":
        stream = stream.pipe(ops.key_by(lambda x: x // 10))
    made = stream.pipe(NODES[node](fn), on_error=RETRY, name="it")
    dag = rxdag.Dag(made.to(sinks.collect(), name="out"))
    result = testing.run_virtual(rxdag.compile(dag, columns=columns))
    book = result.stats.nodes["it"]
    assert (result["out"], book.late) == (PANES, 0)
    assert (fn.failures, book.retried, result.problems) == (2, 2, ())


STEPS = {
    "map": lambda fn: ops.map(fn),
    "filter": lambda fn: ops.filter(fn),
    "tap": lambda fn: ops.tap(fn),
    "explode": lambda fn: ops.explode(lambda x: [fn(x)]),
    "scan": lambda fn: ops.scan(0, lambda _, x: fn(x)),
    "key_by": lambda fn: ops.key_by(lambda x: fn(x) and 0),
    "dedupe": lambda fn: ops.dedupe(fn, within="1h"),
    "distinct_until_changed": lambda fn: ops.distinct_until_changed(fn),
    "flat_map": lambda fn: ops.concat_map(lambda x: [fn(x)]),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("step", STEPS)
def test_the_watermark_does_not_overtake_an_item_that_is_tried_again(step, before):
    fn = Flaky(5, 26)
    timed = rxdag.from_source(sources.iterable([5, 26, 44])).pipe(ops.event_time(lambda x: x))
    tried = BEFORE[before](timed).pipe(STEPS[step](fn), on_error=RETRY, name="it")
    made = tried.pipe(ops.window_all(windows.tumbling("10ns"), agg.sum(lambda x: x), into=ten))
    result = testing.run_virtual(made.to(sinks.collect(), name="out"))
    assert (result["out"], result.stats.nodes["window_all"].late) == (PANES, 0)
    assert (fn.failures, result.stats.nodes["it"].retried, result.problems) == (2, 2, ())
