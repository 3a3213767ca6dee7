"""Ctrl-C and SIGTERM: drain within a deadline; a second Ctrl-C cancels."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any, Final

from rxdag.runtime._execution import Execution

_log = logging.getLogger("rxdag")

DEADLINE_S: Final = 10.0


@contextlib.contextmanager
def draining_on_signals(executions: list[Execution]) -> Generator[None]:
    """Drain on the first signal, cancel on the second or past the deadline; the handlers are restored behind.

    Does nothing outside the main thread, where Python takes no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        act = _drain if count == 1 else _cancel
        # On a thread of its own: this one may hold the very locks that draining needs.
        threading.Thread(target=act, args=(executions, number), daemon=True, name="rxdag-signal").start()

    before: dict[int, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)


def _drain(executions: list[Execution], number: int) -> None:
    _log.warning("%s: draining, at most %g s; again to cancel", signal.Signals(number).name, DEADLINE_S)
    for execution in executions:
        execution.signal = signal.Signals(number).name
        execution.drain()
    for execution in executions:
        if not execution.done.wait(DEADLINE_S):
            execution.cancel()


def _cancel(executions: list[Execution], number: int) -> None:
    _log.warning("%s again: cancelling", signal.Signals(number).name)
    for execution in executions:
        execution.cancel()
