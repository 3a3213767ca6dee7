"""Origins: the public function and the arguments that made a node, so that a graph can be written as a spec."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from rxdag.contract._duration import duration_ns
from rxdag.contract._left_out import optional_first
from rxdag.contract._wrong_call import bound
from rxdag.errors import GraphError

Role: TypeAlias = Literal["source", "op", "sink", "aggregate", "window"]

_ATTRIBUTE: Final = "_rxdag_made"
_TIMES: Final = re.compile(r"\b(Duration|Timeout)\b")


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
        signature: Of the function; None if unknown.
    """

    role: Role
    name: str
    arguments: tuple[tuple[str, Any], ...]
    keywords: frozenset[str] = frozenset()
    variable: str | None = None
    options: frozenset[str] = frozenset()
    signature: inspect.Signature | None = field(default=None, compare=False, repr=False)

    def understood(self) -> dict[str, Any]:
        """Return the arguments, of which equal ones have one form: "3s", "3000ms" and a timedelta are equal, as 3 and 3.0."""
        return {name: _understood(value, self._parameters().get(name)) for name, value in self.arguments}

    def defaults(self) -> dict[str, Any]:
        """Return the defaults of all parameters that have one, in the same form."""
        return {
            name: _understood(parameter.default, parameter)
            for name, parameter in self._parameters().items()
            if parameter.default is not parameter.empty
        }

    def _parameters(self) -> dict[str, inspect.Parameter]:
        return {} if self.signature is None else dict(self.signature.parameters)


def _understood(value: Any, parameter: inspect.Parameter | None) -> Any:
    """Return a duration as text in ns, a number for a float as float, and any other argument unchanged."""
    annotation = "" if parameter is None else str(parameter.annotation)
    times = _TIMES.search(annotation)
    if times is None:
        return float(value) if type(value) is int and "float" in annotation else value
    if times[0] == "Timeout" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{round(value * 1e9)}ns"
    if not isinstance(value, str | timedelta):
        return value
    try:
        return f"{duration_ns(value, '')}ns"
    except GraphError:  # a text that is no duration, of a parameter that takes both
        return value


def made_by(thing: object) -> Made | None:
    """Return the public call that made an object; None if unknown."""
    made: Made | None = getattr(thing, _ATTRIBUTE, None)
    return made


def note_as(thing: object, other: object) -> None:
    """Record on an object the call that made another one, whose copy it is."""
    made = made_by(other)
    if made is not None:
        _note(thing, made)


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
        made = Made(role, name, tuple(_without_streams(signature, given)), keywords, variable, options, signature)
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
