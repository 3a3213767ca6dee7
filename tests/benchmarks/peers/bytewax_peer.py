"""bytewax: each workload with its own operators; runs in an environment that has bytewax."""

import json
import sys
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from tests.benchmarks import loops
from tests.benchmarks.measure import pairs

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 1024


def w1(data):
    out = []
    flow = Dataflow("w1")
    stream = op.input("in", flow, TestingSource(data, BATCH))
    stream = op.map("double", stream, loops.double)
    stream = op.filter("third", stream, loops.is_third)
    stream = op.map("next", stream, loops.successor)
    op.output("out", stream, TestingSink(out))
    run_main(flow)
    return sum(out)


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


def w2(data):
    out = []
    flow = Dataflow("w2")
    stream = op.key_on("key", op.input("in", flow, TestingSource(data, BATCH)), lambda tick: tick.sym)
    clock = win.EventClock(
        lambda tick: EPOCH + timedelta(microseconds=tick.ts_us), wait_for_system_duration=timedelta(milliseconds=500)
    )
    windows = win.TumblingWindower(length=timedelta(seconds=1), align_to=EPOCH)
    bars = win.fold_window("bars", stream, clock, windows, lambda: None, added, lambda a, b: a)
    op.output("out", bars.down, TestingSink(out))
    run_main(flow)
    rows = [(key, number * loops.SIZE_US, *bar[:5]) for key, (number, bar) in out]
    return sorted(rows, key=lambda row: (row[1], row[0]))


def is_fresh(first, tick):
    first = {} if first is None else first
    seen = first.get(tick.tid)
    if seen is not None and tick.ts_us - seen < loops.WITHIN_US:
        return first, ()
    first[tick.tid] = tick.ts_us
    return first, (tick,)


def w3(data):
    out = []
    flow = Dataflow("w3")
    stream = op.key_on("key", op.input("in", flow, TestingSource(data, BATCH)), lambda tick: tick.sym)
    stream = op.key_rm("unkey", op.stateful_flat_map("fresh", stream, is_fresh))
    first = op.branch("a", stream, lambda tick: tick.sym < "S33")
    second = op.branch("b", first.falses, lambda tick: tick.sym < "S66")
    a = op.map("share_a", first.trues, lambda tick: (0, tick.price * tick.size))
    b = op.map("share_b", op.filter("big", second.trues, lambda tick: tick.size > 2), lambda tick: (1, tick.price))
    c = op.map("share_c", second.falses, lambda tick: (2, tick.size))
    op.output("out", op.merge("merge", a, b, c), TestingSink(out))
    run_main(flow)
    n, total = [0, 0, 0], [0.0, 0.0, 0.0]
    for number, value in out:
        n[number] += 1
        total[number] += value
    return rounded((*n, *total))


def rounded(answer):
    """Its sums are not added in order of arrival."""
    return tuple(float(f"{value:.9g}") for value in answer)


def main():
    items, count = int(sys.argv[1]), int(sys.argv[2])
    found = []
    for name, make, loop, work in (
        ("W1 bytewax", loops.ints, loops.w1_loop, w1),
        ("W2 bytewax", loops.ticks, loops.w2_loop, w2),
        ("W3 bytewax", loops.repeated, lambda data: rounded(loops.w3_loop(data)), w3),
    ):
        data = make(items)
        f = pairs(name, lambda: loop(data), lambda: work(data), items, count)
        found.append((f.name, f.ratios, f.ns_per_item, f.is_correct))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
