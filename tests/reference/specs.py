"""What the reference shows of each operator beside its docstring: diagrams, and where people trip."""

from __future__ import annotations

from typing import Final

from tests.reference.marbles import Diagram as D

FAMILIES: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "elementwise": (
        "Item by item",
        "Operators that look at one item after the other, and those whose items become streams or calls.",
        (
            "map", "filter", "explode", "select", "with_columns", "tap", "scan", "reduce", "count", "sum", "min", "max",
            "pairwise", "start_with", "default_if_empty", "distinct_until_changed", "take", "take_while", "take_until",
            "skip", "skip_while", "skip_until", "first", "last", "map_async", "lookup", "flat_map", "concat_map",
            "switch_map", "map_batch",
        ),
    ),
    "time": (
        "Time",
        "Operators of event time, which items carry, and of processing time, which the clock says.",
        (
            "event_time", "timestamp", "delay", "timeout", "throttle", "throttle_first", "sample", "debounce", "audit",
            "batch",
        ),
    ),
    "keyed": (
        "Keys",
        "Operators that keep something of each key.",
        ("key_by", "unkey", "dedupe", "conflate", "rolling", "top_n", "process"),
    ),
    "windows": ("Windows", "Aggregates over stretches of event time.", ("window", "window_all")),
    "fan-out": (
        "One stream to several",
        "A stream that is piped twice goes both ways, and waits for the slower. These send each item one way.",
        ("route", "route_by", "split", "partition", "shard"),
    ),
    "fan-in": (
        "Several streams to one",
        "Functions of streams: `rxdag.merge(a, b)`.",
        (
            "merge", "merge_sorted", "zip", "combine_latest", "with_latest_from", "concat", "catch", "join_asof",
            "join_window", "join_interval", "arbitrate",
        ),
    ),
    "market": (
        "Markets",
        "What only markets need: `from rxdag import market`.",
        (
            "trade_bars", "resample_ohlc", "rollup", "tick_rule", "mid", "spread", "microprice", "book_top", "twap",
            "imbalance",
        ),
    ),
}  # fmt: skip

