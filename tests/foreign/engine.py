"""Run programs of the corpus on the engine, with several kinds of sources."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import on_error, sinks, sources, testing
from tests.foreign.reference import Failure

POLICIES = {"raise_": on_error.raise_, "skip": on_error.skip, "dead": on_error.dead}


def compiled(*kept):
    """Compile some sinks. This is the only place that chooses the form of the engine."""
    return rxdag.compile(rxdag.Dag(*kept))


# ---- the ways in which items come


def in_chunks(n):
    return lambda items: rxdag.from_source(testing.Chunked(tuple(items[i : i + n] for i in range(0, len(items), n))))


def of_list(items):
    return rxdag.from_source(sources.iterable(list(items)))


def of_generator(items):
    return rxdag.from_source(sources.iterable(item for item in items))


def of_coroutine(items):
    async def give():
        for item in items:
            yield item

    return rxdag.from_source(sources.async_iterable(give))


def through_a_gate(items):
    return of_list(items).buffered(max_items=2)


def over_a_thread(items):
    return of_list(items).buffered(max_items=3).on("foreign")


WAYS = {
    "list": of_list,
    "generator": of_generator,
    "coroutine": of_coroutine,
    "singles": in_chunks(1),
    "threes": in_chunks(3),
    "gate": through_a_gate,
    "thread": over_a_thread,
}


# ---- runs


@dataclass
class Ran:
    """The result of a run: outputs by port, ledgers by node, and the failure."""

    ports: dict[str, list[Any]]
    ledgers: dict[str, Any]
    failure: Failure | None
    problems: tuple[str, ...]


def run(entry, way, items, *, policy="raise_", is_forked=False):
    """Run a program on the engine's own threads; `is_forked` adds a second reader to the source."""
    steps, stream = entry.steps(), WAYS[way](items)
    beside = [stream.to(sinks.null(), name="beside")] if is_forked else []
    plan = compiled(*ports_of(steps, stream, policy), *beside)
    entry.between()
    started = rxdag.start(plan)
    with contextlib.suppress(rxdag.NodeError):  # it is in the result
        started.wait()
    return ran(started.result, steps)


def run_virtual(entry, items, *, policy="raise_"):
    """Run a program in virtual time; items with times arrive at those times."""
    steps = entry.steps()
    if entry.times is None:
        stream = of_list(items)
    else:
        timeline = testing.timeline(*((f"{at}ns", item) for at, item in zip(entry.times, items, strict=True)))
        stream = rxdag.from_source(timeline)
    plan = compiled(*ports_of(steps, stream, policy))
    entry.between()
    return ran(testing.settle_virtual(testing.virtual(plan)), steps)


def ports_of(steps, stream, policy):
    """Attach the chain to a stream and return one sink for each port that is read."""
    kept = []
    for step in steps:
        chosen = POLICIES[policy] if "dead" in step.ports else on_error.raise_
        stream = stream.pipe(step.operator, name=step.name, on_error=chosen)
        for port in step.ports:
            kept.append(port_of(stream, port, step).to(sinks.collect(), name=f"port.{port}"))
    if not steps[-1].is_routed:
        kept.append(stream.to(sinks.collect(), name="port.out"))
    return kept


def port_of(stream, port, step):
    if not step.is_routed:
        return stream.side(port)
    return getattr(stream, port) if port in ("dead", "unrouted") else stream[port]


def ran(result, steps):
    outputs = {name: result[name] for name in result.dag.sinks if name.startswith("port.")}
    ports = {name.removeprefix("port."): [buried(item) for item in items] for name, items in outputs.items()}
    ledgers = {step.name: result.stats.nodes[step.name] for step in steps}
    return Ran(ports, ledgers, failure(result.error), result.problems)


def buried(item):
    """Convert a dead letter to the form of the reference."""
    return (item.node, item.item, repr(item.error)) if isinstance(item, rxdag.DeadLetter) else item


def failure(error):
    return None if error is None else Failure(error.node, error.item, error.__cause__)


def books(ledger):
    """Return the nonzero counts of a ledger, named as in the reference."""
    names = ("passed", "made", "filtered", "absorbed", "late", "dead", "unassigned", "unrouted", "failed")
    counts = {name: getattr(ledger, name) for name in names}
    counts |= {f"dropped ({reason})": n for reason, n in ledger.dropped.items()}
    return {name: n for name, n in counts.items() if n}
