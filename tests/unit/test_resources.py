"""What `resource=` and `sinks.batched` enter and leave: each error of it fails the run, and it hears of the run's error."""

import asyncio

import pytest

import rxdag
from rxdag import NodeError, sinks, sources
from rxdag import operators as ops
from rxdag.contract import END, Reader, Sink, Source, Writer


class Custom(BaseException):
    """An error that is no Exception."""


ERRORS = pytest.mark.parametrize(
    "error",
    [ValueError("mine"), asyncio.CancelledError("mine"), Custom("mine")],
    ids=lambda error: type(error).__name__,
)


class Resource:
    """An async context manager that fails where it is told to, and notes how it is left."""

    def __init__(self, *, enter=None, leave=None, takes_s=0.0):
        self.enter, self.leave, self.takes_s = enter, leave, takes_s
        self.told = []

    async def __aenter__(self):
        await asyncio.sleep(self.takes_s)
        if self.enter is not None:
            raise self.enter
        self.told.append("entered")
        return self.write

    async def __aexit__(self, kind, error, trace):
        self.told.append(error)
        assert kind is (None if error is None else type(error))
        if self.leave is not None:
            raise self.leave

    async def write(self, batch):
        """Take a batch."""


async def second(resource, item):
    return item


def mapped(resource):
    return lambda stream: stream.pipe(ops.map_async(second, resource=lambda: resource), name="n").to(sinks.null())


def looked_up(resource):
    return lambda stream: stream.pipe(ops.lookup(second, key=lambda x: x, resource=lambda: resource), name="n").to(
        sinks.null()
    )


def batched(resource):
    return lambda stream: stream.to(sinks.batched(lambda: resource), name="n")


HOLDERS = pytest.mark.parametrize("holder", [mapped, looked_up, batched])


def numbers(n=3):
    return rxdag.from_source(sources.range(n), name="in")


@HOLDERS
@ERRORS
def test_an_error_on_entering_is_that_of_the_node(holder, error):
    with pytest.raises(NodeError, match="mine") as raised:
        rxdag.run(holder(Resource(enter=error))(numbers()))
    assert (raised.value.node, raised.value.__cause__) == ("n", error)


@ERRORS
def test_an_error_of_the_factory_is_that_of_the_node(error):
    def factory():
        raise error

    for out in (
        numbers().pipe(ops.map_async(second, resource=factory), name="n").to(sinks.null()),
        numbers().to(sinks.batched(factory), name="n"),
    ):
        with pytest.raises(NodeError, match="mine") as raised:
            rxdag.run(out)
        assert (raised.value.node, raised.value.__cause__) == ("n", error)


@HOLDERS
@ERRORS
def test_an_error_on_leaving_is_that_of_the_node(holder, error):
    with pytest.raises(NodeError, match="mine") as raised:
        rxdag.run(holder(Resource(leave=error))(numbers()))
    assert (raised.value.node, raised.value.__cause__) == ("n", error)


@HOLDERS
def test_it_is_left_without_an_error_by_a_run_that_completes(holder):
    resource = Resource()
    assert rxdag.run(holder(resource)(numbers())).state == "completed"
    assert resource.told == ["entered", None]


@HOLDERS
@pytest.mark.parametrize("takes_s", [0.0, 0.05], ids=["quick", "slow"])
def test_it_is_left_with_the_error_of_another_node_and_only_once_it_is_entered(holder, takes_s):
    resource = Resource(takes_s=takes_s)
    with pytest.raises(NodeError) as raised:
        rxdag.run(holder(resource)(numbers().pipe(ops.map(lambda x: 1 // (x - x)))))
    assert resource.told == ["entered", raised.value]


def test_it_is_left_with_the_error_of_its_own_node():
    async def fails(resource, item):
        raise ValueError("mine")

    resource = Resource()
    with pytest.raises(NodeError) as raised:
        rxdag.run(numbers().pipe(ops.map_async(fails, resource=lambda: resource)).to(sinks.null()))
    assert resource.told == ["entered", raised.value]


def test_it_is_left_with_the_error_of_its_own_node_though_the_run_goes_on():
    async def fails(resource, item):
        raise ValueError("mine")

    resource = Resource()
    failing = numbers().pipe(ops.map_async(fails, resource=lambda: resource), name="n")
    assert rxdag.catch(failing, rxdag.from_source(sources.range(3))).collect() == [0, 1, 2]
    _, error = resource.told
    assert (error.node, str(error.__cause__)) == ("n", "mine")


@HOLDERS
def test_it_is_left_as_cancelled_by_a_run_that_is_cancelled(holder):
    resource = Resource()

    async def main():
        run = rxdag.start_async(holder(resource)(rxdag.from_source(sources.interval("1h"))))
        while not resource.told:
            await asyncio.sleep(0.001)
        run.cancel()
        return await run.wait()

    assert asyncio.run(main()).state == "cancelled"
    assert [type(told) for told in resource.told] == [str, asyncio.CancelledError]


class Closes:
    """Something asynchronous that fails when it is closed."""

    where = "async"

    def __init__(self, error):
        self.error = error

    def open(self, context):
        return self


class BadSink(Closes, Sink, Writer):
    def write(self, chunk):
        """Take anything."""

    async def close(self, *, ok):
        raise self.error


class BadSource(Closes, Source, Reader):
    def read(self, max_items):
        return END

    async def aclose(self):
        raise self.error


@ERRORS
def test_an_error_on_closing_a_sink_or_a_source_is_that_of_the_node(error):
    for out in (
        numbers().to(BadSink(error), name="n"),
        rxdag.from_source(BadSource(error), name="n").to(sinks.null()),
    ):
        with pytest.raises(NodeError, match="mine") as raised:
            rxdag.run(out)
        assert (raised.value.node, raised.value.__cause__) == ("n", error)