DIAGRAMS: Final[dict[str, tuple[D, ...]]] = {
    "map": (D("ops.map(str.upper)", ("ab-(cd)|",)),),
    "filter": (D('ops.filter(lambda x: x > "a")', ("ab-ac|",)),),
    "explode": (D("ops.explode(lambda x: [x, x.upper()])", ("a-b|",)),),
    "select": (D('ops.select(big=lambda x: x.upper(), into=lambda big: big)', ("ab|",)),),
    "tap": (D("ops.tap(len)", ("a-b|",)),),
    "scan": (
        D('ops.scan("", lambda seen, x: seen + x)', ("ab-c|",)),
        D('ops.scan("", lambda seen, x: seen + x)', ("aBb-A|",), "keyed"),
        D("ops.scan(lambda a, b: a + b)", ("ab-c|",)),
    ),
    "reduce": (
        D("ops.reduce(lambda a, b: a + b)", ("ab-c|",)),
        D('ops.reduce("x", lambda seen, x: seen + x)', ("ab-c|",)),
        D("ops.reduce(max)", ("1425|",), "keyed"),
        D('ops.reduce(max, ttl="3s")', ("12----1|",), "keyed"),
    ),
    "count": (
        D("ops.count()", ("ab-c|",)),
        D("ops.count()", ("aBb|",), "keyed"),
        D('ops.count(ttl="3s")', ("aA----a|",), "keyed"),
    ),
    "sum": (D("ops.sum(int)", ("12-4|",)),),
    "min": (D("ops.min()", ("cab|",)),),
    "max": (D("ops.max()", ("acb|",)),),
    "pairwise": (D("ops.pairwise()", ("ab-c|",)), D("ops.pairwise()", ("abAB|",), "keyed")),
    "start_with": (D('ops.start_with("x")', ("-ab|",)),),
    "default_if_empty": (D('ops.default_if_empty("x")', ("---|",)), D('ops.default_if_empty("x")', ("-a-|",))),
    "distinct_until_changed": (D("ops.distinct_until_changed()", ("aabba-a|",)),),
    "take": (
        D("ops.take(2)", ("ab-cd|",)),
        D("ops.take(1)", ("aAbB-a|",), "keyed"),
        D('ops.take(1, ttl="3s")', ("aA----aA|",), "keyed"),
    ),
    "take_while": (D('ops.take_while(lambda x: x < "c")', ("abcab|",)),),
    "take_until": (D("a.pipe(ops.take_until(b))", ("ab-cd|", "---x--"))),
    "skip": (D("ops.skip(2)", ("ab-cd|",)),),
    "skip_while": (D('ops.skip_while(lambda x: x < "c")', ("abcab|",)),),
    "skip_until": (D("a.pipe(ops.skip_until(b))", ("ab-cd|", "--x---"))),
    "first": (
        D("ops.first()", ("-ab|",)),
        D('ops.first(lambda x: x > "a")', ("-ab|",)),
        D("ops.first()", ("-aAbB|",), "keyed"),
    ),
    "last": (D("ops.last()", ("-ab|",)), D("ops.last()", ("-aAbB|",), "keyed")),
    "flat_map": (D("ops.flat_map(lambda x: x * 3)", ("ab|",)),),
    "concat_map": (D("ops.concat_map(lambda x: x * 2)", ("(ab)|",)),),
    "switch_map": (D('ops.switch_map(lambda x: sources.timer("2s"))', ("a-bc---|",)),),
    "event_time": (D('ops.event_time(int, unit="s", max_future="5s")', ("12-3|",)),),
    "timestamp": (D("ops.timestamp()", ("a-b|",)),),
    "delay": (D('ops.delay("2s")', ("ab-c|",)),),
    "timeout": (D('ops.timeout("2s")', ("ab----c|",)),),
    "throttle": (
        D("ops.throttle(1, per='2s')", ("abcd-e|",)),
        D("ops.throttle(1, per='2s', mode='shape')", ("abc---|",)),
        D("ops.throttle(1, per='2s', burst=2)", ("abcd-e|",)),
    ),
    "throttle_first": (
        D('ops.throttle_first("2s")', ("abcd-e|",)),
        D('ops.throttle_first("3s")', ("abABaB|",), "keyed"),
    ),
    "sample": (D('ops.sample("2s")', ("ab-cd--e|",)), D('ops.sample("3s")', ("abA-----|",), "keyed")),
    "debounce": (D('ops.debounce("2s")', ("ab--cd---|",)), D('ops.debounce("2s")', ("abA-----|",), "keyed")),
    "audit": (D('ops.audit("2s")', ("abc--d--|",)), D('ops.audit("3s")', ("abAB----|",), "keyed")),
    "batch": (
        D("ops.batch(2)", ("ab-cde|",)),
        D('ops.batch(3, max_wait="2s")', ("ab--c-|",)),
        D("ops.batch(2, skip=1)", ("abc|",)),
        D("ops.batch(2)", ("abAcB|",), "keyed"),
    ),
    "unkey": (D("a.pipe(ops.unkey()).pipe(ops.pairwise())", ("abAB|",), "keyed"),),
    "dedupe": (
        D("ops.dedupe(lambda x: x, max_keys=9)", ("aba-cb|",)),
        D('ops.dedupe(lambda x: x.lower(), within="3s", clock="processing")', ("aba-Ab|",)),
    ),
    "conflate": (
        D('ops.conflate(lambda x: 0, per="instant")', ("11-2-3|",), "timed"),
        D('ops.conflate(lambda x: 0, per="instant", keep="list")', ("11-2-3|",), "timed"),
    ),
    "rolling": (
        D("ops.rolling(2, agg.collect())", ("ab-c|",)),
        D('ops.rolling("2s", agg.collect())', ("12-35|",), "timed"),
        D('ops.rolling("2s", agg.collect(), closed="left")', ("12-35|",), "timed"),
    ),
    "top_n": (D("ops.top_n(2, lambda x: x)", ("bac-a|",)),),
    "window": (
        D('ops.window(windows.tumbling("3s"), agg.collect())', ("12-4317|",), "timed keyed", ("late",)),
        D('ops.window(windows.tumbling("3s"), agg.collect(), allowed_lateness="9s")', ("13-1---7|",), "timed keyed"),
        D('ops.window(windows.session("1s"), agg.collect())', ("13579|",), "timed keyed"),
        D('ops.window(windows.count(2), agg.collect())', ("1325-7|",), "timed keyed"),
        D('ops.window(windows.global_(), agg.collect(), early=2)', ("1357-9|",), "timed keyed"),
    ),
    "window_all": (
        D('ops.window_all(windows.tumbling("3s"), agg.collect())', ("12-45|",), "timed"),
        D('ops.window_all(windows.sliding("4s", "2s"), agg.collect())', ("1-23-7|",), "timed"),
        D('ops.window_all(windows.tumbling("6s"), agg.collect(), early="2s")', ("12-34-7|",), "timed"),
    ),
    "route": (
        D('ops.route({"x": lambda x: x == "a", "y": lambda x: x < "c"}, default="rest")', ("abca|",)),
        D('ops.route({"x": lambda x: x == "a", "y": lambda x: x < "c"}, multi=True)', ("abca|",)),
    ),
    "route_by": (D('ops.route_by(lambda x: x, ["a", "b"], default="rest")', ("abca|",)),),
    "split": (D('ops.split(lambda x: x == "a")', ("abca|",)),),
    "partition": (D("ops.partition(2, lambda x: x)", ("abcdea|",)),),
    "shard": (D("ops.shard(lambda x: x).part(0, 2)", ("abcdea|",)),),
    "merge": (D("rxdag.merge(a, b)", ("a-b--|", "-1--2--|"))),
    "merge_sorted": (D("rxdag.merge_sorted(a, b)", ("1-4-7|", "--25-6|"), "timed")),
    "zip": (D("rxdag.zip(a, b)", ("ab--c|", "-12-3-|"))),
    "combine_latest": (D("rxdag.combine_latest(a, b)", ("a--b-|", "-1-2-|"))),
    "with_latest_from": (D("rxdag.with_latest_from(a, b)", ("ab-c|", "-1--|"))),
    "concat": (D("rxdag.concat(a, b)", ("a-b|", "--1-2|"))),
    "catch": (D("rxdag.catch(a, b)", ("a-b#", "12|"))),
    "join_asof": (
        D("rxdag.join_asof(a, b)", ("-3-6|", "1-5-7|"), "timed"),
        D('rxdag.join_asof(a, b, strategy="nearest", tolerance="1s")', ("-3-6-|", "1-5-8|"), "timed"),
    ),
    "join_window": (D('rxdag.join_window(a, b, windows.tumbling("3s"))', ("13-5-|", "3-1-7|"), "timed keyed")),
    "join_interval": (D('rxdag.join_interval(a, b, lower="-2s", upper="0s")', ("15-7-|", "3-5-9|"), "timed keyed")),
    "arbitrate": (
        D('ops.arbitrate(sequence=int, wait="2s")', ("1232-56|",), "", ("gaps",)),
    ),
    "tick_rule": (D("market.tick_rule(int)", ("22-31|",)),),
}  # fmt: skip

