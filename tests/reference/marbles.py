"""Marble diagrams: what an operator gives for lines of marbles, by running it in virtual time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rxdag
from rxdag import Pane, market, on_error, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.contract import Chunk, DeadLetter, Sink, SinkContext, Writer
from rxdag.testing._play import MarbleError, parse
from rxdag.testing._sources import Timeline
from rxdag.testing._virtual import settle_virtual, virtual

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Diagram:
    """What to draw.

    Attributes:
        call: An expression: an operator, or with several inputs a stream made of `a`, `b` and so on.
        inputs: Lines of marbles; digits are items that have their own value as event time, in seconds.
        how: "timed" if the digits are to have it, "keyed" to have odd and even digits, or a letter in both cases, as keys.
        ports: Ports that are drawn beside the main one.
    """

    call: str
    inputs: tuple[str, ...]
    how: str = ""
    ports: tuple[str, ...] = ()


class _Seen(Sink[Any, None], Writer):
    """Notes when everything came."""

    label = "seen"

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []
        self._context: SinkContext | None = None

    def open(self, context: SinkContext) -> Writer:
        self._context = context
        return self

    def _note(self, text: str) -> None:
        now = 0 if self._context is None else self._context.clock.now()
        self.events.append((now // SECOND, text))

    def write(self, chunk: Chunk) -> None:
        for item in chunk.items:
            self._note(shown(item))

    def close(self, *, ok: bool) -> None:
        self._note("|" if ok else "#")


def shown(item: Any) -> str:
    """An item as it stands in a diagram."""
    if isinstance(item, Pane):
        return shown(item.value) + "'" * item.revision
    if isinstance(item, DeadLetter):
        return shown(item.item)
    if isinstance(item, ops.Gap):
        return f"[{item.first}-{item.last}]"
    if isinstance(item, ops.Timestamped):
        return f"[{shown(item.value)}@{item.ts // SECOND}]"
    if isinstance(item, list | tuple):
        parts = [shown(part) for part in item]
        return f"[{('' if all(len(part) == 1 for part in parts) else ' ').join(parts)}]"
    text = "∅" if item is None else f"{item:.4g}" if isinstance(item, float) else str(item)
    return text if len(text) == 1 or text.startswith("[") else f"[{text}]"


def _key(item: str) -> Any:
    return int(item) % 2 if item.isdigit() else item.lower()


def _source(line: str, how: str) -> Any:
    items, end, is_error = parse(line)
    stream: Any = rxdag.from_source(Timeline(tuple(items), end, MarbleError("#") if is_error else None))
    if "timed" in how:
        stream = stream.pipe(ops.event_time(int, unit="s", out_of_order="1s" if "lag" in how else "0s"))
    return stream.pipe(ops.key_by(_key)) if "keyed" in how else stream


def run(diagram: Diagram) -> list[tuple[str, list[tuple[int, str]]]]:
    """The lines of a diagram: label, and what stands in which second."""
    streams = [_source(line, diagram.how) for line in diagram.inputs]
    names: dict[str, Any] = dict(zip("abc", streams, strict=False))
    scope: dict[str, Any] = {
        "ops": ops, "rxdag": rxdag, "agg": agg, "windows": windows, "market": market, "sources": sources,
        "on_error": on_error, **names,
    }  # fmt: skip
    made = eval(diagram.call, scope)  # the calls are those of this package
    out = made if isinstance(made, rxdag.Stream | rxdag.graph.Routes) else streams[0].pipe(made)
    ports = out.node.ports if isinstance(out, rxdag.graph.Routes) else (out.port, *diagram.ports)
    sinks_of = {port: _Seen() for port in ports if port != "dead" or port in diagram.ports}
    nodes = [
        rxdag.graph.stream_of(out.node, port).to(sink, name=f"seen_{i}")
        for i, (port, sink) in enumerate(sinks_of.items())
    ]
    lasts = [max((when for when, _ in parse(line)[0]), default=0) for line in diagram.inputs]
    open_ended = any(parse(line)[1] is None for line in diagram.inputs)
    settle_virtual(virtual(rxdag.compile(rxdag.Dag(*nodes)), until=f"{max(lasts) + 1}ns" if open_ended else None))
    lines = [
        (name, [(when // SECOND, mark) for when, mark in _marks(line)])
        for name, line in zip(_names(streams), diagram.inputs, strict=True)
    ]
    main = diagram.call if len(sinks_of) == 1 or not isinstance(out, rxdag.graph.Routes) else None
    for port, sink in sinks_of.items():
        label = main if port == out_port(out) and main is not None else f"  port {port}"
        events = sink.events if not open_ended else [e for e in sink.events if e[1] not in "|#"]
        lines.append((label, events))
    if main is None:
        lines.insert(len(streams), (diagram.call, []))
    return lines


def out_port(out: Any) -> str:
    """The port that a stream is."""
    return out.port if isinstance(out, rxdag.Stream) else ""


def _names(streams: list[Any]) -> list[str]:
    return ["items"] if len(streams) == 1 else list("abc"[: len(streams)])


def _marks(line: str) -> list[tuple[int, str]]:
    items, end, is_error = parse(line)
    return [*items, *([] if end is None else [(end, "#" if is_error else "|")])]


def draw(diagram: Diagram) -> str:
    """The diagram as text: a column for each second, wide enough for what came in it."""
    lines = run(diagram)
    seconds = max((when for _, events in lines for when, _ in events), default=0) + 1
    cells: list[list[str]] = []
    for _, events in lines:
        row: list[str] = []
        for second in range(seconds):
            here = [text for when, text in events if when == second]
            row.append(f"({''.join(here)})" if len(here) > 1 else "".join(here))
        cells.append(row)
    widths = [max(1, *(len(row[second]) for row in cells)) for second in range(seconds)]
    label_width = max(len(label) for label, _ in lines)
    out: list[str] = []
    for (label, events), row in zip(lines, cells, strict=True):
        ends = [second for second, text in enumerate(row) if "|" in text or "#" in text]
        stop = ends[0] + 1 if ends else seconds
        body = "".join(
            text + ("-" if second < stop - 1 else "") * (widths[second] - len(text))
            for second, text in enumerate(row[:stop])
        )
        if not events and label == diagram.call:
            body = ""
        out.append(f"{label:<{label_width}}  {body}".rstrip())
    return "\n".join(out)
