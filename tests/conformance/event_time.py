"""Event time: windows over items and watermarks as a source gives them, and the watermarks that event_time makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, testing, windows
from rxdag.contract import IDLE, MAX, MIN, Shape
from rxdag.sources import END, Chunk, Reader
from rxdag.testing import settle_virtual, virtual

DRAIN_NS = 10**9


class _Reader(Reader):
    """One step a read; remembers the watermark that it gave last."""

    def __init__(self, script: Script) -> None:
        self._left = list(script.steps)
        self._script = script

    def read(self, max_items: int) -> Any:
        if not self._left:
            if self._script.stays_open:
                return None
            self._script.mark.append("MAX")
            return END
        step = self._left.pop(0)
        if step[0] == "W":
            self._script.mark.append(max(step[1], *(m for m in self._script.mark if isinstance(m, int))))
            return Chunk([], marks=((0, step[1]),))
        if step[0] == "IDLE":
            return Chunk([], marks=((0, IDLE),))
        _, key, ts, value = step
        return Chunk([(key, ts, value)], [ts], [0])


@dataclass(frozen=True)
class Script(rxdag.Source[Any]):
    """Items and watermarks, one after the other."""

    steps: tuple[Any, ...]
    stays_open: bool
    mark: list[Any]
    shape = Shape(timed=True)

    def open(self, context: Any) -> Reader:
        return _Reader(self)


def assigner(window: dict[str, Any]) -> Any:
    """The windows of a case; None for a kind that is not known."""
    if window["type"] == "tumbling":
        return windows.tumbling(_ns(window["size"]), offset=_ns(window.get("offset", 0)))
    if window["type"] == "sliding":
        return windows.sliding(_ns(window["size"]), _ns(window["slide"]), offset=_ns(window.get("offset", 0)))
    if window["type"] == "count":
        return windows.count(window["size"], slide=window.get("slide"))
    return windows.session(_ns(window["gap"])) if window["type"] == "session" else None


def _ns(n: int) -> str:
    return f"{n}ns"


def run(given: dict[str, Any]) -> dict[str, Any] | None:
    """Run a case of event time."""
    if "bound" in given:
        return _watermarks(given)
    if "inputs" in given:
        return _several_inputs(given)
    if "wait_s" in given:
        return _by_the_clock(given)
    if "window" not in given:
        return None
    try:
        made = assigner(given["window"])
    except ValueError as error:
        return {"error": "ValueError" if isinstance(error, rxdag.GraphError) else type(error).__name__}
    if made is None:
        return None
    if "ts" in given:
        return {"windows": [list(window) for window in made.assign(given["ts"])]}
    return _panes(given, made)


def _panes(given: dict[str, Any], made: Any) -> dict[str, Any]:
    then = given.get("then") or ""
    script = Script(tuple(map(tuple, given["ops"])), not then.startswith("end"), [-(1 << 63)])
    panes: list[dict[str, Any]] = []

    def note(pane: Any) -> Any:
        values = [value for _, _, value in pane.value]
        panes.append(
            {
                "key": pane.key,
                "start": pane.start,
                "end": pane.end,
                "values": values,
                "watermark": script.mark[-1],
                "revision": pane.revision,
                "closed_by": pane.closed_by,
            }
        )
        return pane

    lateness = _ns(given.get("allowed_lateness", 0))
    out = (
        rxdag.from_source(script)
        .pipe(ops.key_by(lambda item: item[0]))
        .pipe(ops.window(made, agg.collect(), into=note, allowed_lateness=lateness), name="window")
    )
    kept, late = out.to(sinks.collect()), out.late.to(sinks.collect())
    execution = virtual(rxdag.compile(rxdag.Dag(kept, late)))
    if script.stays_open:
        execution.main.at(DRAIN_NS, lambda: execution.drain(flush=then == "drain flush"))
    result = settle_virtual(execution)
    if result.error is not None or result.problems:
        return {"error": repr(result.error or result.problems)}
    node = result.stats.nodes["window"]
    is_timed = made.counts is None
    unassigned = [list(step[1:]) for step in given["ops"] if step[0] == "E" and is_timed and not made.assign(step[2])]
    assert node.unassigned == len(unassigned)
    return {
        "panes": panes,
        "late": [list(item) for item in result[late]],
        "held": node.held,
        "unassigned": unassigned,
    }


def _watermarks(given: dict[str, Any]) -> dict[str, Any]:
    """The watermark after each of the items."""
    by = (lambda item: item[0]) if "by" in given else None
    items = [item if isinstance(item, list) else [None, item] for item in given["timestamps"]]
    timed = rxdag.from_source(testing.manual(), name="in").pipe(
        ops.event_time(lambda item: item[1], out_of_order=_ns(given["bound"]), by=by), name="timed"
    )
    run = testing.start(timed.to(sinks.collect()))
    after = list[int]()
    for item in items:
        run.inputs["in"].push(item)
        run.settle()
        after.append(run.stats().watermarks["timed"])
    assert run.finish().problems == ()
    return {"watermark_after_each": after}


def _several_inputs(given: dict[str, Any]) -> dict[str, Any]:
    """What comes out of a merge of sources that give watermarks, and say when they are idle."""
    names = [f"in{i}" for i in range(given["inputs"])]
    streams = [
        rxdag.from_source(testing.manual(timed=True), name=name).pipe(
            ops.event_time(lambda item: item[1], watermarks="source")
        )
        for name in names
    ]
    run = testing.start(rxdag.merge(*streams).named("merged").to(sinks.collect()))
    trace = testing.trace(run)
    for step in given["ops"]:
        input, _, what = step.partition(":")
        kind, *args = what.split()
        entry = run.inputs[names[int(input)]]
        if kind == "E":
            entry.push((args[0], int(args[1]), args[2]), ts=int(args[1]))
        elif kind == "W":
            entry.watermark(int(args[0]))
        else:
            entry.idle()
        run.settle()
    seen = [list(mark) for mark in trace.watermarks("merged")]
    assert run.finish().problems == ()
    return {"downstream": seen}


def _by_the_clock(given: dict[str, Any]) -> dict[str, Any]:
    """Watermarks that go on with the clock, in seconds."""
    timed = rxdag.from_source(testing.manual(), name="in").pipe(
        ops.event_time(lambda item: item, unit="s", out_of_order=f"{given['wait_s']}s", advance="clock"), name="timed"
    )
    run = testing.start(timed.to(sinks.collect()))
    trace = testing.trace(run)
    seen = list[Any]()
    for kind, *args in given["ops"]:
        if kind == "item":
            run.inputs["in"].push(args[0])
        elif kind == "advance":
            run.advance(f"{args[0]}s")
        elif kind == "eof":
            run.inputs["in"].complete()
        run.settle()
        marks = trace.watermarks("timed")
        seen.append(_in_seconds(marks[-1][1] if marks else MIN))
    return {"watermark": seen[-1], "watermarks": seen}


def _in_seconds(mark: int) -> Any:
    if mark == MIN:
        return "MIN"
    return "MAX" if mark >= MAX else -(-mark // 10**9)
