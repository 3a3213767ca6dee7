"""A journal in front of a source: what it receives is recorded, then emitted."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Literal, TypeVar

from rxdag.contract import (
    Reader,
    Source,
    SourceAround,
    SourceContext,
    Where,
    checked_path,
    folder_of_worker,
    with_parts,
)
from rxdag.errors import GraphError, shown
from rxdag.journal import Retention
from rxdag.sources._journal_reader import Recorded
from rxdag.sources._journaling import JournalingReader

T = TypeVar("T")


# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false, reportIncompatibleVariableOverride=false
# Attributes of a source are plain; here some are read from the one inside.
@dataclass(frozen=True)
class Journal(SourceAround[T]):
    """A source whose items are recorded before they are emitted.

    Attributes:
        source: The source.
        path: Folder of the journal.
        durable: When a record counts as durable.
        on_full: What happens if the disk refuses a record.
        retention: Limits of age and size; None to keep all records.
        records: False to read the records of another run, as a shadow does.
    """

    source: Source[T]
    path: str
    durable: Literal["written", "synced"]
    on_full: Literal["stop", "pass"]
    retention: Retention | None
    records: bool = field(default=True, repr=False)
    no_position = None
    is_stored = False
    gives_columns = False
    recorded_at = None
    replays = False
    adjustable = ("durable", "on_full", "retention")

    @property
    def side_ports(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys((*self.source.side_ports, "events")))

    @property
    def where(self) -> Where:  # type: ignore[override]
        return self.source.where if self.records else "inline"

    @property
    def queues(self) -> bool:  # type: ignore[override]
        return self.records and self.source.queues

    @property
    def knows_backlog(self) -> bool:  # type: ignore[override]
        return self.records and self.source.knows_backlog

    @property
    def can_wait(self) -> bool:  # type: ignore[override]
        return not self.records or self.source.can_wait

    def open(self, context: SourceContext) -> Reader:
        if self.records:
            return JournalingReader(self, context)
        return Recorded(self.path, True, None, self.shape, self.side_ports).open(context)

    def shard(self, worker: int, workers: int) -> Source[T]:
        return with_parts(super().shard(worker, workers), path=folder_of_worker(self.path, worker))

    def followed(self) -> Source[T]:
        return with_parts(self, records=False)


def journal(
    source: Source[T],
    path: str | PathLike[str],
    /,
    *,
    durable: Literal["written", "synced"] = "written",
    on_full: Literal["stop", "pass"] = "stop",
    retention: Retention | None = None,
) -> Source[T]:
    """Record what a source receives, then emit it, so that a run can continue after a restart.

    The items of each read are appended to a journal before they are emitted. A run that continues from a checkpoint first
    reads from the journal what was recorded after that checkpoint, then continues live. Items that arrive in the meantime
    are recorded too. The first run with checkpoints reads the journal from its beginning; a run without checkpoints begins
    live.

    Malformed items and the items of port "events" are recorded and emitted again as well. If nothing could be recorded for
    some time, because the process was down or a connection was lost, the gap is recorded, logged as `journal.gap`, and
    emitted as a `JournalGap` on port "events".

    Sources of one process can share a folder, each under the name of its node; `sources.journal_reader` then restores the
    order in which they were read.

    Args:
        source: Source of the items, such as a WebSocket, a callback or a queue. Items must be data that can be saved:
            numbers, strings, dicts, records and the like.
        path: Folder of the journal, created if missing. Only one process at a time can write to it.
        durable: "written" emits an item once the operating system has its record, which survives the end of the process.
            "synced" emits it once its record is on the disk, where it survives a power failure; each item is delayed by
            up to 10 ms.
        on_full: "stop" ends the run with an error if the disk refuses a record, for example because it is full. "pass"
            emits the items unrecorded, and logs their number as `journal.unrecorded`; those after the last checkpoint are
            lost at a restart.
        retention: Limits of age and size; by default all records are kept.

    Raises:
        GraphError: If an argument is invalid.
        SourceError: When the source is opened, if the folder cannot be written, is damaged, or is written by another
            process.
        StateError: While reading, if an item cannot be saved.

    Example:
        >>> ticks = sources.journal(sources.iterable([{"price": 10.0}, {"price": 10.5}]), "journal/ticks")
        >>> rxdag.from_source(ticks, name="ticks").collect()
        [{'price': 10.0}, {'price': 10.5}]
        >>> rxdag.from_source(sources.journal_reader("journal/ticks")).collect()
        [{'price': 10.0}, {'price': 10.5}]
    """
    if not isinstance(source, Source):
        raise GraphError(f"journal: takes a source, got {shown(source)}")
    if durable not in ("written", "synced"):
        raise GraphError(f'journal: durable must be "written" or "synced", got {shown(durable)}')
    if on_full not in ("stop", "pass"):
        raise GraphError(f'journal: on_full must be "stop" or "pass", got {shown(on_full)}')
    if retention is not None and not isinstance(retention, Retention):
        raise GraphError(f"journal: retention must be a sources.Retention(...) or None, got {shown(retention)}")
    return Journal(source, checked_path(path, "journal"), durable, on_full, retention)
