"""The nodes that a spec can name: those of the library, of plugins, and the user's own."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from rxdag.contract import LEFT_OUT, Overflow, optional_first
from rxdag.spec._compound_kinds import Either, ListOf, MappingOf, OrNone
from rxdag.spec._kinds import (
    AnyPlain,
    DsnKind,
    DurationKind,
    FieldKind,
    IsoKind,
    Kind,
    OneOf,
    PathKind,
    Plain,
    Reference,
    TypeKind,
    ZoneKind,
)
from rxdag.spec._record_kinds import BACKOFF, DIALECT

Role: TypeAlias = Literal["source", "op", "sink"]
PartRole: TypeAlias = Literal["window", "aggregate"]

GROUP: Final = "rxdag.nodes"
"""Entry point group of plugins: each is a function that returns a source, an operator or a sink."""

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Param:
    """A parameter of a node type.

    Attributes:
        name: Name in the spec.
        kind: Reads its value.
        is_required: True if it has no default.
        default: Default value.
        spread: "*" if its values are positional arguments, "**" if it collects all keys that are not parameters.
        is_positional: True if it is passed by position.
    """

    name: str
    kind: Kind
    is_required: bool = True
    default: Any = None
    spread: Literal["", "*", "**"] = ""
    is_positional: bool = False


@dataclass(frozen=True)
class NodeType:
    """A node type that a spec can name.

    Attributes:
        name: Name in the spec.
        role: "source", "operator" or "sink"; for parts "window" or "aggregate".
        fn: Function that makes it.
        params: Parameters, in order.
        inputs: Names of its inputs; ("*",) for any number, empty for a source.
        takes_streams: True if `fn` takes streams and returns one; False if it returns an object to pipe.
        takes_name: True if `fn` takes the name of the node, since it makes several.
        summary: First line of its documentation.
    """

    name: str
    role: Role | PartRole
    fn: Callable[..., Any]
    params: Mapping[str, Param]
    inputs: tuple[str, ...]
    takes_streams: bool
    takes_name: bool
    summary: str

    @property
    def rest(self) -> Param | None:
        """The parameter that takes all other keys."""
        return next((param for param in self.params.values() if param.spread == "**"), None)


_EXCLUDED: Final = {
    "source": (
        "arrays",
        "arrow",
        "callback",
        "from_observable",
        "ingress",
        "journal",
        "journal_reader",
        "live",
        "observable",
        "paced",
        "reconnecting",
        "then",
    ),
    "op": (),
    "sink": ("arrow", "fields_of"),
}

_SCALAR: Final = Plain(int | float | str | bool | None)
_LONG: Final = ("1w", "1mo", "1q", "1y")
"""Lengths of calendar windows that are no durations."""


def _is_count(value: Any) -> bool:
    return isinstance(value, int)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_calendar(value: Any) -> bool:
    return value in _LONG


def _special() -> dict[tuple[str, str], Kind]:
    """Return the kinds of parameters whose annotation is insufficient."""
    from rxdag.spec._parts import aggregate_kind, window_kind

    count_or_duration = Either(_is_count, Plain(int), DurationKind())
    return {
        ("tumbling", "size"): Either(_is_calendar, OneOf(_LONG), DurationKind()),
        ("rolling", "period"): count_or_duration,
        ("window", "early"): OrNone(count_or_duration),
        ("window_all", "early"): OrNone(count_or_duration),
        ("rolling", "aggregate"): aggregate_kind(),
        ("window", "aggregate"): aggregate_kind(),
        ("window_all", "aggregate"): aggregate_kind(),
        ("window", "window"): window_kind(),
        ("window_all", "window"): window_kind(),
        ("join_window", "window"): window_kind(),
        ("join_asof", "fields"): OrNone(Either(_is_mapping, MappingOf(Plain(str)), ListOf(Plain(str)))),
        ("conflate", "key"): FieldKind(),
        ("key_by", "key"): FieldKind(),
        ("key_by", "of"): TypeKind(),
        ("key_by", "names"): OrNone(ListOf(Plain(str))),
        ("map", "fn"): FieldKind(),
        ("explode", "fn"): FieldKind(),
        ("lookup", "key"): FieldKind(),
        ("iterable", "items"): AnyPlain(),
        ("range", "bounds"): Plain(int),
        ("route_by", "values"): ListOf(_SCALAR),
        ("scan", "initial"): AnyPlain(),
        ("fold", "initial"): AnyPlain(),
        ("reduce", "initial"): AnyPlain(),
        ("default_if_empty", "value"): AnyPlain(),
        ("start_with", "items"): AnyPlain(),
        ("select", "fields"): FieldKind(),
        ("select", "named"): FieldKind(),
        ("with_columns", "named"): FieldKind(),
        ("catch", "on"): Reference("a type of exception"),
        ("map_async", "fn"): Reference("a coroutine function"),
        ("lookup", "fn"): Reference("a coroutine function"),
        ("async_iterable", "factory"): Reference("a function that makes an async iterable"),
        ("batched", "target"): Reference("an object with write(batch), or a function that makes one"),
        ("batched", "on_error"): AnyPlain(),
        ("process", "process"): Reference("a KeyedProcess"),
        ("websocket", "subscribe"): AnyPlain(),
        ("websocket", "headers"): OrNone(MappingOf(Plain(str))),
        ("websocket", "when"): OrNone(MappingOf(Plain(str | int | bool))),
        ("jsonl", "when"): OrNone(MappingOf(Plain(str | int | bool))),
        ("csv", "columns"): ListOf(Plain(str)),
        ("delta", "partition_by"): ListOf(Plain(str)),
        ("csv", "roll"): _SCALAR,
        ("jsonl", "roll"): _SCALAR,
        ("parquet", "roll"): _SCALAR,
        ("arrow_file", "roll"): _SCALAR,
        ("sqlite", "upsert"): OrNone(ListOf(Plain(str))),
        ("postgres", "upsert"): OrNone(ListOf(Plain(str))),
        ("postgres", "dsn"): DsnKind(),
        ("postgres", "order"): ListOf(Plain(str)),
        ("tick_rule", "price"): FieldKind(),
        ("rollup", "tz"): OrNone(ZoneKind()),
    }


_DROPPED: Final = (
    ("batched", "on_error"),
    ("catch", "on"),
    ("trade_bars", "keep"),
    ("trade_bars", "name"),
    ("resample_ohlc", "name"),
)
"""Parameters that a spec expresses differently, or cannot set."""


def kind_of(name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Kind | None:
    """Return the kind of a parameter by its annotation; None if a spec cannot express it."""
    label = parameter.name
    special = _special_kinds().get((name, label))
    if special is not None:
        return special
    text = str(parameter.annotation)
    kind = _by_annotation(label, text, hints.get(parameter.name))
    if kind is not None and "None" in text.split(" | ") and not isinstance(kind, Plain):
        return OrNone(kind)
    return kind


@functools.cache
def _special_kinds() -> dict[tuple[str, str], Kind]:
    return _special()


def _by_annotation(label: str, text: str, hint: Any) -> Kind | None:
    if label == "of":
        return TypeKind()
    for word, kind in (
        ("Mapping[str, Field", MappingOf(FieldKind())),
        ("Field[", FieldKind()),
        ("str | Expr", FieldKind()),
        ("Backoff", BACKOFF),
        ("Dialect", DIALECT),
        ("Overflow", OneOf(tuple(each.value for each in Overflow))),
        ("Duration", DurationKind(signed=label in ("lower", "upper"))),
        ("Sequence[str | PathLike", Either(_is_sequence, ListOf(PathKind()), PathKind())),
        ("PathLike", PathKind()),
        ("tzinfo", ZoneKind()),
        ("ZoneInfo", ZoneKind()),
        ("str | date", IsoKind()),
        ("Callable", Reference()),
    ):
        if word in text:
            return kind
    if label in ("into", "resource", "fn", "predicate", "schema"):
        return Reference()
    if hint is None or hint is Any:
        return None
    words = _words_of(hint)
    return Plain(hint) if words is None else OneOf(words)


def _words_of(hint: Any) -> tuple[str, ...] | None:
    """Return the words of a Literal, without None; None if the type is not a Literal of words."""
    kinds = [each for each in typing.get_args(hint) if each is not type(None)]
    given = hint if typing.get_origin(hint) is Literal else kinds[0] if len(kinds) == 1 else None
    words = typing.get_args(given) if typing.get_origin(given) is Literal else ()
    return tuple(words) if words and all(isinstance(each, str) for each in words) else None


def _hints(fn: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the types of parameters that are plain data; others are omitted."""
    hints: dict[str, Any] = {}
    home = inspect.unwrap(fn)
    for name, parameter in inspect.signature(home).parameters.items():
        try:
            hint: Any = eval(
                str(parameter.annotation), vars(typing) | vars(inspect.getmodule(home))
            )  # the library's own annotations
        except Exception:  # a name that is for type checkers only
            continue
        hints[name] = hint
    return hints


