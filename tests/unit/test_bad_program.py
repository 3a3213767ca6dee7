"""A mistake of the program is no item's fault: it ends the run under every policy, at once, and names the node."""

import asyncio
import contextlib

import pytest

import rxdag
from rxdag import NodeError, on_error, orchestration, sinks, sources
from rxdag import operators as ops
from rxdag.contract import BadProgram, Kernel, KeyedProcess, Operator, Sink, Source, Writer

POLICIES = pytest.mark.parametrize(
    "policy",
    [
        on_error.raise_,
        on_error.skip,
        on_error.dead,
        on_error.retry(3, base="1ms", then=on_error.dead),
        on_error.retry(3, base="1ms", on=(TypeError,), then=on_error.skip),
    ],
    ids=["raise", "skip", "dead", "retry", "retry-skip"],
)


class Gives:
    """An async context manager that gives that."""

    def __init__(self, given=None):
        self.given = given

    async def __aenter__(self):
        return self.given

    async def __aexit__(self, *error):
        pass


class Later:
    def __repr__(self):
        return "<Later>"

    def __await__(self):
        yield


class OnlyEnters:
    async def __aenter__(self):
        return None


@contextlib.contextmanager
def plain():
    yield print


async def one_argument(a, b):
    pass


async def echo(_, x):
    return x


class Opens(Sink):
    label = "mine"

    def __init__(self, made):
        self.made = made

    def open(self, context):
        return self.made


class Returns(Writer):
    def __init__(self, made):
        self.made = made

    def write(self, chunk):
        return self.made() if callable(self.made) else self.made

    def close(self, *, ok):
        return None


class AsyncOpens(Opens):
    where = "async"


class OpensNothing(Source):
    label = "empty"

    def open(self, context):
        return None


class Forgets(KeyedProcess):
    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        return None


class Sends(KeyedProcess):
    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.emit_to("nowhere", item)
        return state


def lambda_of(value):
    return lambda *_: value


@POLICIES
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: sinks.batched(lambda: Gives()),
            'sink "out": could not be opened: batched: the context manager must give an async function of a batch, or '
            "an object with write(batch), got None; write `yield write`, or return it from __aenter__",
        ),
        (
            lambda: sinks.batched(lambda: Gives(print)),
            'sink "out": could not be opened: batched: the function that the context manager gives must be a coroutine '
            "function, got <built-in function print>; a plain function goes into an object with write(batch)",
        ),
        (
            lambda: sinks.batched(lambda: Gives(one_argument)),
            'sink "out": could not be opened: batched: the function that the context manager gives must take one '
            "argument, the batch; got one_argument(a, b)",
        ),
        (
            lambda: sinks.batched(lambda: Gives(lambda_of(3))),
            'sink "out": batched: the function that the context manager gives must return an awaitable, got 3; put async '
            "before its def",
        ),
        (
            lambda: sinks.batched(lambda: 5),
            'sink "out": could not be opened: batched: target must make an object with write(batch) or an async context '
            "manager, got 5; put @contextlib.asynccontextmanager before an async generator function",
        ),
        (lambda: sinks.batched(plain), 'sink "out": could not be opened: batched: the function that the con'),
        (lambda: sinks.batched(OnlyEnters), 'sink "out": could not be opened: batched: target must make an object'),
        (
            lambda: sinks.acall(lambda_of(None)),
            'node "out" failed: BadProgram: acall: fn must return an awaitable, got None; a plain function goes into '
            "sinks.call",
        ),
        (
            lambda: sinks.call(lambda_of(Later())),
            'node "out" failed: BadProgram: call: fn must not return an awaitable, got <Later>; use sinks.acall',
        ),
        (lambda: Opens(None), 'sink "out": mine.open() must return a Writer, got None'),
        (
            lambda: Opens(Returns(7)),
            'sink "out": mine: write must return None, got 7; a sink with async methods must set where',
        ),
        (lambda: AsyncOpens(Returns(7)), 'sink "out": mine: write must return None or an awaitable, got 7'),
    ],
)
def test_a_sink_that_is_made_wrong_ends_the_run(make, message, policy):
    out = rxdag.from_source(sources.range(100)).to(make(), name="out", on_error=policy)
    dead = out.dead.to(sinks.collect(), name="dead")
    with pytest.raises(NodeError) as caught:
        rxdag.run(out, dead)
    assert str(caught.value).startswith(message)
    assert (caught.value.node, caught.value.item) == ("out", None)


def test_a_batch_is_written_once_where_the_function_is_not_async_and_nothing_is_dead():
    written = []
    policy = on_error.retry(3, base="1ms", then=on_error.dead)
    out = rxdag.from_source(sources.range(3)).to(
        sinks.batched(lambda: Gives(lambda batch: written.append(batch)), on_error=policy), name="out"
    )
    with pytest.raises(NodeError, match="must return an awaitable, got None"):
        rxdag.run(out, out.dead.to(sinks.null()))
    assert written == [[0, 1, 2]]


