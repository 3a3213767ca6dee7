"""Backpressure: what subscribers, queues and gates see, in virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources, testing
from rxdag.errors import BufferOverflow, GraphError, RxDagError


class _Boom(Exception):
    pass


class Watcher:
    """A subscriber that asks when it is told to."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.subscription: Any = None

    def on_subscribe(self, subscription: Any) -> None:
        self.subscription = subscription

    def on_next(self, item: Any) -> None:
        self.got.append(item)

    def on_error(self, error: Exception) -> None:
        pass

    def on_complete(self) -> None:
        pass


def spread(value: Any) -> Any:
    """The same with "a..b" in lists as all the numbers from a to b."""
    if isinstance(value, dict):
        return {key: spread(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    return [each for inner in value for each in (_range(inner) if _is_range(inner) else [spread(inner)])]


def _is_range(value: Any) -> bool:
    return isinstance(value, str) and all(part.lstrip("-").isdigit() for part in value.split("..")) and ".." in value


def _range(text: str) -> list[int]:
    first, last = map(int, text.split(".."))
    return list(range(first, last + 1))


def run(given: dict[str, Any]) -> dict[str, Any] | None:
    """Run a case of backpressure."""
    stage = STAGES.get(given["stage"])
    return None if stage is None else stage(given)


def _cold_range(given: dict[str, Any]) -> dict[str, Any]:
    stream = rxdag.from_source(sources.range(given["start"], given["start"] + given["count"]))
    return _watched(stream, given["steps"], None)


def _buffer(given: dict[str, Any]) -> dict[str, Any]:
    feed: Any = sources.ingress()
    policy = given["on_overflow"]
    try:
        stream = rxdag.from_source(feed, name="feed").buffered(
            max_items=given["capacity"],
            overflow=policy,
            **({"delay_error": given["delay_error"]} if policy == "error" else {}),
        )
    except GraphError as error:
        return {"raises": "ValueError" if isinstance(error, ValueError) else type(error).__name__}
    return _watched(stream, given["steps"], feed)


def _watched(stream: rxdag.Stream[Any], steps: list[Any], feed: Any) -> dict[str, Any]:
    """What is seen of a stream with one subscriber."""
    run = testing.start(stream.to(sinks.publisher(), name="out"))
    trace = testing.trace(run)
    watcher = Watcher()
    run.publisher("out").subscribe(watcher)
    for act in _acts(steps, {"": watcher}, feed):
        run.settle()
        with contextlib.suppress(RxDagError):  # a push that finds the feed ended: the trace has it
            act()
        run.settle()
    signals = [[kind] if value is None else [kind, _word(value)] for kind, value in trace.signals("feed", "out")]
    ends = [signal for signal in signals if signal[0] in ("complete", "error")]
    result = run.finish()
    assert result.problems == (), result.problems
    return {
        "signals": signals,
        "end": ends[0] if len(ends) == 1 else "open",
        **{
            kind: [value for k, *rest in signals if k == kind for value in rest]
            for kind in ("next", "dropped", "ignored")
        },
    }


def _acts(steps: list[Any], watchers: dict[str, Watcher], feed: Any) -> Iterator[Callable[[], object]]:
    """Each single thing to do."""
    for what, *args in steps:
        if what == "emit":
            yield from (lambda item=item: feed.offer(item) for item in args[0])
        elif what == "complete":
            yield feed.complete
        elif what == "error":
            yield lambda: feed.fail(_Boom("boom"))
        else:
            name = args.pop(0) if args and isinstance(args[0], str) else ""
            if what == "cancel":
                yield watchers[name].subscription.cancel
            elif what == "request":
                yield lambda name=name, n=args[0]: watchers[name].subscription.request(n)


def _word(value: Any) -> Any:
    if isinstance(value, BufferOverflow):
        return "Overflow"
    if isinstance(value, GraphError):
        return "IllegalArgument"
    if isinstance(value, Exception):
        return str(value.__cause__ or value)
    return value


def _operator(op: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """One operator behind a range, with one subscriber."""

    def outcome(given: dict[str, Any]) -> dict[str, Any]:
        watchers = {"": Watcher()}
        stream = rxdag.from_source(sources.iterable(_range(given["source"])), name="in").pipe(op(given))
        run = testing.start(stream.to(sinks.publisher(), name="out"))
        trace = testing.trace(run)
        run.publisher("out").subscribe(watchers[""])
        for act in _acts(given["steps"], watchers, None):
            run.settle()
            act()
            run.settle()
        pulled = run.stats().nodes["in"].made
        assert run.finish().problems == ()
        return {
            "upstream_requests": trace.requests("in"),
            "delivered": watchers[""].got,
            "pulled_from_source": pulled,
        }

    return outcome


def _multicast(given: dict[str, Any]) -> dict[str, Any]:
    source = rxdag.from_source(sources.iterable(_range(given["source"])), name="in")
    run = testing.start(source.to(sinks.publisher(), name="out"))
    watchers: dict[str, Watcher] = {}

    def join(name: str) -> None:
        watchers[name] = Watcher()
        run.publisher("out").subscribe(watchers[name])

    for name in given["subscribers"]:
        join(name)
    for step in given["steps"]:
        run.settle()
        if step[0] == "join":
            join(step[1])
        else:
            for act in _acts([step], watchers, None):
                act()
        run.settle()
    pulled = run.stats().nodes["in"].made
    assert run.finish().problems == ()
    return {"got": {name: watcher.got for name, watcher in watchers.items()}, "pulled": pulled}


def _router(given: dict[str, Any]) -> dict[str, Any]:
    routes = {name: (lambda item, name=name: item[0] == name) for name in given["routes"]}
    routed = rxdag.from_source(sources.iterable(given["items"])).pipe(ops.route(routes))
    run = testing.start(*(routed[name].to(sinks.publisher(), name=name) for name in routes))
    watchers = {name: Watcher() for name in routes}
    for name, watcher in watchers.items():
        run.publisher(name).subscribe(watcher)
    for act in _acts(given["steps"], watchers, None):
        run.settle()
        act()
        run.settle()
    out = {name: [item[1] for item in watcher.got] for name, watcher in watchers.items()}
    assert run.finish().problems == ()
    return {"out": out, "stuck": [n for route, n in given["items"] if n not in out[route]]}


STAGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "cold_range": _cold_range,
    "buffer": _buffer,
    "take": _operator(lambda given: ops.take(given["n"])),
    "filter": _operator(lambda given: ops.filter(eval(f"lambda x: {given['predicate']}"))),
    "multicast_lockstep": _multicast,
    "router_unbuffered": _router,
}
