"""The target of `sinks.batched`: opened once per run, written batch by batch, closed however the run ends."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from rxdag.contract import BadProgram, async_kind, check_arguments, check_awaited, check_plain
from rxdag.errors import GraphError, shown

T = TypeVar("T")

_FUNCTION: Final = "batched: the function that the context manager gives"
WRITES: Final = "write `return` for `yield`"
"""Advice for a method that is a generator function."""

WriteBatch: TypeAlias = Callable[[list[T]], Awaitable[object]]


class BatchTarget(Protocol[T]):
    """An object that `sinks.batched` writes to, such as a table or a client.

    If it is a context manager, it is entered once per run, and exited however the run ends. Otherwise its `open()` and
    `close()` are called, if it has them. Coroutine functions are awaited on the run's event loop; plain functions are
    called on one thread of the sink's own.
    """

    def write(self, batch: list[T], /) -> object:
        """Write a batch; a plain function or a coroutine function."""
        ...


def check_target(target: object, where: str) -> None:
    """Raise GraphError if an object cannot be opened, written to or closed."""
    methods = [("write", "the batch")]
    if not (_is_entered_async(target) or _is_entered(target)):
        methods += [("open", ""), ("close", "")]
    for name, takes in methods:
        method = getattr(target, name, None)
        if not callable(method) and name != "write":
            continue  # some targets have a flag of that name
        if not callable(method):
            raise GraphError(
                f"{where} must be an object with write(batch), or a function that makes one, got {shown(target)}"
            )
        if async_kind(method) != "coroutine function":
            check_plain(method, f"{where}.{name}", instead=WRITES, yields=WRITES)
        check_arguments(method, f"{where}.{name}", *filter(None, (takes,)))


def made_target(factory: Callable[[], Any]) -> OpenTarget:
    """Return the target that a user's function makes for one run.

    Raises:
        BadProgram: If the function returns something else.
    """
    made = factory()
    if not (_is_entered_async(made) or _is_entered(made) or hasattr(made, "write")):
        raise BadProgram(
            f"batched: target must make an object with write(batch) or an async context manager, got {shown(made)}; put "
            f"@contextlib.asynccontextmanager before an async generator function"
        )
    return OpenTarget(made)


class OpenTarget:
    """A target during one run: an async context manager that yields an async function of a batch.

    The thread of plain functions lives as long as the target, since a connection may be bound to its thread.
    """

    def __init__(self, target: Any) -> None:
        self._target: Any = target
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> WriteBatch[Any]:
        try:
            given = await self._opened()
        except BaseException:
            self._end_thread()
            raise
        try:
            return self._write_of(given)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def _opened(self) -> Any:
        target = self._target
        if _is_entered_async(target):
            return await target.__aenter__()
        if _is_entered(target):
            return await self._called(target.__enter__)
        check_target(target, "batched: target")
        if callable(getattr(target, "open", None)):
            await self._called(target.open)
        return target

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        target = self._target
        try:
            if _is_entered_async(target):
                await target.__aexit__(kind, error, trace)
            elif _is_entered(target):
                await self._called(target.__exit__, kind, error, trace)
            elif callable(getattr(target, "close", None)):
                await self._called(target.close)
        finally:
            self._end_thread()

    def _end_thread(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _write_of(self, given: Any) -> WriteBatch[Any]:
        if callable(given):
            check_awaited(given, _FUNCTION, "the batch", instead="an object with write(batch)")
            return partial(_awaited, given)
        if not hasattr(given, "write"):
            raise GraphError(
                f"batched: the context manager must give an async function of a batch, or an object with write(batch), "
                f"got {shown(given)}; write `yield write`, or return it from __aenter__"
            )
        if given is not self._target:
            check_target(given, "batched: what the context manager gives")
        write = given.write
        return write if async_kind(write) is not None else partial(self._called, write)

    async def _called(self, fn: Callable[..., Any], *args: Any) -> Any:
        if async_kind(fn) is not None:
            return await fn(*args)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="rxdag-batched")
        work = asyncio.get_running_loop().run_in_executor(self._thread, _outcome, fn, *args)
        made, error = await work
        if error is not None:
            raise error
        return await made if inspect.isawaitable(made) else made


def _outcome(fn: Callable[..., Any], *args: Any) -> tuple[Any, BaseException | None]:
    """Return the result of a call, and its error."""
    try:
        return fn(*args), None
    except BaseException as error:  # a future would misinterpret StopIteration and CancelledError, and never finish
        return None, error


async def _awaited(fn: Callable[[list[Any]], object], batch: list[Any]) -> None:
    work = fn(batch)
    if not inspect.isawaitable(work):
        raise BadProgram(f"{_FUNCTION} must return an awaitable, got {shown(work)}; put async before its def")
    await work


def _is_entered_async(target: object) -> bool:
    return hasattr(target, "__aenter__") and hasattr(target, "__aexit__")


def _is_entered(target: object) -> bool:
    return hasattr(target, "__enter__") and hasattr(target, "__exit__")
