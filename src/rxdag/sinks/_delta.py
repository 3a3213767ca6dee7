"""Tables of Delta Lake: rows are added in one commit with the number of their epoch."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Final

from rxdag.contract import Chunk, Sink, SinkContext, Writer, checked_path, import_extra
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.sinks._arrow import TableMaker, TableSchema, checked_schema, packed, unpacked
from rxdag.sinks._epochs import NO_EPOCH, Epoch, EpochWriter, Rows, Step

_MARK_BITS: Final = 31
"""Number of the lowest bits of a transaction's version that hold the mark; the others hold the number of the epoch."""


class _Tables(TableMaker):
    """Makes tables of types that Delta Lake has."""

    def __init__(self, context: SinkContext, schema: Any) -> None:
        super().__init__(context, TableSchema(schema), "delta")
        self.made: list[bytes] = []

    def put(self, table: Any) -> None:
        try:
            self.made.append(packed(self.pa, table.cast(_stored_schema(self.pa, table.schema)).combine_chunks()))
        except self.pa.ArrowInvalid as error:
            raise SourceError(
                f"delta: values must fit into microseconds and 64 bits with a sign, got {text_of(error)}; convert them first"
            ) from error


class _DeltaWriter(EpochWriter):
    start_over = "let one run write to it, or start over with another table"

    def __init__(self, context: SinkContext, path: str, schema: Any, partition_by: tuple[str, ...]) -> None:
        super().__init__(context, "delta", f'delta: table "{path}"')
        self._delta = import_extra("deltalake", "delta", "delta")
        self._path = path
        self._partition_by = partition_by
        with self._explained():
            self._table = _opened(self._delta, path)
        if schema is None and self._table is not None:
            pa = import_extra("pyarrow", "arrow", "delta")
            schema = pa.schema(self._table.schema().to_arrow())
        self._tables = _Tables(context, schema)
        self.begin()

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except (self._delta.exceptions.DeltaError, OSError) as error:
            raise SourceError(f"{self._where} must be readable and writable, got {text_of(error)}") from error

    def write(self, chunk: Chunk) -> None:
        self._tables.take(chunk)
        self._tables.taken = 0
        self.n += len(chunk)

    def waiting(self) -> Iterable[bytes]:
        if self._tables.waiting:
            self._tables.put_waiting()
        return self._tables.made

    def forget_waiting(self) -> None:
        self._tables.made = []

    def epoch_there(self, key: tuple[str, str, str]) -> Epoch:
        with self._explained():
            if self._table is None:
                self._table = _opened(self._delta, self._path)
            if self._table is None:
                return NO_EPOCH
            self._table.update_incremental()
            return _epoch_of(self._table.transaction_version(_app_of(key[0])))

    def commit(self, rows: Rows, step: Step | None) -> None:
        pa = self._tables.pa
        table = pa.concat_tables([unpacked(pa, each) for each in rows()])
        if self._table is None:
            with self._explained():
                self._table = self._delta.DeltaTable.create(
                    self._path, table.schema, mode="ignore", partition_by=list(self._partition_by)
                )
        if step is None:
            self._append(table, None)
            return
        found = self.epoch_there(step.key)
        if found == step.epoch:
            return
        if found != step.base:
            raise self.other_epoch(found)
        transaction = self._delta.Transaction(_app_of(step.key[0]), _version_of(step.epoch))
        self._append(table, self._delta.CommitProperties(app_transactions=[transaction]))

    def _append(self, table: Any, properties: Any) -> None:
        # By the handle that the epoch was read from: it refuses a commit if another run has committed since.
        with self._explained():
            self._delta.write_deltalake(self._table, table, mode="append", commit_properties=properties)

    def leave(self) -> None:
        self._table = None

    def facts(self) -> dict[str, Any]:
        return {"schema": self._tables.shared.save()}

    def take_facts(self, facts: dict[str, Any]) -> None:
        self._tables.shared.restore(self._tables.pa, facts["schema"])

    def _next(self) -> Epoch:
        return Epoch(self._base.number + 1, f"{secrets.randbits(_MARK_BITS):08x}")


def _opened(delta: Any, path: str) -> Any:
    """Return a table; None if it does not exist."""
    return delta.DeltaTable(path) if delta.DeltaTable.is_deltatable(path) else None


def _app_of(dag: str) -> str:
    return f"rxdag.{dag}"


def _version_of(epoch: Epoch) -> int:
    return epoch.number << _MARK_BITS | int(epoch.mark, 16)


def _epoch_of(version: int | None) -> Epoch:
    return NO_EPOCH if version is None else Epoch(version >> _MARK_BITS, f"{version & ((1 << _MARK_BITS) - 1):08x}")


def _stored_schema(pa: Any, schema: Any) -> Any:
    """Return a schema with the types that Delta Lake has instead of those that it lacks."""
    return pa.schema([pa.field(each.name, _stored_type(pa, each.type)) for each in schema])


def _stored_type(pa: Any, kind: Any) -> Any:
    types = pa.types
    if types.is_dictionary(kind):
        return _stored_type(pa, kind.value_type)
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if types.is_unsigned_integer(kind):
        return pa.int32() if kind.bit_width < 32 else pa.int64()
    return pa.string() if types.is_null(kind) else kind


@dataclass(frozen=True)
class _Delta(Sink[object, int]):
    path: str
    schema: Any = field(repr=False)
    partition_by: tuple[str, ...]
    label = "delta"
    where = "blocking"
    takes_columns = True
    delivery = "exactly once"
    visible = "at checkpoints"

    def open(self, context: SinkContext) -> Writer:
        return _DeltaWriter(context, self.path, self.schema, self.partition_by)

    def left_from(self, dag: str) -> str | None:
        table = _opened(import_extra("deltalake", "delta", "delta"), self.path)
        epoch = NO_EPOCH if table is None else _epoch_of(table.transaction_version(_app_of(dag)))
        return f'table "{self.path}" is at epoch {epoch.number}: choose another table' if epoch.number else None


def delta(
    path: str | PathLike[str],
    /,
    *,
    schema: Any = None,
    partition_by: tuple[str, ...] | list[str] = (),
) -> Sink[object, int]:
    """Add rows to a table of Delta Lake; `result[sink]` is the number of rows. Needs the extra "delta".

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". Conflicting names of panes get prefixes, as in `sinks.csv`. A missing table is created with the columns and
    types of the first 65,536 items, or of those before the first checkpoint. Times are stored in microseconds; a time
    that is not a whole number of microseconds fails the run. Unsigned integers are stored as signed ones.

    All rows are added in one commit when the run has succeeded; a failed or cancelled run adds nothing. Until then they are
    in memory. In a run with checkpoints, the rows since the last checkpoint are saved in the next one. Once it is
    durable, they are added in one commit, which also stores its number as a transaction of the application "rxdag."
    plus the name of the dag. The commit is refused if another run of the dag has committed in the meantime. Only one sink
    of a dag may write to a table.

    Args:
        path: Directory of the table.
        schema: A pyarrow.Schema for a new table, for cases in which the first items are not enough. It must have all
            fields of the items.
        partition_by: Columns by which a new table is partitioned.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.delta("numbers"))
    """
    given: object = partition_by
    if not isinstance(given, tuple | list) or not all(isinstance(name, str) for name in partition_by):
        raise GraphError(f"delta: partition_by must be a tuple of names, got {shown(partition_by)}")
    return _Delta(checked_path(path, "delta"), checked_schema(schema, "delta"), tuple(partition_by))
