"""The codes: each with its logger, level, fields, sentence and fix. One table, so the file is long."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

_INFO: Final = logging.INFO
_WARNING: Final = logging.WARNING
_ERROR: Final = logging.ERROR


@dataclass(frozen=True)
class Code:
    """A documented kind of log line.

    Attributes:
        name: The code, such as "run.started".
        area: Last part of the logger's name: "rxdag.run" has the area "run".
        level: Level of the standard `logging`.
        fields: Names of the fields that a line can have, in order.
        sentence: The event in words; the end of the line.
        fix: Advice to the operator of the program.
    """

    name: str
    area: str
    level: int
    fields: tuple[str, ...]
    sentence: str
    fix: str

    @property
    def logger(self) -> str:
        """Return the name of its logger."""
        return f"rxdag.{self.area}"


def _code(name: str, area: str, level: int, fields: str, sentence: str, fix: str) -> Code:
    return Code(name, area, level, tuple(fields.split()), sentence, fix)


_ALL: Final = (
    _code(
        "run.started",
        "run",
        _INFO,
        "dag nodes checkpoint",
        "the run has started",
        "Nothing. `checkpoint` is the one from which the run continues; without it, the run begins anew.",
    ),
    _code(
        "run.completed",
        "run",
        _INFO,
        "dag elapsed_s items_in items_out",
        "the run has ended, and all its sinks are closed",
        "Nothing.",
    ),
    _code(
        "run.failed",
        "run",
        _ERROR,
        "dag elapsed_s node error at",
        "the run has failed; its caller gets the error",
        "Look at the error that the call raised: it has the message and the item. `at` is the line that failed.",
    ),
    _code(
        "run.cancelled",
        "run",
        _WARNING,
        "dag elapsed_s items_in items_out",
        "the run was cancelled; items under way are discarded",
        "Drain instead, or give the drain more time, if the items matter.",
    ),
    _code(
        "checkpoint.failed",
        "run",
        _ERROR,
        "dag failures error reason",
        "a checkpoint could not be taken; a restart would continue from the one before",
        "Look at the error: free space on the disk of the store, or shorten the call that does not return.",
    ),
    _code(
        "state.empty",
        "run",
        _INFO,
        "dag node",
        "the node has no state in the checkpoint, and begins empty",
        "Nothing if the node is new or its state was dropped. If it was renamed, stop the run and pass `renamed=`.",
    ),
    _code(
        "run.silent",
        "run",
        _WARNING,
        "dag items_in watermark",
        "items came in for 5 s and none went out; is unit= of event_time right?",
        "Compare `watermark` with today's date. If it is wrong, set `unit=`; if it is right, the first window is still open.",
    ),
    _code(
        "run.stalled",
        "run",
        _ERROR,
        "dag gates",
        "no node of the graph can make progress",
        "Put a larger `.buffered(max_items=...)`, or one that drops, before the node that waits for two streams.",
    ),
    _code(
        "run.stuck",
        "run",
        _WARNING,
        "dag node timeout_s stack",
        "user code did not return; its thread is left behind",
        "Let the function at the start of `stack` return when the run ends, for example with a timeout of its own.",
    ),
    _code(
        "run.unbalanced",
        "run",
        _ERROR,
        "dag where",
        "the books do not balance; the run fails",
        "Check the kernel of your own operator: each item must leave it by exactly one exit, or be counted by `held()`. If you have none, report a bug.",
    ),
    _code(
        "draining",
        "run",
        _INFO,
        "dag flush",
        "the run stops reading; items under way go to the sinks",
        "Nothing.",
    ),
    _code(
        "drained",
        "run",
        _INFO,
        "dag drain_s held",
        "everything under way has reached the sinks",
        "Nothing. `held` items remain in open windows and other state; `flush=True` closes the windows.",
    ),
    _code(
        "drain.overdue",
        "run",
        _WARNING,
        "dag job timeout_s",
        "the drain did not end in time; the run is cancelled",
        "Give it more time, or find the slow sink: `rxdag_sink_write_seconds` shows how long writes take.",
    ),
    _code(
        "signal.received",
        "run",
        _WARNING,
        "dag signal action timeout_s",
        "a signal was received: the first drains, the second cancels",
        "Nothing, if you or your orchestrator sent it.",
    ),
    _code("source.connected", "source", _INFO, "dag node connection", "a source has connected", "Nothing."),
    _code(
        "source.disconnected",
        "source",
        _WARNING,
        "dag node connection error at",
        "a source has lost its connection",
        "Nothing, if it reconnects. Without `error`, the other side has closed the connection.",
    ),
    _code(
        "source.retrying",
        "source",
        _INFO,
        "dag node connection wait_s",
        "a source waits before it connects again",
        "Nothing.",
    ),
    _code(
        "source.given_up",
        "source",
        _ERROR,
        "dag node connection error at",
        "a source stops connecting, and fails",
        "Check the other side and the address; raise `attempts=` of its `Backoff` to wait longer.",
    ),
    _code(
        "source.live",
        "source",
        _INFO,
        "dag node rested",
        "a history has been read; live items follow",
        "Nothing. `rested` is the number of live items that came meanwhile.",
    ),
    _code(
        "source.gap",
        "source",
        _WARNING,
        "dag node last first",
        "numbers are missing between the history and the live source",
        "Let the history be read up to a later item, or the live source begin earlier. The numbers between `last` and `first` are missing.",
    ),
    _code(
        "sink.disconnected",
        "sink",
        _WARNING,
        "dag node error at",
        "a sink has lost its connection, and tries to connect again",
        "Nothing, if it connects again within its `patience=`; until then, its items wait. Then check the server.",
    ),
    _code(
        "sink.connected",
        "sink",
        _INFO,
        "dag node lost_s",
        "a sink has its connection back",
        "Nothing. `lost_s` is the time without a connection.",
    ),
    _code(
        "sink.fragmented",
        "sink",
        _WARNING,
        "dag node max_open",
        "a file was completed early to make room for another, and rows came for it again; there may be many small files",
        "Set `max_open=` of the sink to the number of files written at the same time, and `ulimit -n` above that.",
    ),
    _code(
        "journal.gap",
        "source",
        _WARNING,
        "dag node since gap_s unrecorded",
        "nothing was recorded for some time",
        "Port `events` has the times; read the missing items from a history if they matter. With `unrecorded`, the disk refused items.",
    ),
    _code(
        "journal.unrecorded",
        "source",
        _ERROR,
        "dag node n error",
        "the disk refuses the records of a source; items are emitted unrecorded",
        "Free space on the disk of the journal. Items after the last checkpoint are lost if the process is killed now.",
    ),
    _code(
        "answers.unused",
        "node",
        _WARNING,
        "dag node n",
        "recorded answers do not fit the items that come after the restart; calls are made again",
        "Nothing, if the graph before the node has changed, or if it merges live sources: their order can be another one after a restart.",
    ),
    _code(
        "replay.asks",
        "node",
        _WARNING,
        "dag node",
        "the sources are recordings, but the node makes its calls again; their answers can be others",
        "Pass `record=` to the operator in the run that records the sources.",
    ),
    _code(
        "journal.cut",
        "source",
        _WARNING,
        "dag node bytes",
        "the last record was only partly written, and was cut off",
        'Nothing after a kill: its items were not emitted. After a power failure, use `durable="synced"` if they matter.',
    ),
    _code(
        "gap",
        "node",
        _WARNING,
        "dag node n",
        "numbers are missing in a sequence; the wait for them is over",
        "Read port `gaps` to see which numbers, and reload state that needs them, such as an order book. `n` counts gaps.",
    ),
    _code(
        "unit.changed",
        "node",
        _WARNING,
        "dag node before after",
        'times are in another unit from here on, by their magnitude; event_time has unit="auto"',
        "Nothing if the source has changed its unit. Otherwise look for a bad time, and refuse such times with `not_before=`.",
    ),
    _code(
        "late",
        "node",
        _WARNING,
        "dag node n",
        "items came after their windows were closed, and nobody reads port late",
        "Read port `late`, or raise `out_of_order=` of the `event_time`.",
    ),
    _code(
        "dead",
        "node",
        _WARNING,
        "dag node n",
        "items could not be processed, and nobody reads port dead",
        "Read port `dead`, which has the items and the errors.",
    ),
    _code(
        "skipped",
        "node",
        _WARNING,
        "dag node n",
        "items could not be processed, and are skipped",
        "Use `on_error.dead` and read port `dead` to see them.",
    ),
    _code(
        "unrouted",
        "node",
        _WARNING,
        "dag node n",
        "items match no route, and nobody reads port unrouted",
        "Add a route, or `default=`.",
    ),
    _code(
        "unassigned",
        "node",
        _WARNING,
        "dag node n",
        "items fall between windows, and nobody reads port unassigned",
        "Read port `unassigned`, or choose windows without gaps.",
    ),
    _code(
        "overflow",
        "node",
        _WARNING,
        "dag node gate n",
        "items found a full queue or gate, and are dropped",
        "Take a larger `max_items`, another overflow policy, or a faster consumer.",
    ),
    _code(
        "retried",
        "node",
        _WARNING,
        "dag node n",
        "user code has failed, and was tried again",
        "Check the service that the node calls. `n` counts retries.",
    ),
    _code("job.started", "runtime", _INFO, "job restarts", "a run of a supervised dag or pipeline starts", "Nothing."),
    _code(
        "job.restarting",
        "runtime",
        _WARNING,
        "job restarts wait_s begins error at",
        "a supervised dag or pipeline has ended, and starts again",
        "With `error`, find out why it failed: `runtime.status()` has the message. With `begins`, it takes no checkpoints, and "
        "all its input is processed again: pass `checkpoints=` to continue instead.",
    ),
    _code(
        "job.failed",
        "runtime",
        _ERROR,
        "job restarts error at",
        "a supervised dag or pipeline has failed, and does not start again",
        "Remove the cause (`runtime.status()` has the message), then `runtime.restart(name)`.",
    ),
    _code("job.finished", "runtime", _INFO, "job restarts", "a supervised dag or pipeline has ended", "Nothing."),
    _code(
        "job.stopped",
        "runtime",
        _INFO,
        "job restarts",
        "a supervised dag or pipeline was stopped on request",
        "Nothing.",
    ),
    _code("job.replaced", "runtime", _INFO, "job", "another dag has taken the name of a supervised one", "Nothing."),
    _code(
        "job.feedback",
        "runtime",
        _WARNING,
        "job provider pressure scale",
        "the rate of a provider changes with the pressure on a dag",
        "At pressure hard the provider is paused: find the slow node with `rxdag top`.",
    ),
    _code(
        "measure.failed",
        "runtime",
        _ERROR,
        "every_s error at",
        "a function that the runtime calls at intervals has failed",
        "Correct the function passed as `pressure=` or `on_decision=` of `add_feedback`. It is called again after the interval.",
    ),
    _code("router.using", "router", _INFO, "router", "a fail-over reads this source now", "Nothing."),
    _code(
        "router.failed",
        "router",
        _WARNING,
        "router error at",
        "a source of a fail-over has failed; the next one is tried",
        "Check that source.",
    ),
    _code(
        "router.waiting",
        "router",
        _WARNING,
        "",
        "no source of a fail-over can be tried yet",
        "Check the sources; until one can be tried, no data arrives.",
    ),
    _code(
        "router.given_up",
        "router",
        _ERROR,
        "router error at",
        "all sources of a fail-over have failed, and it ends",
        "Check the sources, or raise `rounds=`.",
    ),
    _code(
        "breaker.opened",
        "router",
        _WARNING,
        "breaker timeout_s",
        "calls keep failing, and are refused for some time",
        "Check the provider or source.",
    ),
    _code("breaker.closed", "router", _INFO, "breaker", "calls are allowed again", "Nothing."),
    _code("metrics.serving", "metrics", _INFO, "host port", "metrics and health are served", "Nothing."),
    _code("metrics.stopped", "metrics", _INFO, "host port", "the server of metrics and health has stopped", "Nothing."),
    _code(
        "metrics.failed",
        "metrics",
        _WARNING,
        "path error at",
        "a request for metrics or health has failed, and is answered with 500",
        "The answer has the message. `/graph` needs extra `graph`.",
    ),
    _code(
        "command.failed",
        "cli",
        _ERROR,
        "exit_code error at detail",
        "the command has failed",
        "With `detail`, correct the spec. Without it, run the command with `--log-format text` to see the message.",
    ),
)

CODES: Final[dict[str, Code]] = {each.name: each for each in _ALL}
"""All codes by name."""

FIELDS: Final[dict[str, str]] = {
    "action": '"drain" or "cancel"',
    "after": "Unit of the times from now on: s, ms, us or ns",
    "at": "File and line of the failure, in the code that rxdag called last",
    "before": "Unit of the times so far",
    "begins": '"anew" if a restart does not continue from a checkpoint',
    "breaker": "Name of a circuit breaker: its provider or source",
    "bytes": "Number of bytes that were cut off",
    "checkpoint": "Number of the checkpoint from which the run continues",
    "connection": "Number of the connection, from 1",
    "dag": "Name of the dag",
    "detail": "Problem of the spec or the arguments",
    "drain_s": "Duration of the drain, s",
    "elapsed_s": "Time since the start of the run, s",
    "error": "Class of the error; of an OSError with its symbol, such as OSError[ENOSPC]",
    "every_s": "Interval of the calls, s",
    "exit_code": "Exit code of the command",
    "failures": "Number of checkpoints that could not be taken",
    "first": "First sequence number of the live source",
    "flush": "True if the drain closes open windows",
    "gap_s": "Duration of the gap, s",
    "gate": "Edge of the gate",
    "gates": "Edges whose gates are full",
    "held": "Items in open windows and other state",
    "host": "Address on which the server listens",
    "items_in": "Items that the sources have emitted",
    "items_out": "Items that the sinks have taken",
    "job": "Name of the dag or pipeline in its PipelineRuntime",
    "last": "Last sequence number of the history",
    "max_open": "Maximum number of files that the sink has open at once",
    "lost_s": "Time without a connection, s",
    "n": "Number of items, gaps or retries since the previous line",
    "node": "Name of the node",
    "nodes": "Number of nodes",
    "path": "Path of the request, without its query",
    "port": "Port on which the server listens",
    "pressure": "Level of the pressure: ok, soft or hard",
    "provider": "Name of the provider",
    "reason": "Reason, as text that holds no item",
    "repeated": "Events of this code and place between the previous line and this one",
    "restarts": "Number of restarts so far",
    "rested": "Number of live items that came while the history was read",
    "router": "Name of the source of the fail-over",
    "scale": "Share of the provider's rate that is granted, 0 to 1",
    "signal": "SIGINT or SIGTERM",
    "since": "Time of the last record before the gap, or of the loss of the connection, UTC",
    "stack": "Innermost calls of the thread, the most recent first",
    "timeout_s": "Time limit, s",
    "unrecorded": "Number of items that could not be recorded",
    "wait_s": "Time until the next attempt, s",
    "watermark": "Minimum of the watermarks, as a time in UTC",
    "where": "Node or edge",
}
"""All fields by name."""