@POLICIES
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ops.map_async(lambda_of(3)),
            "map_async: fn must return an awaitable, got 3; a plain function goes into",
        ),
        (
            lambda: ops.lookup(lambda_of(3), key=lambda x: x),
            "lookup: fn must return an awaitable, got 3; a plain function goes into ops.map",
        ),
        (
            lambda: ops.map_async(echo, resource=lambda: 5),
            "resource must return an async context manager, got 5; decorate",
        ),
        (lambda: ops.map_async(echo, resource=plain), "resource must return an async context manager, got <"),
        (
            lambda: ops.lookup(echo, key=lambda x: x, resource=OnlyEnters),
            "resource must return an async context manager, got <",
        ),
        (
            lambda: ops.flat_map(lambda_of(3)),
            "flat_map: fn must return an iterable, an async iterable or a source, got 3",
        ),
        (lambda: ops.concat_map(lambda_of(None)), "concat_map: fn must return an iterable, an async iterable or a"),
        (lambda: ops.switch_map(lambda_of(3)), "switch_map: fn must return an iterable, an async iterable or a source"),
        (lambda: ops.map_batch(lambda_of(None)), "map_batch: fn must return a dict of arrays, or one array, got None"),
        (
            lambda: ops.map_batch(lambda_of(3), batch_format="pyarrow"),
            "map_batch: fn must return a RecordBatch or a Table, got 3",
        ),
        (
            lambda: ops.map_batch(lambda_of(3), batch_format="polars"),
            "map_batch: fn must return a DataFrame, got 3",
        ),
        (lambda: ops.flat_map(lambda_of(OpensNothing())), "empty.open() must return a Reader, got None"),
    ],
)
def test_a_function_that_gives_the_wrong_thing_ends_the_run(make, message, policy):
    out = rxdag.from_source(sources.range(100)).pipe(make(), name="op", on_error=policy)
    with pytest.raises(NodeError) as caught:
        rxdag.run(out.to(sinks.null()), out.dead.to(sinks.collect()))
    assert str(caught.value).startswith(f'node "op" failed: BadProgram: {message}')
    assert caught.value.item is None


@POLICIES
@pytest.mark.parametrize(
    ("process", "message"),
    [
        (Forgets, "Forgets.on_item: must return the next state, got None; end it with `return state`"),
        (
            Sends,
            'ctx.emit_to: port must be one of the class\'s ports (), got "nowhere"; declare it in the class: '
            "ports = ('nowhere',)",
        ),
    ],
)
def test_a_process_that_is_written_wrong_ends_the_run(process, message, policy):
    keyed = rxdag.from_source(sources.range(9)).pipe(ops.key_by(lambda x: x))
    out = keyed.pipe(ops.process(process(), clock="processing"), name="op", on_error=policy)
    with pytest.raises(NodeError) as caught:
        rxdag.run(out.to(sinks.null()), out.dead.to(sinks.collect()))
    assert str(caught.value) == f'node "op" failed: BadProgram: {message}'


def test_a_source_that_opens_nothing_ends_the_run_and_is_not_opened_again():
    for source in (OpensNothing(), sources.reconnecting(OpensNothing(), base="1ms")):
        with pytest.raises(NodeError, match=r'source "in": empty.open\(\) must return a Reader, got None'):
            rxdag.run(rxdag.from_source(source, name="in").to(sinks.null()))


def test_a_connection_that_is_no_async_iterable_is_not_made_again():
    made = []

    def connect():
        made.append(1)
        return [1, 2]

    source = sources.async_iterable(connect, reconnect=sources.Backoff(base="1ms"))
    with pytest.raises(
        NodeError, match=r"a connection must be an async iterable, got \[1, 2\]; use an async generator"
    ):
        rxdag.run(rxdag.from_source(source).to(sinks.null()))
    assert made == [1]


def test_a_router_does_not_go_on_to_the_next_source_for_a_mistake_of_the_program():
    async def good():
        yield 1

    async def read():
        return [item async for item in orchestration.SourceRouter({"a": lambda: 5, "b": good}).stream()]

    with pytest.raises(BadProgram, match="SourceRouter: a source must be an async iterable, or have stream"):
        asyncio.run(read())


def test_a_task_that_a_function_starts_is_its_own_affair():
    done = []

    async def note(item):
        done.append(item)

    async def main():
        started = []
        kept = rxdag.from_source(sources.iterable([1, 2])).to(
            sinks.call(lambda x: started.append(asyncio.ensure_future(note(x))) or started[-1])
        )
        result = await rxdag.run_async(kept)
        await asyncio.gather(*started)
        return result[kept]

    assert (asyncio.run(main()), done) == (2, [1, 2])


class Pairs(Operator):
    def kernel(self):
        class Of(Kernel):
            def on_item(self, item, emit):
                emit(item, 5)

        return Of()


def test_emit_takes_its_options_by_name_only():
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(sources.iterable([1])).pipe(Pairs(), name="pairs").collect()
    said = 'node "pairs": emit takes one item by position, got 5 as well; pass ts, sequence and key by name'
    assert said in str(caught.value)
