"""Methods of users' classes that should return nothing may return anything: a compiled engine ignores it too."""

from dataclasses import dataclass

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, windows
from rxdag.contract import Accumulator, Aggregate, Kernel, Operator
from rxdag.sinks import Sink, Writer
from rxdag.sources import END, Chunk, Reader, Source


class CountingReader(Reader):
    def __init__(self):
        self.n = 0

    def read(self, max_items):
        self.n += 1
        return END if self.n > 5 else Chunk([self.n])

    def position(self):
        return self.n

    def seek(self, position):
        self.n = position
        return "ignored"

    def confirm(self, position):
        return "ignored"

    def close(self):
        return "ignored"


@dataclass(frozen=True)
class Counting(Source[int]):
    no_position = None

    def open(self, context):
        return CountingReader()


class ListWriter(Writer):
    def __init__(self, context):
        self.items = []
        self.context = context

    def write(self, chunk):
        self.items += chunk.items
        self.context.call(lambda: "ignored")

    def save(self):
        return [*self.items]

    def restore(self, saved):
        self.items = [*saved]

    def prepare(self):
        return "ignored"

    def close(self, *, ok):
        return self.items


@dataclass(frozen=True)
class Lists(Sink):
    delivery = "exactly once"

    def open(self, context):
        return ListWriter(context)


class PassKernel(Kernel):
    def on_start(self, now, emit):
        return "ignored"

    def on_item(self, item, ts, sequence, key, emit):
        emit(item, ts=ts, sequence=sequence, key=key)
        return "ignored"

    def on_watermark(self, watermark, emit):
        return "ignored"

    def on_end(self, emit):
        return "ignored"

    def snapshot(self):
        return {"nothing": 0}

    def restore(self, saved):
        return "ignored"


@dataclass(frozen=True)
class Pass(Operator):
    def kernel(self):
        return PassKernel()

    def shape(self, shape):
        return shape


class TotalAccumulator(Accumulator):
    state = ("total",)

    def __init__(self):
        self.total = 0

    def check(self, item):
        return "ignored"

    def add(self, item):
        self.total += item
        return "ignored"

    def add_at(self, item, ts, sequence):
        return self.add(item)

    def merge(self, other):
        self.total += other.total
        return "ignored"

    def result(self):
        return self.total

    def restore(self, saved):
        (self.total,) = saved
        return "ignored"


@dataclass(frozen=True)
class Total(Aggregate):
    def accumulator(self):
        return TotalAccumulator()


def graph():
    timed = (
        rxdag.from_source(Counting(), name="numbers")
        .pipe(ops.event_time(lambda n: n, unit="s"), name="timed")
        .pipe(Pass(), name="passed")
    )
    both = agg.named(total=Total(), n=agg.count())
    return rxdag.Dag(
        timed.to(Lists(), name="list"),
        timed.pipe(ops.window_all(windows.session("1500ms"), Total()), name="session").to(
            sinks.collect(), name="sessions"
        ),
        timed.pipe(ops.window_all(windows.sliding("4s", "2s"), both), name="slide").to(sinks.collect(), name="slides"),
        timed.pipe(ops.rolling("2s", Total()), name="roll").to(sinks.collect(), name="rolled"),
        name="ignoring",
    )


def test_what_methods_without_a_result_return_is_ignored(tmp_path):
    result = rxdag.run(graph(), checkpoints=tmp_path / "state", every="1h")
    assert result["list"] == [1, 2, 3, 4, 5]
    assert [pane.value for pane in result["sessions"]] == [15]
    assert [pane.value for pane in result["slides"]] == [
        {"total": 1, "n": 1}, {"total": 6, "n": 3}, {"total": 14, "n": 4}, {"total": 9, "n": 2},
    ]  # fmt: skip
    assert result["rolled"] == [1, 3, 5, 7, 9]
