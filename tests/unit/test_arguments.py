"""Each argument of each exported function: what it cannot be is refused when the graph is made, by the name of the argument."""

import contextlib
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import reactivex

import rxdag
from rxdag import aggregates as agg
from rxdag import market, on_error, sinks, sources, windows
from rxdag import operators as ops
from rxdag.errors import RxDagError


class Tick(NamedTuple):
    ts: int
    sym: str
    price: float
    qty: float


class Process(ops.KeyedProcess):
    def initial(self):
        return None

    def on_item(self, ctx, state, item, /):
        return state


@contextlib.asynccontextmanager
async def resource():
    yield None


async def awaited(*args): ...


def one(x): ...


def two(x, y): ...


def plain():
    return rxdag.from_source(sources.iterable([], of=Tick))


def timed():
    return plain().pipe(ops.event_time("ts"))


def keyed():
    return timed().pipe(ops.key_by("sym"))


def panes():
    return keyed().pipe(ops.window(windows.tumbling("1s"), agg.ohlcv("price", "qty")))


SECOND = windows.tumbling("1s")

# What each is called with; what stands before it is `plain` if nothing is said.
OPERATORS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "arbitrate": (timed, {"key": "sym", "sequence": "ts", "wait": "1s", "max_pending": 3, "clock": "event"}),
    "audit": (timed, {"wait": "1s", "ttl": "1h", "clock": "processing"}),
    "batch": (keyed, {"max_items": 3, "max_wait": None, "emit_empty": False, "skip": 2, "ttl": None, "clock": None}),
    "concat_map": (plain, {"fn": one}),
    "conflate": (timed, {"key": "sym", "per": None, "keep": "last"}),
    "count": (keyed, {"ttl": "1h", "clock": "event"}),
    "debounce": (keyed, {"quiet": "1s", "ttl": "1h", "clock": "event"}),
    "dedupe": (timed, {"key": "sym", "within": "1s", "max_keys": 3, "clock": "event"}),
    "default_if_empty": (plain, {"value": 0}),
    "delay": (plain, {"by": "1s", "max_items": 3}),
    "distinct_until_changed": (keyed, {"value": "price", "max_keys": 3, "ttl": None, "clock": None}),
    "event_time": (
        plain,
        {"ts": "ts", "unit": "ns", "sequence": "ts", "out_of_order": "1s", "by": None, "idle_timeout": "1s"}
        | {"max_future": "1s", "advance": "data", "watermarks": "own", "tz": None}
        | {"not_before": "1960-01-01T00:00Z", "not_after": None, "format": None, "date": None},
    ),
    "explode": (plain, {"fn": one}),
    "filter": (plain, {"predicate": one}),
    "first": (keyed, {"predicate": one, "ttl": "1h", "clock": "event"}),
    "flat_map": (plain, {"fn": one, "concurrency": 3}),
    "key_by": (plain, {"key": "sym"}),
    "last": (keyed, {"predicate": one, "ttl": "1h", "clock": "event"}),
    "lookup": (
        plain,
        {"fn": awaited, "key": "sym", "into": two, "resource": None, "concurrency": 3, "ttl": "1s", "max_keys": 3}
        | {"timeout": "1s", "record": None},
    ),
    "map": (plain, {"fn": one}),
    "map_async": (
        plain,
        {"fn": awaited, "resource": None, "concurrency": 3, "ordered": True, "timeout": "1s", "record": None},
    ),
    "map_batch": (plain, {"fn": one, "batch_format": "numpy"}),
    "max": (keyed, {"value": "price", "ttl": "1h", "clock": "event"}),
    "min": (keyed, {"value": "price", "ttl": "1h", "clock": "event"}),
    "pairwise": (keyed, {"ttl": "1h", "clock": "event"}),
    "partition": (plain, {"n": 2, "key": "sym", "hash_fn": "murmur3_32"}),
    "shard": (plain, {"key": "sym", "hash_fn": "murmur3_32"}),
    "process": (keyed, {"process": Process(), "ttl": "1h", "clock": "event"}),
    "reduce": (keyed, {"initial": 0, "fn": two, "ttl": "1h", "clock": "event"}),
    "rolling": (
        keyed,
        {"period": "1s", "aggregate": agg.count(), "closed": "right", "into": two, "ttl": None, "clock": None},
    ),
    "route": (plain, {"routes": {"a": one}, "default": "b", "multi": False}),
    "route_by": (plain, {"key": "sym", "values": ["a"], "default": "b"}),
    "sample": (keyed, {"every": "1s", "ttl": "1h", "clock": "event"}),
    "scan": (keyed, {"initial": 0, "fn": two, "ttl": "1h", "clock": "event"}),
    "select": (plain, {"fields": ("price",), "into": None}),
    "skip": (keyed, {"n": 3, "ttl": "1h", "clock": "event"}),
    "skip_until": (plain, {"other": plain()}),
    "skip_while": (keyed, {"predicate": one, "ttl": "1h", "clock": "event"}),
    "split": (plain, {"condition": one}),
    "start_with": (plain, {"items": (1,)}),
    "sum": (keyed, {"value": "price", "ttl": "1h", "clock": "event"}),
    "switch_map": (plain, {"fn": one}),
    "take": (keyed, {"max_items": 3, "ttl": "1h", "clock": "event"}),
    "take_until": (plain, {"other": plain()}),
    "take_while": (keyed, {"predicate": one, "inclusive": False, "ttl": "1h", "clock": "event"}),
    "tap": (plain, {"fn": one}),
    "throttle": (
        timed,
        {"rate": 3, "per": "1s", "burst": 2, "mode": "drop", "max_items": 3, "key": "sym", "ttl": "1h", "clock": None},
    ),
    "throttle_first": (keyed, {"interval": "1s", "ttl": "1h", "clock": "event"}),
    "throttle_latest": (keyed, {"interval": "1s", "ttl": "1h", "clock": "event"}),
    "timeout": (plain, {"silence": "1s"}),
    "timestamp": (plain, {}),
    "top_n": (keyed, {"n": 3, "by": "price", "unique": "sym", "ttl": None, "clock": None}),
    "unkey": (keyed, {}),
    "window": (
        keyed,
        {"window": SECOND, "aggregate": agg.count(), "into": one, "allowed_lateness": "1s", "early": "1s"},
    ),
    "window_all": (
        timed,
        {"window": SECOND, "aggregate": agg.count(), "into": one, "allowed_lateness": "1s", "early": 3},
    ),
    "with_columns": (plain, {"into": None, "named": {"twice": one}}),
}
"""Operators."""
OTHERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rxdag.catch": (rxdag.catch, {"streams": (plain(), plain()), "on": (ValueError,)}),
    "rxdag.combine_latest": (rxdag.combine_latest, {"streams": (plain(), plain())}),
    "rxdag.compile": (rxdag.compile, {"dag": rxdag.Dag(plain().to(sinks.null())), "columns": True}),
    "rxdag.concat": (rxdag.concat, {"streams": (plain(), plain())}),
    "rxdag.from_source": (rxdag.from_source, {"source": sources.range(3), "name": "a", "on_error": on_error.skip}),
    "rxdag.join_asof": (
        rxdag.join_asof,
        {"left": keyed(), "right": keyed(), "into": two, "strategy": "nearest", "tolerance": "1s"}
        | {"allow_exact_matches": True, "clock": "event", "fields": None},
    ),
    "rxdag.join_interval": (
        rxdag.join_interval,
        {"left": keyed(), "right": keyed(), "lower": "-1s", "upper": "1s", "into": two},
    ),
    "rxdag.join_window": (
        rxdag.join_window,
        {"left": keyed(), "right": keyed(), "window": SECOND, "into": two},
    ),
    "rxdag.merge": (rxdag.merge, {"streams": (timed(), timed()), "max_drift": "1s"}),
    "rxdag.merge_sorted": (rxdag.merge_sorted, {"streams": (timed(), timed()), "max_items": 3}),
    "rxdag.run": (
        rxdag.run,
        {
            "what": (plain().to(sinks.null()),),
            "until": "1s",
            "flush": False,
            "on_progress": one,
            "progress_every": "1s",
        },
    ),
    "rxdag.with_latest_from": (rxdag.with_latest_from, {"streams": (plain(), plain())}),
    "rxdag.zip": (rxdag.zip, {"streams": (plain(), plain()), "max_items": 3}),
    "sources.arrow": (sources.arrow, {"data": pa.table({"a": [1]}), "of": None, "tz": "UTC"}),
    "sources.async_iterable": (
        sources.async_iterable,
        {"factory": awaited, "reconnect": None, "silent_after": "1s", "on_reconnect": None, "overflow": "block"}
        | {"max_items": 3, "of": Tick},
    ),
    "sources.callback": (
        sources.callback,
        {"register": one, "max_items": 3, "overflow": "drop_oldest", "delay_error": True, "of": Tick},
    ),
    "sources.observable": (
        sources.observable,
        {
            "obs": reactivex.never(),
            "max_items": 3,
            "overflow": "drop_oldest",
            "delay_error": True,
            "hot": True,
            "of": Tick,
        },
    ),
    "sources.csv": (sources.csv, {"path": "x.csv", "of": Tick, "tz": "UTC", "dialect": sources.Dialect()}),
    "sources.ingress": (sources.ingress, {"max_items": 3, "overflow": "block", "delay_error": True, "of": Tick}),
    "sources.interval": (sources.interval, {"every": "1s", "count": 3}),
    "sources.iterable": (sources.iterable, {"items": [1], "of": int, "blocking": False}),
    "sources.journal": (
        sources.journal,
        {"source": sources.range(3), "path": "j", "durable": "written", "on_full": "stop"}
        | {"retention": sources.Retention(max_age="1d")},
    ),
    "sources.journal_reader": (sources.journal_reader, {"path": "j", "follow": True, "source": "ticks", "of": Tick}),
    "sources.jsonl": (
        sources.jsonl,
        {"path": "x.jsonl", "of": Tick, "tz": "UTC", "strict": False, "records": "", "when": {"a": 1}},
    ),
    "sources.paced": (sources.paced, {"source": sources.range(3), "ts": one, "unit": "ns", "speed": 1.0}),
    "sources.arrow_file": (sources.arrow_file, {"path": "x.arrow", "of": Tick, "tz": "UTC"}),
    "sources.parquet": (sources.parquet, {"path": "x.parquet", "of": Tick, "tz": "UTC"}),
    "sources.postgres": (
        sources.postgres,
        {
            "dsn": "dbname=x",
            "table_or_query": "t",
            "of": Tick,
            "order": ("ts", "id"),
            "settle": "5s",
            "xid": None,
            "follow": True,
            "poll": "1s",
            "reconnect": None,
        },
    ),
    "sources.range": (sources.range, {"bounds": (1, 3)}),
    "sources.reconnecting": (
        sources.reconnecting,
        {"source": sources.range(3), "attempts": 3, "base": "1s", "factor": 2.0, "cap": "1m", "jitter": 0.1}
        | {"on": (ValueError,)},
    ),
    "sources.simulated_quotes": (sources.simulated_quotes, {"seed": 0, "quotes": 3, "speed": 1.0}),
    "sources.simulated_trades": (sources.simulated_trades, {"seed": 0, "trades": 3, "duplicates": 0.1, "speed": 1.0}),
    "sources.then": (
        sources.then,
        {"history": sources.range(3), "live": sources.range(3), "key": one, "overlap": "5s", "time": one, "unit": "s"}
        | {"sequence": None, "consecutive": False, "max_items": 3},
    ),
    "sources.timer": (sources.timer, {"after": "1s"}),
    "sources.websocket": (
        sources.websocket,
        {"url": "ws://x", "subscribe": (), "decode": one, "headers": {}, "open_timeout": "1s", "ping_every": "1s"}
        | {"max_frame_bytes": 3, "reconnect": None, "silent_after": "1s", "on_reconnect": None, "overflow": "block"}
        | {"max_items": 3, "of": None, "strict": True, "records": None, "when": None},
    ),
    "sinks.acall": (sinks.acall, {"fn": awaited}),
    "sinks.arrow": (sinks.arrow, {"schema": None}),
    "sinks.batched": (
        sinks.batched,
        {"target": resource, "max_items": 3, "max_wait": "1s", "timeout": "1s", "on_error": on_error.skip},
    ),
    "sinks.call": (sinks.call, {"fn": one}),
    "sinks.csv": (sinks.csv, {"path": "x.csv", "columns": ("a",)}),
    "sinks.jsonl": (sinks.jsonl, {"path": "x.jsonl"}),
    "sinks.arrow_file": (sinks.arrow_file, {"path": "x.arrow", "schema": None}),
    "sinks.delta": (sinks.delta, {"path": "x", "schema": None, "partition_by": ("a",)}),
    "sinks.parquet": (sinks.parquet, {"path": "x.parquet", "schema": None}),
    "sinks.postgres": (sinks.postgres, {"dsn": "dbname=x", "table": "t", "upsert": ("a",), "patience": "1m"}),
    "sinks.sqlite": (sinks.sqlite, {"path": "x.db", "table": "t", "upsert": ("a",)}),
    "sinks.stdout": (sinks.stdout, {"form": "text"}),
    "windows.count": (windows.count, {"size": 3, "slide": 2}),
    "windows.session": (windows.session, {"gap": "1s"}),
    "windows.sliding": (windows.sliding, {"size": "2s", "slide": "1s", "offset": "0s"}),
    "windows.tumbling": (windows.tumbling, {"size": "1d", "offset": "0s", "tz": "UTC"}),
    "agg.count_distinct": (agg.count_distinct, {"value": "price", "lg_k": 12}),
    "agg.first": (agg.first, {"value": "price"}),
    "agg.fold": (agg.fold, {"initial": 0, "fn": two, "merge": two}),
    "agg.last": (agg.last, {"value": "price"}),
    "agg.max": (agg.max, {"value": "price"}),
    "agg.mean": (agg.mean, {"value": "price"}),
    "agg.min": (agg.min, {"value": "price"}),
    "agg.ohlcv": (agg.ohlcv, {"price": "price", "qty": "qty"}),
    "agg.quantile": (agg.quantile, {"value": "price", "q": 0.5, "relative_accuracy": 0.01}),
    "agg.reduce": (agg.reduce, {"fn": two}),
    "agg.std": (agg.std, {"value": "price", "ddof": 1}),
    "agg.sum": (agg.sum, {"value": "price"}),
    "agg.var": (agg.var, {"value": "price", "ddof": 1}),
    "agg.vwap": (agg.vwap, {"price": "price", "qty": "qty"}),
    "market.book_top": (
        market.book_top,
        {"is_snapshot": one, "sequence": one, "bids": one, "asks": one, "previous": one, "max_pending": 3},
    ),
    "market.volume_bars": (market.volume_bars, {"size": 9.0, "price": "price", "qty": "qty"}),
    "market.dollar_bars": (market.dollar_bars, {"size": 9.0, "price": "price", "qty": "qty"}),
    "market.tick_bars": (market.tick_bars, {"size": 9, "price": "price", "qty": "qty"}),
    "market.range_bars": (market.range_bars, {"size": 9.0, "price": "price", "qty": "qty"}),
    "market.imbalance": (market.imbalance, {"qty": "qty", "sign": "price"}),
    "market.resample_ohlc": (
        market.resample_ohlc,
        {"ticks": keyed(), "size": "1s", "price": "price", "qty": "qty", "gap": "skip", "offset": "0s"},
    ),
    "market.rollup": (
        market.rollup,
        {"bars": panes(), "size": "1m", "offset": "0s", "tz": None, "allowed_lateness": "1s"},
    ),
    "market.tick_rule": (market.tick_rule, {"price": "price", "into": two}),
    "market.twap": (market.twap, {"price": "price"}),
    "on_error.retry": (
        on_error.retry,
        {"attempts": 3, "base": "1s", "factor": 2.0, "cap": "1m", "jitter": 0.1, "on": (ValueError,)}
        | {"then": on_error.skip},
    ),
    "Backoff": (
        sources.Backoff,
        {"base": "1s", "factor": 2.0, "cap": "1m", "jitter": 0.1, "attempts": 3, "reset_after": "1s"},
    ),
    "Dialect": (
        sources.Dialect,
        {"delimiter": ";", "quote": None, "skip_lines": 1, "comment": "#", "trailer": "END", "decimal": ","},
    ),
    "Retention": (sources.Retention, {"max_age": "1d", "max_bytes": 1 << 30, "until_checkpointed": True}),
    "stream.buffered": (
        rxdag.Stream.buffered,
        {"self": plain(), "max_items": 3, "max_bytes": 3, "size_of": one, "overflow": "block"},
    ),
}
"""What is no operator."""

