"""Origins: the public function and the arguments that made a node, so that a graph can be written as a spec."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from rxdag.contract._left_out import optional_first
from rxdag.contract._wrong_call import bound

Role: TypeAlias = Literal["source", "op", "sink", "aggregate", "window"]

_ATTRIBUTE: Final = "_rxdag_made"


@dataclass(frozen=True)
class Made:
    """A call of a public function.

    Attributes:
        role: Kind of object that it makes.
        name: Of the function.
        arguments: Arguments by parameter, without streams; those of a `*` parameter as a tuple.
        keywords: Keyword-only parameters that were given.
        variable: The `*` parameter, for any number of positional arguments.
        options: Undeclared keyword arguments, which the function passes on.
    """

    role: Role
    name: str
    arguments: tuple[tuple[str, Any], ...]
    keywords: frozenset[str] = frozenset()
    variable: str | None = None
    options: frozenset[str] = frozenset()


def made_by(thing: object) -> Made | None:
    """Return the public call that made an object; None if unknown."""
    made: Made | None = getattr(thing, _ATTRIBUTE, None)
    return made


def remember(namespace: dict[str, Any], names: Iterable[str], role: Role) -> None:
    """Wrap the functions of a package so that they refuse wrong calls and record on their results how they were called.

    Args:
        namespace: Namespace of the package.
        names: Names of the functions; other objects are left unchanged.
        role: Kind of object that they make.
    """
    for name in names:
        fn = namespace[name]
        if inspect.isfunction(fn):
            namespace[name] = _noting(fn, name, role)


def _noting(fn: Callable[..., Any], name: str, role: Role) -> Callable[..., Any]:
    signature = inspect.signature(fn)
    keywords = frozenset(n for n, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY)
    variable = next((n for n, p in signature.parameters.items() if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
    optional = optional_first(signature)

    @functools.wraps(fn)
    def noting(*args: Any, **named: Any) -> Any:
        given = bound(fn, signature, args, named)
        result = fn(*args, **named)
        thing = getattr(getattr(result, "node", None), "thing", result)
        options = frozenset(named) - frozenset(signature.parameters)
        if optional is not None and len(args) == 1:
            given[optional[1]] = given.pop(optional[0])
        made = Made(role, name, tuple(_without_streams(signature, given)), keywords, variable, options)
        for each in (
            thing,
            getattr(thing, "fan_in", None),
        ):  # the fan-in is on the graph, not the thing itself
            _note(each, made)
        return result

    return noting


def _without_streams(signature: inspect.Signature, given: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in given.items():
        kind = signature.parameters[name].kind
        if hasattr(value, "node"):
            continue
        if kind is inspect.Parameter.VAR_KEYWORD:
            yield from value.items()
        elif kind is not inspect.Parameter.VAR_POSITIONAL or not any(hasattr(each, "node") for each in value):
            yield name, value


def _note(thing: object, made: Made) -> None:
    with contextlib.suppress(
        AttributeError, TypeError
    ):  # what has no role for it cannot be written down, and says so then
        object.__setattr__(thing, _ATTRIBUTE, made)
