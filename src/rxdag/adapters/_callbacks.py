"""Objects that deliver items to callbacks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any


def registering(thing: Any) -> Callable[[Any], Callable[[], object] | None] | None:
    """Return the function that registers a callback with an object; None if it takes no callbacks."""
    for names in (("subscribe", "unsubscribe"), ("add_listener", "remove_listener"), ("start", "stop")):
        enter = getattr(thing, names[0], None)
        if callable(enter) and required(enter) == 1:
            return partial(_register, enter, getattr(thing, names[1], None))
    return None


def _register(enter: Callable[[Any], Any], leave: Any, push: Any) -> Callable[[], object] | None:
    heard = _heard(enter, push)
    made = enter(heard)
    if callable(made):
        return made  # type: ignore[no-any-return]  # whatever it returns is not looked at
    if hasattr(made, "dispose"):
        return made.dispose  # type: ignore[no-any-return]
    if leave is None:
        return None
    return partial(leave, heard) if required(leave) == 1 else leave


def _heard(enter: Callable[[Any], Any], push: Callable[[Any], None]) -> Callable[[Any], Any]:
    """Return the callback, as a coroutine function if the parameter is annotated as awaitable."""
    first = next(iter(inspect.signature(enter).parameters.values()), None)
    if first is None or ("Awaitable" not in str(first.annotation) and "Coroutine" not in str(first.annotation)):
        return push

    async def heard(item: Any) -> None:
        push(item)

    return heard


def required(fn: Callable[..., Any]) -> int:
    """Return the number of required arguments; -1 if the signature is not known."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return -1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)
