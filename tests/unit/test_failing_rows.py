"""A run of columns some of whose rows fail: each failing row costs a few calls, not all of the run again."""

from dataclasses import dataclass

import numpy as np
import pytest

import rxdag
from rxdag import col, on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import Kernel, Operator, RowFailed
from rxdag.engine import ColumnsNode

N = 2000


class Checked(Kernel):
    """Fails on what is not 0; counts the rows that it was given."""

    def __init__(self, seen):
        self._seen = seen

    def on_item(self, item, emit):
        raise AssertionError("it works on columns")

    def in_columns(self):
        return self

    def on_columns(self, columns, emit):
        self._seen.append(len(columns))
        for index, item in enumerate(columns.rows()):
            if item:
                raise RowFailed(index, ValueError(item))
        emit(columns)


@dataclass(frozen=True)
class Check(Operator):
    seen: list
    label = "check"

    def kernel(self):
        return Checked(self.seen)


FAILING = {
    "all": np.ones(N, np.int64),
    "none": np.zeros(N, np.int64),
    "the first": np.arange(N) == 0,
    "the last": np.arange(N) == N - 1,
    "every second": np.arange(N) % 2,
    "every tenth": np.arange(N) % 10 == 9,
    "the first half": np.arange(N) < N // 2,
    "the second half": np.arange(N) >= N // 2,
}


def run(stream):
    return testing.run_virtual(rxdag.compile(rxdag.Dag(stream.to(sinks.null(), name="out"))))


@pytest.mark.parametrize("failing", FAILING)
def test_the_rows_that_are_looked_at_grow_with_the_run_and_not_with_its_square(failing):
    seen, values = [], np.asarray(FAILING[failing], np.int64)
    stream = rxdag.from_source(sources.arrays(values)).pipe(Check(seen), on_error=on_error.skip, name="check")
    book = run(stream).stats.nodes["check"]
    bad = int(values.sum())
    assert (book.passed, book.dropped.get("skipped", 0)) == (N - bad, bad)
    assert sum(seen) <= 4 * N


EXPRESSIONS = {
    "map": lambda fn: ops.map(col.a // fn),
    "filter": lambda fn: ops.filter(col.a // fn > 0),
    "select": lambda fn: ops.select(x=col.a // fn),
    "with_columns": lambda fn: ops.with_columns(x=col.a // fn),
    "key_by": lambda fn: ops.key_by(col.a // fn),
    "event_time": lambda fn: ops.event_time(col.a // fn),
    "route": lambda fn: ops.route({"some": col.a // fn > 0}, default="none"),
}


@pytest.mark.skipif(rxdag.build_info().form == "compiled", reason="methods of compiled classes cannot be replaced")
@pytest.mark.parametrize("what", EXPRESSIONS)
def test_an_expression_that_fails_on_every_row_is_not_worked_out_again_for_all_that_follow(what, monkeypatch):
    worked_on = []
    called = ColumnsNode.call_columns

    def call_columns(self, input, columns):
        worked_on.append(len(columns))
        return called(self, input, columns)

    monkeypatch.setattr(ColumnsNode, "call_columns", call_columns)
    table = sources.arrays({"a": np.arange(N), "b": np.zeros(N, np.int64)})
    stream = rxdag.from_source(table).pipe(EXPRESSIONS[what](col.b), on_error=on_error.skip, name="it")
    if what == "route":
        stream = stream["some"]
    assert run(stream).stats.nodes["it"].dropped == {"skipped": N}
    assert N <= sum(worked_on) <= 4 * N
