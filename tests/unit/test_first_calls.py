"""Functions that return a coroutine or a generator where a value is meant run nothing: that is a mistake, and said so."""

import asyncio
import gc
import warnings

import pytest

import rxdag
from rxdag import CompileError, GraphError, NodeError, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import Accumulator, Aggregate, Kernel, KeyedProcess, Operator


def numbers(n=4):
    return rxdag.from_source(sources.range(n))


def timed():
    return numbers().pipe(ops.event_time(lambda x: x, unit="s"))


def keyed():
    return timed().pipe(ops.key_by(lambda x: x % 2))


ASKED = {
    "filter: predicate": lambda fn: numbers().pipe(ops.filter(fn), name="n"),
    "tap: fn": lambda fn: numbers().pipe(ops.tap(fn), name="n"),
    "key_by: key": lambda fn: numbers().pipe(ops.key_by(fn), name="n"),
    "dedupe: key": lambda fn: timed().pipe(ops.dedupe(fn, within="1s"), name="n"),
    "dedupe: key, capped": lambda fn: timed().pipe(ops.dedupe(fn, max_keys=3), name="n"),
    "take_while: predicate": lambda fn: numbers().pipe(ops.take_while(fn), name="n"),
    "take_while: predicate, keyed": lambda fn: keyed().pipe(ops.take_while(fn), name="n"),
    "skip_while: predicate": lambda fn: numbers().pipe(ops.skip_while(fn), name="n"),
    "skip_while: predicate, keyed": lambda fn: keyed().pipe(ops.skip_while(fn), name="n"),
    "first: predicate": lambda fn: numbers().pipe(ops.first(fn), name="n"),
    "first: predicate, keyed": lambda fn: keyed().pipe(ops.first(fn), name="n"),
    "last: predicate": lambda fn: numbers().pipe(ops.last(fn), name="n"),
    "distinct_until_changed: value": lambda fn: numbers().pipe(ops.distinct_until_changed(fn), name="n"),
    "distinct_until_changed: value, ttl": lambda fn: timed().pipe(ops.distinct_until_changed(fn, ttl="9s"), name="n"),
    'route: predicate of "a"': lambda fn: numbers().pipe(ops.route({"a": fn}, default="b"), name="n")["a"],
    'route: predicate of "a", multi': lambda fn: numbers().pipe(ops.route({"a": fn}, multi=True), name="n")["a"],
    'route: predicate of "true"': lambda fn: numbers().pipe(ops.split(fn), name="n")["true"],
    "conflate: key": lambda fn: numbers().pipe(ops.conflate(fn), name="n"),
    "conflate: key, instant": lambda fn: timed().pipe(ops.conflate(fn, per="instant"), name="n"),
    "throttle: key": lambda fn: numbers().pipe(ops.throttle(1, key=fn), name="n"),
    "throttle: key, shape": lambda fn: numbers().pipe(ops.throttle(1, key=fn, mode="shape"), name="n"),
    "partition: key": lambda fn: numbers().pipe(ops.partition(2, fn), name="n")["0"],
    "shard: key": lambda fn: numbers().pipe(ops.shard(fn), name="n"),
    "lookup: key": lambda fn: numbers().pipe(ops.lookup(awaited, key=fn), name="n"),
    "arbitrate: key": lambda fn: timed().pipe(ops.arbitrate(fn, sequence=lambda x: x), name="n"),
    "top_n: unique": lambda fn: numbers().pipe(ops.top_n(2, lambda x: x, unique=fn), name="n"),
    "route_by: key": lambda fn: numbers().pipe(ops.route_by(fn, ("a",), default="b"), name="n")["a"],
}
PLACES = pytest.mark.parametrize("place", ASKED)


async def awaited(x):
    return x % 2


def generated(x):
    yield x % 2


async def streamed(x):
    yield x % 2


@PLACES
@pytest.mark.parametrize(
    ("fn", "what"),
    [
        (lambda x: awaited(x), "got <coroutine .*; ops.map_async awaits one"),
        (lambda x: streamed(x), "got <async_generator .*; ops.map_async awaits one"),
        (lambda x: generated(x), "got the generator <generator .*; use `return` instead of `yield`"),
    ],
    ids=["coroutine", "async generator", "generator"],
)
def test_the_first_result_must_be_a_value(place, fn, what):
    where = place.partition(",")[0]
    with warnings.catch_warnings(), pytest.raises(NodeError, match=f"{where} must return a value, {what}") as raised:
        warnings.simplefilter("error")
        ASKED[place](fn).collect()
    gc.collect()  # a coroutine that nobody awaited would warn
    assert raised.value.node == "n"