PASSES_ON = {"market.resample_ohlc", "market.rollup", "rxdag.from_source"}
"""Those whose arguments are refused by what they give them to: a window, or the node."""
NAN = float("nan")
BAD: dict[str, list[Any]] = {
    "Duration": ["nonsense", "1 parsec", "", "s", True, NAN, b"1s", object(), [1], np.timedelta64("NaT")],
    "int": [1.5, "3", True, NAN, object(), [1], np.float64(2), timedelta(1)],
    "float": ["3", True, NAN, object(), [1], 1j],
    "bool": ["no", 2, object(), [], "False"],
    "Literal": ["nonsense", "", 3, object(), [], True],
    "str": [3, object(), b"x", True],
    "callable": [3, object(), [1], True],
    "stream": [3, "plain", object(), one],
    "type": [3, "Tick", object(), one],
    "exceptions": [3, (3,), "ValueError", (ValueError, "x"), object()],
    "path": [3, object(), True, None],
    "OnError": ["deaf", 3, object(), ValueError],
    "Dialect": [";", 3, object(), sources.Dialect],
}
"""What no argument of a kind can be."""


def kind_of(annotation: str) -> tuple[str | None, bool]:
    """Return the kind of an annotation, and if None is allowed."""
    optional = "None" in annotation
    for mark, kind in (
        ("tuple[type[Exception]", "exceptions"),
        ("Duration | int", "Duration"),
        ("Duration", "Duration"),
        ("Literal", "Literal"),
        ("Overflow", "Literal"),
        ("Strategy", "Literal"),
        ("Closed", "Literal"),
        ("Hash'", "Literal"),
        ("Format", "Literal"),
        ("Gap", "Literal"),
        ("PathLike", "path"),
        ("tzinfo", "Literal"),
        ("ZoneInfo", "Literal"),
        ("OnError", "OnError"),
        ("Dialect", "Dialect"),
        ("Field[", "callable"),
        ("Callable[[", "callable"),
        ("Stream[", "stream"),
        ("type[", "type"),
        ("bool", "bool"),
        ("int", "int"),
        ("float", "float"),
        ("str", "str"),
    ):
        if mark in annotation + "'":
            return kind, optional
    return None, optional


