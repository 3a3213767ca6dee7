"""Functions as arguments: what cannot be called as it will be is a GraphError when the graph is made."""

import asyncio
import contextlib
import functools
import importlib
import inspect
import operator
import types
from dataclasses import dataclass, is_dataclass
from unittest import mock

import msgspec
import numpy as np
import pytest
from tests.public import public_packages

import rxdag
from rxdag import (
    GraphError,
    NodeError,
    adapters,
    market,
    on_error,
    orchestration,
    render,
    sinks,
    sources,
    testing,
    windows,
)
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import async_kind, check_arguments, check_function


def numbers():
    return rxdag.from_source(sources.range(3), name="numbers")


def timed():
    return numbers().pipe(ops.event_time(lambda x: x, unit="s"))


def keyed():
    return timed().pipe(ops.key_by(lambda x: x))


def one(x): ...


def book(**given):
    return market.book_top(**{"is_snapshot": one, "sequence": one, "bids": one, "asks": one, **given})


second = windows.tumbling("1s")

# Every parameter that takes a function: how it is given, and how many arguments the function gets.
PLAIN = {
    "sinks.postgres dsn": (lambda fn: sinks.postgres(fn, "t"), 0),
    "sources.postgres dsn": (lambda fn: sources.postgres(fn, "t"), 0),
    "ops.map fn": (ops.map, 1),
    "ops.filter predicate": (ops.filter, 1),
    "ops.tap fn": (ops.tap, 1),
    "ops.explode fn": (ops.explode, 1),
    "ops.scan fn": (lambda fn: ops.scan(0, fn), 2),
    "ops.scan fn alone": (ops.scan, 2),
    "ops.reduce fn": (lambda fn: ops.reduce(0, fn), 2),
    "ops.reduce fn alone": (ops.reduce, 2),
    "ops.sum value": (ops.sum, 1),
    "ops.min value": (ops.min, 1),
    "ops.max value": (ops.max, 1),
    "ops.first predicate": (ops.first, 1),
    "ops.last predicate": (ops.last, 1),
    "ops.take_while predicate": (ops.take_while, 1),
    "ops.skip_while predicate": (ops.skip_while, 1),
    "ops.distinct_until_changed value": (ops.distinct_until_changed, 1),
    "ops.dedupe key": (lambda fn: ops.dedupe(fn, within="1s"), 1),
    "ops.key_by key": (ops.key_by, 1),
    "ops.conflate key": (ops.conflate, 1),
    "ops.throttle key": (lambda fn: ops.throttle(1, per="1s", key=fn), 1),
    "ops.arbitrate key": (lambda fn: ops.arbitrate(fn, sequence="n"), 1),
    "ops.arbitrate sequence": (lambda fn: ops.arbitrate("key", sequence=fn), 1),
    "ops.top_n by": (lambda fn: ops.top_n(3, by=fn), 1),
    "ops.top_n unique": (lambda fn: ops.top_n(3, by=one, unique=fn), 1),
    "ops.event_time ts": (ops.event_time, 1),
    "ops.event_time sequence": (lambda fn: ops.event_time(one, sequence=fn), 1),
    "ops.event_time by": (lambda fn: ops.event_time(one, by=fn), 1),
    "ops.route routes": (lambda fn: ops.route({"a": fn}), 1),
    "ops.route_by key": (lambda fn: ops.route_by(fn, ("a",)), 1),
    "ops.split condition": (ops.split, 1),
    "ops.partition key": (lambda fn: ops.partition(2, fn), 1),
    "ops.shard key": (ops.shard, 1),
    "ops.select named": (lambda fn: ops.select(a=fn), 1),
    "ops.with_columns named": (lambda fn: ops.with_columns(a=fn), 1),
    "ops.rolling into": (lambda fn: ops.rolling(2, agg.count(), into=fn), 2),
    "ops.window into": (lambda fn: ops.window(second, agg.count(), into=fn), 1),
    "ops.window_all into": (lambda fn: ops.window_all(second, agg.count(), into=fn), 1),
    "ops.map_batch fn": (ops.map_batch, 1),
    "ops.flat_map fn": (ops.flat_map, 1),
    "ops.concat_map fn": (ops.concat_map, 1),
    "ops.switch_map fn": (ops.switch_map, 1),
    "ops.lookup key": (lambda fn: ops.lookup(awaited, key=fn), 1),
    "ops.lookup into": (lambda fn: ops.lookup(awaited, key=one, into=fn), 2),
    "ops.lookup resource": (lambda fn: ops.lookup(awaited_two, key=one, resource=fn), 0),
    "ops.map_async resource": (lambda fn: ops.map_async(awaited_two, resource=fn), 0),
    "rxdag.join_asof into": (lambda fn: rxdag.join_asof(keyed(), keyed(), into=fn), 2),
    "rxdag.join_window into": (lambda fn: rxdag.join_window(keyed(), keyed(), second, into=fn), 2),
    "rxdag.join_interval into": (lambda fn: rxdag.join_interval(keyed(), keyed(), lower="-1s", upper="1s", into=fn), 2),
    "agg.sum value": (agg.sum, 1),
    "agg.mean value": (agg.mean, 1),
    "agg.min value": (agg.min, 1),
    "agg.max value": (agg.max, 1),
    "agg.first value": (agg.first, 1),
    "agg.last value": (agg.last, 1),
    "agg.var value": (agg.var, 1),
    "agg.std value": (agg.std, 1),
    "agg.quantile value": (lambda fn: agg.quantile(fn, 0.5), 1),
    "agg.count_distinct value": (agg.count_distinct, 1),
    "agg.vwap price": (lambda fn: agg.vwap(fn, "qty"), 1),
    "agg.vwap qty": (lambda fn: agg.vwap("price", fn), 1),
    "agg.ohlcv price": (lambda fn: agg.ohlcv(fn, "qty"), 1),
    "agg.ohlcv qty": (lambda fn: agg.ohlcv("price", fn), 1),
    "agg.fold fn": (lambda fn: agg.fold(0, fn), 2),
    "agg.fold merge": (lambda fn: agg.fold(0, operator.add, merge=fn), 2),
    "agg.reduce fn": (agg.reduce, 2),
    "sinks.call fn": (sinks.call, 1),
    "sinks.batched target": (sinks.batched, 0),
    "sources.callback register": (lambda fn: sources.callback(fn, overflow="drop_oldest"), 1),
    "sources.async_iterable on_reconnect": (
        lambda fn: sources.async_iterable(letters, reconnect=sources.Backoff(), on_reconnect=fn),
        1,
    ),
    "sources.websocket on_reconnect": (
        lambda fn: sources.websocket("ws://x", reconnect=sources.Backoff(), on_reconnect=fn),
        1,
    ),
    "sources.websocket decode": (lambda fn: sources.websocket("ws://x", decode=fn), 1),
    "sources.paced ts": (lambda fn: sources.paced(sources.range(3), fn), 1),
    "sources.then key": (lambda fn: sources.then(sources.range(3), sources.range(3), key=fn, overlap=3), 1),
    "sources.then time": (
        lambda fn: sources.then(sources.range(3), sources.range(3), key=one, overlap="3s", time=fn),
        1,
    ),
    "sources.then sequence": (lambda fn: sources.then(sources.range(3), sources.range(3), sequence=fn), 1),
    "market.imbalance qty": (lambda fn: market.imbalance(fn, one), 1),
    "market.imbalance sign": (lambda fn: market.imbalance(one, fn), 1),
    "market.twap price": (market.twap, 1),
    "market.tick_rule price": (market.tick_rule, 1),
    "market.tick_rule into": (lambda fn: market.tick_rule(one, into=fn), 2),
    "market.volume_bars price": (lambda fn: market.volume_bars(9, fn, one), 1),
    "market.volume_bars qty": (lambda fn: market.volume_bars(9, one, fn), 1),
    "market.dollar_bars price": (lambda fn: market.dollar_bars(9, fn, one), 1),
    "market.dollar_bars qty": (lambda fn: market.dollar_bars(9, one, fn), 1),
    "market.tick_bars price": (lambda fn: market.tick_bars(9, fn, one), 1),
    "market.tick_bars qty": (lambda fn: market.tick_bars(9, one, fn), 1),
    "market.range_bars price": (lambda fn: market.range_bars(9, fn, one), 1),
    "market.range_bars qty": (lambda fn: market.range_bars(9, one, fn), 1),
    "market.resample_ohlc price": (lambda fn: market.resample_ohlc(keyed(), "1s", price=fn, qty=one), 1),
    "market.resample_ohlc qty": (lambda fn: market.resample_ohlc(keyed(), "1s", price=one, qty=fn), 1),
    "market.book_top is_snapshot": (lambda fn: book(is_snapshot=fn), 1),
    "market.book_top sequence": (lambda fn: book(sequence=fn), 1),
    "market.book_top bids": (lambda fn: book(bids=fn), 1),
    "market.book_top asks": (lambda fn: book(asks=fn), 1),
    "market.book_top previous": (lambda fn: book(previous=fn), 1),
    "stream.through fn": (lambda fn: numbers().through(fn), 1),
    "stream.rx op": (lambda fn: numbers().rx(fn), 1),
    "render.candlesticks by": (lambda fn: render.candlesticks([], by=fn), 1),
    "orchestration.SourceRouter on_event": (lambda fn: orchestration.SourceRouter({"a": letters}, on_event=fn), 1),
    "adapters.market_data.store_sink row": (lambda fn: adapters.market_data.store_sink(Store(), row=fn), 1),
    "stream.buffered size_of": (lambda fn: numbers().buffered(max_bytes=10, size_of=fn), 1),
    "rxdag.run on_progress": (lambda fn: rxdag.run(numbers().to(sinks.null()), on_progress=fn), 1),
    "runtime.add_feedback pressure": (lambda fn: runtime().add_feedback("d", "p", pressure=fn), 0),
    "runtime.add_feedback on_decision": (lambda fn: runtime().add_feedback("d", "p", on_decision=fn), 1),
}
AWAITED = {
    "ops.map_async fn": (ops.map_async, 1),
    "ops.lookup fn": (lambda fn: ops.lookup(fn, key=one), 1),
    "sinks.acall fn": (sinks.acall, 1),
}
# Parameters that take whatever is iterable asynchronously, names of fields of a type, or no function.
OTHERS = {
    "sources.async_iterable factory",
    "ops.select into",
    "ops.with_columns into",
    "agg.named into",
    "orchestration.SourceRouter sources",
    "orchestration.SourceRegistry maker",
    "rxdag.Columns fn",
    "rxdag.SinkContext fn",
}
# What these are given is called at once, or comes from rxdag itself.
ELSEWHERE = {
    "rxdag.testing",
    "rxdag.testing.faults",
    "rxdag.testing.strategies",
    "rxdag.schedulers",
    "rxdag.expressions",
}


