"""Items that were pushed and not read when a run ends early are in its books."""

import contextlib
import threading

import pytest
from tests.unit.reading import Context as Reading

import rxdag
from rxdag import NodeError, RxDagError, sinks, sources
from rxdag import operators as ops


class Context(Reading):
    def wake(self):
        pass


class Stopper:
    """Stops a run while its first item is processed, and the others rest in the queue of the source."""

    def __init__(self, fails):
        self._fails = fails
        self.is_reached, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, item):
        self.is_reached.set()
        self.may_go_on.wait(30)
        if self._fails:
            raise ValueError(item)
        return item

    def stopped(self, source, push):
        out = rxdag.from_source(source, name="feed").pipe(ops.map(self), name="map").to(sinks.null(), name="out")
        run = rxdag.start(rxdag.Dag(out, name="d"))
        push(0)
        assert self.is_reached.wait(30)
        for item in range(1, 8):
            push(item)
        if not self._fails:
            run.cancel()
        self.may_go_on.set()
        with contextlib.suppress(NodeError):
            run.wait("30s")
        return run.stats().nodes["feed"]


@pytest.mark.parametrize("fails", [False, True])
def test_items_that_rest_in_an_ingress_are_discarded(fails):
    feed = sources.ingress()
    book = Stopper(fails).stopped(feed, feed.push)
    assert (book.made, book.arrived, book.discarded) == (1, 7, 7)
    with pytest.raises(RxDagError, match="ingress: must be open to take a push, got one after the end of its run"):
        feed.push(8)


@pytest.mark.parametrize("fails", [False, True])
def test_items_that_rest_behind_a_callback_are_discarded_and_those_it_has_dropped_are_counted(fails):
    pushes = []
    source = sources.callback(pushes.append, max_items=5, overflow="drop_oldest")
    book = Stopper(fails).stopped(source, lambda item: pushes[0](item))
    assert (book.made, book.arrived, book.discarded, book.dropped) == (1, 7, 5, {"overflow": 2})


def test_a_queue_that_has_been_counted_takes_nothing_in():
    feed = sources.ingress()
    reader = feed.open(Context())
    feed.push("a")
    assert reader.held() == 1
    with pytest.raises(RxDagError, match="must be open to take a push, got one after the end of its run"):
        feed.push("b")
    assert reader.held() == 1
