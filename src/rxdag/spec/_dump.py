"""From a dag to a spec."""

from __future__ import annotations

import io
from typing import Any

from rxdag.contract import Boundary, Delays, FanIn, OnError, Overflow, Sink, Source, format_ns, import_extra, made_by
from rxdag.errors import shown, text_of
from rxdag.graph import Dag, Edge, Node
from rxdag.spec._kinds import Unwritable, reference_to
from rxdag.spec._nodes import NodeType, Role, registry
from rxdag.spec._params import write_params
from rxdag.spec._problems import Mark, Problems

_DEFAULT_GATE = Boundary()


def dump_dag(dag: Dag) -> str:
    """Return a dag as the text of a spec.

    Raises:
        SpecError: If something cannot be written; names each such node and the reason.
    """
    problems = Problems()
    nodes: dict[str, Any] = {}
    for name, node in dag.nodes.items():
        try:
            nodes[name] = _node(dag, name, node)
        except Unwritable as error:
            problems.add(Mark(dag.name, 1, 1), f"nodes.{name}", f"cannot be written in a spec: {text_of(error)}")
    problems.check()
    yaml = import_extra("ruamel.yaml", "yaml", "dump_spec").YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 120
    out = io.StringIO()
    yaml.dump({"version": 1, "name": dag.name, "nodes": nodes}, out)
    return out.getvalue()


def _node(dag: Dag, name: str, node: Node) -> dict[str, Any]:
    thing = node.thing
    role: Role = "source" if isinstance(thing, Source) else "sink" if isinstance(thing, Sink) else "op"
    made = made_by(thing)
    found = None if made is None else registry().find(role, made.name)
    if made is None or found is None:
        out: dict[str, Any] = {role: _own(node)}
        written: dict[str, Any] = {}
    else:
        out = {role: found.name}
        written = write_params(found, dict(made.arguments))
    edges = [edge for edge in dag.edges if edge.consumer == name]
    out |= _inputs(found, node, edges)
    policy = _policy(node)
    if policy is not None:
        out["on_error"] = policy
    return out | written


def _own(node: Node) -> str:
    thing = node.thing
    if hasattr(thing, "build"):
        raise Unwritable("it is a reactivex operator")
    kind = type(thing)
    if getattr(kind, "__module__", "").startswith("rxdag."):
        raise Unwritable(f"{shown(thing)} was not made by a public function")
    if getattr(thing, "__dict__", None):
        raise Unwritable(
            f"{kind.__qualname__} has parameters that only its own module knows; name the function that makes it"
        )
    return reference_to(kind)


def _inputs(found: NodeType | None, node: Node, edges: list[Edge]) -> dict[str, Any]:
    if not edges:
        return {}
    feeds = [_feed(edge) for edge in edges]
    if found is not None and "other" in found.inputs:
        return {"input": feeds[0], "other": feeds[1]}
    if isinstance(node.thing, FanIn):
        names = () if found is None else found.inputs
        if len(names) > 1:
            return {"input": dict(zip(names, feeds, strict=True))}
        return {"input": feeds}
    feed: Any = feeds[0]
    if not isinstance(feed, str):  # the node's own options say the same
        return {"input": feed.pop("from"), **feed}
    return {"input": feed}


def _feed(edge: Edge) -> Any:
    source = edge.producer if edge.port == "out" else f"{edge.producer}.{edge.port}"
    boundary = edge.boundary
    if boundary is None or boundary == _DEFAULT_GATE:
        return source
    if boundary.size_of is not None:
        raise Unwritable("the gate before it has a size_of")
    out: dict[str, Any] = {"from": source}
    if boundary.max_items is not None:
        gate: dict[str, Any] = {"max_items": boundary.max_items}
        if boundary.overflow is not Overflow.BLOCK:
            gate["overflow"] = boundary.overflow.value
        if not boundary.delay_error:
            gate["delay_error"] = False
        if boundary.max_bytes is not None:
            gate["max_bytes"] = boundary.max_bytes
        out["buffered"] = gate
    if boundary.scheduler is not None:
        out["on"] = boundary.scheduler
    return out


def _policy(node: Node) -> Any:
    policy = node.on_error
    default = node.thing.on_error if isinstance(node.thing, Sink) else OnError("raise")
    if policy == default:
        return None
    if policy.kind != "retry":
        return policy.kind
    if policy.on != (Exception,):
        raise Unwritable("on_error: a spec cannot list the errors to retry")
    waits = policy.backoff or Delays(0, 1.0, 0, 0.0)
    retry: dict[str, Any] = {
        "attempts": policy.attempts,
        "base": format_ns(waits.base_ns),
        "factor": waits.factor,
        "cap": format_ns(waits.cap_ns),
        "jitter": waits.jitter,
    }
    if policy.last.kind != "raise":
        retry["then"] = policy.last.kind
    return {"retry": retry}
