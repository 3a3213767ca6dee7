"""Recovery: opens the store of a run, and continues the run from the last checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from typing import Any, Final, Literal, Protocol, TypeAlias, TypedDict

from rxdag._build_info import build_info
from rxdag.checkpoints import Checkpoint, Store, StoreSession, sqlite
from rxdag.codec import Codec, is_named
from rxdag.contract import Duration, Sink, flag, positive_ns
from rxdag.engine import Ledger
from rxdag.errors import CheckpointError, GraphError, did_you_mean, shown
from rxdag.plan import Plan
from rxdag.runtime._checkpointing import RUN, Checkpointing
from rxdag.runtime._execution import Execution
from rxdag.runtime._graph_changes import Changes
from rxdag.runtime._identity import fingerprint, graph_of
from rxdag.runtime._recoverable import check_recoverable, codec_for
from rxdag.runtime._result import RunResult
from rxdag.runtime._resuming import FORMAT, resume, saved_run
from rxdag.runtime._shadow import Shadow
from rxdag.runtime._stats import stats_of
from rxdag.runtime._totals import totals_from

EVERY: Final = "10s"
"""Time between two checkpoints unless the user says otherwise."""
Checkpoints: TypeAlias = Store | str | PathLike[str]
"""A store, or the path of a SQLite store."""


class RecoveryOptions(TypedDict, total=False):
    """Options of a run with checkpoints.

    Attributes:
        every: Time from one checkpoint to the next, "10s" by default.
        require: "exactly" to refuse a graph with a sink that may deliver an item again after a restart.
        allow_drop: Names of changed or removed nodes whose saved state is dropped.
        renamed: New name of a node by its old one.
        fresh: True to start over, whatever the store holds.
        state_types: Enums and records in the state that are neither item types nor in an imported module, such as local
            classes.
    """

    every: Duration
    require: Literal["exactly"]
    allow_drop: Sequence[str]
    renamed: Mapping[str, str]
    fresh: bool
    state_types: Sequence[type]


@dataclass(frozen=True)
class Recovery:
    """The settings of a run that takes checkpoints.

    Attributes:
        store: Where they go; a shadow takes none.
        every_ns: Time from one checkpoint to the next, ns.
        fresh: True to start over, whatever the store holds.
        is_exact: True to refuse graphs with a sink that may deliver an item again.
        changes: Changes of the graph since the last checkpoint.
        state_types: Enums and records in the state that cannot be found by name.
    """

    store: Store | Shadow
    every_ns: int
    fresh: bool = False
    is_exact: bool = False
    changes: Changes = field(default_factory=Changes)
    state_types: tuple[type, ...] = ()

    @classmethod
    def of(cls, checkpoints: Checkpoints | Shadow | None, options: RecoveryOptions, where: str) -> Recovery | None:
        """Return the settings from the arguments of a public function; None for a run without checkpoints.

        Raises:
            GraphError: If one of them is invalid.
        """
        unknown = [name for name in options if name not in RecoveryOptions.__annotations__]
        if unknown:
            near = did_you_mean(unknown[0], RecoveryOptions.__annotations__)
            raise TypeError(f"{where}() got an unexpected keyword argument '{unknown[0]}'{near}")
        if checkpoints is None:
            if options:
                raise GraphError(f"{where}: {' and '.join(options)} must be given with checkpoints=, got none")
            return None
        every_ns = positive_ns(options.get("every", EVERY), f"{where}: every")
        fresh = flag(options.get("fresh", False), f"{where}: fresh")
        require = options.get("require")
        if require not in (None, "exactly"):
            raise GraphError(f'{where}: require must be "exactly" or left out, got {shown(require)}')
        if isinstance(checkpoints, str | PathLike):
            checkpoints = sqlite(fspath(checkpoints))
        if not isinstance(checkpoints, Shadow) and not callable(getattr(checkpoints, "open", None)):
            raise GraphError(
                f"{where}: checkpoints must be a path or a store such as checkpoints.sqlite(path), "
                f"got {shown(checkpoints)}"
            )
        return cls(
            checkpoints, every_ns, fresh, require is not None, changes_of(options, where), _types(options, where)
        )


def _types(options: RecoveryOptions, where: str) -> tuple[type, ...]:
    """Return the classes that may be in the state.

    Raises:
        GraphError: If they are not enums or records.
    """
    types = options.get("state_types", ())
    given: object = types
    if not isinstance(given, list | tuple | set | frozenset) or not all(map(is_named, types)):
        raise GraphError(
            f"{where}: state_types must be a list of enums and records, such as [Side], got {shown(types)}"
        )
    return tuple(types)


def changes_of(options: RecoveryOptions, where: str) -> Changes:
    """Return the changes of the graph that a user has declared.

    Raises:
        GraphError: If they are not names.
    """
    drop, renamed = options.get("allow_drop", ()), options.get("renamed", {})
    given: object = drop
    if not isinstance(given, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in drop):
        raise GraphError(f'{where}: allow_drop must be a list of names, such as ["bars"], got {shown(drop)}')
    given = renamed
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for pair in renamed.items() for name in pair):
        raise GraphError(f'{where}: renamed must be a dict of names, such as {{"old": "new"}}, got {shown(renamed)}')
    return Changes(frozenset(drop), dict(renamed))


def begun(execution: Execution, recovery: Recovery | None) -> Execution:
    """Return a run that continues from the last checkpoint; if the job was done, the run already has its result.

    Raises:
        GraphError: If the graph cannot be continued.
        CheckpointError: If the store cannot be used, or is of another graph.
    """
    if recovery is None:
        return execution
    codec = codec_for(execution.plan, recovery.state_types)
    check_recoverable(execution.plan, codec, exactly=recovery.is_exact)
    if isinstance(recovery.store, Shadow):
        return recovery.store.begun(execution, recovery.changes, codec)
    session = recovery.store.open(execution.plan.dag.job)
    try:
        return _begun(execution, session, recovery, codec)
    except BaseException:
        session.close()
        raise


def _begun(execution: Execution, session: StoreSession, recovery: Recovery, codec: Codec) -> Execution:
    graph = graph_of(execution.plan)
    facts = {"format": FORMAT, "rxdag": build_info().version, "graph": graph}
    last, resumed_from = session.latest(), None
    totals: dict[str, Ledger] = {}
    if recovery.fresh:
        _check_empty(execution.plan)
    if last is not None and recovery.fresh:
        # Else a run that fails before its first checkpoint would leave the state of the old one to the next.
        session.begin()
        session.put(RUN, codec.encode({**facts, "is_begun": True}, where=RUN))
        session.commit(graph=fingerprint(graph), at_ns=time.time_ns())
    elif last is not None:
        saved, empty = _taken_up(execution, session.read, last, codec, graph, recovery.changes)
        for name in empty:
            execution.events.tell("state.empty", name)
        if last.is_done:
            session.close()
            execution.state = "completed"
            execution.result = _done(execution, last, saved)
            execution.done.set()
            return execution
        resumed_from = None if "is_begun" in saved else last.id
        totals = _totals(saved, recovery.changes)
    execution.checkpointing = Checkpointing(
        execution, session, facts, fingerprint(graph), recovery.every_ns, codec, resumed_from, totals
    )
    return execution


def _totals(saved: Mapping[str, Any], changes: Changes) -> dict[str, Ledger]:
    """Return the saved counts of each node since the first start, under its current name."""
    found = totals_from(saved.get("totals", {}))
    changes = changes.of(found)
    return {changes.name(name): ledger for name, ledger in found.items() if name not in changes.drop}


def _check_empty(plan: Plan) -> None:
    """Raise CheckpointError if sinks hold rows of earlier runs, which a run that starts over would duplicate."""
    ends = {name: plan.dag.nodes[name].thing for name in plan.dag.sinks}
    found = {name: sink.left_from(plan.dag.job) for name, sink in ends.items() if isinstance(sink, Sink)}
    held = [f'sink "{name}" has some: its {left}' for name, left in found.items() if left is not None]
    if held:
        raise CheckpointError(
            f'dag "{plan.dag.name}": fresh=True must find no rows of earlier runs, but {"; ".join(held)}; remove them, or '
            "continue without fresh=True"
        )


def _taken_up(
    execution: Execution,
    read: Callable[[int], Mapping[str, bytes]],
    last: Checkpoint,
    codec: Codec,
    graph: Mapping[str, Any],
    changes: Changes,
) -> tuple[Mapping[str, Any], list[str]]:
    """Restore the state of the last checkpoint, unless the job was done.

    Returns:
        What it holds of the run as a whole, and the nodes that begin empty.

    Raises:
        CheckpointError: Lists everything that does not fit.
    """
    saved, parts = saved_run(read, codec, last)
    empty: list[str] = []
    if last.is_done:
        if fingerprint(saved["graph"]) != fingerprint(graph):
            raise CheckpointError(
                f'dag "{execution.plan.dag.name}": must be the graph of checkpoint {last.id}, which is done, got '
                "another one; pass fresh=True to run it from the beginning"
            )
    elif "is_begun" not in saved:
        empty = resume(execution, saved, parts, graph, codec, changes)
    return saved, empty


class Saved(Protocol):
    """Checkpoints to read: those of an opened store, or of a file that a run may have open."""

    def latest(self) -> Checkpoint | None: ...
    def read(self, id: int, /) -> Mapping[str, bytes]: ...  # noqa: A002


def check_resumes(plan: Plan, saved: Saved, options: RecoveryOptions) -> Checkpoint | None:
    """Check that a run of a plan could continue from the last checkpoint; nothing is run or locked.

    Returns:
        That checkpoint; None if there is none, so that a run would start over.

    Raises:
        GraphError: If the graph cannot be continued.
        CheckpointError: Lists everything that does not fit, or if the checkpoints cannot be read.
    """
    exactly = options.get("require") is not None
    return check_continues(plan, saved, changes_of(options, "check"), _types(options, "check"), exactly=exactly)


def check_continues(
    plan: Plan, saved: Saved, changes: Changes, state_types: Iterable[type], *, exactly: bool
) -> Checkpoint | None:
    """Check the same, with options that are checked already."""
    codec = codec_for(plan, state_types)
    check_recoverable(plan, codec, exactly=exactly)
    last = saved.latest()
    if last is not None:
        _taken_up(Execution(plan), saved.read, last, codec, graph_of(plan), changes)
    return last


def _done(execution: Execution, last: Checkpoint, saved: Mapping[str, Any]) -> RunResult:
    """Return the result of a job that is done; sinks that were killed before they were closed are closed now."""
    values: dict[str, Any] = dict(saved.get("values", {}))
    for sink in execution.program.sinks:
        if sink.name not in values:
            sink.saved = saved["sinks"][sink.name]
            values[sink.name] = sink.closed_again()
    if execution.error is not None:
        raise execution.error
    stats = replace(stats_of(execution, 0.0), totals=totals_from(saved.get("totals", {})))
    return RunResult(execution.plan.dag, "completed", stats, None, False, (), values, None, last, was_done=True)