class Store:
    def write(self, rows): ...


async def awaited(x): ...


async def awaited_two(resource, x): ...


async def letters():
    yield "a"


def runtime():
    made = rxdag.PipelineRuntime()
    made.rates.register_provider("p", 1, 1)
    return made


def coroutine_functions():
    async def function(*args): ...

    class Callable:
        async def __call__(self, *args): ...

        async def method(self, *args): ...

    return {
        "function": function,
        "partial": functools.partial(function, 1),
        "object": Callable(),
        "method": Callable().method,
        "mock": mock.AsyncMock(),
    }


ASYNC = coroutine_functions()


def of_arity(n):
    """A function of exactly n arguments."""
    return eval(f"lambda {', '.join('abcd'[:n])}: None")


def functions_of(module):
    """The public functions of a package, and the public methods of its classes, by name."""
    short = {"rxdag.operators": "ops", "rxdag.aggregates": "agg"}.get(module.__name__, module.__name__)
    package = short.removeprefix("rxdag.")
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isfunction(thing):
            yield f"{package}.{name}", thing
        elif inspect.isclass(thing):
            owner = {"Stream": "stream", "PipelineRuntime": "runtime"}.get(name, f"{package}.{name}")
            for method, fn in vars(thing).items():
                if inspect.isfunction(fn) and not method.startswith("_"):
                    yield f"{owner}.{method}" if owner in ("stream", "runtime") else owner, fn
                elif method == "__init__" and inspect.isfunction(fn) and not is_dataclass(thing):
                    yield owner, fn