@PLACES
def test_it_ends_the_run_whatever_becomes_of_items_that_fail(place):
    out = ASKED[place](lambda x: awaited(x)).to(sinks.null(), on_error=on_error.skip)
    with pytest.raises(NodeError, match="must return a value"):
        rxdag.run(out)


@PLACES
def test_only_the_first_result_is_looked_at(place):
    seen = []

    def fn(x):
        seen.append(x)
        return True

    plain = ASKED[place](fn)
    assert (
        rxdag.compile(rxdag.Dag(plain.to(sinks.null(), name="out"))).explain().count("opaque callable FirstCall") == 0
    )
    plain.collect()
    assert seen


def test_map_may_give_generators_and_no_coroutines():
    """Whoever takes a generator runs it; a coroutine is awaited by nobody."""
    assert numbers(3).pipe(ops.map(lambda x: generated(x)), ops.explode(lambda made: made)).collect() == [0, 1, 0]
    with pytest.raises(NodeError, match="map: fn must return a value, got <coroutine .*; ops.map_async awaits one"):
        numbers().pipe(ops.map(lambda x: awaited(x))).collect()


def test_after_the_first_item_the_function_is_called_with_nothing_around_it():
    depths = []

    def fn(x):
        import sys

        frame, names = sys._getframe(1), []
        while frame is not None:
            names.append(frame.f_code.co_qualname if hasattr(frame.f_code, "co_qualname") else frame.f_code.co_name)
            frame = frame.f_back
        depths.append(any("FirstCall" in name or name == "__call__" for name in names[:1]))
        return True

    for make in (lambda: ops.filter(fn), lambda: ops.take_while(fn), lambda: ops.tap(fn), lambda: ops.key_by(fn)):
        depths.clear()
        numbers().pipe(make()).collect()
        assert depths == [True, False, False, False]


def test_a_future_is_a_value_for_its_task_runs_by_itself():
    async def main():
        done = []

        async def work(x):
            done.append(x)

        tasks = set()

        def begin(x):
            tasks.add(asyncio.ensure_future(work(x)))
            return next(iter(tasks))

        await rxdag.run_async(numbers().pipe(ops.tap(begin)).to(sinks.null()))
        await asyncio.gather(*tasks)
        return sorted(done)

    assert asyncio.run(main()) == [0, 1, 2, 3]


@pytest.mark.parametrize("fn", [lambda x: generated(x), lambda x: streamed(x)], ids=["generator", "async generator"])
def test_a_sink_calls_no_function_that_returns_a_generator(fn):
    with pytest.raises(NodeError, match="call: fn must not return a generator, whose body would never run"):
        rxdag.run(numbers().to(sinks.call(fn)))


# ---- methods


class Process(KeyedProcess):
    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        return state


def yields(self, *args):
    yield 1


async def awaits(self, *args):
    return 1


METHODS = pytest.mark.parametrize(
    ("method", "kind"), [(yields, "generator function"), (awaits, "coroutine function")], ids=["yields", "awaits"]
)


@METHODS
@pytest.mark.parametrize("name", ["initial", "on_item", "on_timer", "on_end"])
def test_a_method_of_a_process_is_a_plain_function(method, kind, name):
    process = type("Mine", (Process,), {name: method})()
    with pytest.raises(GraphError, match=f"process: {name} must be a plain function, got the {kind}"):
        ops.process(process)


@METHODS
@pytest.mark.parametrize("name", ["on_item", "on_watermark", "on_end", "on_timer", "held"])
def test_a_method_of_a_kernel_is_a_plain_function(method, kind, name):
    def on_item(self, item, emit):
        emit(item)

    given = method
    if name == "on_item":  # its parameters have names
        if method is yields:

            def given(self, item, emit):
                yield item

        else:

            async def given(self, item, emit):
                pass

    mine = type("Mine", (Kernel,), {"on_item": on_item, name: given})

    class Op(Operator):
        def kernel(self):
            return mine()

    with pytest.raises(CompileError, match=f'node "n": Mine.{name} must be a plain function, got the {kind}'):
        numbers().pipe(Op(), name="n").collect()


class Counted(Accumulator):
    def __init__(self):
        self.n = 0

    def add(self, item):
        self.n += 1

    def result(self):
        return self.n


@METHODS
@pytest.mark.parametrize("name", ["add", "result", "merge"])
def test_a_method_of_an_accumulator_is_a_plain_function(method, kind, name):
    mine = type("Mine", (Counted,), {name: method})

    class Of(Aggregate):
        def accumulator(self):
            return mine()

    second = windows.tumbling("1s")
    for make in (
        lambda: ops.window_all(second, Of()),
        lambda: ops.rolling(2, Of()),
        lambda: agg.named(n=Of()),
    ):
        with pytest.raises(GraphError, match=f"Mine.{name} must be a plain function, got the {kind}"):
            make()