DIFFERS: Final[dict[str, str]] = {
    "scan": "RxPY's `scan(fn, seed)` has no keys; Flink's keyed `reduce` and `aggregate` do. polars: `cum_sum().over(key)`.",
    "reduce": "RxPY's `reduce(fn, seed)`, which fails on an empty stream without a seed. Flink's and Kafka Streams' reduce gives every step: "
    "that is `scan` here. polars: `fold`.",
    "min": "RxPY fails on an empty stream; here nothing comes out.",
    "max": "RxPY fails on an empty stream; here nothing comes out.",
    "first": "RxPY fails on an empty stream; here nothing comes out, and `ops.default_if_empty` says what should.",
    "last": "RxPY fails on an empty stream; here nothing comes out.",
    "flat_map": "RxPY's `flat_map` reads any number of streams at once and keeps what they give without bound; here no more than "
    "`concurrency` are open, they take turns, and the source waits.",
    "concat_map": "RxPY keeps the streams whose turn has not come; here the source waits.",
    "map_async": "RxPY's `flat_map(from_future)` starts all calls at once and gives results as they come. Flink's AsyncDataStream is the same as "
    "this one: `ordered`, `timeout`, a capacity.",
    "distinct_until_changed": "RxPY compares over the whole stream; behind `key_by` this goes by key.",
    "event_time": "Flink: `assignTimestampsAndWatermarks(forBoundedOutOfOrderness)`, and `by=` for a watermark of each Kafka partition. The "
    "watermark is one nanosecond below the largest time less the bound, as there one millisecond.",
    "throttle": "RxPY's `throttle_first` is `ops.throttle_first`; a rate with a burst it has not.",
    "debounce": "RxPY: the same, there also called `throttle_with_timeout`.",
    "audit": "RxPY has none; RxJS has.",
    "batch": "RxPY's `buffer_with_time` gives empty lists too: `emit_empty=True`.",
    "count": "RxPY counts the whole stream; by key it takes `group_by`, and `group_by_until` for what `ttl` says.",
    "key_by": "RxPY's `group_by` makes a stream for each key; here a key stands beside the item. Flink: `keyBy`.",
    "take": "RxPY's `take` ends the stream; behind `key_by` this one does not, since another key may come.",
    "pairwise": "RxPY pairs over the whole stream; behind `key_by` this goes by key. polars: `shift(1).over(key)`.",
    "dedupe": "RxPY's `distinct` remembers every key for ever. Flink SQL's deduplication keeps the last, and this the first. polars: "
    '`unique(keep="first")`.',
    "conflate": "Pekko's `conflate`, for each key. RxPY has none.",
    "rolling": "polars' `rolling`: the same, and items of one instant are in each other's windows. pandas leaves out those behind. Flink SQL's "
    "`OVER (RANGE BETWEEN ...)` is the same as this one, `OVER (ROWS ...)` is a number of items.",
    "window": "Flink: the same windows, lateness and merging; `closed_by` and `revision` it has not, its panes come in no fixed order, and an "
    "early trigger may fire a pane that has not changed. Kafka Streams gives out every change unless it is suppressed. pandas' and polars' "
    "`closed=` is fixed here: [start, end).",
    "window_all": "Flink's `windowAll`.",
    "top_n": "Flink SQL's Top-N gives changes of rows; here comes the whole list.",
    "process": "Flink's `KeyedProcessFunction`; a timer has a name, so that there is one of each and not one of each time.",
    "route": "Flink's side outputs; each item goes one way unless `multi`.",
    "shard": "Kafka divides the partitions of a topic among the consumers of a group; here each worker reads all, and passes its share.",
    "partition": "Kafka hashes the bytes of a key with murmur2, this one their text with murmur3.",
    "merge": "RxPY's `merge` has no watermarks: a quiet input here holds up event time, unless it is idle (`event_time(idle_timeout=...)`).",
    "zip": "RxPY's `zip` keeps what is ahead without bound; here it waits.",
    "with_latest_from": "RxPY drops items until the other stream has spoken, and so does this.",
    "concat": "RxPY subscribes to the second stream when the first has ended, and so does this; a hot source is opened then.",
    "join_asof": "polars' and pandas' join of that name, for streams; ties of the nearest go to the earlier one.",
    "join_window": "Flink's `join(...).window(...)`.",
    "join_interval": "Flink's interval join, both bounds included.",
    "catch": "RxPY: the same.",
    "arbitrate": "What exchanges call A/B line arbitration.",
}

