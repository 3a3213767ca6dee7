"""Market data: bars of ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import rxdag
from rxdag import aggregates as agg
from rxdag import market, on_error, sinks, testing, windows
from rxdag import operators as ops
from rxdag.testing import settle_virtual, virtual
from tests.conformance.event_time import Script


def run(given: dict[str, Any]) -> dict[str, Any] | None:
    """Run a case of market data; None for what there is no operator for yet."""
    if "left" in given or ("ops" in given and given.get("hold_until_watermark") is not None):
        return _asof(given)
    if "push_mode" in given:
        return _bursts(given)
    if "days" in given:
        return _days(given)
    if "size" not in given:
        return None
    if "ops" in given:
        return _revised(given)
    return _bars(given) if "ticks" in given else None


def _number(value: Any) -> Any:
    return float(value) if value in ("NaN", "inf", "-inf") else value


def _made(stream: Any, given: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Bars, ticks that were refused, and ticks that were late, of a timed stream of ticks."""
    size = windows.tumbling(f"{given['size']}ns", offset=f"{given.get('offset', 0)}ns")
    keyed = stream.pipe(ops.key_by(lambda tick: "all"))
    if "fill" in given:
        price, qty = lambda tick: _number(tick[2]), lambda tick: _number(tick[3])
        filled = market.resample_ohlc(keyed, f"{given['size']}ns", price, qty, gap=given["fill"])
        if "rollup" in given:
            filled = market.rollup(filled, f"{given['rollup']}ns")
        return filled.to(sinks.collect()), None, None
    bars = keyed.pipe(
        ops.window(
            size,
            agg.ohlcv(lambda tick: _number(tick[2]), lambda tick: _number(tick[3])),
            allowed_lateness=f"{given.get('allowed_lateness', 0)}ns",
        )
    )
    return bars.to(sinks.collect()), bars.dead.to(sinks.collect()), bars.late.to(sinks.collect())


def _bar(pane: Any) -> dict[str, Any]:
    bar = pane.value
    return {
        "start": pane.start,
        "end": pane.end,
        "revision": pane.revision,
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": bar.volume,
        "n": bar.count,
        "vwap": bar.vwap,
        "filled": bar.count == 0,
    }


def _bars(given: dict[str, Any]) -> dict[str, Any]:
    ticks = given["ticks"]
    if "until" in given:
        steps = [*(("E", None, tick[0], tuple(tick)) for tick in ticks), ("W", given["until"])]
        source = rxdag.from_source(Script(tuple(steps), False, [-(1 << 63)])).pipe(ops.map(lambda item: item[2]))
        return _outcome(*_made(source, given))
    has_sequence = all(tick[1] is not None for tick in ticks)
    timed = rxdag.from_source(rxdag.sources.iterable(ticks)).pipe(
        ops.event_time(
            lambda tick: tick[0],
            sequence=(lambda tick: tick[1]) if has_sequence else None,
            out_of_order="1000000000000ns",
        )
    )
    return _outcome(*_made(timed, given))


def _outcome(out: Any, dead: Any, late: Any) -> dict[str, Any]:
    result = rxdag.run(*(sink for sink in (out, dead, late) if sink is not None))
    assert late is None or result[late] == []
    rejected = [] if dead is None else [letter.item for letter in result[dead]]
    bars = [_bar(pane) for pane in result[out]]
    return {"bars": bars, "bar": bars[0] if len(bars) == 1 else bars, "rejected": rejected}