def test_the_table_has_every_parameter_that_takes_a_function():
    found = set()
    for package in set(public_packages()) - ELSEWHERE:
        for where, fn in functions_of(importlib.import_module(package)):
            for parameter in inspect.signature(fn).parameters.values():
                text = str(parameter.annotation)
                is_key = parameter.name == "key" and where.startswith("ops.") and where.islower()
                if "Callable[" in text or "Field[" in text or is_key or parameter.name in ("into", "fn", "resource"):
                    found.add(f"{where} {parameter.name}")
    assert found - {*PLAIN, *AWAITED, *OTHERS} == set()


@pytest.mark.parametrize("kind", sorted(ASYNC))
@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_coroutine_function_is_refused_where_a_plain_one_is_called(name, kind):
    make, _ = PLAIN[name]
    with pytest.raises(GraphError, match="must be a plain function, got the coroutine function"):
        make(ASYNC[kind])


STREAMS = ("ops.flat_map fn", "ops.concat_map fn", "ops.switch_map fn")


@pytest.mark.parametrize("name", sorted(set(PLAIN) - set(STREAMS)))
def test_an_async_generator_function_is_refused_where_a_plain_one_is_called(name):
    async def generator(*args):
        yield 1

    make, _ = PLAIN[name]
    with pytest.raises(GraphError, match="must be a plain function, got the async generator function"):
        make(generator)


