"""Operators of items: routes, dedupe, and those of ReactiveX that need no clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reactivex import operators as rx

import rxdag
from rxdag import on_error, sinks, sources, testing
from rxdag import operators as ops
from rxdag.testing import Timeline, settle_virtual, virtual

MS = 1_000_000


def route(given: dict[str, Any]) -> dict[str, Any] | None:
    """A router: items, routes in order, a default."""
    args = given["args"]
    multi = bool(len(args) > 3 and args[3])
    numbers, routes, default = args[0], args[1], args[2] if len(args) > 2 else None
    predicates = {name: _predicate(text) for name, text in routes}
    policy = on_error.dead if given.get("on_error") == "dead" else on_error.raise_
    routed = rxdag.from_source(sources.iterable(numbers)).pipe(
        ops.route(predicates, default=default, multi=multi), on_error=policy, name="router"
    )
    names = [*predicates, *([default] if default else [])]
    outs = {name: routed[name].to(sinks.collect(), name=f"to.{name}") for name in names}
    dead = routed.dead.to(sinks.collect(), name="dead")
    result = rxdag.run(*outs.values(), dead)
    routes_got = {name: result[sink] for name, sink in outs.items() if result[sink]}
    taken = [item for got in routes_got.values() for item in got]
    letters = [[letter.item, type(letter.error).__name__] for letter in result[dead]]
    left = [n for n in numbers if n not in taken and n not in [item for item, _ in letters]]
    assert len(left) == result.stats.nodes["router"].unrouted
    return {"routes": routes_got, "dead_letter": letters, "unrouted": left}


def _predicate(text: str) -> Callable[[Any], Any]:
    fn: Callable[[Any], Any] = eval(f"lambda x: {text}")
    return fn


def dedupe(given: dict[str, Any]) -> dict[str, Any]:
    """Events of (ts, id), within, and a cap."""
    events, within, *rest = given["args"]
    timed = rxdag.from_source(sources.iterable(events)).pipe(
        ops.event_time(lambda event: event[0], out_of_order="1000000ns")
    )
    max_keys = rest[0] if rest else None
    operator = ops.dedupe(lambda event: event[1], within=None if within is None else f"{within}ns", max_keys=max_keys)
    return {"result": timed.pipe(operator).collect()}


@dataclass(frozen=True)
class Watched(rxdag.Source[Any]):
    """A source that notes when it is opened and closed."""

    source: rxdag.Source[Any]
    spans: list[Any]

    def open(self, context: Any) -> Any:
        reader = self.source.open(context)
        close = reader.close
        span = [context.clock.now(), -1]
        self.spans.append(span)

        def note() -> None:
            span[1] = context.clock.now()
            close()

        reader.close = note
        return reader


OPERATORS: dict[str, Callable[[list[str]], Any]] = {
    "distinct": lambda _: ops.dedupe(lambda x: x, max_keys=10**6),
    "duc": lambda _: ops.distinct_until_changed(),
    "debounce": lambda args: ops.debounce(f"{args[0]}ms"),
    "throttle_first": lambda args: ops.throttle_first(f"{args[0]}ms"),
    "sample": lambda args: ops.sample(f"{args[0]}ms"),
    "timeout": lambda args: ops.timeout(f"{args[0]}ms"),
    "delay": lambda args: ops.delay(f"{args[0]}ms"),
    "buffer_count": lambda args: ops.batch(int(args[0]), skip=int(args[-1])),
    "buffer_time": lambda args: ops.batch(max_wait=f"{args[0]}ms", emit_empty=True),
    "buffer_tc": lambda args: ops.batch(int(args[1]), max_wait=f"{args[0]}ms", emit_empty=True),
    "take": lambda args: ops.take(int(args[0])),
    "scan": lambda _: ops.scan(0, lambda total, x: total + x),
    "map_raise": lambda _: ops.map(_raise_on_0),
}


def partition(given: dict[str, Any]) -> dict[str, Any]:
    """Keys, and into how many parts."""
    keys, n = given["args"]
    parts = rxdag.from_source(sources.iterable(keys)).pipe(ops.partition(n, lambda key: key))
    outs = [parts[str(i)].to(sinks.collect(), name=f"part{i}") for i in range(n)]
    result = rxdag.run(*outs)
    return {key: i for i, out in enumerate(outs) for key in result[out]}


def throttle(given: dict[str, Any]) -> dict[str, Any]:
    """Arrivals in ms, a rate a second, a burst, and what becomes of the others."""
    arrivals, rate, burst, mode = given["args"]
    source: Any = Timeline(tuple((at * MS, (i, at)) for i, at in enumerate(arrivals)), arrivals[-1] * MS)
    stream = rxdag.from_source(source).pipe(ops.throttle(rate, burst=burst, mode=mode))
    left: dict[int, int] = {}
    execution: Any = None

    def note(item: Any) -> None:
        left[item[0]] = execution.clock.now() // MS

    execution = virtual(rxdag.compile(rxdag.Dag(stream.to(sinks.call(note)))))
    settle_virtual(execution)
    if mode == "drop":
        return {"result": [[at, "pass" if i in left else "drop"] for i, at in enumerate(arrivals)]}
    return {"result": [[at, left[i]] for i, at in enumerate(arrivals)]}


class _Boom(Exception):
    pass


def _raise_on_0(x: Any) -> Any:
    if x == 0:
        raise _Boom("boom")
    return x


FAN_INS: dict[str, Callable[..., Any]] = {
    "zip": rxdag.zip,
    "combine_latest": rxdag.combine_latest,
    "merge": rxdag.merge,
    "wlf": rxdag.with_latest_from,
    "concat": rxdag.concat,
}


def _window_count(args: list[str]) -> Any:
    """Windows as observables, their items labelled inside the same call."""
    windows = itertools.count()

    def labelled(window: Any) -> Any:
        n = next(windows)
        return window.pipe(rx.materialize(), rx.map(lambda note: f"w{n}:{note.kind}{_value(note)}"))

    return lambda source: source.pipe(rx.window_with_count(int(args[0])), rx.flat_map(labelled))


def _value(note: Any) -> Any:
    return note.value if note.kind == "N" else ""


def _group_by(args: list[str]) -> Any:
    def labelled(group: Any) -> Any:
        return group.pipe(rx.materialize(), rx.map(lambda note: f"{group.key}:{note.kind}{_value(note)}"))

    return lambda source: source.pipe(rx.group_by(lambda x: x % 2), rx.flat_map(labelled))


FOREIGN: dict[str, Callable[[list[str]], Any]] = {"window_count": _window_count, "group_by": _group_by}


def _moments(recorded: list[Any]) -> list[tuple[Any, ...]]:
    return [(kind, at, _Boom("boom")) if kind == "e" else (kind, at, *value) for kind, at, *value in recorded]


def _filled(recorded: list[Any], x: Any) -> list[tuple[Any, ...]]:
    """The moments of an inner stream, made of an item of the outer one."""
    made = _moments(recorded)
    return [(kind, at, *(v.format(x=x) if isinstance(v, str) else v for v in value)) for kind, at, *value in made]


def operator(given: dict[str, Any]) -> dict[str, Any] | None:
    """One operator behind recordings, in virtual time."""
    name, *args = given["op"].split(":")
    hot = given.get("temperature", "hot") != "cold"
    recordings: list[rxdag.Source[Any]] = [testing.recording(_moments(each), hot=hot) for each in given["sources"]]
    spans: list[list[Any]] = [[] for _ in recordings]
    watched: list[rxdag.Source[Any]] = [Watched(r, span) for r, span in zip(recordings, spans, strict=True)]
    streams = [rxdag.from_source(source) for source in watched]
    stream: Any = None
    if name == "retry":
        again = sources.reconnecting(watched[0], attempts=int(args[0]), base="0s", jitter=0)
        stream = rxdag.from_source(again)
    elif name == "switch_map":
        inner = given["inner"]
        stream = streams[0].pipe(ops.switch_map(lambda x: testing.recording(_filled(inner, x), hot=False)))
    elif name in FAN_INS:
        stream = FAN_INS[name](*streams)
    elif given.get("through") == "rx" and name in FOREIGN:
        stream = streams[0].rx(FOREIGN[name](args))
    elif name in OPERATORS:
        made = OPERATORS[name](args)
        stream = None if made is None else streams[0].pipe(made)
    if stream is None:
        return None
    out: list[list[Any]] = []
    run: Any = None

    def note(x: Any) -> None:
        out.append(["n", run.now // MS, x])

    run = testing.start(stream.to(sinks.call(note)))
    result = run.finish()
    assert result.problems == (), result.problems
    at = run.now // MS
    if result.error is None:
        out.append(["c", at])
    else:
        cause = result.error.__cause__
        out.append(["e", at, str(cause) if isinstance(cause, _Boom) else type(cause).__name__])
    return {"out": out, "subscriptions": [[[a // MS, b // MS] for a, b in span] for span in spans]}


def retry(given: dict[str, Any]) -> dict[str, Any]:
    """Items that fail so often, and attempts in all; or attempts, base, factor, cap, and the delays between them."""
    args = given["args"]
    if isinstance(args[0], int):
        return {"result": _delays(*args)}
    items, failures, attempts = args
    calls: dict[Any, int] = {}

    def flaky(item: Any) -> Any:
        calls[item] = calls.get(item, 0) + 1
        most = failures.get(item, 0)
        if most == "always" or calls[item] <= most:
            raise _Boom("boom")
        return item

    then = on_error.dead if given.get("on_error") == "dead" else on_error.raise_
    stream = rxdag.from_source(sources.iterable(items)).pipe(
        ops.map(flaky), on_error=on_error.retry(attempts, then=then)
    )
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = testing.start(out, dead).finish()
    assert result.problems == ()
    letters = [{"item": letter.item, "attempts": letter.attempts} for letter in result[dead]]
    return {"out": result[out], "dead_letter": letters, "calls": sum(calls.values())}


def _delays(attempts: int, base: int, factor: float, cap: int) -> list[int]:
    run: Any = None
    at: list[int] = []

    def fails(item: Any) -> Any:
        at.append(run.now // MS)
        raise _Boom("boom")

    policy = on_error.retry(attempts, base=f"{base}ms", factor=factor, cap=f"{cap}ms", then=on_error.skip)
    stream = rxdag.from_source(sources.iterable([1])).pipe(ops.map(fails), on_error=policy)
    run = testing.start(stream.to(sinks.collect()))
    assert run.finish().problems == ()
    return [later - earlier for earlier, later in itertools.pairwise(at)]
