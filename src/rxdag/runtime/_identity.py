"""Identity of the nodes of a graph: what must be the same for saved state to fit."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from rxdag.contract import Source, argument, made_by
from rxdag.expressions import Expr
from rxdag.graph import Node
from rxdag.plan import Plan
from rxdag.runtime._program import place_of

_PLAIN: Final = (bool, int, float, complex, str, bytes, range, type(None))
_DEPTH: Final = 8


def graph_of(plan: Plan) -> dict[str, Any]:
    """Return what identifies a graph, as plain data: its nodes by name, and its edges."""
    nodes = {name: _node(node) for name, node in plan.dag.nodes.items()}
    return {"dag": plan.dag.name, "nodes": nodes, "edges": sorted(place_of(edge) for edge in plan.dag.edges)}


def fingerprint(graph: Mapping[str, Any]) -> str:
    """Return a short text that is the same for equal graphs only, however their parameters are shown."""
    nodes = {
        name: [node["label"], node["inputs"], {key: digest for key, (_, digest) in node["parameters"].items()}]
        for name, node in graph["nodes"].items()
    }
    whole = [graph["dag"], nodes, graph["edges"]]
    return hashlib.sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()[:16]


def _node(node: Node) -> dict[str, Any]:
    return {"label": node.label, "parameters": _parameters(node.thing), "inputs": len(node.inputs)}


def _parameters(thing: Any) -> dict[str, tuple[str, str]]:
    """Return the arguments of the call that made a thing: each as users see it, and a digest of its value.

    Functions cannot be compared, and the items of a source are found again by its position: both are left out, and so
    are the arguments of a source that may have other values.
    """
    made = made_by(thing)
    free = thing.adjustable if isinstance(thing, Source) else ()
    found: dict[str, tuple[str, str]] = {}
    for name, value in _open_arguments(thing):
        is_items = made is not None and made.role == "source" and not _is_setting(value)
        if not is_items and not _is_function(value) and name not in free:
            text = _canonical(value, name, _DEPTH)
            found[name] = (argument(value), hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16])
    return found


def _open_arguments(thing: Any) -> list[tuple[str, Any]]:
    """Return the arguments of the call that made a thing, without those that may be secret."""
    made = made_by(thing)
    secrets = getattr(thing, "secrets", ())
    return [] if made is None else [(name, value) for name, value in made.arguments if name not in secrets]


def _is_setting(value: object) -> bool:
    """Return True for an argument of a source that is none of its items."""
    return isinstance(value, (*_PLAIN, PathLike, type))


def _is_function(value: object) -> bool:
    return inspect.isroutine(value) or isinstance(value, partial)


def _canonical(value: object, name: str, depth: int) -> str:
    """Return a text that is the same for equal values, in every process; of a function, only that it is one."""
    if isinstance(value, PathLike) or (name == "path" and isinstance(value, str)):
        return str(Path(cast("str", value)).absolute())
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type):
        return value.__qualname__
    if _is_function(value) or depth == 0:
        return "..."
    if isinstance(value, Expr):
        return repr(value)
    made = made_by(value)
    if made is not None:
        return f"{made.name}{_canonical(dict(_open_arguments(value)), '', depth - 1)}"
    given: Any = value
    if isinstance(value, Mapping):
        pairs = [f"{_canonical(k, '', depth - 1)}: {_canonical(v, '', depth - 1)}" for k, v in given.items()]
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple | set | frozenset):
        parts = [_canonical(each, "", depth - 1) for each in given]
        return f"[{', '.join(parts if isinstance(value, list | tuple) else sorted(parts))}]"
    kind: Any = given.__class__
    if is_dataclass(value):
        inner = {each.name: getattr(value, each.name) for each in fields(value)}
    else:
        inner = dict(getattr(value, "__dict__", {}))
    if inner or " at 0x" in repr(given):  # an object whose text would be another one in each process
        return f"{kind.__qualname__}{_canonical(inner, '', depth - 1)}"
    return f"{kind.__qualname__}({given!r})"
