"""Checkpointing: captures the state of a run at intervals, and writes it to a store while the run continues."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from rxdag.checkpoints import Checkpoint, StoreSession
from rxdag.codec import Codec, detached
from rxdag.engine import InnerNode, Ledger, Writes
from rxdag.errors import CheckpointError, RxDagError, as_exception, text_of
from rxdag.runtime._checkpoint_stats import CheckpointStats, per_day
from rxdag.runtime._result import RunStats
from rxdag.runtime._snapshot import snapshot_of
from rxdag.runtime._totals import Totals, plain_totals, totals_of

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution

PATIENCE_S: Final = 10.0
"""Longest wait for writes that are in flight, before a checkpoint is given up."""
RUN: Final = "the run"
"""Name of the part that holds what belongs to no node; no node can have it, since it has a space."""


class RunCheckpoint(Checkpoint, frozen=True):
    """A checkpoint that a run has taken.

    Attributes:
        pause_ns: Time for which the run paused while its state was copied or encoded, ns.
        by_node: Size of the state of each node and of the items queued between nodes, in bytes.
    """

    pause_ns: int = 0
    by_node: Mapping[str, int] = msgspec.field(default_factory=lambda: dict[str, int]())


Outcome: TypeAlias = "RunCheckpoint | Exception"


class Checkpointing:
    """The checkpoints of one run.

    Args:
        execution: The run.
        session: Where they go.
        facts: Data that is saved with each checkpoint beside the state, such as the graph.
        graph: Fingerprint of the graph.
        every_ns: Time from one checkpoint to the next, ns; None to take them on request only.
        codec: Encodes the state.
        resumed_from: Number of the checkpoint with which the run begins; None if it starts over.
        totals: Counts of each node in that checkpoint, since the first start.
    """

    def __init__(
        self,
        execution: Execution,
        session: StoreSession,
        facts: dict[str, Any],
        graph: str,
        every_ns: int | None,
        codec: Codec,
        resumed_from: int | None = None,
        totals: Totals | None = None,
    ) -> None:
        self._execution = execution
        self._session = session
        self._facts = facts
        self._graph = graph
        self._every_ns = every_ns
        self._codec = codec
        self.resumed_from = resumed_from
        self._totals = totals or {}
        self._path: str | None = getattr(session, "path", None)
        self._lock = threading.Lock()
        """Held while one is written."""
        self._then: list[Callable[[Outcome], object]] = []
        self._is_busy = False
        self._attempts = 0
        self._pause_ns = self._taken_at = self._last_at = self._written_bytes = 0
        self._pauses, self._writes = Writes(), Writes()
        self.last: Checkpoint | None = None
        self.failures = 0
        self._timer: threading.Timer | None = None
        self._suspends = self._is_sealed = False
        self.books: RunStats | None = None
        """The books at the checkpoint behind which the run is suspended."""
        self._positions: dict[str, Any] = {}
        """Position of each source in the checkpoint that is being written."""
        for sink in execution.program.sinks:
            sink.saves = True
            sink.ask_for_checkpoint = partial(execution.main.call, self.request)
        for source in execution.program.sources:
            source.saves = True
            source.keeps_position = source.source.where == "blocking"
        for node in execution.program.nodes.values():
            if isinstance(node, InnerNode):
                node.saves = True

    @property
    def session(self) -> StoreSession:
        """The store that the checkpoints go to. Thread-safe."""
        return self._session

    def start(self) -> None:
        """Take the first checkpoint after the interval. On the main domain's thread."""
        self._last_at = self._last_at or self._execution.clock.now()
        if self._every_ns is None:
            return
        main = self._execution.main
        if self._execution.is_virtual:
            main.at(self._execution.clock.now() + self._every_ns, self._tick, is_background=True)
            return
        # Not a timer of the domain, for which it would read the clock before each item.
        self._timer = threading.Timer(self._every_ns / 1e9, main.call, (self._tick,))
        self._timer.name, self._timer.daemon = "rxdag-checkpoint-timer", True
        self._timer.start()

    def _tick(self) -> None:
        if self._execution.state == "running":
            self.request()
            self.start()

    def request(self, then: Callable[[Outcome], object] | None = None) -> None:
        """Take a checkpoint soon, after any that is being taken. On the main domain's thread.

        Args:
            then: Called there with the checkpoint once it is durable, or with the error that prevented it.
        """
        if self._execution.state != "running":
            if then is not None:
                then(RxDagError(f"checkpoint: the run must be running, but it is {self._execution.state}"))
            return
        if self._is_busy:
            if then is not None:
                self._then.append(lambda _: self.request(then))
            return
        self._is_busy = True
        self._attempts += 1
        if then is not None:
            self._then.append(then)
        execution = self._execution
        execution.safepoint.request(self._take)
        if execution.loop is not None:
            execution.loop.call_later(PATIENCE_S, execution.main.call, partial(self._give_up, self._attempts))

    def suspend(self, then: Callable[[Outcome], object]) -> None:
        """Take a last checkpoint, after which the run stays paused. On the main domain's thread."""
        self._suspends = True
        self.request(then)

    def _give_up(self, attempt: int) -> None:
        safepoint = self._execution.safepoint
        if safepoint.is_pending and attempt == self._attempts:
            error = RxDagError(f"checkpoint: all domains must stand within {PATIENCE_S:g} s, but {safepoint.why()}")
            safepoint.abandon()
            self._ended(error)

    def _take(self) -> bool:
        """Copy or encode the state while all domains are paused. Return True if they resume before it is written."""
        began = time.perf_counter_ns()
        self._taken_at = self._execution.clock.now()
        try:
            with _no_collection():
                parts = self._encoded()
        except Exception as error:
            self._ended(error)
            return True
        self._pause_ns = time.perf_counter_ns() - began
        self._pauses.add(self._pause_ns)
        if self._execution.is_virtual:
            self._write(parts)
        else:
            threading.Thread(target=self._write, args=(parts,), name="rxdag-checkpoint", daemon=True).start()
        if self._suspends:
            self.books = self._execution.stats()
        return not self._suspends

    def _encoded(self) -> dict[str, Any]:
        """Return the state of each place as bytes, or unencoded if the run can no longer change it."""
        saved = snapshot_of(self._execution)
        run = {**self._facts, "now": saved["now"], "totals": plain_totals(self.totals())}
        parts: dict[str, Any] = {RUN: self._codec.encode(run, where="run")}
        nodes = saved["nodes"]
        self._positions = {source.name: nodes[source.name]["position"] for source in self._execution.program.sources}
        for place, state in nodes.items():
            parts[place] = detached(state) or self._codec.encode(state, where=place)
        return parts

    def _write(self, taken: dict[str, Any]) -> None:
        try:
            parts: dict[str, bytes] = {
                place: state if isinstance(state, bytes) else self._codec.encode(state, where=place)
                for place, state in taken.items()
            }
            taken.clear()  # else the state would be in memory twice while it is written
            made = self._commit(parts)
        except BaseException as error:  # it would end this thread, and the run would wait for the checkpoint
            self._execution.main.call(partial(self._ended, as_exception(error, "checkpoint")))
            return
        if made is not None:
            by_node = {name: len(data) for name, data in parts.items()}
            checkpoint = RunCheckpoint(**msgspec.structs.asdict(made), pause_ns=self._pause_ns, by_node=by_node)
            self._execution.main.call(partial(self._written, checkpoint))

    def _commit(self, parts: dict[str, bytes], *, is_done: bool = False) -> Checkpoint | None:
        """Write a checkpoint; None if the output is complete by now: no unfinished checkpoint may follow that one."""
        with self._lock:
            if self._is_sealed and not is_done:
                return None
            began = time.perf_counter_ns()
            self._session.begin()
            for name, data in parts.items():
                self._session.put(name, data)
            made = self._session.commit(graph=self._graph, at_ns=time.time_ns(), is_done=is_done)
            self._is_sealed = is_done
            self._writes.add(time.perf_counter_ns() - began)
            self._written_bytes += made.bytes
            return made

    def _written(self, checkpoint: RunCheckpoint) -> None:
        if self.last is None or checkpoint.id > self.last.id:  # else the output was sealed meanwhile
            self.last, self._last_at = checkpoint, self._taken_at
        for sink in self._execution.program.sinks:
            sink.domain.driver.call(sink.publish)
        for source in self._execution.program.sources:
            source.domain.driver.call(partial(source.confirm, self._positions[source.name]))
        self._ended(checkpoint)

    def _ended(self, outcome: Outcome) -> None:
        """Note the end of an attempt. On the main domain's thread."""
        self._is_busy = False
        if isinstance(outcome, Exception):
            self._note_failure(outcome)
        then, self._then = self._then, []
        for each in then:
            each(outcome)

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        # Other errors may show an item of the state in their text.
        reason = {"reason": text_of(error)} if isinstance(error, CheckpointError) else {}
        self._execution.events.of_run("checkpoint.failed", failures=self.failures, error=error, **reason)

    def totals(self) -> dict[str, Ledger]:
        """Return the counts of each node since the first start. Thread-safe."""
        return totals_of(self._totals, self._execution.program.ledgers())

    def stats(self, elapsed_s: float) -> CheckpointStats:
        """Return the current figures; `elapsed_s` is the duration of the run so far, s. Thread-safe."""
        last, now = self.last, self._execution.clock.now()
        return CheckpointStats(
            every_s=None if self._every_ns is None else self._every_ns / 1e9,
            last_id=None if last is None else last.id,
            last_bytes=0 if last is None else last.bytes,
            age_s=(now - self._last_at) / 1e9 if self._last_at else 0.0,
            pause_s=self._pause_ns / 1e9,
            resumed_from=self.resumed_from,
            failures=self.failures,
            written_bytes=self._written_bytes,
            bytes_a_day=per_day(self._written_bytes, elapsed_s),
            path=self._path,
            pauses=self._pauses.copy(),
            writes=self._writes.copy(),
        )

    def seal(self) -> None:
        """Save that all sinks have all their output, before any of them makes it visible.

        Raises:
            CheckpointError: If it cannot be written; nothing may then become visible.
        """
        sinks = {sink.name: sink.saved for sink in self._execution.program.sinks}
        try:
            self._finish({**self._facts, "sinks": sinks})
        except Exception as error:
            self._note_failure(error)
            raise

    def close(self) -> None:
        """Save the return values of the sinks, and release the store. Called when the run has ended."""
        if self._timer is not None:
            self._timer.cancel()
        result = self._execution.result
        try:
            if result is not None and result.error is None and self.last is not None and self.last.is_done:
                values: dict[str, Any] = {}
                sinks = {}
                for sink in self._execution.program.sinks:
                    try:
                        self._codec.encode(result.values[sink.name])
                        values[sink.name] = result.values[sink.name]
                    except Exception:  # it is made again from what the sink has saved
                        sinks[sink.name] = sink.saved
                self._finish({**self._facts, "sinks": sinks, "values": values})
        except BaseException as error:
            self._note_failure(as_exception(error, "checkpoint"))
        try:
            with self._lock:
                self._session.close()
        except BaseException as error:  # the result is known, and whoever waits for it must get it
            self._note_failure(as_exception(error, "checkpoint"))

    def _finish(self, facts: dict[str, Any]) -> None:
        self._last_at = self._execution.clock.now()
        run = {**facts, "totals": plain_totals(self.totals())}
        self.last = self._commit({RUN: self._codec.encode(run, where="run")}, is_done=True)


def may_become_visible(run: Execution) -> bool:
    """Return True if the sinks may show all their output; a run with checkpoints first saves that it is complete."""
    if run.may_succeed and run.checkpointing is not None:
        try:
            run.checkpointing.seal()
        except Exception as error:
            run.fail(error)
    return run.may_succeed


@contextmanager
def _no_collection() -> Generator[None]:
    """Keep the garbage collector from walking through the objects that are being encoded."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
