"""SVG: a layered layout, self-contained."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any, Final

from rxdag.contract import Sink, Source, import_extra
from rxdag.engine import SIDES
from rxdag.errors import text_of
from rxdag.graph import Dag, Node
from rxdag.render._beside import Point, Rect, curve, notes_beside, room_for
from rxdag.runtime import RunResult, RunStats

_CHAR: Final = 7.2
"""Width of a character, px."""
_SMALL_CHAR: Final = 6.1
_HEIGHT: Final = 34
_LINE: Final = 13
"""Distance between lines of text in a box, px."""
_GAP: Final = 46
"""Distance between layers, px."""
_MARGIN: Final = 16
# Own background: page and system may differ in colour scheme. Scoped: a notebook has other pictures.
_STYLE: Final = """\
.rxdag text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2933}
.rxdag .ground{fill:#fff}
.rxdag .label,.rxdag .port{fill:#52606d;font-size:10px}
.rxdag .node rect,.rxdag .node path{stroke-width:1.2}
.rxdag .source rect{fill:#e3f8ff;stroke:#1992d4}
.rxdag .operator rect{fill:#f5f7fa;stroke:#7b8794}
.rxdag .sink path{fill:#fffaeb;stroke:#cb6e17}
.rxdag .edge{fill:none;stroke:#7b8794;stroke-width:1.2}
.rxdag .tip{fill:#7b8794}
.rxdag .lost{fill:#ab091e;font-size:10px}
.rxdag .state{font-weight:bold}
.rxdag .failed{fill:#ab091e}
.rxdag .port{paint-order:stroke;stroke:#fff;stroke-width:3px}
@media(prefers-color-scheme:dark){
.rxdag text{fill:#e6edf3}
.rxdag .ground{fill:#161b22}
.rxdag .label,.rxdag .port{fill:#a9b4c0}
.rxdag .source rect{fill:#0d2b3e;stroke:#58a6ff}
.rxdag .operator rect{fill:#21262d;stroke:#8b949e}
.rxdag .sink path{fill:#33260d;stroke:#d29922}
.rxdag .edge{stroke:#8b949e}
.rxdag .tip{fill:#8b949e}
.rxdag .lost,.rxdag .failed{fill:#ff7b72}
.rxdag .port{stroke:#161b22}
}
"""


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float

    @property
    def left(self) -> Point:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> Point:
        return self.x + self.width / 2, self.y

    def rect(self, tall: float) -> Rect:
        return Rect(self.x - self.width / 2, self.y - tall / 2, self.x + self.width / 2, self.y + tall / 2)


def svg(what: Dag | RunResult, /) -> str:
    """Return a dag or a finished run as an SVG picture, left to right.

    For a run, it shows the numbers: items in and out of each node, what was lost there and how, the items on each edge,
    and how full its gate was.

    Raises:
        MissingExtra: If igraph is not installed: extra `graph`.

    Example:
        >>> out = rxdag.from_source(sources.range(3), name="numbers").to(sinks.collect(), name="out")
        >>> with open("run.svg", "w") as file:
        ...     _ = file.write(render.svg(rxdag.run(out)))
    """
    dag, result = (what.dag, what) if isinstance(what, RunResult) else (what, None)
    texts = {name: _texts(name, node, result) for name, node in dag.nodes.items()}
    tall = _HEIGHT + _LINE * max(0, max(len(lines) for lines in texts.values()) - 2)
    links = _links(dag, result)
    boxes, routes = _layout(dag, links, texts, tall)
    notes = notes_beside(links, routes, [box.rect(tall) for box in boxes.values()])
    width = max(box.x + box.width / 2 for box in boxes.values()) + _MARGIN
    lowest = [box.y + tall / 2 for box in boxes.values()] + [y for route in routes.values() for _, y in route]
    height = max(lowest + [note.y for note in notes]) + _MARGIN
    title = "" if result is None else _title(result)
    if title:
        width, height = max(width, len(title) * _CHAR + 2 * _MARGIN), height + 2 * _LINE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="rxdag" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="dag {escape(dag.name, quote=True)}">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect class="ground" width="{width:.0f}" height="{height:.0f}" rx="6"/>',
    ]
    if result is not None:
        parts.append(
            f'<text class="state {result.state}" x="{_MARGIN}" y="{height - _MARGIN / 2:.1f}">{escape(title)}</text>'
        )
    parts += [f'<path class="edge" d="{curve(route)}" marker-end="url(#tip)"/>' for route in routes.values()]
    parts += [f'<text class="port" x="{note.x:.1f}" y="{note.y:.1f}">{escape(note.text)}</text>' for note in notes]
    parts += [_node(node, boxes[name], texts[name], tall) for name, node in dag.nodes.items()]
    return "\n".join([*parts, "</svg>"])


def _links(dag: Dag, result: RunResult | None) -> dict[tuple[str, str], list[str]]:
    """Return the texts beside the line from one node to another: the output ports, and the traffic."""
    ports: dict[tuple[str, str], dict[str, None]] = {}
    traffic: dict[tuple[str, str], list[str]] = {}
    for edge in dag.edges:
        ends = (edge.producer, edge.consumer)
        ports.setdefault(ends, {})[edge.port] = None
        traffic.setdefault(ends, []).extend([] if result is None else _traffic(str(edge), result.stats))
    return {ends: ([] if [*own] == ["out"] else [", ".join(own)]) + traffic[ends] for ends, own in ports.items()}


def _texts(name: str, node: Node, result: RunResult | None) -> list[tuple[str, str]]:
    """Return the lines in a box, each with its class: name, label, and counts of the items."""
    lines = [("", name)] + ([("label", node.label)] if node.label != name else [])
    if result is None:
        return lines
    ledger = result.stats.nodes[name]
    came = f"{ledger.arrived:,}"
    went = f"{sum(n for port, n in ledger.out.items() if port not in SIDES):,}"
    source, sink = isinstance(node.thing, Source), isinstance(node.thing, Sink)
    lines.append(("label", went if source else f"{ledger.passed:,}" if sink else f"{came} \N{RIGHTWARDS ARROW} {went}"))
    gone = {"filtered": ledger.filtered} | ledger.lost | {"held": ledger.held}
    lines += [("lost" if what in ledger.lost else "label", f"{n:,} {what}") for what, n in gone.items() if n]
    return lines


def _title(result: RunResult) -> str:
    drained = ", drained" if result.was_drained else ""
    seconds = result.stats.elapsed_s
    took = (
        f" in {seconds:.2f} s, {result.items_in / seconds:,.0f} items/s" if seconds > 0 else ""
    )  # none in virtual time
    error = "" if result.error is None else ": " + text_of(result.error).partition("\n")[0][:120]
    return f"{result.dag.name}: {result.state}{drained}{took}{error}"


def _traffic(edge: str, stats: RunStats) -> list[str]:
    """Return the notes on an edge: how full its gate was, and how many items it dropped."""
    gate = stats.gates.get(edge)
    if gate is None:
        return []
    return [f"{gate.high_water:,} of {gate.capacity:,}"] + ([f"{gate.dropped:,} dropped"] if gate.dropped else [])


def _layout(
    dag: Dag, links: dict[tuple[str, str], list[str]], texts: dict[str, list[tuple[str, str]]], tall: int
) -> tuple[dict[str, _Box], dict[tuple[str, str], list[Point]]]:
    """Return the position of each node, and the route of each edge through a point in each layer."""
    igraph = import_extra("igraph", "graph", "a picture of a dag")
    names = list(dag.nodes)
    index = {name: i for i, name in enumerate(names)}
    layers = [0] * len(names)
    for name in names:  # producers come before consumers
        feeds = [layers[index[producer]] for producer, consumer in links if consumer == name]
        layers[index[name]] = max(feeds, default=-1) + 1
    ways: list[list[int]] = []
    for producer, consumer in links:
        start, end = index[producer], index[consumer]
        passed = list(range(len(layers), len(layers) + layers[end] - layers[start] - 1))
        layers += range(layers[start] + 1, layers[end])
        ways.append([start, *passed, end])
    pieces = [piece for way in ways for piece in pairwise(way)]
    graph: Any = igraph.Graph(len(layers), pieces, directed=True)
    placed: list[Point] = [
        (float(across), float(along))
        for across, along in list(graph.layout_sugiyama(layers=layers, hgap=tall + 18, vgap=1, maxiter=200))[
            : len(layers)
        ]
    ]
    widths = [
        max(len(text) * (_SMALL_CHAR if kind else _CHAR) for kind, text in [*texts[name], ("", "")]) + 20
        for name in names
    ]
    columns = _columns(links, index, layers, widths)
    low = min(across for across, _ in placed)
    points = [
        (columns[layer], across - low + _MARGIN + tall / 2) for layer, (across, _) in zip(layers, placed, strict=True)
    ]
    boxes = {name: _Box(*points[i], widths[i]) for name, i in index.items()}
    routes = {
        ends: [boxes[ends[0]].right, *(points[i] for i in way[1:-1]), boxes[ends[1]].left]
        for ends, way in zip(links, ways, strict=True)
    }
    return boxes, routes


def _columns(
    links: dict[tuple[str, str], list[str]], index: dict[str, int], layers: list[int], widths: list[float]
) -> list[float]:
    """Return the middle of each layer; the texts beside a line must fit before the layer that it leads to."""
    gaps = [float(_GAP)] * (max(layers) + 1)
    for (_, consumer), said in links.items():
        before = layers[index[consumer]] - 1
        gaps[before] = max(gaps[before], room_for(said))
    columns: list[float] = []
    at = float(_MARGIN)
    for layer, gap in enumerate(gaps):
        widest = max((width for width, own in zip(widths, layers, strict=False) if own == layer), default=0.0)
        columns.append(at + widest / 2)
        at += widest + gap
    return columns


def _node(node: Node, box: _Box, texts: list[tuple[str, str]], tall: int) -> str:
    left, top, width = box.x - box.width / 2, box.y - tall / 2, box.width
    kind = "source" if isinstance(node.thing, Source) else "sink" if isinstance(node.thing, Sink) else "operator"
    if kind == "sink":
        shape = (
            f'<path d="M{left:.1f} {top + 5:.1f}a{width / 2:.1f} 5 0 0 1 {width:.1f} 0v{tall - 10}'
            f'a{width / 2:.1f} 5 0 0 1 {-width:.1f} 0z"/>'
        )
    else:
        radius = _HEIGHT / 2 if kind == "source" else 4
        shape = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{tall}" rx="{radius}"/>'
    first = box.y + 4 - (len(texts) - 1) * _LINE / 2
    lines = "".join(
        f'<text class="{of}" x="{box.x:.1f}" y="{first + i * _LINE:.1f}" text-anchor="middle">{escape(text)}</text>'
        for i, (of, text) in enumerate(texts)
    )
    return f'<g class="node {kind}">{shape}{lines}</g>'
