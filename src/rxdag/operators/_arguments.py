"""Checks of arguments of operators, with one message for each kind."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from rxdag.contract import CONTEXT, MAP_ASYNC, async_kind, check_arguments, check_awaited, check_function, checked_path
from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr, check_field

Durable: TypeAlias = Literal["written", "synced"]
TAKEN: Final = ("out", "dead", "late", "dropped", "unassigned", "unrouted")
"""Port names that nodes use themselves."""


def function(fn: Any, where: str, *takes: str, instead: str = MAP_ASYNC) -> Any:
    """Return a plain function; expressions are refused.

    Args:
        fn: The argument.
        where: Operator and argument, for the message.
        takes: Description of each argument of a call, in order.
        instead: Advice for the message if it is a coroutine function.

    Raises:
        GraphError: If it is not a function, is a coroutine function, or cannot take these arguments.
    """
    check_function(_callable(fn, where), where, *takes, instead=instead)
    return fn


def function_or_none(fn: Any, where: str, *takes: str) -> Any:
    """Return a function, checked as `function` does, or None."""
    return None if fn is None else function(fn, where, *takes)


def awaited_function(fn: Any, where: str, *takes: str) -> Any:
    """Return a function that may return an awaitable.

    Raises:
        GraphError: If it is not a function, certainly returns no awaitable, or cannot take these arguments.
    """
    check_awaited(_callable(fn, where), where, *takes, instead="ops.map")
    return fn


def stream_function(fn: Any, where: str) -> Any:
    """Return a function of the item that makes a stream; generator functions of both kinds do.

    Raises:
        GraphError: If it is not a function, is a coroutine function, or cannot take an item.
    """
    if async_kind(_callable(fn, where)) == "async generator function":
        check_arguments(fn, where, "the item")
    else:
        check_function(fn, where, "the item", generators=True)
    return fn


def resource_or_none(fn: Any, where: str) -> Any:
    """Return a function that makes an async context manager, or None.

    Raises:
        GraphError: If it is not a function, or is a coroutine function.
    """
    return None if fn is None else function(fn, where, instead=CONTEXT)


def folder_or_none(path: Any, where: str) -> str | None:
    """Return the folder of a journal as text, or None.

    Raises:
        GraphError: If it is not a path.
    """
    if isinstance(path, bool):
        raise GraphError(f"{where} must be the folder of a journal, got {path}; name that of the recorded sources")
    return None if path is None else checked_path(path, where)


def durable_with(durable: Any, record: Any, where: str) -> Durable:
    """Return when recorded answers count as durable.

    Raises:
        GraphError: If it is no such word, or nothing is recorded that could be synced.
    """
    if durable not in ("written", "synced"):
        raise GraphError(f'{where} must be "written" or "synced", got {shown(durable)}')
    if durable == "synced" and record is None:
        raise GraphError(f'{where} must be "written" without record=, got "synced"; name the folder of a journal')
    return durable  # type: ignore[no-any-return]  # checked above


def _callable(fn: Any, where: str) -> Any:
    if not callable(fn) or isinstance(fn, Expr):
        raise GraphError(f"{where} must be a function, got {shown(fn)}")
    return fn


def field_of(value: Any, where: str, *, generators: bool = False) -> Any:
    """Return a function of the item, a field's name, or an expression.

    Args:
        value: The argument.
        where: Operator and argument, for the message.
        generators: True to allow generator functions, where an iterable is expected.

    Raises:
        GraphError: If it is none of these.
    """
    check_field(value, None, where, generators=generators)
    return value


def field_or_none(value: Any, where: str) -> Any:
    """Return a field, checked as `field_of` does, or None."""
    return None if value is None else field_of(value, where)


def checked_default(default: Any, where: str) -> None:
    """Check the name of a default port, or None.

    Raises:
        GraphError: If it is neither a name nor None, or is a name that nodes use themselves.
    """
    if default is not None and (not isinstance(default, str) or not default or default in TAKEN):
        raise GraphError(f"{where}: default must have a name other than {', '.join(TAKEN)}, got {shown(default)}")
