"""A node of a spec: its function, parameters and error policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from rxdag import on_error as policies
from rxdag.contract import OnError
from rxdag.errors import GraphError, RxDagError, did_you_mean, text_of
from rxdag.graph import checked_name
from rxdag.spec._context import REFERENCE, Context, Refused, tree_text
from rxdag.spec._feeds import Feed, read_feeds
from rxdag.spec._kinds import DurationKind, Kind, OneOf, Plain
from rxdag.spec._nodes import NodeType, Role, registry, user_type
from rxdag.spec._params import NodeCall, by_kinds, read_call
from rxdag.spec._tree import Tree

ROLES: Final[tuple[Role, ...]] = ("source", "op", "sink")
OPTIONS: Final = ("input", "on_error", "buffered", "on")
POLICIES: Final = {"raise": policies.raise_, "skip": policies.skip, "dead": policies.dead}
RETRY: Final[dict[str, Kind]] = {
    "attempts": Plain(int),
    "base": DurationKind(),
    "factor": Plain(float),
    "cap": DurationKind(),
    "jitter": Plain(float),
    "then": OneOf(tuple(POLICIES)),
}


@dataclass(frozen=True)
class SpecNode:
    """A node of a document.

    Attributes:
        name: Its id.
        found: What it is.
        tree: Where it is said.
        call: The call of its function.
        thing: What the function made; None if it takes streams or has failed.
        feeds: What feeds it, by input; numbers as names where there may be any number. None where that is wrong.
        on_error: Its policy; None for that of its kind.
        is_sound: False if a problem of it has been told.
    """

    name: str
    found: NodeType
    tree: Tree
    call: NodeCall
    thing: Any
    feeds: dict[str, Feed | None]
    on_error: OnError | None
    is_sound: bool


def read_node(name: str, tree: Tree, context: Context, feeds_of: dict[str, dict[str, Feed | None]]) -> SpecNode | None:
    """Return a node, after telling its problems; None if nothing can be made of it.

    Its feeds are put into `feeds_of` as far as they are known.
    """
    before = len(context.problems.found)
    try:
        checked_name(name, "id")
    except GraphError as error:
        context.tell(tree, text_of(error).removeprefix("id: "))
    if not tree.is_mapping:
        context.tell(tree, f"must be a mapping with source, op or sink, got {tree_text(tree)}")
        return None
    roles: list[Role] = [role for role in ROLES if role in tree.mapping()]
    if len(roles) != 1:
        got = " and ".join(roles) or ", ".join(tree.mapping()) or "nothing"
        context.tell(tree, f"must have one of source, op and sink, got {got}")
        return None
    found = _type(roles[0], tree.mapping()[roles[0]], context.at(roles[0]))
    policy = _policy(tree.mapping().get("on_error"), context.at("on_error"))
    feeds = feeds_of[name] = read_feeds(found, roles[0], tree, context)
    if found is None:
        return None
    call = read_call(found, tree, context, (*ROLES, *OPTIONS, *_stream_keys(found)))
    thing = None
    if not call.needs_streams:
        thing, problems = call.make()
        for problem in problems:
            context.tell(tree, problem)
    is_sound = len(context.problems.found) == before
    return SpecNode(name, found, tree, call, thing, feeds, policy, is_sound)


def _stream_keys(found: NodeType) -> tuple[str, ...]:
    return ("other",) if "other" in found.inputs else ()


def _type(role: Role, tree: Tree, context: Context) -> NodeType | None:
    if tree.value is None:  # `sink: null` means the sink named null
        tree = replace(tree, value="null")
    if isinstance(tree.value, str) and REFERENCE.fullmatch(tree.value):
        try:
            fn = context.reference(tree)
        except Refused:
            return None
        if not callable(fn):
            context.tell(tree, f"must be a function that makes a {role}, got {tree_text(tree)}, which is none")
            return None
        return user_type(tree.value, role, fn)
    known = registry()
    found = known.find(role, tree.value) if isinstance(tree.value, str) else None
    if found is not None:
        return found
    names = known.nodes[role]
    text = str(tree.value)
    if text in known.failures:
        context.tell(tree, f'plugin "{text}" could not be loaded: {known.failures[text]}')
        return None
    elsewhere = next((other for other in ROLES if other != role and text in known.nodes[other]), None)
    hint = (
        f'; there is a {elsewhere} of that name: write "{elsewhere}: {text}"'
        if elsewhere
        else did_you_mean(text, names)
    )
    context.tell(tree, f'{role} "{text}" is not known{hint}; known: {", ".join(names)}, or "module:function"')
    return None


def _policy(tree: Tree | None, context: Context) -> OnError | None:
    if tree is None:
        return None
    if isinstance(tree.value, str) and tree.value in POLICIES:
        return POLICIES[tree.value]
    retry = tree.mapping().get("retry")
    if retry is None or len(tree.mapping()) != 1:
        near = did_you_mean(tree.value, POLICIES) if isinstance(tree.value, str) else ""
        context.tell(tree, f"must be raise, skip, dead or {{retry: {{attempts: 3, ...}}}}, got {tree_text(tree)}{near}")
        return None
    inside = context.at("retry")
    values = by_kinds(retry, inside, RETRY)
    attempts: Any = values.pop("attempts", None)
    then = POLICIES[values.pop("then", "raise")]
    try:
        return policies.retry(attempts, then=then, **values)
    except RxDagError as error:
        inside.tell(retry, text_of(error))
        return None
