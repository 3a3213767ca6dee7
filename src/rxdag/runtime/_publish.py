"""Publishers of runs."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from rxdag.contract import Subscriber
from rxdag.engine import SinkNode
from rxdag.errors import GraphError, RxDagError, shown
from rxdag.runtime._execution import Execution
from rxdag.sinks import Hub, PublisherSink, Subscribed


class RunPublisher:
    """A sink of one run, for any number of subscribers, in lock-step; `run.publisher` makes one."""

    def __init__(self, execution: Execution, host: SinkNode) -> None:
        self._execution = execution
        self._host = host
        self._lock = threading.Lock()
        self._entering: list[Subscribed] = []
        execution.on_done(self._end_entering)

    def subscribe(self, subscriber: Subscriber[Any], /) -> None:
        """Send a subscriber the items from now on, as it requests them. Thread-safe.

        Raises:
            GraphError: If it is not a subscriber.
        """
        subscribed = Subscribed(checked_subscriber(subscriber))
        subscriber.on_subscribe(subscribed)
        self.enter(subscribed)

    def enter(self, subscribed: Subscribed) -> None:
        """Add a subscriber to the run after its `on_subscribe`."""
        with self._lock:
            self._entering.append(subscribed)
        if not self._execution.done.is_set():
            self._host.call(partial(self._enter, subscribed))
        # Checked again, since _enter() is not called if the run has ended meanwhile.
        if self._execution.done.is_set():
            self._end_entering()

    def _enter(self, subscribed: Subscribed) -> None:
        hub = self._host.writer
        if isinstance(hub, Hub) and self._left(subscribed):
            hub.add(subscribed)

    def _left(self, subscribed: Subscribed) -> bool:
        with self._lock:
            if subscribed not in self._entering:
                return False
            self._entering.remove(subscribed)
            return True

    def _end_entering(self) -> None:
        """Send the end of the run to subscribers that came too late."""
        with self._lock:
            late, self._entering = self._entering, []
        execution = self._execution
        error = execution.error
        if error is None and execution.state == "cancelled":
            error = RxDagError("run: was cancelled")
        for subscribed in late:
            subscribed.end(error)


def publisher_of(execution: Execution, name: str) -> RunPublisher:
    """Return the publisher of a run's sink.

    Raises:
        GraphError: If there is no such sink; the message lists the publishers of the run.
    """
    found = {host.name: host for host in execution.program.sinks if isinstance(host.sink, PublisherSink)}
    if name not in found:
        known = ", ".join(found) or "none; end a stream with .to(sinks.publisher(), name=...)"
        raise GraphError(f'publisher: "{name}" must be a sinks.publisher() of the run; known: {known}')
    return RunPublisher(execution, found[name])


def checked_subscriber(subscriber: Any) -> Subscriber[Any]:
    """Return it if it is a subscriber, else raise GraphError."""
    missing = [n for n in ("on_subscribe", "on_next", "on_error", "on_complete") if not hasattr(subscriber, n)]
    if missing:
        raise GraphError(
            f"subscribe: takes a subscriber with on_subscribe, on_next, on_error and on_complete, got {shown(subscriber)}, "
            f"which lacks {', '.join(missing)}"
        )
    return subscriber  # type: ignore[no-any-return]  # just looked
