"""RunResult: counts, losses and speed of a run, and the results of its sinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypeVar, overload

from rxdag.checkpoints import Checkpoint
from rxdag.contract import MAX, MIN, JournalStats, Sink, Source, iso_utc
from rxdag.engine import LEAVINGS, EdgeBook, Ledger, Writes
from rxdag.errors import GraphError, did_you_mean, shown, text_of
from rxdag.graph import Dag, SinkNode, bundle
from rxdag.runtime._checkpoint_stats import CheckpointStats
from rxdag.runtime._frames import frame_of, frame_of_books

R = TypeVar("R")

State: TypeAlias = Literal["created", "running", "draining", "completed", "failed", "cancelled"]

_FIXES: Final = {
    "late": "read port late, or raise out_of_order= of its event_time",
    "dead": "read port dead to see them and why",
    "unrouted": "add a route, or default=",
    "unassigned": "they fall between windows; port unassigned has them",
    "dropped (unmatched)": "they found no partner; port dropped has them",
    "dropped (overflow)": "they found the queue full; use a larger max_items, or another overflow policy",
    "dropped (skipped)": "on_error.dead shows them on port dead",
    "held": "a drain closes no window; flush=True does, marked closed_by=end",
    "discarded": "they were under way when the run ended",
    "unread": "they came after the node had ended",
}
LOSS_PORTS: Final = {
    "late": "late",
    "dead": "dead",
    "unrouted": "unrouted",
    "unassigned": "unassigned",
    "dropped (unmatched)": "dropped",
    "dropped (overflow)": "dropped",
}
"""Port that delivers the lost items of each kind."""


@dataclass(frozen=True)
class GateStats:
    """State of a gate.

    Attributes:
        depth: Number of items in the gate.
        capacity: Maximum number of items.
        high_water: Highest number of items so far.
        waits: Number of times a full gate blocked its producer.
        dropped: Items dropped because the gate was full: the arriving ones, or others to make room.
        blocked_s: Total time that a producer has waited for room, s.
    """

    depth: int
    capacity: int
    high_water: int
    waits: int
    dropped: int = 0
    blocked_s: float = 0.0


@dataclass(frozen=True)
class SourceStats:
    """State of a source.

    Attributes:
        is_open: True if it has not ended.
        is_connected: False if it is open but lacks a connection that it needs.
        is_idle: True if it is open and had no items at the last read.
        backlog: Number of items waiting to be read; None if unknown.
        progress: Share of a bounded input that has been read, from 0 to 1; None if unknown or closed.
        journal: State of the journal that it reads; None if it reads none.
    """

    is_open: bool
    is_connected: bool
    is_idle: bool
    backlog: int | None
    progress: float | None = None
    journal: JournalStats | None = None


@dataclass(frozen=True, repr=False)
class RunStats:
    """Current state of a run.

    Attributes:
        state: State of the run.
        elapsed_s: Time since the start, s.
        nodes: Ledger of each node.
        edges: Book of each edge.
        gates: State of each gate, by edge.
        watermarks: Watermark at the output of each operator, ns since the epoch; only for operators that have one.
        busy_s: Time spent reading and processing items, s, by the first node of each segment: a source, or a node
            behind a gate. It includes the nodes that this node calls. It excludes time spent waiting on an event loop,
            and work started later by a timer or by new room in a gate.
        sources: State of each source.
        writes: Write times of each sink, as a histogram from 100 us to 5 s.
        checkpoints: State of the checkpoints; None in a run without them.
        deliveries: Times from receipt by a source to delivery by each sink, as a histogram from 100 us to 500 s, with one
            value per write, for its first item. Every 10 ms, one chunk is followed from when it was read. Rows that become
            visible with a checkpoint count as delivered when it is durable. Output of state, such as a pane, is timed from
            the last item that arrived; output of a timer is not timed.
        totals: Ledger of each node since the first start of a job that continues from checkpoints, as if it had never been
            killed; empty in a run without checkpoints.

    Example:
        >>> numbers = rxdag.from_source(sources.range(1_000), name="numbers")
        >>> stats = rxdag.run(numbers.buffered(max_items=8).to(sinks.null(), name="out")).stats
        >>> stats.state, stats.nodes["out"].arrived, list(stats.gates)
        ('completed', 1000, ['numbers -> out'])
    """

    state: State
    elapsed_s: float
    nodes: Mapping[str, Ledger]
    edges: tuple[EdgeBook, ...]
    gates: Mapping[str, GateStats]
    watermarks: Mapping[str, int]
    busy_s: Mapping[str, float] = field(default_factory=lambda: dict[str, float]())
    sources: Mapping[str, SourceStats] = field(default_factory=lambda: dict[str, SourceStats]())
    writes: Mapping[str, Writes] = field(default_factory=lambda: dict[str, Writes]())
    checkpoints: CheckpointStats | None = field(default=None, compare=False)
    deliveries: Mapping[str, Writes] = field(default_factory=lambda: dict[str, Writes]())
    totals: Mapping[str, Ledger] = field(default_factory=lambda: dict[str, Ledger](), compare=False)

    def __repr__(self) -> str:
        lost = sum(sum(ledger.lost.values()) for ledger in self.nodes.values())
        mark = f", watermark {shown_watermark(self.watermarks)}" if self.watermarks else ""
        return (
            f"<RunStats: {self.state}, {len(self.nodes)} nodes, {len(self.gates)} gates, {self.elapsed_s:.2f} s, "
            f"{lost:,} lost{mark}>"
        )

    def to_frame(self) -> Any:
        """Return the books as a polars DataFrame, one row per node. Needs the extra "polars".

        Columns: `node`; the counts of its ledger, `arrived`, `passed`, `absorbed`, `filtered`, `late`, `dead`,
        `dropped` (for all reasons together), `unassigned`, `unrouted`, `failed`, `discarded`, `unread`, `held`, `made`
        and `retried`; `busy_s`, s; and `watermark`, a time in UTC, null before the first and after the end.

        Raises:
            MissingExtra: If polars is not installed.
        """
        return frame_of_books(self.nodes, self.watermarks, self.busy_s)


@dataclass(frozen=True, repr=False)
class RunResult:
    """Outcome of a run.

    `result[sink]` is the result of a sink; `print(result)` prints the books.

    Attributes:
        dag: The dag that was run.
        state: "completed", "failed" or "cancelled".
        stats: The books at the end.
        error: The error of a failed run.
        was_drained: True if the run was stopped before its sources ended.
        problems: Laws of the books that do not hold; empty unless rxdag has a bug.
        signal: Name of the signal that stopped the run, such as "SIGINT"; None without one.
        checkpoint: Last checkpoint of the run; None without one.
        was_done: True if an earlier run had done the job, so that nothing was run.

    Example:
        >>> out = rxdag.from_source(sources.range(3), name="numbers").to(sinks.collect(), name="out")
        >>> result = rxdag.run(out)
        >>> result.state, result[out], result["out"]
        ('completed', [0, 1, 2], [0, 1, 2])
    """

    dag: Dag
    state: State
    stats: RunStats
    error: Exception | None
    was_drained: bool
    problems: tuple[str, ...]
    values: Mapping[str, Any]
    signal: str | None = None
    checkpoint: Checkpoint | None = None
    was_done: bool = False

    @overload
    def __getitem__(self, sink: SinkNode[Any, R], /) -> R: ...
    @overload
    def __getitem__(self, sink: str, /) -> Any: ...
    def __getitem__(self, sink: SinkNode[Any, Any] | str, /) -> Any:
        """Return the result of a sink.

        Raises:
            GraphError: If the sink was not in the run.
        """
        return self.values[self._name_of(sink)]

    def _name_of(self, sink: SinkNode[Any, Any] | str) -> str:
        if not isinstance(sink, str | SinkNode):
            known = ", ".join(self.dag.sinks)
            raise GraphError(f"result: must be asked for a sink or its name, got {shown(sink)}; its sinks are {known}")
        if isinstance(sink, str):
            name: str | None = sink if sink in self.values else None
        else:
            identity = sink.node.identity
            name = next((n for n, node in self.dag.nodes.items() if node.identity is identity), None)
        if name is None or name not in self.values:
            asked = sink if isinstance(sink, str) else sink.node.name or sink.node.label
            known = ", ".join(self.dag.sinks)
            raise GraphError(
                f'result: sink "{asked}" was not in the run{did_you_mean(asked, self.dag.sinks)}; its sinks are {known}'
            )
        return name

    def to_frame(self, sink: SinkNode[Any, Any] | str, /) -> Any:
        """Return the items of a collecting sink as a polars DataFrame. Needs the extra "polars".

        The columns are those of `sinks.arrow`: the fields of a record; the key, start, end, value, revision and
        closed_by of a pane, each part of the key and each field of the value in its own column; else one column
        "value".

        Args:
            sink: A `sinks.collect()` or `sinks.arrow()`, or its name.

        Raises:
            GraphError: If the sink was not in the run, or collects nothing.
            SourceError: If the items cannot be rows of one table.
            MissingExtra: If polars is not installed.
        """
        name = self._name_of(sink)
        return frame_of(self.values[name], self.dag.nodes[name].in_shape, f'to_frame: sink "{name}"')

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the picture of the dag with its numbers, for a notebook."""
        return bundle(self, str(self))

    @property
    def items_in(self) -> int:
        """Return the number of items emitted by the sources."""
        return sum(self.stats.nodes[name].made for name in self.dag.sources)

    @property
    def items_out(self) -> int:
        """Return the number of items accepted by the sinks."""
        return sum(self.stats.nodes[name].passed for name in self.dag.sinks)

    def __repr__(self) -> str:
        lost = sum(sum(ledger.lost.values()) for ledger in self.stats.nodes.values())
        return f"<RunResult {self.dag.name}: {self.state}, {self.items_in:,} in, {self.items_out:,} out, {lost:,} lost>"

    def __str__(self) -> str:
        return render(self)


