"""DOT, for Graphviz."""

from __future__ import annotations

import json

from rxdag.contract import Sink, Source
from rxdag.graph import Dag


def dot(dag: Dag, /) -> str:
    """Return a dag in the DOT language.

    Sources are ovals, sinks cylinders, operators boxes.

    Example:
        >>> out = rxdag.from_source(sources.range(3), name="numbers").to(sinks.collect(), name="out")
        >>> print(render.dot(rxdag.Dag(out, name="count")), end="")
        digraph "count" {
          rankdir=LR;
          node [fontname="sans-serif", shape=box];
          "numbers" [shape=oval, tooltip="iterable"];
          "out" [shape=cylinder, tooltip="collect"];
          "numbers" -> "out";
        }
    """
    lines = [f"digraph {json.dumps(dag.name)} {{", "  rankdir=LR;", '  node [fontname="sans-serif", shape=box];']
    for name, node in dag.nodes.items():
        shape = "oval" if isinstance(node.thing, Source) else "cylinder" if isinstance(node.thing, Sink) else "box"
        lines.append(f"  {json.dumps(name)} [shape={shape}, tooltip={json.dumps(node.label)}];")
    for edge in dag.edges:
        label = "" if edge.port == "out" else f" [label={json.dumps(edge.port)}]"
        lines.append(f"  {json.dumps(edge.producer)} -> {json.dumps(edge.consumer)}{label};")
    return "\n".join([*lines, "}"])
