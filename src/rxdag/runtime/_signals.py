"""Ctrl-C and SIGTERM: drain within a deadline, cancel on the second signal, then end the program."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any, Final, TypeVar

from rxdag.errors import Terminated
from rxdag.runtime._execution import Execution
from rxdag.runtime._result import RunResult

R = TypeVar("R")

DEADLINE_S: Final = 10.0


class Caught:
    """The signals that have come while their handlers were installed."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int) -> None:
        """Record a signal."""
        self._numbers.append(number)

    @property
    def name(self) -> str:
        """The signal that ends the program: SIGTERM if it is among them, else SIGINT."""
        return "SIGTERM" if signal.SIGTERM in self._numbers else "SIGINT"

    def outcome(self, result: R) -> R:
        """Return the result of the call, unless a signal has come.

        Raises:
            Terminated: If SIGTERM has come.
            KeyboardInterrupt: If Ctrl-C has been pressed.
        """
        if not self._numbers:
            return result
        if self.name == "SIGTERM":
            raise Terminated(result)
        # Exactly this class: only then does Python end by SIGINT, which makes a shell stop its loops.
        interrupt = KeyboardInterrupt()
        vars(interrupt)["result"] = result
        raise interrupt


@contextlib.contextmanager
def handled(numbers: tuple[int, ...], react: Callable[[Caught], object]) -> Generator[Caught]:
    """Catch signals, and restore the handlers behind; outside the main thread, where Python takes none, do nothing.

    Args:
        numbers: Signals to catch.
        react: Called after each signal, in the main thread between two bytecodes.
    """
    caught = Caught()
    before: dict[int, Any] = {}

    def handle(number: int, _frame: FrameType | None) -> None:
        caught.add(number)
        react(caught)

    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            before[number] = signal.signal(number, handle)
    try:
        yield caught
    finally:
        for number, handler in before.items():
            # None stands for a handler that Python did not install, and cannot install again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class SignalDrain:
    """Drains one run on the first signal, and cancels it on the second or past the deadline."""

    def __init__(self) -> None:
        self.caught = Caught()
        self._execution: Execution | None = None
        self._is_known = threading.Event()

    def attach(self, execution: Execution) -> None:
        """Take over a run; a signal that came before it was made counts."""
        self._execution = execution
        self._is_known.set()

    def close(self) -> None:
        """Release the threads that wait for a run."""
        self._is_known.set()

    def react(self, caught: Caught) -> None:
        """Drain or cancel, on a thread of its own: the main thread may hold the very locks that draining needs."""
        act = _drain if len(caught) == 1 else _cancel
        threading.Thread(target=self._act, args=(act, caught.name), daemon=True, name="rxdag-signal").start()

    def outcome(self, result: RunResult) -> RunResult:
        """Return the result of the run, unless a signal has come.

        Raises:
            Terminated: If SIGTERM has come.
            KeyboardInterrupt: If Ctrl-C has been pressed.
        """
        return self.caught.outcome(dataclasses.replace(result, signal=self.caught.name) if self.caught else result)

    def _act(self, act: Callable[[Execution, str], None], name: str) -> None:
        self._is_known.wait()
        if self._execution is not None:
            act(self._execution, name)


@contextlib.contextmanager
def draining_on_signals() -> Generator[SignalDrain]:
    """Drain the attached run on Ctrl-C and SIGTERM; restore the handlers afterwards."""
    drain = SignalDrain()
    with handled((signal.SIGINT, signal.SIGTERM), drain.react) as drain.caught:
        try:
            yield drain
        finally:
            drain.close()


def _drain(execution: Execution, name: str) -> None:
    execution.events.of_run("signal.received", signal=name, action="drain", timeout_s=DEADLINE_S)
    execution.drain()
    if not execution.done.wait(DEADLINE_S):
        execution.events.overdue(DEADLINE_S)
        execution.cancel()


def _cancel(execution: Execution, name: str) -> None:
    execution.events.of_run("signal.received", signal=name, action="cancel")
    execution.cancel()
