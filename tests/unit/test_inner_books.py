"""Items that a stream inside has received and that do not leave the node are in its books."""

from dataclasses import dataclass

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing
from rxdag.contract import RECEIVES, Chunk, Reader, Source


@dataclass(frozen=True)
class Feed(Source):
    """Receives 10 items at once, of which its own queue drops some; delivers one each 10 ms."""

    overflow: int = 0
    label = "feed"
    no_position = RECEIVES

    def open(self, context):
        return _FeedReader(context, self.overflow)


class _FeedReader(Reader):
    def __init__(self, context, overflow):
        self._context, self._overflow, self._rows, self._due = context, overflow, list(range(10)), 0

    def read(self, max_items):
        now = self._context.clock.now()
        if now < self._due:
            self._context.wake_at(self._due)
            return None
        self._due = now + 10_000_000
        self._context.wake_at(self._due)
        return Chunk([self._rows.pop(0)])

    def held(self):
        return len(self._rows)

    def dropped(self):
        return self._overflow

    def close(self):
        self._rows = []


def ended(operator, moments, how="cancel", at="15ms"):
    """Return the ledger of the node, and the output."""
    run = testing.start(
        rxdag.from_source(testing.recording(moments), name="in")
        .pipe(operator, name="node")
        .to(sinks.collect(), name="out")
    )
    run.advance(at)
    getattr(run, how)()
    result = run.finish()
    assert result.problems == ()
    return result.stats.nodes["node"], run.seen("out")


def test_items_of_a_replaced_stream_are_dropped_as_replaced():
    """The first stream delivers at 0 and 10 ms, the second one at 12 ms."""
    ledger, out = ended(ops.switch_map(lambda x: Feed()), [("n", 0, "a"), ("n", 12, "b")])
    assert out == [0, 1, 0]
    assert ledger.dropped == {"replaced": 8}
    assert ledger.discarded == 9 + 1  # of the second stream, and the item "b"
    assert ledger.arrived == 2 + 8 + 9
    assert ledger.absorbed == 1


@pytest.mark.parametrize("operator", [ops.flat_map, ops.concat_map, ops.switch_map])
def test_items_of_a_stream_that_is_open_when_the_run_is_cancelled_are_discarded(operator):
    ledger, out = ended(operator(lambda x: Feed(overflow=3)), [("n", 0, "a")])
    assert out == [0, 1]
    assert ledger.dropped == {"overflow": 3}
    assert ledger.discarded == 8 + 1
    assert ledger.arrived == 1 + 8 + 3


def test_a_drain_stops_the_stream_and_discards_what_it_cannot_deliver():
    ledger, out = ended(ops.flat_map(lambda x: Feed()), [("n", 0, "a")], "drain")
    assert out == [0, 1]
    assert (ledger.arrived, ledger.absorbed, ledger.discarded) == (1 + 8, 1, 8)


def test_a_stream_that_has_ended_leaves_nothing():
    ledger, out = ended(ops.flat_map(lambda x: sources.range(3)), [("n", 0, "a"), ("c", 1)])
    assert out == [0, 1, 2]
    assert (ledger.arrived, ledger.absorbed, ledger.discarded, ledger.dropped) == (1, 1, 0, {})