ITERABLES = (*STREAMS, "ops.explode fn", "market.book_top bids", "market.book_top asks")


@pytest.mark.parametrize("name", sorted(set(PLAIN) - set(ITERABLES)))
def test_a_generator_function_is_refused_where_a_value_is_meant(name):
    def generator(*args):
        yield 1

    class Callable:
        def __call__(self, *args):
            yield 1

    make, _ = PLAIN[name]
    for fn in (generator, functools.partial(generator, 1), Callable()):
        with pytest.raises(GraphError, match="must be a plain function, got the generator function .*use `return`"):
            make(fn)


@pytest.mark.parametrize("name", ITERABLES)
def test_a_generator_function_is_taken_where_an_iterable_is_meant(name):
    def generator(x):
        yield x

    make, _ = PLAIN[name]
    make(generator)


@pytest.mark.parametrize("name", STREAMS)
def test_an_async_generator_function_makes_streams(name):
    async def twice(x):
        yield x
        yield x

    make, _ = PLAIN[name]
    assert sorted(testing.feed(make(twice), [1])) == [1, 1]
    with pytest.raises(GraphError, match="fn must take one argument, the item; got letters()"):
        make(letters)


@pytest.mark.parametrize("name", sorted(PLAIN | AWAITED))
def test_a_function_of_another_number_of_arguments_is_refused(name):
    make, n = (PLAIN | AWAITED)[name]
    words = ("no argument", "one argument, ", "two arguments, ")[n]
    for wrong in {0, 1, 2, 3} - {n}:
        with pytest.raises(GraphError, match=rf"must take {words}.*got <lambda>\("):
            make(of_arity(wrong))


@pytest.mark.parametrize("name", sorted(set(PLAIN) - {"rxdag.run on_progress", "runtime.add_feedback pressure"}))
def test_a_function_of_the_right_number_of_arguments_is_taken(name):
    make, n = PLAIN[name]
    if name.startswith("runtime."):
        asyncio.run(within_loop(make, of_arity(n)))
    else:
        make(of_arity(n))


async def within_loop(make, fn):
    make(fn)


@pytest.mark.parametrize("name", sorted(AWAITED))
@pytest.mark.parametrize("fn", [print, len, [].append, str, Exception, lambda x: (yield x)])
def test_what_certainly_returns_no_awaitable_is_refused(name, fn):
    make, _ = AWAITED[name]
    with pytest.raises(GraphError, match=r"fn must be a coroutine function, got .*; a plain function goes into"):
        make(fn)


@pytest.mark.parametrize("name", sorted(AWAITED))
def test_what_may_return_an_awaitable_is_taken(name):
    make, _ = AWAITED[name]

    @types.coroutine
    def old(x):
        yield

    class Call:
        def __init__(self, x): ...

        def __await__(self):
            yield

    for fn in (*ASYNC.values(), lambda x: awaited(x), old, Call, functools.partial(asyncio.to_thread, len)):
        make(fn)