def losses_of(result: RunResult) -> list[tuple[str, str, str]]:
    """Return the losses on unread ports: node, how, and a line with the number and the likely fix."""
    read = {(edge.producer, edge.port) for edge in result.dag.edges}
    return [
        (name, what, f"{n:,} {what} at {name}: {_FIXES[what]}")
        for name, ledger in result.stats.nodes.items()
        for what, n in [*ledger.lost.items(), ("held", ledger.held)]
        if n and what in _FIXES and (name, LOSS_PORTS.get(what)) not in read
    ]


def doubt_of(dag: Dag, stats: RunStats) -> str:
    """Return a question about the unit of times if items came in, none left and the watermark moved; else ""."""
    came = sum(stats.nodes[name].made for name in dag.sources)
    went = sum(stats.nodes[name].arrived for name in dag.sinks)
    if went or not came or not any(MIN < w < MAX for w in stats.watermarks.values()):
        return ""
    return f"{came:,} in, 0 out, watermark at {shown_watermark(stats.watermarks)}: is unit= right?"


def render(result: RunResult) -> str:
    """Return the books as text: a line per node, the losses with the likely fix, and the speed."""
    stats = result.stats
    speed = result.items_in / stats.elapsed_s if stats.elapsed_s > 0 else 0.0
    drained = ", drained" if result.was_drained else ""
    lines = [f"{result.dag.job}: {result.state}{drained} in {stats.elapsed_s:.2f} s, {speed:,.0f} items/s"]
    lines += _book_lines(result)
    lines += [f"  {line}" for _, _, line in losses_of(result)]
    doubt = doubt_of(result.dag, stats)
    lines += [f"  {doubt}"] if doubt else []
    lines += _edge_lines(stats)
    if result.was_done or (stats.checkpoints is not None and stats.checkpoints.resumed_from is not None):
        lines.append(f"  since the first start: {_since(result)}")
    if result.checkpoint is not None:
        lines.append(f"  {_told(result.checkpoint, result)}")
    if stats.checkpoints is not None:
        lines.append(f"  checkpoints: {stats.checkpoints}")
    if result.error is not None:
        lines.append(f"error: {text_of(result.error)}")
    lines += [f"books: {problem}" for problem in result.problems]
    return "\n".join(lines)


