"""First calls: the first result of a user's function is checked, the later ones are not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rxdag.contract._functions import MAP_ASYNC, RETURN
from rxdag.contract._kernel import BadProgram
from rxdag.errors import shown


def plain_result(made: Any, where: str, *, instead: str = MAP_ASYNC, may_yield: bool = False) -> Any:
    """Return a function's result, which must be a plain value.

    Args:
        made: The result. A future is allowed, since it runs without being awaited.
        where: Operator and argument, for the message.
        instead: Advice for the message if it is a coroutine.
        may_yield: True to allow a generator, which the caller then iterates.

    Raises:
        BadProgram: If it is a coroutine or a generator, whose code would never run.
    """
    if inspect.isgenerator(made) and not may_yield:
        raise BadProgram(f"{where} must return a value, got the generator {shown(made)}; {RETURN}")
    if inspect.isasyncgen(made) or (inspect.isawaitable(made) and not _is_future(made)):
        text = shown(made)
        if inspect.iscoroutine(made):
            made.close()
        raise BadProgram(f"{where} must return a value, got {text}{f'; {instead}' if instead else ''}")
    return made


def _is_future(made: Any) -> bool:
    """Return the result of `asyncio.isfuture` without loading asyncio, which defining a graph does not need."""
    return hasattr(made.__class__, "_asyncio_future_blocking")


class FirstCall:
    """A function whose first result is checked; later calls go to the function itself.

    Args:
        fn: The function.
        where: Operator and argument, for the message.
        put: Replaces this object by the function itself, wherever it is stored.
        may_yield: True if its result may be a generator.
    """

    def __init__(
        self,
        fn: Callable[[Any], Any],
        where: str,
        put: Callable[[Callable[[Any], Any]], None],
        *,
        may_yield: bool = False,
    ) -> None:
        self.fn = fn
        self._where = where
        self._put = put
        self._may_yield = may_yield
        self.__qualname__ = getattr(fn, "__qualname__", type(fn).__name__)

    def __call__(self, item: Any) -> Any:
        made = plain_result(self.fn(item), self._where, may_yield=self._may_yield)
        self._put(self.fn)
        return made


def first_call(fn: Any, where: str, holder: Any, attribute: str, *, may_yield: bool = False) -> Any:
    """Return a wrapper that checks the first result, then sets the attribute to the function; None for None."""
    if fn is None:
        return None
    return FirstCall(fn, where, lambda given: setattr(holder, attribute, given), may_yield=may_yield)
