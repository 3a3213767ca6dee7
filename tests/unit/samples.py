"""What every exported operator is checked with: (how it is made, items, what stands before it)."""

import asyncio
import math
import random

import rxdag
from rxdag import aggregates as agg
from rxdag import col, element, on_error, sources, windows
from rxdag import operators as ops

rng = random.Random(7)
NUMBERS = list(range(40))
EVENTS = [(second + rng.randrange(-6, 1), rng.choice("ab"), rng.randrange(9)) for second in range(60)]


def _kept(items, item):
    return [*items, item]


def _positive(frame):
    return frame.filter(frame["n"] % 3 > 0)


def _inverse(numbers):
    if (numbers % 10 == 0).any():
        raise ZeroDivisionError("ten")
    return 1 / numbers


def _in_changing_units(e):
    """A time in seconds, milliseconds or nanoseconds."""
    return (10**9 + e[0]) * (1, 1_000, 10**9)[e[0] % 3]


def timed(stream):
    return stream.pipe(ops.event_time(lambda e: e[0], unit="s", sequence=lambda e: e[2], out_of_order="2s"))


def keyed(stream):
    return timed(stream).pipe(ops.key_by(lambda e: e[1]))


def every_aggregate():
    value = lambda e: e[2]  # noqa: E731
    return agg.named(
        n=agg.count(),
        total=agg.sum(value),
        all=agg.collect(),
        bar=agg.ohlcv(value, value),
        vwap=agg.vwap(value, value),
        mean=agg.mean(value),
        low=agg.min(value),
        high=agg.max(value),
        first=agg.first(value),
        last=agg.last(value),
        median=agg.quantile(value, 0.5),
        kinds=agg.count_distinct(value),
        text=agg.fold("", lambda text, e: text + e[1], merge=lambda a, b: a + b),
        top=agg.reduce(max),
        pair=agg.named(_pair, left=agg.count(), right=agg.sum(value)),
    )


def _pair(left, right):
    return (left, right)


def _named(event):
    second, letter, n = event
    return {"second": second, "letter": letter, "n": n}


def _odd(stream):
    return stream.pipe(ops.filter(lambda e: e[2] % 2))


async def _at_once(x):
    return x


async def _slowly(x):
    await asyncio.sleep(0.001 * (hash(x) % 7))
    return x


async def _not_nine(x):
    await asyncio.sleep(0)
    return _no_nine(x)


class Quiet(ops.KeyedProcess):
    """Counts, and says so when nothing has come for two seconds; every fifth item is sent elsewhere."""

    ports = ("fifth",)

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        at = max(ctx.ts, ctx.now)
        ctx.set_timer(at + 2 * 10**9)
        ctx.set_timer(at + 10**9, "early")
        if state == 3:
            ctx.clear_timer()
        if state == 5:
            ctx.emit_to("fifth", item)
            ctx.clear()
        ctx.emit((ctx.key, item, state, ctx.watermark))
        return state + 1

    def on_timer(self, ctx, state, name):
        ctx.emit((ctx.key, name, state, ctx.ts))
        return state

    def on_end(self, ctx, state):
        ctx.emit((ctx.key, "end", state, ctx.ts))


def _scrambled(x):
    return (x * 7) % 41


def _no_nine(x):
    if x == 9:
        raise ValueError("nine")
    return x