COLUMNS: Final[dict[str, str]] = {
    "map": "ops.map(col.n * 2)",
    "filter": "ops.filter(col.n > 1)",
    "select": "ops.select('n', m=col.n * 2)",
    "with_columns": "ops.with_columns(m=col.n * 2)",
    "map_batch": "ops.map_batch(lambda b: b)",
    "distinct_until_changed": "ops.distinct_until_changed('n')",
    "explode": "ops.explode('n')",
    "event_time": "ops.event_time('t')",
    "key_by": "ops.key_by('s')",
    "unkey": "ops.unkey()",
    "dedupe": "ops.dedupe('n', within='1s')",
    "window": "ops.window(windows.sliding('2s', '1s'), agg.sum('n'))",
    "window_all": "ops.window_all(windows.tumbling('2s'), agg.sum('n'))",
    "conflate": "ops.conflate(per='instant')",
    "rolling": "ops.rolling('2s', agg.sum('n'))",
    "join_asof": "rxdag.join_asof(s, s)",
    "route": "ops.route({'a': col.n > 1}, default='rest')",
    "merge": "(lambda r: rxdag.merge(r['a'], r['b']))(s.pipe(ops.route({'a': col.n > 1}, default='b')))",
}
"""What can work on columns, with the expression for which it is tried; all others work on rows."""

ORDER: Final[dict[str, str]] = {
    "flat_map": "of each stream",
    "map_async": "yes; no with `ordered=False`",
    "merge": "of each input",
    "combine_latest": "of arrival",
    "with_latest_from": "of the first",
    "concat": "one behind the other",
    "merge_sorted": "event time",
    "join_asof": "event time",
    "join_window": "by window",
    "join_interval": "event time",
    "rolling": "event time; of arrival with a number",
    "window": "by window, then key",
    "window_all": "by window",
    "conflate": "event time with `per`; else by who waits longest",
    "arbitrate": "sequence of each key",
    "throttle": "yes; with `shape` of each key",
    "process": "of items and timers",
    "reduce": "by key",
    "count": "by key",
    "sum": "by key",
    "min": "by key",
    "max": "by key",
    "last": "by key",
    "debounce": "by when each is due",
    "audit": "by when each is due",
    "sample": "by instant",
    "batch": "by when each is full",
    "zip": "of the pairs",
}

STATE: Final[dict[str, str]] = {
    "process": "by key, `ttl`",
    "rolling": "by key; `ttl` with a number",
    "window": "by key",
    "join_asof": "by key",
    "join_window": "by key",
    "join_interval": "by key",
    "conflate": "by key, or by its own",
    "arbitrate": "by key, or by its own",
    "dedupe": "by its own key",
    "lookup": "by its own key, `ttl`",
    "event_time": "by feed, with `by`",
    "window_all": "of the whole stream",
    "delay": "of the whole stream",
    "timeout": "of the whole stream",
    "take_until": "of the whole stream",
    "skip_until": "of the whole stream",
    "default_if_empty": "of the whole stream",
    "merge": "of each input",
    "merge_sorted": "of each input",
    "concat": "of each input",
    "catch": "of each input",
    "zip": "of each input",
    "combine_latest": "of each input",
    "with_latest_from": "of each input",
}
"""What operators keep their state of; those with a `ttl` that are not here do so by key, and all others have none."""
