"""bytewax: each workload as its documentation has it, and at its best; runs in an environment that has bytewax."""

from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from tests.benchmarks import loops, more_loops
from tests.benchmarks.data import ints, repeated, ticks
from tests.benchmarks.peers.running import Entry, by_start, rounded, tell

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALIGNED = datetime(2024, 8, 8, tzinfo=UTC)
BATCH = 1024
SHARE = 0.1


def ran(data, build):
    """Run a flow over the data in one worker, and return what comes out."""
    out = []
    flow = Dataflow("flow")
    op.output("out", build(op.input("in", flow, TestingSource(data, BATCH))), TestingSink(out))
    run_main(flow)
    return out


# ---- W1


def w1_nodes(data):
    def build(stream):
        stream = op.map("double", stream, loops.double)
        stream = op.filter("third", stream, loops.is_third)
        return op.map("next", stream, loops.successor)

    return sum(ran(data, build))


def w1_batches(data):
    def kept(batch):
        return [y + 1 for x in batch if (y := x * 2) % 3 == 0]

    return sum(ran(data, lambda stream: op.flat_map_batch("all", stream, kept)))


# ---- W2


class Bars(op.StatefulBatchLogic):
    """The loop for one symbol, a batch of its ticks at a time; windows close by the symbol's own time."""

    def __init__(self):
        self.opened = {}
        self.newest = -1

    def on_batch(self, values):
        opened = self.opened
        for ts, _sym, _tid, price, size in values:
            self.newest = max(self.newest, ts)
            start = ts - ts % loops.SIZE_US
            b = opened.get(start)
            if b is None:
                opened[start] = [price, price, price, price, size, ts, ts]
                continue
            if price > b[1]:
                b[1] = price
            elif price < b[2]:
                b[2] = price
            if ts >= b[6]:
                b[3] = price
                b[6] = ts
            elif ts < b[5]:
                b[0] = price
                b[5] = ts
            b[4] += size
        closed = [start for start in opened if start + loops.SIZE_US <= self.newest - loops.LAG_US]
        return [(start, *opened.pop(start)[:5]) for start in closed], False

    def on_eof(self):
        return [(start, *bar[:5]) for start, bar in self.opened.items()], True

    def snapshot(self):
        return self.opened, self.newest


def w2_stateful(data):
    def build(stream):
        keyed = op.key_on("key", stream, lambda tick: tick.sym)
        return op.stateful_batch("bars", keyed, lambda state: Bars())

    return ran(data, build)


def w2_answer(out):
    return by_start((key, start, *bar) for key, (start, *bar) in out)


def timed(stream):
    """Key the ticks by symbol, and make the clock of their event times."""
    keyed = op.key_on("key", stream, lambda tick: tick.sym)
    clock = win.EventClock(
        lambda tick: EPOCH + timedelta(microseconds=tick.ts), wait_for_system_duration=timedelta(milliseconds=500)
    )
    return keyed, clock


def added(bar, tick):
    at, _sym, _tid, price, size = tick
    if bar is None:
        return [price, price, price, price, size, at, at]
    if price > bar[1]:
        bar[1] = price
    elif price < bar[2]:
        bar[2] = price
    if at >= bar[6]:
        bar[3] = price
        bar[6] = at
    elif at < bar[5]:
        bar[0] = price
        bar[5] = at
    bar[4] += size
    return bar


def w2_windows(data):
    def build(stream):
        keyed, clock = timed(stream)
        windower = win.TumblingWindower(length=timedelta(seconds=1), align_to=ALIGNED)
        return win.fold_window("bars", keyed, clock, windower, lambda: None, added, lambda a, b: a).down

    return ran(data, build)


ALIGNED_US = int(ALIGNED.timestamp()) * 1_000_000


def w2_windows_answer(out):
    return by_start((key, ALIGNED_US + number * loops.SIZE_US, *bar[:5]) for key, (number, bar) in out)


# ---- W3


class Fresh(op.StatefulBatchLogic):
    """Dedupe of one symbol: a dict a span of time, forgotten as a whole."""

    def __init__(self):
        self.spans = {}

    def on_batch(self, values):
        spans, within = self.spans, loops.WITHIN_US
        out = []
        newest = 0
        for tick in values:
            ts, sym, tid, price, size = tick
            newest = max(newest, ts)
            low = ts - ts % within
            here = spans.get(low)
            if here is None:
                here = spans[low] = {}
            if tid in here or tid in spans.get(low + within, ()):
                continue
            seen = spans.get(low - within, {}).get(tid)
            if seen is not None and ts - seen < within:
                continue
            here[tid] = ts
            if sym < "S33":
                out.append((0, price * size))
            elif sym < "S66":
                if size > 2:
                    out.append((1, price))
            else:
                out.append((2, size))
        for span in [s for s in spans if s + 2 * within <= newest - loops.LAG_US]:
            del spans[span]
        return out, False

    def snapshot(self):
        return self.spans


def w3(data):
    def build(stream):
        keyed = op.key_on("key", stream, lambda tick: tick.sym)
        return op.stateful_batch("fresh", keyed, lambda state: Fresh())

    n, total = [0, 0, 0], [0.0, 0.0, 0.0]
    for _key, (number, value) in ran(data, build):
        n[number] += 1
        total[number] += value
    return (*n, *total)


# ---- W7 and W8


def w7(data):
    def build(stream):
        keyed, clock = timed(stream)
        windower = win.SessionWindower(gap=timedelta(microseconds=more_loops.GAP_US))
        return win.fold_window("sessions", keyed, clock, windower, list, spanned, merged).down

    return ran(data, build)


def spanned(session, tick):
    if not session:
        return [tick.ts, tick.ts, 1]
    session[0] = min(session[0], tick.ts)
    session[1] = max(session[1], tick.ts)
    session[2] += 1
    return session


def merged(a, b):
    if not a or not b:
        return a or b
    return [min(a[0], b[0]), max(a[1], b[1]), a[2] + b[2]]


def w8(data):
    def build(stream):
        keyed, clock = timed(stream)
        windower = win.SlidingWindower(
            length=timedelta(microseconds=more_loops.LONG_US),
            offset=timedelta(microseconds=more_loops.SLIDE_US),
            align_to=ALIGNED,
        )
        return win.fold_window(
            "sums", keyed, clock, windower, float, lambda total, tick: total + tick.size, lambda a, b: a + b
        ).down

    return ran(data, build)


ENTRIES = (
    Entry("W1 bytewax, a node each", ints, loops.w1_loop, w1_nodes),
    Entry("W1 bytewax, flat_map_batch", ints, loops.w1_loop, w1_batches),
    Entry("W2 bytewax, stateful_batch", ticks, loops.w2_loop, w2_stateful, answer=w2_answer),
    Entry("W2 bytewax, fold_window", ticks, loops.w2_loop, w2_windows, answer=w2_windows_answer),
    Entry("W3 bytewax, stateful_batch", repeated, loops.w3_loop, w3, answer=rounded, expected=rounded),
    Entry(
        "W7 bytewax",
        ticks,
        more_loops.w7_loop,
        w7,
        answer=lambda out: sorted((key, *session) for key, (_number, session) in out),
        expected=sorted,
        share=SHARE,
    ),
    Entry(
        "W8 bytewax",
        ticks,
        more_loops.w8_loop,
        w8,
        answer=lambda out: sorted(
            (key, ALIGNED_US + number * more_loops.SLIDE_US, total) for key, (number, total) in out
        ),
        expected=sorted,
        share=SHARE,
    ),
)

if __name__ == "__main__":
    tell(ENTRIES)
