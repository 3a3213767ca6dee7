"""Coroutines of user code in tasks: an exit of the process must not end the event loop before the run is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any


class EndsProcess(Exception):  # it only carries an error out of a task
    """Carries a KeyboardInterrupt or a SystemExit, which asyncio would raise out of the loop before the run is closed."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def contained(work: Awaitable[Any]) -> Awaitable[Any]:
    """Return an awaitable of the same result that raises EndsProcess instead of KeyboardInterrupt and SystemExit."""
    if isinstance(work, Coroutine):
        return _Contained(work)  # pyright: ignore[reportUnknownArgumentType]  # isinstance leaves its parameters open
    return work


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine around another one. It needs no start of its own, so that a cancel always reaches the inner one."""

    __slots__ = ("_work",)

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work

    def __await__(self) -> Any:
        return self._work.__await__()

    def send(self, value: Any, /) -> Any:
        try:
            return self._work.send(value)
        except (KeyboardInterrupt, SystemExit) as error:
            raise EndsProcess(error) from error

    def throw(self, *given: Any) -> Any:
        try:
            return self._work.throw(*given)
        except (KeyboardInterrupt, SystemExit) as error:
            raise EndsProcess(error) from error

    def close(self) -> None:
        self._work.close()
