"""The services of a run that its nodes use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from rxdag.contract import Clock

if TYPE_CHECKING:
    from asyncio import Event, Future


class Events(Protocol):
    """Logs the events of a run."""

    is_looking: bool
    """True if the run is about to look for lost items in the books."""

    def look(self) -> None:
        """Log soon which items were lost or tried again, as the books have it. Thread-safe."""
        ...

    def tell(self, code: str, node: str, **fields: object) -> None:
        """Log a documented event of a node. Thread-safe."""
        ...


class RunContext(Protocol):
    """The services of a run that nodes use."""

    dag_name: str
    clock: Clock
    random: Random
    """Source of random numbers, such as jitter in waits; seeded in virtual time."""

    @property
    def events(self) -> Events:
        """Log of the events of the run."""
        ...

    @property
    def error(self) -> Exception | None:
        """Error that the run has failed with, or None."""
        ...

    @property
    def may_succeed(self) -> bool:
        """False once a node has failed or the run was cancelled: no sink may look complete then."""
        ...

    def spawn(self, node: str, work: Awaitable[Any], then: Callable[[Future[Any]], None] | None = None) -> None:
        """Run an awaitable as a task on the run's loop; `then` is called at its end, without it a failure is the run's.

        A task is `cancelled()` only if the run cancelled it; a CancelledError that the task raised itself is a failure.
        """
        ...

    def event(self) -> Event:
        """Return an event that tasks of the run can wait for."""
        ...

    def cancelled(self, why: str) -> BaseException:
        """Return the error of a task that was cancelled."""
        ...

    def fail(self, error: Exception) -> None:
        """Fail the run. Thread-safe."""
        ...

    def source_ended(self, name: str) -> None:
        """Note that a source is closed. Thread-safe."""
        ...

    def sink_ready(self, name: str) -> None:
        """Note that a sink has taken everything, and waits to be closed with all the others. Thread-safe."""
        ...

    def sink_prepared(self, name: str) -> None:
        """Note that a sink is ready to be closed, or could not be made so. Thread-safe."""
        ...

    def sink_ended(self, name: str, result: object) -> None:
        """Note that a sink is closed. Thread-safe."""
        ...