def _book_lines(result: RunResult) -> list[str]:
    """Return the table of nodes: items in and out, and what became of the others."""
    rows: list[tuple[str, str, str, str]] = [("node", "in", "out", "")]
    for name, ledger in result.stats.nodes.items():
        thing = result.dag.nodes[name].thing
        others = {"filtered": ledger.filtered, **ledger.lost, "held": ledger.held}
        note = ", ".join(f"{n:,} {what}" for what, n in others.items() if n)
        kept = sum(n for port, n in ledger.out.items() if port not in ("late", "dead", *LEAVINGS))
        out = ledger.passed if isinstance(thing, Sink) else kept
        rows.append((name, "" if isinstance(thing, Source) else f"{ledger.arrived:,}", f"{out:,}", note))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}{'  ' + d if d else ''}" for a, b, c, d in rows]


def _edge_lines(stats: RunStats) -> list[str]:
    """Return what gates dropped, and what was left on edges."""
    lines: list[str] = []
    for edge in stats.edges:
        if edge.dropped:
            lines.append(f"  {edge.dropped:,} items were dropped by the full gate {edge.name}")
        if edge.discarded or edge.held:
            lines.append(f"  {edge.discarded + edge.held:,} items were left on the edge {edge.name}")
    return lines


def _since(result: RunResult) -> str:
    """Return the totals of a job in a line."""
    totals = result.stats.totals
    nothing = Ledger()
    came = sum(totals.get(name, nothing).made for name in result.dag.sources)
    went = sum(totals.get(name, nothing).passed for name in result.dag.sinks)
    lost = [f"{n:,} {what} at {name}" for name, ledger in totals.items() for what, n in ledger.lost.items()]
    return ", ".join([f"{came:,} in", f"{went:,} out", *lost])


def _told(checkpoint: Checkpoint, result: RunResult) -> str:
    """Return a line about the last checkpoint."""
    at = iso_utc(checkpoint.at_ns)
    if result.was_done:
        return f"nothing to do: done at {at}; fresh=True runs it again"
    where = "done" if checkpoint.is_done else "the next run continues there"
    return f"checkpoint {checkpoint.id} at {at}, {checkpoint.bytes:,} bytes: {where}"


def shown_watermark(watermarks: Mapping[str, int]) -> str:
    """Return the minimum of the watermarks that have moved, as a time."""
    moved = [w for w in watermarks.values() if MIN < w < MAX]
    if moved:
        return iso_utc(min(moved))
    return "at the end" if watermarks and all(w >= MAX for w in watermarks.values()) else "not set"