SAMPLES = {
    "map": [(lambda: ops.map(lambda x: x + 1), NUMBERS, None)],
    "filter": [
        (lambda: ops.filter(lambda x: x % 3), NUMBERS, None),
        (lambda: ops.filter(lambda e: e[1] == "a"), EVENTS, keyed),
    ],
    "explode": [
        (lambda: ops.explode(lambda x: range(x % 4)), NUMBERS, None),
        (lambda: ops.explode(lambda e: [e, e]), EVENTS, keyed),
        (lambda s: s.pipe(ops.select(parts=lambda x: range(x % 3))).pipe(ops.explode("parts")), NUMBERS, None),
    ],
    "select": [(lambda: ops.select(half=lambda x: x / 2, whole=element), NUMBERS, None)],
    "map_batch": [
        (lambda: ops.map_batch(lambda x: x * 2), NUMBERS, None),
        (lambda s: s.pipe(ops.select(n=element)).pipe(ops.map_batch(_positive, batch_format="polars")), NUMBERS, None),
        (
            lambda s: s.pipe(ops.select(n=element)).pipe(
                ops.map_batch(lambda batch: batch.slice(0), batch_format="pyarrow")
            ),
            NUMBERS,
            None,
        ),
        (lambda s: s.pipe(ops.map_batch(_inverse), on_error=on_error.dead), NUMBERS, None),
    ],
    "with_columns": [(lambda s: s.pipe(ops.select(n=element)).pipe(ops.with_columns(m=col.n + 1)), NUMBERS, None)],
    "tap": [(lambda: ops.tap(lambda x: None), NUMBERS, None)],
    "debounce": [
        (lambda: ops.debounce("2s"), NUMBERS, None),
        (lambda: ops.debounce("2s"), EVENTS, keyed),
        (lambda: ops.debounce("2s", ttl="3s"), EVENTS, keyed),
        (lambda: ops.debounce("2s", ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "audit": [
        (lambda: ops.audit("2s"), NUMBERS, None),
        (lambda: ops.audit("2s"), EVENTS, keyed),
        (lambda: ops.audit("2s", ttl="3s"), EVENTS, keyed),
        (lambda: ops.audit("2s", ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "sample": [
        (lambda: ops.sample("2s"), NUMBERS, None),
        (lambda: ops.sample("2s"), EVENTS, keyed),
        (lambda: ops.sample("2s", ttl="3s"), EVENTS, keyed),
        (lambda: ops.sample("2s", ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "throttle_first": [
        (lambda: ops.throttle_first("2s"), NUMBERS, None),
        (lambda: ops.throttle_first("2s"), EVENTS, keyed),
        (lambda: ops.throttle_first("2s", ttl="3s"), EVENTS, keyed),
        (lambda: ops.throttle_first("2s", ttl="1s"), NUMBERS, None),
    ],
    "throttle_latest": [
        (lambda: ops.throttle_latest("2s"), NUMBERS, None),
        (lambda: ops.throttle_latest("2s"), EVENTS, keyed),
        (lambda: ops.throttle_latest("2s", ttl="3s"), EVENTS, keyed),
        (lambda: ops.throttle_latest("2s", ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "throttle": [
        (lambda: ops.throttle(2, burst=3), NUMBERS, None),
        (lambda: ops.throttle(2, burst=3, mode="shape", max_items=4), EVENTS, keyed),
        (lambda: ops.throttle(2, burst=3, mode="shape", max_items=4), NUMBERS, None),
        (lambda: ops.throttle(1, burst=2, key=lambda x: x % 3), NUMBERS, None),
        (lambda: ops.throttle(1, burst=2), EVENTS, keyed),
        (lambda: ops.throttle(1, burst=2, ttl="3s"), EVENTS, keyed),
        (lambda: ops.throttle(1, burst=2, key=lambda e: e[2], ttl="1s", clock="processing"), EVENTS, keyed),
        (lambda: ops.throttle(1, per="500ms", mode="shape", key=lambda e: e[2]), EVENTS, timed),
    ],
    "partition": [
        (lambda: ops.partition(3, lambda x: x), NUMBERS, None),
        (lambda: ops.partition(2, lambda e: e[1], hash_fn="murmur3_64"), EVENTS, keyed),
    ],
    "shard": [
        (lambda: ops.shard(lambda x: x).shard(1, 2), NUMBERS, None),
        (lambda: ops.shard(lambda e: e[1]).shard(0, 3), EVENTS, keyed),
    ],
    "timeout": [(lambda: ops.timeout("2s"), NUMBERS, None), (lambda: ops.timeout("2s"), EVENTS, keyed)],
    "delay": [
        (lambda: ops.delay("2s"), NUMBERS, None),
        (lambda: ops.delay("2s", max_items=3), EVENTS, keyed),
    ],
    "batch": [
        (lambda: ops.batch(7), NUMBERS, None),
        (lambda: ops.batch(7, max_wait="1s"), EVENTS, keyed),
        (lambda: ops.batch(max_wait="1s", emit_empty=True), NUMBERS, None),
        (lambda: ops.batch(5, skip=3), EVENTS, keyed),
        (lambda: ops.batch(3, skip=5), NUMBERS, None),
        (lambda: ops.batch(3, skip=3), NUMBERS, None),
        (lambda: ops.batch(3), EVENTS, keyed),
        (lambda: ops.batch(30, ttl="3s"), EVENTS, keyed),
        (lambda: ops.batch(4, max_wait="1s", emit_empty=True, ttl="5s"), EVENTS, keyed),
        (lambda: ops.batch(5, skip=3, ttl="3s"), EVENTS, keyed),
        (lambda: ops.batch(3, skip=5, ttl="3s", clock="processing"), EVENTS, keyed),
        (lambda: ops.batch(7, max_wait="2s", ttl="1s"), NUMBERS, None),
    ],
    "count": [
        (lambda: ops.count(), NUMBERS, None),
        (lambda: ops.count(), [], None),
        (lambda: ops.count(), EVENTS, keyed),
        (lambda: ops.count(ttl="3s"), EVENTS, keyed),
        (lambda: ops.count(ttl="3s", clock="processing"), EVENTS, keyed),
        (lambda: ops.count(ttl="1s"), NUMBERS, None),
        (lambda: ops.count(ttl="1s"), [], None),
    ],
    "sum": [
        (lambda: ops.sum(), NUMBERS, None),
        (lambda: ops.sum(lambda e: e[2]), EVENTS, timed),
        (lambda: ops.sum(lambda e: e[2]), EVENTS, keyed),
        (lambda: ops.sum(lambda e: e[2], ttl="3s"), EVENTS, timed),
    ],
    "min": [
        (lambda: ops.min(), NUMBERS, None),
        (lambda: ops.min(), [2, math.nan, 1, None, 3], None),
        (lambda: ops.min(lambda e: e[2]), EVENTS, timed),
        (lambda: ops.min(lambda e: e[2]), EVENTS, keyed),
        (lambda: ops.min(lambda e: e[2], ttl="3s"), EVENTS, keyed),
    ],
    "max": [
        (lambda: ops.max(lambda x: -x), NUMBERS, None),
        (lambda: ops.max(lambda e: e[2] or math.nan), EVENTS, keyed),
        (lambda: ops.max(lambda e: e[2], ttl="2s"), EVENTS, keyed),
    ],
    "pairwise": [
        (lambda: ops.pairwise(), NUMBERS, None),
        (lambda: ops.pairwise(), EVENTS, keyed),
        (lambda: ops.pairwise(ttl="3s"), EVENTS, keyed),
        (lambda: ops.pairwise(ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "distinct_until_changed": [
        (lambda: ops.distinct_until_changed(), [1, 1, 2, math.nan, 2, 2, 1], None),
        (lambda: ops.distinct_until_changed(lambda e: e[2] % 2), EVENTS, keyed),
        (lambda: ops.distinct_until_changed(lambda e: e[2] % 2, max_keys=1), EVENTS, keyed),
        (lambda: ops.distinct_until_changed(lambda e: e[2] % 2, ttl="3s"), EVENTS, keyed),
    ],
    "default_if_empty": [
        (lambda: ops.default_if_empty(0), NUMBERS, None),
        (lambda: ops.default_if_empty(0), [], None),
        (lambda s: s.pipe(ops.filter(lambda e: False)).pipe(ops.default_if_empty("x")), EVENTS, keyed),
    ],
    "first": [
        (lambda: ops.first(), NUMBERS, None),
        (lambda: ops.first(lambda e: e[1] == "b"), EVENTS, timed),
        (lambda: ops.first(lambda e: e[2] > 5), EVENTS, keyed),
        (lambda: ops.first(lambda e: e[2] > 5, ttl="3s"), EVENTS, keyed),
        (lambda: ops.first(ttl="1s"), NUMBERS, None),
    ],
    "last": [
        (lambda: ops.last(), NUMBERS, None),
        (lambda: ops.last(lambda e: e[1] == "b"), EVENTS, keyed),
        (lambda: ops.last(lambda e: e[2] > 3, ttl="3s"), EVENTS, keyed),
        (lambda: ops.last(ttl="3s", clock="processing"), EVENTS, keyed),
    ],
    "skip": [
        (lambda: ops.skip(7), NUMBERS, None),
        (lambda: ops.skip(99), NUMBERS, None),
        (lambda: ops.skip(5), EVENTS, keyed),
        (lambda: ops.skip(2, ttl="3s"), EVENTS, keyed),
    ],
    "skip_while": [
        (lambda: ops.skip_while(lambda x: x < 9), NUMBERS, None),
        (lambda: ops.skip_while(lambda e: e[2] < 7), EVENTS, keyed),
        (lambda: ops.skip_while(lambda e: e[2] < 7, ttl="3s"), EVENTS, keyed),
    ],
    "take_while": [
        (lambda: ops.take_while(lambda x: x < 9), NUMBERS, None),
        (lambda: ops.take_while(lambda x: x < 9, inclusive=True), NUMBERS, None),
        (lambda: ops.take_while(lambda x: True), NUMBERS, None),
        (lambda: ops.take_while(lambda e: e[2] < 7), EVENTS, keyed),
        (lambda: ops.take_while(lambda e: e[2] < 7, inclusive=True, ttl="3s"), EVENTS, keyed),
    ],
    "scan": [
        (lambda: ops.scan(0, lambda total, x: total + x), NUMBERS, None),
        (lambda: ops.scan([], _kept), EVENTS, keyed),
        (lambda: ops.scan([], _kept, ttl="4s"), EVENTS, keyed),
        (lambda: ops.scan(0, lambda total, x: total + x, ttl="1s"), NUMBERS, None),
        (lambda: ops.scan(lambda total, x: total + x), NUMBERS, None),
        (lambda: ops.scan(lambda a, b: max(a, b)), EVENTS, keyed),
        (lambda: ops.scan(lambda a, b: max(a, b), ttl="3s"), EVENTS, keyed),
    ],
    "reduce": [
        (lambda: ops.reduce(0, lambda n, x: n * 3 + x), NUMBERS, None),
        (lambda: ops.reduce([], _kept), EVENTS, keyed),
        (lambda: ops.reduce(lambda n, x: n * 3 + x), NUMBERS, None),
        (lambda: ops.reduce(lambda a, b: max(a, b)), EVENTS, keyed),
        (lambda: ops.reduce(lambda a, b: max(a, b)), EVENTS, timed),
        (lambda: ops.reduce([], _kept, ttl="3s"), EVENTS, keyed),
        (lambda: ops.reduce(lambda a, b: max(a, b), ttl="1s", clock="processing"), EVENTS, keyed),
        (lambda: ops.reduce(0, lambda n, x: n * 3 + x, ttl="1s"), NUMBERS, None),
    ],
    "take": [
        (lambda: ops.take(7), NUMBERS, None),
        (lambda: ops.take(0), NUMBERS, None),
        (lambda: ops.take(99), NUMBERS, None),
        (lambda: ops.take(5), EVENTS, keyed),
        (lambda: ops.take(2, ttl="3s"), EVENTS, keyed),
        (lambda: ops.take(2, ttl="1s"), NUMBERS, None),
    ],
    "event_time": [
        (lambda: ops.event_time(lambda e: e[0], unit="s", out_of_order="2s"), EVENTS, None),
        (lambda: ops.event_time(lambda e: e[0], unit="s", by=lambda e: e[1], idle_timeout="2s"), EVENTS, None),
        (lambda: ops.event_time(lambda e: e[0], unit="s", max_future="30s", advance="clock"), EVENTS, None),
        (lambda: ops.event_time(lambda e: e[0] + 1, unit="s", watermarks="source"), EVENTS, timed),
        (lambda: ops.event_time(_in_changing_units, unit="auto", not_before="1990-01-01T00:00Z"), EVENTS, None),
    ],
    "key_by": [(lambda: ops.key_by(lambda e: e[1]), EVENTS, None)],
    "unkey": [(lambda: ops.unkey(), EVENTS, keyed), (lambda: ops.unkey(), NUMBERS, None)],
    "dedupe": [
        (lambda: ops.dedupe(lambda e: e[1:], within="3s"), EVENTS, timed),
        (lambda: ops.dedupe(lambda x: x % 5, max_keys=3), NUMBERS, None),
        (lambda: ops.dedupe(lambda e: e[1:], within="5s", max_keys=4), EVENTS, timed),
    ],
    "window": [
        (lambda: ops.window(windows.tumbling("3s"), every_aggregate()), EVENTS, keyed),
        (
            lambda: ops.window(windows.tumbling("9s"), agg.named(v=agg.var(lambda e: e[2]), s=agg.std(lambda e: e[2]))),
            EVENTS,
            keyed,
        ),
        (lambda: ops.window(windows.sliding("5s", "2s", offset="-1s"), every_aggregate()), EVENTS, keyed),
        (lambda: ops.window(windows.sliding("2s", "5s"), agg.count()), EVENTS, keyed),
        (lambda: ops.window(windows.session("2s"), every_aggregate()), EVENTS, keyed),
        (lambda: ops.window(windows.count(4), every_aggregate()), EVENTS, keyed),
        (lambda: ops.window(windows.count(5, slide=2), agg.collect()), EVENTS, keyed),
        (lambda: ops.window(windows.session("1s"), agg.collect(), allowed_lateness="3s"), EVENTS, keyed),
        (lambda: ops.window(windows.tumbling("3s"), every_aggregate(), allowed_lateness="2s"), EVENTS, keyed),
        (lambda: ops.window(windows.sliding("5s", "2s"), agg.collect(), allowed_lateness="3s"), EVENTS, keyed),
        (lambda: ops.window(windows.tumbling("9s"), agg.collect(), early="2s"), EVENTS, keyed),
        (lambda: ops.window(windows.tumbling("9s"), agg.count(), early=3, allowed_lateness="1s"), EVENTS, keyed),
        (lambda: ops.window(windows.session("2s"), agg.collect(), early="1s", allowed_lateness="2s"), EVENTS, keyed),
        (lambda: ops.window(windows.sliding("6s", "2s"), agg.collect(), early="4s"), EVENTS, keyed),
        (lambda: ops.window(windows.global_(), agg.collect(), early="7s"), EVENTS, keyed),
        (lambda: ops.window(windows.global_(), agg.count(), early=4), EVENTS, keyed),
        (lambda: ops.window(windows.global_(), every_aggregate()), EVENTS, keyed),
        (
            lambda: ops.window(windows.tumbling("5s", offset="2s"), agg.count(), into=lambda pane: pane.value),
            EVENTS,
            keyed,
        ),
    ],
    "window_all": [
        (lambda: ops.window_all(windows.tumbling("3s"), every_aggregate()), EVENTS, timed),
        (lambda: ops.window_all(windows.sliding("5s", "2s"), agg.collect(), allowed_lateness="3s"), EVENTS, timed),
        (lambda: ops.window_all(windows.session("1s"), agg.collect(), early=2), EVENTS, timed),
        (lambda: ops.window_all(windows.count(4), agg.collect()), EVENTS, timed),
        (lambda: ops.window_all(windows.count(4), agg.collect()), EVENTS, keyed),
        (lambda: ops.window_all(windows.tumbling("3s"), agg.collect()), EVENTS, keyed),
        (lambda: ops.window_all(windows.session("1s"), agg.collect()), EVENTS, keyed),
    ],
    "route": [
        (lambda: ops.route({"a": lambda e: e[1] == "a", "even": lambda e: e[0] % 2 == 0}), EVENTS, timed),
        (lambda: ops.route({"small": lambda x: x < 9}, default="rest"), NUMBERS, None),
        (lambda: ops.route({"small": lambda x: x < 9, "odd": lambda x: x % 2}, multi=True), NUMBERS, None),
        (
            lambda: ops.route({"a": lambda e: e[1] == "a", "x": lambda e: e[2] > 3}, default="z", multi=True),
            EVENTS,
            keyed,
        ),
    ],
    "merge": [
        (lambda s: rxdag.merge(s, s.pipe(ops.map(lambda x: -x)), s.pipe(ops.filter(lambda x: x % 2))), NUMBERS, None),
        (lambda s: rxdag.merge(s, s.pipe(ops.filter(lambda e: e[1] == "a"))), EVENTS, timed),
        (lambda s: rxdag.merge(s, s.pipe(ops.filter(lambda e: e[1] == "a")), max_drift="60s"), EVENTS, timed),
    ],
    "zip": [
        (lambda s: rxdag.zip(s, s.pipe(ops.map(lambda x: -x))), NUMBERS, None),
        (lambda s: rxdag.zip(s, s.pipe(ops.filter(lambda e: e[1] == "a")), max_items=50), EVENTS, timed),
    ],
    "combine_latest": [
        (lambda s: rxdag.combine_latest(s, s.pipe(ops.filter(lambda x: x % 3 == 2))), NUMBERS, None),
        (lambda s: rxdag.combine_latest(s.pipe(ops.filter(lambda e: e[1] == "a")), s), EVENTS, timed),
    ],
    "with_latest_from": [
        (lambda s: rxdag.with_latest_from(s, s.pipe(ops.filter(lambda x: x % 3 == 2))), NUMBERS, None),
        (lambda s: rxdag.with_latest_from(s, s.pipe(ops.filter(lambda e: e[1] == "a"))), EVENTS, timed),
    ],
    "concat": [
        (lambda s: rxdag.concat(s, rxdag.from_source(sources.range(5))), NUMBERS, None),
        (lambda s: rxdag.concat(rxdag.from_source(sources.range(5)), s), NUMBERS, None),
    ],
    "catch": [
        (lambda s: rxdag.catch(s.pipe(ops.map(_no_nine)), rxdag.from_source(sources.range(5))), NUMBERS, None, "fails"),
        (
            lambda s: rxdag.catch(s.pipe(ops.map(lambda x: x)), rxdag.from_source(sources.range(5))),
            NUMBERS,
            None,
            "fails",
        ),
    ],
    "merge_sorted": [
        (lambda s: rxdag.merge_sorted(s), EVENTS, timed),
        (lambda s: rxdag.merge_sorted(s, s.pipe(ops.filter(lambda e: e[1] == "a"))), EVENTS, timed),
    ],
    "join_asof": [
        (lambda s: rxdag.join_asof(s, s.pipe(ops.filter(lambda e: e[2] > 4))), EVENTS, keyed),
        (
            lambda s: rxdag.join_asof(s, s.pipe(ops.filter(lambda e: e[2] > 4)), strategy="forward", tolerance="9s"),
            EVENTS,
            keyed,
        ),
        (
            lambda s: rxdag.join_asof(
                s, s.pipe(ops.filter(lambda e: e[1] == "a")), strategy="nearest", allow_exact_matches=False
            ),
            EVENTS,
            timed,
        ),
        (
            lambda s: rxdag.join_asof(s, s.pipe(ops.filter(lambda e: e[2] > 4)), clock="processing", into=_pair),
            EVENTS,
            keyed,
        ),
        (
            lambda s: rxdag.join_asof(
                s.pipe(ops.map(_named)), s.pipe(ops.map(_named)).pipe(ops.filter(col.n > 4)), fields={"right": "n"}
            ),
            EVENTS,
            keyed,
        ),
    ],
    "join_window": [
        (lambda s: rxdag.join_window(s, _odd(s), windows.tumbling("5s")), EVENTS, keyed),
        (lambda s: rxdag.join_window(s, _odd(s), windows.sliding("6s", "4s"), into=_pair), EVENTS, keyed),
        (lambda s: rxdag.join_window(s, _odd(s), windows.session("1s")), EVENTS, keyed),
    ],
    "join_interval": [
        (lambda s: rxdag.join_interval(s, _odd(s), lower="-2s", upper="1s"), EVENTS, keyed),
        (lambda s: rxdag.join_interval(s, _odd(s), lower="1s", upper="3s", into=_pair), EVENTS, keyed),
    ],
    "conflate": [
        (lambda: ops.conflate(lambda x: x % 3), NUMBERS, None),
        (lambda: ops.conflate(), EVENTS, keyed),
        (lambda: ops.conflate(per="instant"), EVENTS, keyed),
        (lambda: ops.conflate(lambda e: e[2] % 2, per="instant", keep="all"), EVENTS, keyed),
        (lambda: ops.conflate(per="instant", keep="list"), EVENTS, timed),
    ],
    "flat_map": [
        (lambda: ops.flat_map(lambda x: range(x % 4)), NUMBERS, None),
        (lambda: ops.flat_map(lambda e: [e, e], concurrency=2), EVENTS, keyed),
    ],
    "concat_map": [
        (lambda: ops.concat_map(lambda x: range(x % 4)), NUMBERS, None),
        (lambda: ops.concat_map(lambda e: sources.iterable([e, e])), EVENTS, keyed),
    ],
    "switch_map": [
        (lambda: ops.switch_map(lambda x: range(x % 4)), NUMBERS, None),
        (lambda: ops.switch_map(lambda e: [e, e]), EVENTS, keyed),
    ],
    "map_async": [
        (lambda: ops.map_async(_slowly), NUMBERS, None),
        (lambda: ops.map_async(_slowly, concurrency=3, timeout="1h"), EVENTS, keyed),
        (lambda s: s.pipe(ops.map_async(_not_nine), on_error=on_error.dead), NUMBERS, None),
        (lambda: ops.map_async(_at_once, ordered=False), NUMBERS, None),
    ],
    "lookup": [
        (lambda: ops.lookup(_slowly, key=lambda x: x % 5), NUMBERS, None),
        (lambda: ops.lookup(_slowly, key=lambda x: x % 5, timeout="1h"), NUMBERS, None),
        (lambda: ops.lookup(_at_once, key=lambda e: e[1], ttl="1s", max_keys=1, into=_pair), EVENTS, keyed),
        (lambda s: s.pipe(ops.lookup(_not_nine, key=lambda x: x % 10), on_error=on_error.dead), NUMBERS, None),
    ],
    "start_with": [(lambda: ops.start_with(-2, -1), NUMBERS, None)],
    "timestamp": [(lambda: ops.timestamp(), NUMBERS, None), (lambda: ops.timestamp(), EVENTS, keyed)],
    "take_until": [
        (lambda s: s.pipe(ops.take_until(s.pipe(ops.filter(lambda x: x == 20)))), NUMBERS, None),
        (lambda s: s.pipe(ops.take_until(s.pipe(ops.filter(lambda e: False)))), EVENTS, keyed),
    ],
    "skip_until": [
        (lambda s: s.pipe(ops.skip_until(s.pipe(ops.filter(lambda x: x == 20)))), NUMBERS, None),
        (lambda s: s.pipe(ops.skip_until(s.pipe(ops.filter(lambda e: e[2] == 8)))), EVENTS, keyed),
    ],
    "arbitrate": [
        (lambda s: s.pipe(ops.map(_scrambled)).pipe(ops.arbitrate(sequence=element)), NUMBERS, None),
        (
            lambda: ops.arbitrate(lambda e: e[1], sequence=lambda e: e[2], wait="3s", max_pending=2),
            EVENTS,
            keyed,
        ),
        (lambda: ops.arbitrate(sequence=lambda e: e[2], clock="processing"), EVENTS, keyed),
    ],
    "rolling": [
        (lambda: ops.rolling(3, agg.collect()), NUMBERS, None),
        (lambda: ops.rolling(3, every_aggregate()), EVENTS, keyed),
        (lambda: ops.rolling(3, agg.collect(), ttl="3s"), EVENTS, keyed),
        (lambda: ops.rolling("4s", agg.collect(), into=_pair), EVENTS, keyed),
        (lambda: ops.rolling("4s", every_aggregate()), EVENTS, timed),
        (lambda: ops.rolling("3s", agg.named(n=agg.count(), m=agg.max(lambda e: e[2])), closed="both"), EVENTS, keyed),
        (lambda: ops.rolling("3s", agg.collect(), closed="left"), EVENTS, keyed),
        (lambda: ops.rolling("3s", agg.sum(lambda e: e[2]), closed="none"), EVENTS, keyed),
    ],
    "top_n": [
        (lambda: ops.top_n(3, lambda x: x * 7 % 11), NUMBERS, None),
        (lambda: ops.top_n(2, lambda e: e[2]), EVENTS, keyed),
        (lambda: ops.top_n(2, lambda e: e[0], unique=lambda e: e[2], ttl="2s"), EVENTS, keyed),
        (lambda: ops.top_n(2, lambda e: e[2], ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "process": [
        (lambda: ops.process(Quiet()), EVENTS, keyed),
        (lambda: ops.process(Quiet(), ttl="3s"), EVENTS, keyed),
        (lambda: ops.process(Quiet(), clock="processing"), EVENTS, keyed),
        (lambda: ops.process(Quiet(), ttl="1s", clock="processing"), EVENTS, keyed),
    ],
    "route_by": [
        (lambda: ops.route_by(lambda x: x % 5, [1, 2]), NUMBERS, None),
        (lambda: ops.route_by(lambda e: e[1], ["a"], default="rest"), EVENTS, keyed),
    ],
    "split": [
        (lambda: ops.split(lambda x: x % 3), NUMBERS, None),
        (lambda: ops.split(lambda e: e[1] == "a"), EVENTS, keyed),
    ],
}