def test_a_plain_function_in_acall_says_where_it_goes():
    with pytest.raises(
        NodeError, match="acall: fn must return an awaitable, got 3; a plain function goes into sinks.call"
    ):
        rxdag.run(numbers().to(sinks.acall(lambda x: 3)))


def test_a_function_that_returns_an_awaitable_is_awaited_by_acall():
    seen = []

    async def save(x):
        seen.append(x)

    rxdag.run(numbers().to(sinks.acall(lambda x: save(x))))
    assert seen == [0, 1, 2]


@dataclass
class Point:
    x: int
    y: int


class Struct(msgspec.Struct):
    x: int


class Signed:
    """As some libraries' models are: what it says of itself is not how it is called."""

    __signature__ = inspect.Signature()

    def __init__(self, value): ...


def injecting(fn):
    @functools.wraps(fn)
    def wrapper(item):
        return fn("db", item)

    return wrapper


@injecting
def wrapped(db, item): ...


@pytest.mark.parametrize(
    "fn",
    [
        int, str, float, bool, dict, list, tuple, len, print, hash, repr, range, np.sin, np.float64, str.upper,
        operator.itemgetter(0), operator.attrgetter("x"), operator.methodcaller("upper"), functools.partial(pow, 2),
        functools.partial(Point, 1), Struct, Signed, wrapped, mock.Mock(), lambda x, y=2: x, lambda *args: args,
        lambda x, **named: x, [].append, {}.get, "a".join, ValueError, list[int],
    ],
)  # fmt: skip
def test_whatever_takes_one_argument_is_taken(fn):
    ops.map(fn)


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (Point, r"Point\(x, y\)"),
        (operator.add, r"add\(a, b, /\)"),
        (lambda *, x: x, r"<lambda>\(\*, x\)"),
        (lambda: 1, r"<lambda>\(\)"),
        (lambda a, b, c=3: a, r"<lambda>\(a, b, c=...\)"),
        (functools.partial(Point, 1, 2), r"partial.*\(\)"),
        (dict.get, r"get\(self, key, default=..., /\)"),
    ],
)
def test_what_cannot_take_one_argument_is_shown(fn, said):
    with pytest.raises(GraphError, match=f"map: fn must take one argument, the item; got .*{said}"):
        ops.map(fn)


def test_the_cure_is_named():
    cures = {
        lambda: ops.map(awaited): "ops.map_async awaits one",
        lambda: ops.filter(awaited): "ops.map_async awaits one",
        lambda: sinks.call(awaited): "use sinks.acall",
        lambda: sinks.batched(awaited): "decorate it with @contextlib.asynccontextmanager, or remove async",
        lambda: ops.map_async(awaited_two, resource=letters): "decorate it with @contextlib.asynccontextmanager",
    }
    for make, cure in cures.items():
        with pytest.raises(GraphError) as caught:
            make()
        assert cure in str(caught.value)


def test_a_context_manager_that_is_made_right_is_taken():
    @contextlib.asynccontextmanager
    async def table():
        yield awaited

    sinks.batched(table)
    ops.map_async(awaited_two, resource=table)
    with pytest.raises(GraphError, match="map_async: fn must take two arguments, the opened resource and the item"):
        ops.map_async(awaited, resource=table)


def test_types_of_records_take_the_fields_that_are_made():
    with pytest.raises(GraphError, match=r"select: into must take arguments named x; got Point\(x, y\)"):
        numbers().pipe(ops.select(x=one, into=Point))
    with pytest.raises(GraphError, match=r"select: into must take arguments named x; got <lambda>\(y\)"):
        numbers().pipe(ops.select(x=one, into=lambda y: y))
    with pytest.raises(GraphError, match="select: into must be a plain function, got the coroutine function"):
        ops.select(x=one, into=awaited)
    with pytest.raises(GraphError, match="named: into must be a plain function, got the coroutine function"):
        agg.named(awaited, x=agg.count())
    assert numbers().pipe(ops.select(x=lambda n: n, into=Struct)).head(1) == [Struct(0)]


def test_the_methods_of_a_process_are_plain():
    class Awaiting(ops.KeyedProcess):
        def initial(self):
            return 0

        async def on_item(self, ctx, state, item):
            return state

    with pytest.raises(GraphError, match="process: on_item must be a plain function, got the coroutine function"):
        ops.process(Awaiting())