def calls() -> list[tuple[str, str, Any, str, Any]]:
    """Return each (function, argument, bad value) there is."""
    out = []
    table = {f"ops.{name}": (getattr(ops, name), args) for name, (_, args) in OPERATORS.items()} | OTHERS
    for name, (fn, given) in table.items():
        for parameter in inspect.signature(fn).parameters.values():
            if parameter.name not in given:
                continue
            kind, optional = kind_of(str(parameter.annotation))
            if kind is None:
                continue
            bad = [value for value in BAD[kind] if value is not None or not optional]
            if not optional and kind not in ("path",):
                bad.append(None)
            out += [(name, parameter.name, value, kind, fn) for value in bad]
    return out


def call(fn: Any, given: dict[str, Any]) -> Any:
    """Call a function, each argument in its way."""
    args, named = [], {}
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.name not in given:
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            value = given[parameter.name]
            args += value if isinstance(value, tuple) else [value]
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named |= given[parameter.name]
        elif parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
            args.append(given[parameter.name])
        else:
            named[parameter.name] = given[parameter.name]
    return fn(*args, **named)


def make(name: str, given: dict[str, Any]) -> None:
    """Make what a function makes, as far as compiling, without running anything."""
    if name in OTHERS:
        made = call(OTHERS[name][0], given)
        if isinstance(made, agg.Aggregate):
            rxdag.compile(rxdag.Dag(timed().pipe(ops.window_all(SECOND, made)).to(sinks.null())))
        return
    before = OPERATORS[name.removeprefix("ops.")][0]
    made = before().pipe(call(getattr(ops, name.removeprefix("ops.")), given))
    if isinstance(made, rxdag.Stream):
        rxdag.compile(rxdag.Dag(made.to(sinks.null())))