def _days(given: dict[str, Any]) -> dict[str, Any]:
    """The bars that ticks of each hour around some days fall into, by the days on which they start in their zone."""
    zone = ZoneInfo(given["tz"])
    noons = [datetime.fromisoformat(day).replace(hour=12, tzinfo=zone) for day in given["days"]]
    hours = [noon.astimezone(UTC) + timedelta(hours=h) for noon in sorted(noons) for h in range(-40, 41)]
    timed = rxdag.from_source(rxdag.sources.iterable(hours)).pipe(ops.event_time(lambda hour: hour))
    size = windows.tumbling(given["size"], tz=given["tz"])
    panes = timed.pipe(ops.key_by(lambda hour: "all")).pipe(ops.window(size, agg.count())).collect()
    spans = {
        datetime.fromtimestamp(pane.start // 10**9, zone).date().isoformat(): [pane.start // 10**9, pane.end // 10**9]
        for pane in panes
    }
    found = [spans[day] for day in given["days"]]
    return {"bounds_epoch_s": found, "hours": [(end - start) // 3600 for start, end in found]}


def _revised(given: dict[str, Any]) -> dict[str, Any]:
    steps = [("W", step[1]) if step[0] == "W" else ("E", None, step[1], tuple(step[1:])) for step in given["ops"]]
    script = Script(tuple(steps), False, [-(1 << 63)])
    timed = rxdag.from_source(script).pipe(ops.map(lambda item: item[2]))
    out, dead, late = _made(timed, given)
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(out, dead, late))))
    return {"bars": [_bar(pane) for pane in result[out]], "late": [list(tick) for tick in result[late]]}


def _asof(given: dict[str, Any]) -> dict[str, Any]:
    """Rows of L joined with those of R as of their times, in order of time."""
    clock = "event" if given.get("hold_until_watermark", True) else "processing"
    steps = given.get("ops") or [*(["L", *row] for row in given["left"]), *(["R", *row] for row in given["right"])]
    sides = [rxdag.from_source(testing.manual(), name=side) for side in "LR"]
    if "ops" in given:  # watermarks come from the sources
        sides = [rxdag.from_source(testing.manual(timed=True), name=side) for side in "LR"]
        timed = [side.pipe(ops.event_time(lambda row: row[0], watermarks="source")) for side in sides]
    else:
        policy = on_error.dead if given.get("on_error") == "dead" else on_error.raise_
        timed = [
            side.pipe(ops.event_time(lambda row: row[0], out_of_order="1000000000ns"), on_error=policy)
            for side in sides
        ]
    left, right = (side.pipe(ops.key_by(lambda row: row[1])) for side in timed)
    tolerance = given.get("tolerance")
    how: dict[str, Any] = {
        "strategy": given.get("direction", "backward"),
        "tolerance": None if tolerance is None else f"{tolerance}ns",
        "allow_exact_matches": given.get("exact", True),
    }
    joined = rxdag.join_asof(left, right, clock=clock, **(how if clock == "event" else {})).to(sinks.collect())
    dead = timed[0].dead.to(sinks.collect())
    run = testing.start(joined, dead)
    for kind, *row in steps:
        if kind == "W":
            for entry in run.inputs.values():
                entry.watermark(row[0])
        else:
            run.inputs[kind].push(tuple(row), ts=row[0] if "ops" in given else None)
        run.settle()
    for entry in run.inputs.values():
        entry.complete()
    result = run.finish()
    assert result.problems == (), result.problems
    rows = [[*row, None if found is None else found[2]] for row, found in result[joined]]
    if "ops" not in given:  # results are listed as their left rows were
        order = [row for row in given["left"] if row[0] is not None]
        found = {tuple(row[:2]): row[2] for row in rows}
        assert len(rows) == len(order)
        return {"values": [found[tuple(row)] for row in order], "dead": [list(d.item) for d in result[dead]]}
    return {"rows": rows}


def _bursts(given: dict[str, Any]) -> dict[str, Any]:
    """Ticks of one instant, made one, left alone, or listed."""
    keep = {"last_value": "last", "non_collapsing": "all", "burst": "list"}[given["push_mode"]]
    timed = rxdag.from_source(rxdag.sources.iterable(given["ticks"])).pipe(ops.event_time(lambda tick: tick[0]))
    conflated: Any = timed.pipe(ops.conflate(per="instant", keep=keep))
    got = conflated.collect()
    if keep == "list":
        return {"out": [[ticks[0][0], [value for _, value in ticks]] for ticks in got]}
    return {"out": [list(tick) for tick in got]}