def node_type(name: str, role: Role | PartRole, fn: Callable[..., Any]) -> NodeType:
    """Return the spec type of a function that makes a node."""
    hints = _hints(fn)
    params: dict[str, Param] = {}
    inputs: list[str] = []
    signature = inspect.signature(fn)
    left_out, needed = optional_first(signature) or ("", "")
    for parameter in signature.parameters.values():
        if _is_stream(parameter):
            if parameter.default is None:  # a spec has no place for a stream that may be left out
                continue
            inputs.append("*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else parameter.name)
            continue
        kind = None if (name, parameter.name) in _DROPPED else kind_of(name, parameter, hints)
        if kind is None:
            continue
        label = parameter.name
        spread = _spread(parameter)
        default = LEFT_OUT if parameter.name == left_out else parameter.default
        has_default = default is not inspect.Parameter.empty and parameter.name != needed
        params[label] = Param(
            label,
            ListOf(kind) if spread == "*" else kind,
            not has_default and not spread,
            default if has_default else None,
            spread,
            parameter.kind is inspect.Parameter.POSITIONAL_ONLY,
        )
    takes_streams = bool(inputs)
    if not inputs and role in ("op", "sink"):
        inputs = ["in"]
    if inputs == ["other"]:  # an operator that is piped, and listens to another stream
        inputs, takes_streams = ["in", "other"], False
    summary = (inspect.getdoc(fn) or "").partition("\n")[0]
    takes_name = (name, "name") in _DROPPED
    return NodeType(name, role, fn, params, tuple(inputs), takes_streams, takes_name, summary)


def _spread(parameter: inspect.Parameter) -> Literal["", "*", "**"]:
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return "*"
    return "**" if parameter.kind is inspect.Parameter.VAR_KEYWORD else ""


def _is_stream(parameter: inspect.Parameter) -> bool:
    text = str(parameter.annotation)
    if parameter.kind in _POSITIONAL and parameter.name in ("left", "right") and text == "Any":
        return True
    return "Stream[" in text or parameter.name == "streams"


@dataclass(frozen=True)
class Registry:
    """All node types that a spec can name.

    Attributes:
        nodes: Node types by role and name.
    """

    nodes: Mapping[Role, Mapping[str, NodeType]]
    failures: dict[str, Exception] = field(default_factory=lambda: dict[str, Exception]())

    def find(self, role: Role, name: str) -> NodeType | None:
        """Return the node of that name."""
        return self.nodes[role].get(name)


@functools.cache
def registry() -> Registry:
    """Return the library's nodes, and those of plugins that are installed."""
    from rxdag import market, operators, sinks, sources
    from rxdag.operators import joining

    nodes: dict[Role, dict[str, NodeType]] = {"source": {}, "op": {}, "sink": {}}
    rooms: tuple[tuple[Role, tuple[ModuleType, ...]], ...] = (
        ("source", (sources,)),
        ("op", (operators, joining)),
        ("sink", (sinks,)),
    )
    for role, modules in rooms:
        known = {name: getattr(module, name) for module in modules for name in module.__all__}
        for name in sorted(known):
            if inspect.isfunction(known[name]) and name not in _EXCLUDED[role]:
                nodes[role][name] = node_type(name, role, known[name])
    for name in ("book_top", "resample_ohlc", "rollup", "tick_rule", "trade_bars"):
        nodes["op"][name] = node_type(name, "op", getattr(market, name))
    made = Registry(nodes)
    _add_plugins(made, nodes)
    return made


def _add_plugins(made: Registry, nodes: dict[Role, dict[str, NodeType]]) -> None:
    """Add the entry points of installed packages, as "source:NAME", "op:NAME" or "sink:NAME"."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        prefix, _, name = entry.name.partition(":")
        role: Role | None = next((each for each in nodes if each == prefix), None)
        if role is None or not name:
            made.failures[entry.name] = ValueError('must be named "source:NAME", "op:NAME" or "sink:NAME"')
            continue
        try:
            fn = entry.load()
        except Exception as error:  # foreign code; the error is reported when the name is used
            made.failures[name] = error
            continue
        if name not in nodes[role]:
            nodes[role][name] = user_type(name, role, fn)


def user_type(name: str, role: Role, fn: Any) -> NodeType:
    """Return the spec type of a user's function or class, with parameters of plain data."""
    made = node_type(name, role, fn)
    signature = inspect.signature(fn)
    params = dict(made.params)
    for parameter in signature.parameters.values():
        if (
            parameter.name not in params
            and not _is_stream(parameter)
            and parameter.kind in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
        ):
            has_default = parameter.default is not inspect.Parameter.empty
            params[parameter.name] = Param(
                parameter.name, AnyPlain(), not has_default, parameter.default if has_default else None
            )
    return replace(made, params=params)