def test_a_function_that_makes_an_async_iterable_takes_nothing():
    sources.async_iterable(letters)
    with pytest.raises(GraphError, match=r"async_iterable: factory must take no argument; got one\(x\)"):
        sources.async_iterable(one)


@pytest.mark.parametrize("make", [adapters.writer, adapters.market_data.store_sink])
def test_a_function_that_makes_a_sink_takes_nothing_and_may_be_async(make):
    async def made(): ...

    make(made)
    make(lambda: Store())
    with pytest.raises(GraphError, match=r"must take no argument; got one\(x\)"):
        make(one)


def test_retries_and_ports_know_it_too():
    with pytest.raises(GraphError, match='route: predicate of "large" must be a plain function'):
        ops.route({"large": awaited})
    with pytest.raises(GraphError, match="map: fn must take one argument"):
        numbers().pipe(ops.map(lambda: 1), on_error=on_error.skip)


def test_what_a_class_is_says_nothing_of_its_objects():
    class Awaiting:
        async def __call__(self, item): ...

    assert async_kind(Awaiting) is None
    assert async_kind(Awaiting()) == "coroutine function"
    check_arguments(Awaiting, "x: fn")
    with pytest.raises(GraphError, match="x: fn must be a plain function"):
        check_function(Awaiting(), "x: fn", "the item")


# ---- how a wrong number of arguments is put right, and the methods of classes that users write


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: ops.map(operator.add),
            "map: fn must take one argument, the item; got add(a, b, /); to spread an item over its parameters, write "
            "lambda item: fn(*item)",
        ),
        (
            lambda: ops.filter(lambda: 1),
            "filter: predicate must take one argument, the item; got <lambda>(); add a parameter for the item",
        ),
        (
            lambda: ops.scan(0, lambda total: total),
            "scan: fn must take two arguments, the state and the item; got <lambda>(total); add a parameter for the item",
        ),
        (
            lambda: ops.reduce(0, lambda a, b, c: a),
            "reduce: fn must take two arguments, the state and the item; got <lambda>(a, b, c); give its other "
            "parameters a default, or bind them with functools.partial",
        ),
        (
            lambda: agg.named(Point, n=agg.count()),
            "named: into must take arguments named n; got Point(x, y)",
        ),
    ],
)
def test_a_wrong_number_of_arguments_says_what_to_do(make, said):
    with pytest.raises(GraphError) as caught:
        make()
    assert str(caught.value) == said


METHODS = {
    "initial": ("no argument", lambda self, symbol: 0),
    "on_item": ("three arguments, the context, the state and the item", lambda self, state, item: 0),
    "on_timer": ("three arguments, the context, the state and the name of the timer", lambda self, ctx, state: 0),
    "on_end": ("two arguments, the context and the state", lambda self, ctx: 0),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_methods_of_a_process_take_what_they_are_given(name):
    words, method = METHODS[name]
    right = {"initial": lambda self: 0, "on_item": lambda self, ctx, state, item: 0}
    process = type("Mine", (ops.KeyedProcess,), {**right, name: method})
    with pytest.raises(GraphError, match=f"process: {name} must take {words}; got <lambda>"):
        ops.process(process())


OF_ACCUMULATORS = {
    "add": lambda self: None,
    "add_at": lambda self, item: None,
    "remove": lambda self: None,
    "result": lambda self, window: None,
    "result_in": lambda self, window: None,
    "merge": lambda self: None,
    "snapshot": lambda self, state: None,
    "restore": lambda self: None,
    "check": lambda self: None,
}


@pytest.mark.parametrize("name", OF_ACCUMULATORS)
def test_the_methods_of_an_accumulator_take_what_they_are_given(name):
    right = {"add": lambda self, item: None, "result": lambda self: None}
    accumulator = type("Mine", (agg.Accumulator,), {**right, name: OF_ACCUMULATORS[name]})

    class Mine(agg.Aggregate):
        def accumulator(self):
            return accumulator()

    for make in (
        lambda: ops.window_all(second, Mine()),
        lambda: ops.rolling(3, Mine()),
        lambda: agg.named(mine=Mine()),
    ):
        with pytest.raises(GraphError, match=rf"Mine\.{name} must take .*; got <lambda>"):
            make()
