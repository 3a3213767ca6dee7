"""Identity of the nodes of a graph: what must be the same for saved state to fit."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from rxdag.contract import Kernel, KeyBy, Made, Sink, argument, made_by
from rxdag.expressions import Expr, field_name, kind_of
from rxdag.graph import Node
from rxdag.plan import Plan
from rxdag.runtime._program import place_of
from rxdag.sources import Dialect

_PLAIN: Final = (bool, int, float, complex, str, bytes, range, type(None))
_DEPTH: Final = 8


def graph_of(plan: Plan) -> dict[str, Any]:
    """Return what identifies a graph, as plain data: its nodes by name, and its edges."""
    nodes = {name: _node(node, plan.topology.kernels.get(name)) for name, node in plan.dag.nodes.items()}
    return {"dag": plan.dag.job, "nodes": nodes, "edges": sorted(place_of(edge) for edge in plan.dag.edges)}


def fingerprint(graph: Mapping[str, Any]) -> str:
    """Return a short text that is the same for equal graphs only, however their parameters are shown."""
    nodes = {
        name: {
            **node,
            "key": node["key"][1],
            "parameters": {each: digest for each, (_, digest) in node["parameters"].items()},
        }
        for name, node in graph["nodes"].items()
    }
    whole = [graph["dag"], nodes, graph["edges"]]
    return hashlib.sha256(msgspec.json.encode(whole, order="sorted")).hexdigest()[:16]


def _node(node: Node, kernel: Kernel | None) -> dict[str, Any]:
    return {
        "label": node.label,
        "state_version": 1 if kernel is None else kernel.state_version,
        "inputs": len(node.inputs),
        "key": _key(node),
        "parameters": _parameters(node.thing),
    }


def _key(node: Node) -> tuple[str, str, list[str]]:
    """Return how the items that an operator takes were keyed: as users see it, a digest, and the kind of each field.

    All are empty for no key; a kind is "any" if the types do not tell.
    """
    if isinstance(node.thing, Sink):  # it takes items, whatever their key
        return "", "", []
    makers = [_maker_of_key(each.producer) for each in node.inputs if each.shape.keyed]
    shown: list[str] = []
    canonical: list[str] = []
    kinds: list[str] = []
    for maker in (each for each in makers if each is not None):
        made = made_by(maker.thing)
        fields = () if made is None else made.understood().get("key", ())
        own = [kind_of(field, maker.in_shape.item_type) for field in fields]
        known = f" of {' and '.join(own)}" if own and "any" not in own else ""
        shown.append(f"{argument(maker.thing)}{known}")
        canonical.append(f"{maker.label}{_canonical(fields, '', _DEPTH)}")
        kinds += own
    return (", ".join(shown), _digest("".join(canonical)), kinds) if shown else ("", "", [])


def _maker_of_key(node: Node) -> Node | None:
    """Return the node that gave the items behind a node their key; None for keys of a source."""
    while not isinstance(node.thing, KeyBy):
        if not node.inputs:
            return None
        node = node.inputs[0].producer
    return node


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _parameters(thing: Any) -> dict[str, tuple[str, str]]:
    """Return the arguments of the call that made a thing: each as users see it, and a digest of its value.

    Functions cannot be compared, and the items of a source are found again by its position: both are left out, as are
    arguments that equal their default.
    """
    made = made_by(thing)
    if made is None:
        return {}
    given, understood = dict(made.arguments), made.understood()
    left_out = [
        name
        for name, value in understood.items()
        if _is_function(given[name]) or (made.role == "source" and not _is_setting(value))
    ]
    texts = _arguments(thing, made, _DEPTH, left_out)
    # A path is shown as it is compared: absolute, since the next run may have another working directory, and uncut.
    return {
        name: (f'"{text}"' if _is_path(given[name], name) else argument(given[name]), _digest(text))
        for name, text in texts.items()
    }


def _arguments(thing: Any, made: Made, depth: int, left_out: Sequence[str] = ()) -> dict[str, str]:
    """Return the arguments of a call in canonical form, without those that equal their default or do not count."""
    defaults, others = made.defaults(), {*left_out, *getattr(thing, "secrets", ()), *getattr(thing, "apart", ())}
    texts = {name: _canonical(value, name, depth) for name, value in made.understood().items() if name not in others}
    return {
        name: text
        for name, text in texts.items()
        if name not in defaults or _canonical(defaults[name], name, depth) != text
    }


def adjustable(thing: Any) -> dict[str, str]:
    """Return the arguments of a node that may have other values than in the checkpoint, each with its default as text."""
    made = made_by(thing)
    defaults = {} if made is None else made.defaults()
    names: tuple[str, ...] = getattr(thing, "adjustable", ())
    return {name: argument(defaults.get(name)) for name in names}


def _is_setting(value: object) -> bool:
    """Return True for an argument of a source that is none of its items."""
    return isinstance(value, (*_PLAIN, PathLike, type, Dialect))


def _is_function(value: object) -> bool:
    return inspect.isroutine(value) or isinstance(value, partial)


def _is_path(value: object, name: str) -> bool:
    return isinstance(value, PathLike) or (name == "path" and isinstance(value, str))


def _canonical(value: object, name: str, depth: int) -> str:
    """Return a text that is the same for equal values, in every process; of a function, only that it is one."""
    if _is_path(value, name):
        return str(Path(cast("str", value)).absolute())
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, type):
        return value.__qualname__
    if _is_function(value) or depth == 0:
        return "..."
    if isinstance(value, Expr):  # "price" and col.price are equal
        return repr(field_name(value) or value)
    made = made_by(value)
    if made is not None:
        return f"{made.name}{sorted(_arguments(value, made, depth - 1).items())}"
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
