"""SVG: a layered layout, self-contained."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any, Final

from rxdag.contract import Sink, Source, import_extra
from rxdag.graph import Dag, Node

_CHAR: Final = 7.2
"""Width of a letter, px."""
_HEIGHT: Final = 34
_GAP: Final = 46
"""Between layers, px."""
_MARGIN: Final = 16
_STYLE: Final = """\
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2933}
.label{fill:#52606d;font-size:10px}
.node rect,.node path{stroke-width:1.2}
.source rect{fill:#e3f8ff;stroke:#1992d4}
.operator rect{fill:#f5f7fa;stroke:#7b8794}
.sink path{fill:#fffaeb;stroke:#cb6e17}
.edge{fill:none;stroke:#7b8794;stroke-width:1.2}
.port{font-size:10px;fill:#52606d;paint-order:stroke;stroke:#fff;stroke-width:3px}
"""


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float

    @property
    def left(self) -> tuple[float, float]:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y


def svg(dag: Dag, /) -> str:
    """Return a dag as an SVG picture, left to right.

    Raises:
        MissingExtra: If igraph is not installed: extra `graph`.
    """
    boxes, routes = _layout(dag)
    width = max(box.x + box.width / 2 for box in boxes.values()) + _MARGIN
    height = max([box.y for box in boxes.values()] + [y for route in routes for _, y in route]) + _HEIGHT / 2 + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="dag {escape(dag.name, quote=True)}">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#7b8794"/></marker></defs>',
    ]
    drawn: set[tuple[str, str]] = set()
    for edge, route in zip(dag.edges, routes, strict=True):
        ends = (edge.producer, edge.consumer)
        if ends in drawn:
            continue
        drawn.add(ends)
        parts.append(f'<path class="edge" d="{_curve(route)}" marker-end="url(#tip)"/>')
        ports = [each.port for each in dag.edges if (each.producer, each.consumer) == ends]
        if ports != ["out"]:
            (x, y), (x2, y2) = route[0], route[1]
            parts.append(
                f'<text class="port" x="{(x + x2) / 2:.1f}" y="{(y + y2) / 2 - 4:.1f}" text-anchor="middle">{escape(edge.port)}</text>'
            )
    parts += [_node(name, node, boxes[name]) for name, node in dag.nodes.items()]
    return "\n".join([*parts, "</svg>"])


def _layout(dag: Dag) -> tuple[dict[str, _Box], list[list[tuple[float, float]]]]:
    """Where each node is, and the way of each edge: through a point in each layer that it passes."""
    igraph = import_extra("igraph", "graph", "a picture of a dag")
    names = list(dag.nodes)
    index = {name: i for i, name in enumerate(names)}
    layers = [0] * len(names)
    for name in names:  # producers come before consumers
        feeds = [layers[index[edge.producer]] for edge in dag.edges if edge.consumer == name]
        layers[index[name]] = max(feeds, default=-1) + 1
    ways: list[list[int]] = []
    for edge in dag.edges:
        start, end = index[edge.producer], index[edge.consumer]
        passed = list(range(len(layers), len(layers) + layers[end] - layers[start] - 1))
        layers += range(layers[start] + 1, layers[end])
        ways.append([start, *passed, end])
    pieces = [piece for way in ways for piece in pairwise(way)]
    graph: Any = igraph.Graph(len(layers), pieces, directed=True)
    placed: list[tuple[float, float]] = [
        (float(across), float(along))
        for across, along in list(graph.layout_sugiyama(layers=layers, hgap=_HEIGHT + 18, vgap=1, maxiter=200))[
            : len(layers)
        ]
    ]
    widths = [max(len(name), len(dag.nodes[name].label)) * _CHAR + 20 for name in names]
    columns: list[float] = []
    at = float(_MARGIN)
    for layer in range(max(layers) + 1):
        widest = max((width for width, own in zip(widths, layers, strict=False) if own == layer), default=0.0)
        columns.append(at + widest / 2)
        at += widest + _GAP
    low = min(across for across, _ in placed)
    points = [
        (columns[layer], across - low + _MARGIN + _HEIGHT / 2)
        for layer, (across, _) in zip(layers, placed, strict=True)
    ]
    boxes = {name: _Box(*points[i], widths[i]) for name, i in index.items()}
    routes = [
        [boxes[edge.producer].right, *(points[i] for i in way[1:-1]), boxes[edge.consumer].left]
        for edge, way in zip(dag.edges, ways, strict=True)
    ]
    return boxes, routes


def _curve(points: list[tuple[float, float]]) -> str:
    (x, y), *rest = points
    parts = [f"M{x:.1f} {y:.1f}"]
    for x2, y2 in rest:
        middle = (x + x2) / 2
        parts.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
        x, y = x2, y2
    return "".join(parts)


def _node(name: str, node: Node, box: _Box) -> str:
    left, top, width = box.x - box.width / 2, box.y - _HEIGHT / 2, box.width
    kind = "source" if isinstance(node.thing, Source) else "sink" if isinstance(node.thing, Sink) else "operator"
    if kind == "sink":
        shape = (
            f'<path d="M{left:.1f} {top + 5:.1f}a{width / 2:.1f} 5 0 0 1 {width:.1f} 0v{_HEIGHT - 10}'
            f'a{width / 2:.1f} 5 0 0 1 {-width:.1f} 0z"/>'
        )
    else:
        radius = _HEIGHT / 2 if kind == "source" else 4
        shape = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_HEIGHT}" rx="{radius}"/>'
    label = node.label if node.label != name else ""
    texts = f'<text x="{box.x:.1f}" y="{box.y + (0 if label else 4):.1f}" text-anchor="middle">{escape(name)}</text>'
    if label:
        texts += f'<text class="label" x="{box.x:.1f}" y="{box.y + 12:.1f}" text-anchor="middle">{escape(label)}</text>'
    return f'<g class="node {kind}">{shape}{texts}</g>'
