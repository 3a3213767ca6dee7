"""csp: each workload as nodes of Python, and W1 as one node too; runs in an environment that has csp."""

from datetime import datetime, timedelta

import csp
import numpy as np
from csp import ts

from tests.benchmarks import loops, more_loops
from tests.benchmarks.data import ints, repeated, symbols, ticks
from tests.benchmarks.peers.running import Entry, tell

BEGAN = datetime(2026, 1, 1)
TICK = timedelta(microseconds=1)
CHUNK = 1024


@csp.node
def doubled(x: ts[int]) -> ts[int]:
    if csp.ticked(x):
        return loops.double(x)


@csp.node
def thirds(x: ts[int]) -> ts[int]:
    if csp.ticked(x) and loops.is_third(x):
        return x


@csp.node
def next_of(x: ts[int]) -> ts[int]:
    if csp.ticked(x):
        return loops.successor(x)


@csp.node
def total(x: ts[int], out: object):
    with csp.state():
        s_total = 0
    with csp.stop():
        out.append(s_total)
    if csp.ticked(x):
        s_total += x


@csp.node
def all_in_one(x: ts[int], out: object):
    with csp.state():
        s_total = 0
    with csp.stop():
        out.append(s_total)
    if csp.ticked(x):
        y = x * 2
        if y % 3 == 0:
            s_total += y + 1


@csp.node
def bars(tick: ts[object], out: object):
    with csp.state():
        s_opened = {}
        s_newest = -1
        s_close_at = 1 << 62
    with csp.stop():
        for start in sorted(s_opened):
            out.extend((key, start, *b[:5]) for key, b in sorted(s_opened[start].items()))
    if csp.ticked(tick):
        at, sym, _tid, price, size = tick
        if at > s_newest:
            s_newest = at
            if at - loops.LAG_US >= s_close_at:
                for start in sorted(s for s in s_opened if s + loops.SIZE_US <= at - loops.LAG_US):
                    out.extend((key, start, *b[:5]) for key, b in sorted(s_opened.pop(start).items()))
                s_close_at = min(s_opened, default=1 << 61) + loops.SIZE_US
        low = at - at % loops.SIZE_US
        if low not in s_opened:
            s_opened[low] = {}
            s_close_at = min(s_close_at, low + loops.SIZE_US)
        b = s_opened[low].get(sym)
        if b is None:
            s_opened[low][sym] = [price, price, price, price, size, at, at]
        else:
            if price > b[1]:
                b[1] = price
            elif price < b[2]:
                b[2] = price
            if at >= b[6]:
                b[3] = price
                b[6] = at
            elif at < b[5]:
                b[0] = price
                b[5] = at
            b[4] += size


@csp.node
def fresh(tick: ts[object]) -> ts[object]:
    with csp.state():
        s_spans = {}
        s_newest = -1
        s_forget_at = 1 << 62
    if csp.ticked(tick):
        at = tick.ts
        within = loops.WITHIN_US
        if at > s_newest:
            s_newest = at
            if at - loops.LAG_US >= s_forget_at:
                for span in [s for s in s_spans if s + 2 * within <= at - loops.LAG_US]:
                    del s_spans[span]
                s_forget_at = min(s_spans, default=1 << 61) + 2 * within
        low = at - at % within
        here = s_spans.get(low)
        if here is None:
            here = s_spans[low] = {}
            s_forget_at = min(s_forget_at, low + 2 * within)
        key = (tick.sym, tick.tid)
        if key not in here and key not in s_spans.get(low + within, ()):
            seen = s_spans.get(low - within, {}).get(key)
            if seen is None or at - seen >= within:
                here[key] = at
                return tick


@csp.node
def branch(tick: ts[object]) -> csp.Outputs(a=ts[object], b=ts[object], c=ts[object]):
    if csp.ticked(tick):
        if tick.sym < "S33":
            csp.output(a=tick)
        elif tick.sym < "S66":
            csp.output(b=tick)
        else:
            csp.output(c=tick)


@csp.node
def counted(a: ts[object], b: ts[object], c: ts[object], out: object):
    with csp.state():
        s_n = [0, 0, 0]
        s_total = [0.0, 0.0, 0.0]
    with csp.stop():
        out.append((*s_n, *s_total))
    if csp.ticked(a):
        s_n[0] += 1
        s_total[0] += a.price * a.size
    if csp.ticked(b) and b.size > 2:
        s_n[1] += 1
        s_total[1] += b.price
    if csp.ticked(c):
        s_n[2] += 1
        s_total[2] += c.size


@csp.node
def kept(tick: ts[object], out: object):
    if csp.ticked(tick):
        out.append(tick)


@csp.node
def symbol_of(tick: ts[object]) -> ts[str]:
    if csp.ticked(tick):
        return tick.sym


def run(graph, stream, n):
    csp.run(graph, stream, starttime=BEGAN, endtime=BEGAN + TICK * (n + 1))


def unrolled(data, kind):
    """Return lists of items that csp takes apart: quicker than a curve of objects."""
    runs = [(TICK * (i + 1), data[i : i + CHUNK]) for i in range(0, len(data), CHUNK)]
    return csp.unroll(csp.curve(list[kind], runs))


def as_array(data):
    """Return the ints and their times as csp reads them without an object for each."""
    return np.datetime64(BEGAN, "ns") + np.arange(1, len(data) + 1) * np.timedelta64(1000, "ns"), np.array(data)


def w1(stream, n, *, is_one_node):
    out = []

    @csp.graph
    def graph(x: ts[int]):
        if is_one_node:
            all_in_one(x, out)
        else:
            total(next_of(thirds(doubled(x))), out)

    run(graph, stream, n)
    return out[0]


def w1_of_array(given):
    return w1(csp.curve(int, given), len(given[1]), is_one_node=True)


def w1_of_array_by_nodes(given):
    return w1(csp.curve(int, given), len(given[1]), is_one_node=False)


def w1_of_list(data):
    return w1(unrolled(data, int), len(data), is_one_node=True)


def w2(data):
    out = []

    @csp.graph
    def graph(x: ts[object]):
        bars(x, out)

    run(graph, unrolled(data, object), len(data))
    return out


def w3(data):
    out = []

    @csp.graph
    def graph(x: ts[object]):
        split = branch(fresh(x))
        counted(split.a, split.b, split.c, out)

    run(graph, unrolled(data, object), len(data))
    return out[0]


def w14(data):
    names = symbols(100)
    lists = [[] for _ in names]

    @csp.graph
    def graph(x: ts[object]):
        ways = csp.demultiplex(x, symbol_of(x), names)
        for name, ticks_of in zip(names, lists, strict=True):
            kept(ways[name], ticks_of)

    run(graph, unrolled(data, object), len(data))
    return lists


ENTRIES = (
    Entry("W1 csp, a node each, from an array", ints, loops.w1_loop, w1_of_array_by_nodes, as_array),
    Entry("W1 csp, one node, from an array", ints, loops.w1_loop, w1_of_array, as_array),
    Entry("W1 csp, one node, from a list", ints, loops.w1_loop, w1_of_list),
    Entry("W2 csp, one node", ticks, loops.w2_loop, w2),
    Entry("W3 csp, a node each", repeated, loops.w3_loop, w3),
    Entry("W14 csp, demultiplex", ticks, more_loops.w14_loop, w14, share=0.5),
)

if __name__ == "__main__":
    tell(ENTRIES)
