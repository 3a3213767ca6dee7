"""Specs that tests share, and functions that they refer to."""

from __future__ import annotations

from rxdag import operators as ops
from rxdag import sinks, sources

BARS = """\
version: 1
name: bars
nodes:
  trades: {source: csv, path: trades.csv, of: {ts_ms: int, symbol: str, trade_id: int, price: float, qty: float}}
  timed: {op: event_time, input: trades, ts: ts_ms, unit: ms, sequence: trade_id, out_of_order: 500ms}
  valid: {op: filter, input: timed, predicate: "qty > 0 and symbol in ['A', 'B']"}
  once: {op: dedupe, input: valid, key: [symbol, trade_id], within: 5s}
  keyed: {op: key_by, input: once, key: symbol}
  bars: {op: window, input: keyed, window: {type: tumbling, size: 1s}, aggregate: {type: ohlcv, price: price, qty: qty}}
  out: {sink: csv, input: bars, path: bars.csv}
  late: {sink: jsonl, input: bars.late, path: late.jsonl}
"""

MANY = """\
version: 1
name: many
nodes:
  a: {source: simulated_trades, trades: 200, seed: 3}
  b: {source: simulated_trades, trades: 100}
  cheap:
    op: route
    input: {from: a, buffered: {max_items: 16, overflow: drop_oldest}, on: worker}
    routes: {low: price < 1000, high: not price < 1000 and qty is not None}
    default: rest
    on_error: dead
  both: {op: merge, input: [cheap.low, cheap.high, {from: b, buffered: {max_items: 8}}]}
  timed: {op: event_time, input: both, ts: trade_ms, unit: ms, out_of_order: 10s}
  side: {op: event_time, input: cheap.rest, ts: trade_ms, unit: ms, out_of_order: 10s}
  joined: {op: join_asof, input: {left: timed, right: side}, tolerance: 5s, strategy: nearest}
  beside: {op: join_asof, input: {left: timed, right: side}, fields: {last_price: price, last_qty: qty}}
  thin: {op: select, input: side, fields: [symbol], last: price}
  named: {op: join_asof, input: {left: timed, right: thin}, fields: [last]}
  some: {op: take, input: joined, max_items: 5, on_error: {retry: {attempts: 3, base: 10ms, then: skip}}}
  paired: {op: pairwise, input: some}
  until: {op: take_until, input: paired, other: b}
  stats:
    op: window_all
    input: timed
    window: {type: sliding, size: 2s, slide: 1s}
    aggregate: {type: named, n: count, mean: {type: mean, value: price * qty}}
    allowed_lateness: 1s
  batches: {op: batch, input: side, max_items: 7, max_wait: 1s}
  fields: {op: select, input: b, fields: [symbol, price], turnover: price * qty, odd: 'col["qty"] + 1'}
  until_out: {sink: collect, input: until}
  beside_out: {sink: collect, input: beside}
  named_out: {sink: collect, input: named}
  stats_out: {sink: collect, input: stats}
  batches_out: {sink: collect, input: batches, buffered: 3}
  fields_out: {sink: collect, input: fields}
  dead: {sink: 'null', input: cheap.dead}
"""


def double(item):
    return item * 2


def pair(a, b):
    return [a, b]


def counting(n: int, *, step: int = 1):
    """A source of the user's own."""
    return sources.range(0, n * step, step)


def doubled(stream):
    """Streams in, a stream out."""
    return stream.pipe(ops.map(double))


doubled.__annotations__ = {"stream": "Stream[int]"}


def keep():
    return sinks.collect()


def nothing():
    return 3


BROKEN = 3
