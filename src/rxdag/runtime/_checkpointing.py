"""Checkpointing: takes the state of a run every so often, and writes it to a store beside the run."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from rxdag.checkpoints import Checkpoint, Session
from rxdag.codec import Codec
from rxdag.engine import SourceNode
from rxdag.errors import CheckpointError, RxDagError, StateError
from rxdag.runtime._snapshot import snapshot_of

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution

PATIENCE_S: Final = 10.0
"""Longest wait for writes that are in flight, before a checkpoint is given up."""
RUN: Final = "run"
"""Name of the part that holds what belongs to no node."""


class Checkpointing:
    """The checkpoints of one run.

    Args:
        execution: The run.
        session: Where they go.
        graph: Fingerprint of the graph, saved with each.
        every_ns: Time from one to the next, ns; None to take them on request only.
        codec: What the state is encoded by.
    """

    def __init__(
        self, execution: Execution, session: Session, graph: str, every_ns: int | None, codec: Codec
    ) -> None:
        self._execution = execution
        self._session = session
        self._graph = graph
        self._every_ns = every_ns
        self._codec = codec
        self._writer: threading.Thread | None = None
        self.last: Checkpoint | None = None
        self.failures = 0
        self.pause_ns = 0
        """Time for which the whole run stood for the last one, ns."""
        for sink in execution.program.sinks:
            sink.saves = True
        for source in execution.program.sources:
            source.keeps_position = source.source.where == "blocking"

    def start(self) -> None:
        """Take the first checkpoint after the interval; on the main domain's thread."""
        if self._every_ns is not None:
            when = self._execution.clock.now() + self._every_ns
            self._execution.main.at(when, self.request, is_background=True)

    def request(self) -> None:
        """Take a checkpoint soon, unless one is being taken. Thread-safe."""
        execution = self._execution
        if execution.state != "running":
            return
        execution.safepoint.request(self._take)
        if execution.loop is not None:
            execution.loop.call_soon_threadsafe(execution.loop.call_later, PATIENCE_S, self._give_up, execution.main)
