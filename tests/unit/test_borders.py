"""The border to code of others: an error that is no Exception, or a value of the wrong kind, fails the run and hangs none."""

import asyncio

import pytest
import reactivex
from reactivex import operators as rx

import rxdag
from rxdag import NodeError, adapters, sinks, sources, testing
from rxdag.contract import Reader, Source


class Custom(BaseException):
    """An error that is no Exception."""


ERRORS = pytest.mark.parametrize(
    "error",
    [ValueError("mine"), asyncio.CancelledError("mine"), Custom("mine")],
    ids=lambda error: type(error).__name__,
)


def raiser(error):
    def fails(*args, **named):
        raise error

    return fails


# ---- observables


@ERRORS
@pytest.mark.parametrize("hot", [False, True], ids=["cold", "hot"])
def test_an_observable_whose_subscribe_raises_names_the_source(error, hot):
    stream = rxdag.from_observable(reactivex.create(raiser(error)), hot=hot, overflow="error", name="feed")
    with pytest.raises(NodeError, match='source "feed": mine') as raised:
        stream.collect()
    assert raised.value.__cause__ is error


def test_what_an_observable_gave_before_it_raised_comes_out():
    def subscribe(observer, scheduler):
        observer.on_next(1)
        raise Custom("mine")

    out = rxdag.from_observable(reactivex.create(subscribe), hot=False, name="feed").to(kept := sinks.collect())
    run = rxdag.start(out)
    with pytest.raises(NodeError, match='source "feed": mine'):
        run.wait(20)
    assert run.result.stats.nodes["feed"].made == 1
    assert kept is not None


@ERRORS
def test_a_reactivex_operator_that_raises_names_its_node(error):
    def at_once(source):
        return reactivex.create(raiser(error))

    def at_the_end(source):
        return reactivex.create(
            lambda observer, scheduler: source.subscribe(observer.on_next, observer.on_error, raiser(error))
        )

    def on_leaving(source):
        return source.pipe(rx.finally_action(raiser(error)))

    for operator in (at_once, at_the_end, on_leaving):
        with pytest.raises(NodeError, match=r'node "mine" failed: \w+: mine'):
            rxdag.from_source(sources.range(3)).rx(operator, name="mine").collect()


# ---- callbacks


@pytest.mark.parametrize(
    ("made", "fix"),
    [
        (lambda push: 7, "a function that stops the calls, or None, got 7$"),
        (lambda push: asyncio.sleep(0), "got <coroutine .*; what is awaited goes into sources.async_iterable"),
        (lambda push: reactivex.disposable.Disposable(), "; return its `dispose`"),
    ],
    ids=["number", "coroutine", "disposable"],
)
def test_what_register_returns_is_looked_at_when_it_is_called(made, fix):
    def register(push):
        push(1)
        push.complete()
        return made(push)

    with pytest.raises(NodeError, match=f'source "feed": callback: register must return .*{fix}'):
        rxdag.from_source(sources.callback(register, overflow="error"), name="feed").collect()


def test_a_feed_fails_with_an_exception_only():
    stream = rxdag.from_source(sources.callback(lambda push: push.fail("text"), overflow="error"), name="feed")
    with pytest.raises(NodeError, match="callback: a feed must fail with an exception, got 'text'"):
        stream.collect()


# ---- threads, subscribers, and what a runtime supervises


@ERRORS
def test_a_source_on_a_thread_of_its_own_that_raises_names_itself(error):
    class Fails(Source, Reader):
        where = "blocking"

        def open(self, context):
            return self

        def read(self, max_items):
            raise error

    stream = adapters.wrap(lambda: Fails(), name="feed")
    with pytest.raises(NodeError, match='"feed".*mine') as raised:
        stream.collect()
    assert raised.value.__cause__ is error


@ERRORS
def test_all_subscribers_hear_of_the_end_though_one_raises(error):
    told = []

    class Subscriber:
        def __init__(self, name, raises=None):
            self.name, self.raises = name, raises

        def on_subscribe(self, subscription):
            subscription.request(10)

        def on_next(self, item):
            pass

        def on_complete(self):
            told.append(self.name)
            if self.raises is not None:
                raise self.raises

        def on_error(self, error):
            told.append(self.name)

    run = testing.start(rxdag.from_source(sources.range(3)).to(sinks.publisher(), name="out"))
    for subscriber in (Subscriber("a", error), Subscriber("b")):
        run.publisher("out").subscribe(subscriber)
    assert str(run.finish().error) == 'sink "out": mine'
    assert told == ["a", "b"]


class Service:
    """Something with `run` and `stop` that a runtime supervises."""

    def __init__(self, *, run=None, stop=None):
        self.run_error, self.stop_error = run, stop

    async def run(self):
        await asyncio.sleep(0)
        if self.run_error is not None:
            raise self.run_error
        await asyncio.sleep(3600)

    async def stop(self):
        raise self.stop_error


@pytest.mark.parametrize("error", [asyncio.CancelledError("mine"), Custom("mine")], ids=["cancelled", "custom"])
class TestRuntime:
    async def test_a_pipeline_that_raises_has_failed(self, error):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("p", Service(run=error))
            await until(lambda: runtime.status().jobs["p"].state == "failed")
        assert runtime.status().jobs["p"].error is error

    async def test_a_pipeline_whose_stop_raises_is_cancelled_and_has_failed(self, error):
        async with rxdag.PipelineRuntime() as runtime:
            runtime.add_pipeline("p", Service(stop=error))
            await until(lambda: runtime.status().jobs["p"].state == "running")
        assert (runtime.status().jobs["p"].state, runtime.status().jobs["p"].error) == ("failed", error)

    async def test_a_measure_that_raises_is_tried_again(self, error):
        calls = []

        def measure():
            calls.append(1)
            if len(calls) == 1:
                raise error
            return 0.9

        async with rxdag.PipelineRuntime({"providers": {"p": {}}}) as runtime:
            runtime.add_feedback("any", "p", every="1ms", pressure=measure)
            await until(lambda: runtime.rates.state("p").scale == 0)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)
