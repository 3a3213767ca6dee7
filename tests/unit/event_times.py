"""Event times as a stream has them, read in either lane."""

import pytest

import rxdag
from rxdag import col, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.testing import settle_virtual, virtual

NOON = 1_714_996_800
"""2024-05-06 12:00 UTC, in seconds."""
NS = 10**9
lanes = pytest.mark.parametrize("lane", ["rows", "columns"])


class Seen(ops.Kernel):
    """Gives the event time of each item."""

    def on_item(self, item, ts, emit):
        emit(ts)


class See(ops.Operator):
    def kernel(self):
        return Seen()


def source_of(lane, times):
    rows = [{"t": time} for time in times]
    return sources.iterable(rows, of=dict) if lane == "rows" else sources.arrays({"t": times})


def read(lane, times, *, policy=on_error.dead, **options):
    """Event times in ns, and the errors of items that failed."""
    stream = rxdag.from_source(source_of(lane, times))
    timed = stream.pipe(ops.event_time(col.t, **options), name="timed", on_error=policy)
    out, dead = timed.pipe(See()).to(sinks.collect(), name="out"), timed.dead.to(sinks.collect(), name="dead")
    plan = rxdag.compile(rxdag.Dag(out, dead))
    assert ("timed" in plan.lanes.columns) == (lane == "columns")
    result = settle_virtual(virtual(plan))
    assert result.problems == ()
    return list(result["out"]), [str(letter.error) for letter in result["dead"]]
