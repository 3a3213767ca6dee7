"""Commit: closes the sinks of a run so that their outputs become complete together or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from rxdag.engine import SinkNode


class Commit:
    """Closes the sinks once all of them have received everything.

    First, every sink is prepared: a file is flushed and synced under its temporary name. If that succeeds, sinks
    without such a step are closed, such as database transactions, since their close may still fail. Then the others are
    closed, which only renames files. A cancel has no effect once the decision to close is taken.

    Args:
        sinks: The sinks of the run.
        may_succeed: Returns False once a node has failed or the run was cancelled.
    """

    def __init__(self, sinks: list[SinkNode], may_succeed: Callable[[], bool]) -> None:
        self._sinks = sinks
        self._may_succeed = may_succeed
        self._lock = threading.RLock()
        self._writing = {sink.name for sink in sinks}
        self._preparing = set(self._writing)
        self._outside: set[str] = set()
        """Sinks closed, or being closed, before those that only rename files."""
        self.is_decided = False
        """True once the sinks are being made complete, after which a cancel has no effect."""

    @property
    def has_begun(self) -> bool:
        """Return True once all sinks have taken everything: then nothing more is written. Thread-safe."""
        return not self._writing

    def ready(self, name: str) -> None:
        """Note that a sink has taken everything, or is closed. Thread-safe."""
        with self._lock:
            # Also called when a sink closes early, as is prepared(), so that the others do not wait for it.
            if name not in self._writing:
                return
            self._writing.discard(name)
            if self._writing:
                return
        for sink in self._sinks:
            sink.domain.driver.call(sink.prepare)

    def prepared(self, name: str) -> None:
        """Note that a sink is prepared, or could not be. Thread-safe."""
        with self._lock:
            if name not in self._preparing:
                return
            self._preparing.discard(name)
            if self._preparing:
                return
            self.is_decided = self._may_succeed()
            self._outside = {sink.name for sink in self._sinks if not sink.is_prepared and not sink.is_closed}
        if self._outside:
            self._close([sink for sink in self._sinks if sink.name in self._outside])
        else:
            self._close(self._sinks)

    def ended(self, name: str) -> None:
        """Note that a sink is closed. Thread-safe."""
        with self._lock:
            is_last = self._outside == {name} and not self._preparing
            self._outside.discard(name)
        if is_last:
            self._close(self._sinks)

    def _close(self, sinks: list[SinkNode]) -> None:
        for sink in sinks:
            sink.domain.driver.call(partial(sink.close, ok=self.is_decided))
