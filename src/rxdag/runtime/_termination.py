"""SIGTERM under `async with PipelineRuntime()`: drain every open runtime, then cancel the bodies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from typing import Any, Final, Protocol

from rxdag.runtime._signals import Caught, handled


class Stop(Protocol):
    """Stops everything in a runtime, which it represents here."""

    async def __call__(self, name: str, /, *, drain: bool) -> None: ...


class Termination:
    """Handles SIGTERM for the runtimes whose `async with` block is open on the main thread's event loop.

    If the program has its own SIGTERM handler, as web servers do, that one stays.
    """

    def __init__(self) -> None:
        self._bodies: dict[Stop, asyncio.Task[Any]] = {}
        self._leaving: set[Stop] = set()
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._stops: list[asyncio.Task[None]] = []
        self._handler = contextlib.ExitStack()
        self._has_begun = asyncio.Event()
        self._caught = Caught()

    def enter(self, stop: Stop) -> None:
        """Begin to handle SIGTERM for the block that the current task enters."""
        task = asyncio.current_task()
        if task is None or threading.current_thread() is not threading.main_thread():
            return
        if not self._bodies:
            # The program's own handler decides when to stop.
            if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                return
            loop = asyncio.get_running_loop()
            catching = handled((signal.SIGTERM,), lambda _: loop.call_soon_threadsafe(self._stop_all))
            self._has_begun = asyncio.Event()  # an event that was awaited is bound to its loop
            self._caught = self._handler.enter_context(catching)
        self._bodies[stop] = task

    def leave(self, stop: Stop) -> None:
        """Note that a block has ended, so that its task is not cancelled any more."""
        if stop in self._bodies:
            self._leaving.add(stop)

    async def drained(self, stop: Stop) -> None:
        """Wait until all blocks are drained, if SIGTERM has come for this one."""
        if stop in self._bodies and self._caught:
            await self._has_begun.wait()
            await asyncio.wait(self._stops)

    def forget(self, stop: Stop) -> bool:
        """Stop handling SIGTERM for a block; return whether it has come."""
        task = self._bodies.pop(stop, None)
        self._leaving.discard(stop)
        if task in self._cancelled:
            self._cancelled.discard(task)
            # Otherwise a timeout or TaskGroup around the block would mistake the cancel for its own.
            task.uncancel()
        if not self._bodies:
            self._handler.close()
            self._stops.clear()
        return task is not None and bool(self._caught)

    def _stop_all(self) -> None:
        self._stops.append(asyncio.get_running_loop().create_task(self._stopping(drain=not self._stops)))
        self._has_begun.set()

    async def _stopping(self, *, drain: bool) -> None:
        try:
            await asyncio.gather(*(stop("SIGTERM", drain=drain) for stop in tuple(self._bodies)))
        finally:
            # A task that leaves one of its blocks raises Terminated there, through the others.
            leaving = {self._bodies[stop] for stop in self._leaving}
            for task in {*self._bodies.values()} - leaving - self._cancelled:
                self._cancelled.add(task)
                task.cancel("SIGTERM")


TERMINATION: Final = Termination()
"""The only instance, since signals belong to the process: one block must not end the program while another drains."""
