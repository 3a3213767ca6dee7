"""RunEvents: the log of one run, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from rxdag.contract import MAX, MIN
from rxdag.engine import Node
from rxdag.engine.drivers import FlowScheduler
from rxdag.errors import NodeError
from rxdag.logs import EventLog
from rxdag.runtime._result import RunResult, shown_watermark
from rxdag.runtime._stacks import calls_of

if TYPE_CHECKING:
    from rxdag.runtime._execution import Execution

_SECOND_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400_000_000_000
SILENT_NS: Final = 5_000_000_000
"""Time with inputs but without outputs after which a node is logged as silent, ns."""
_LOST: Final = ("late", "dead", "unrouted", "unassigned")
"""Counts of items that are lost unless the port of the same name is read."""


class RunEvents:
    """Logs the events of a run, under the name of its dag.

    Losses are read from the books: at the first loss, and then at most once a second.

    Args:
        execution: The run.
        log: Log shared with other runs, such as restarts of this one; by default a log of its own.
    """

    def __init__(self, execution: Execution, log: EventLog | None = None) -> None:
        self._execution = execution
        self._dag = execution.plan.dag.name
        self._is_shared = log is not None
        self._log = log or EventLog(execution.clock, self._later)
        self.is_looking = False
        self._next_look = 0
        self._told: dict[tuple[str, str, str], int] = {}
        self._drain_began: int | None = None
        self._read = {f"{edge.producer}.{edge.port}" for edge in execution.plan.dag.edges}

    def tell(self, code: str, node: str, **fields: object) -> None:
        """Log an event of a node. Thread-safe."""
        self._log.tell(code, dag=self._dag, node=node, **fields)

    def of_run(self, code: str, **fields: object) -> None:
        """Log an event of the whole run. Thread-safe."""
        self._log.tell(code, dag=self._dag, **fields)

    def _later(self, when: int, fn: Callable[[], None]) -> None:
        self._execution.main.at(when, fn, is_background=True, is_patient=True)

    def started(self) -> None:
        """Log the start; losses of an earlier run, which the books contain, are not logged again."""
        nodes = self._execution.plan.dag.nodes
        self._told = dict(self._counts())
        checkpointing = self._execution.checkpointing
        number = None if checkpointing is None else checkpointing.resumed_from
        self.of_run("run.started", nodes=len(nodes), checkpoint=number)
        for name in self._execution.plan.topology.asking_again():
            self.tell("replay.asks", name)
        if any(node.in_shape.timed for node in nodes.values()):
            self._later(self._execution.clock.now() + SILENT_NS, self._warn_if_silent)

    def draining(self, *, flush: bool) -> None:
        """Log that a drain begins."""
        self._drain_began = self._execution.clock.now()
        self.of_run("draining", flush=flush)

    def overdue(self, timeout_s: float | None) -> None:
        """Log that a drain is cut short."""
        self.of_run("drain.overdue", timeout_s=timeout_s)

    def stuck(self, scheduler: FlowScheduler, timeout_s: float) -> None:
        """Log that a thread is left behind, and where it is."""
        node, calls = calls_of(scheduler, self._execution.plan)
        self.of_run("run.stuck", node=node, timeout_s=timeout_s, stack=calls)

    def _warn_if_silent(self) -> None:
        """Log if items come in and none goes out: their times may be in another unit."""
        dag, stats = self._execution.plan.dag, self._execution.stats()
        came = sum(stats.nodes[name].made for name in dag.sources)
        went = sum(stats.nodes[name].arrived for name in dag.sinks)
        near = self._execution.clock.now()
        is_odd = any(MIN < mark < MAX and abs(mark - near) > _DAY_NS for mark in stats.watermarks.values())
        if came and not went and is_odd:  # near the clock, the unit is right
            self.of_run("run.silent", items_in=came, watermark=shown_watermark(stats.watermarks))

    def ended(self, result: RunResult) -> None:
        """Log the end, and all losses that are not logged yet."""
        self._report()
        if not self._is_shared:
            self._log.close()
        for problem in result.problems:
            self.of_run("run.unbalanced", where=problem.partition(":")[0])
        elapsed_s = result.stats.elapsed_s
        counts = {"elapsed_s": elapsed_s, "items_in": result.items_in, "items_out": result.items_out}
        if result.error is not None:
            node = result.error.node if isinstance(result.error, NodeError) else None
            self.of_run("run.failed", elapsed_s=elapsed_s, node=node, error=result.error)
        elif result.state == "cancelled":
            self.of_run("run.cancelled", **counts)
        else:
            if self._drain_began is not None:
                held = sum(ledger.held for ledger in result.stats.nodes.values())
                drain_s = (self._execution.clock.now() - self._drain_began) / 1e9
                self.of_run("drained", drain_s=drain_s, held=held)
            self.of_run("run.completed", **counts)

    def look(self) -> None:
        """Log lost items now, or a second after the last look. Thread-safe."""
        self.is_looking = True
        self._later(max(self._execution.clock.now(), self._next_look), self._report)

    def _report(self) -> None:
        self.is_looking = False  # first, so that the next loss asks for another look
        self._next_look = self._execution.clock.now() + _SECOND_NS
        for place, n in self._counts():
            fresh = n - self._told.get(place, 0)
            if fresh > 0:
                self._told[place] = n
                code, kind, name = place
                self.of_run(code, n=fresh, **{kind: name})

    def _counts(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        """Yield the losses and retries so far: code, kind and name of the place, number."""
        program = self._execution.program
        for name, node in program.nodes.items():
            for code, n in self._counts_of(name, node):
                yield (code, "node", name), n
        for edge, gate in program.gates.items():
            yield ("overflow", "gate", str(edge)), int(gate.n_dropped)

    def _counts_of(self, name: str, node: Node) -> Iterator[tuple[str, int]]:
        for code in _LOST:
            if f"{name}.{code}" not in self._read:
                yield code, int(getattr(node, code))
        if f"{name}.dropped" not in self._read:
            yield "skipped", node.dropped.get("skipped", 0)
            yield "overflow", node.dropped.get("overflow", 0)
        yield "retried", int(node.retried)
        for exit_ in node.exits:
            if exit_.port == "gaps":
                yield "gap", int(exit_.n)