def given_to(name: str) -> dict[str, Any]:
    """Return what a function is called with."""
    return (OPERATORS[name.removeprefix("ops.")] if name.startswith("ops.") else OTHERS[name])[1]


def exported() -> set[str]:
    """Return the functions that the rooms of the package export and that take anything but numbers and texts of the data."""
    rooms = {"ops": ops, "sources": sources, "sinks": sinks, "windows": windows, "agg": agg}
    names = {
        f"{room}.{name}"
        for room, module in rooms.items()
        for name in module.__all__
        if inspect.isfunction(getattr(module, name)) and inspect.signature(getattr(module, name)).parameters
    }
    return {name for name in names if not hasattr(rxdag, name.partition(".")[2])}


def test_every_exported_function_is_here():
    elsewhere = {"sources.arrays", "sources.live", "sinks.fields_of", "agg.named"}  # of any values, or not for users
    assert exported() - elsewhere <= {f"ops.{name}" for name in OPERATORS} | set(OTHERS)


@pytest.mark.parametrize("name", [*(f"ops.{name}" for name in OPERATORS), *OTHERS])
def test_the_call_that_is_varied_is_right(name):
    if name == "rxdag.run":
        rxdag.run(plain().to(sinks.null()))
    else:
        make(name, given_to(name))


@pytest.mark.parametrize(("name", "argument"), sorted({(name, argument) for name, argument, *_ in calls()}))
def test_what_an_argument_cannot_be_is_refused_by_its_name(name, argument):
    for each, its, value, *_ in calls():
        if (each, its) != (name, argument):
            continue
        with pytest.raises(RxDagError) as caught:
            make(name, {**given_to(name), argument: value})
        said = str(caught.value)
        assert argument in said or ": takes" in said or "must be given a name" in said, f"{value!r}: {said}"
        assert name.rpartition(".")[2] in said or name in PASSES_ON, f"{value!r}: {said}"
        assert "got" in said, f"{value!r}: {said}"


@pytest.mark.parametrize("n", [np.int64(3), np.uint8(3)])
def test_whole_numbers_of_numpy_are_whole_numbers(n):
    assert rxdag.from_source(sources.range(9)).pipe(ops.take(n)).collect() == [0, 1, 2]
    assert ops.flat_map(one, concurrency=n)
    assert windows.count(n)
