"""Market data: bars of ticks."""

from __future__ import annotations

from typing import Any

import rxdag
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import sinks, windows
from rxdag.testing import settle_virtual, virtual
from tests.conformance.event_time import Script


def run(given: dict[str, Any]) -> dict[str, Any] | None:
    """Run a case of market data; None for what there is no operator for yet."""
    if "fill" in given or "rollup" in given or "tz" in given or "size" not in given:
        return None
    if "ops" in given:
        return _revised(given)
    return _bars(given) if "ticks" in given else None


def _number(value: Any) -> Any:
    return float(value) if value in ("NaN", "inf", "-inf") else value


def _made(stream: Any, given: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Bars, ticks that were refused, and ticks that were late, of a timed stream of ticks."""
    size = windows.tumbling(f"{given['size']}ns", offset=f"{given.get('offset', 0)}ns")
    bars = stream.pipe(ops.key_by(lambda tick: "all")).pipe(
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
        "filled": False,
    }


def _bars(given: dict[str, Any]) -> dict[str, Any]:
    ticks = given["ticks"]
    has_sequence = all(tick[1] is not None for tick in ticks)
    timed = rxdag.from_source(rxdag.sources.iterable(ticks)).pipe(
        ops.event_time(
            lambda tick: tick[0],
            sequence=(lambda tick: tick[1]) if has_sequence else None,
            out_of_order="1000000000000ns",
        )
    )
    out, dead, late = _made(timed, given)
    result = rxdag.run(out, dead, late)
    assert result[late] == []
    return {"bars": [_bar(pane) for pane in result[out]], "rejected": [letter.item for letter in result[dead]]}


def _revised(given: dict[str, Any]) -> dict[str, Any]:
    steps = [("W", step[1]) if step[0] == "W" else ("E", None, step[1], tuple(step[1:])) for step in given["ops"]]
    script = Script(tuple(steps), False, [-(1 << 63)])
    timed = rxdag.from_source(script).pipe(ops.map(lambda item: item[2]))
    out, dead, late = _made(timed, given)
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(out, dead, late))))
    return {"bars": [_bar(pane) for pane in result[out]], "late": [list(tick) for tick in result[late]]}
