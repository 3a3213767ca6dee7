"""Parquet files.

A Parquet file cannot be continued: its footer is written last. In a run with checkpoints, the row groups are therefore
kept as tables of Arrow, uncompressed, in a part file that can. The Parquet file is made of them at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

from rxdag.contract import NOT_TAKEN_BACK, Delivery, Sink, SinkContext, Visible, Writer, flag, import_extra
from rxdag.errors import GraphError
from rxdag.sinks._arrow import BatchWriter, checked_schema
from rxdag.sinks._kept_tables import is_made_of, keep, mark_made_of, tables_in
from rxdag.sinks._numbered import checked_roll, left_of, numbered, of_worker
from rxdag.sinks._parts import remove_saved
from rxdag.sinks._roll import Roll, RollBy
from rxdag.sinks._rolled_parquet import RolledParquetWriter
from rxdag.sinks._whole_file import WholeFile, is_stream


class _ParquetWriter(BatchWriter):
    def __init__(self, path: str, context: SinkContext, schema: Any) -> None:
        super().__init__(context, schema, "parquet")
        self._parquet = import_extra("pyarrow.parquet", "arrow", "parquet")
        self._path = path
        self._file = WholeFile(path, "parquet", packs=False)
        self._writer: Any = None
        self._kept = WholeFile(path, "parquet", packs=False) if context.saves and not is_stream(path) else None
        """Row groups as tables; None in a run without checkpoints."""
        self._done: dict[str, Any] | None = None
        """The data of the checkpoint, if the file is complete already."""
        self._is_prepared = False
        self.n = 0

    def put(self, table: Any) -> None:
        if self._kept is not None:
            keep(self.pa, self._kept, table)
        else:
            self._write_group(table)
        self.n += table.num_rows

    def _write_group(self, table: Any) -> None:
        with self._file.explained():
            self._file.raw.make_room()
            if self._writer is None:
                self._writer = self._parquet.ParquetWriter(self._file.raw, table.schema)
            self._writer.write_table(table)

    def save(self) -> dict[str, Any] | None:
        if self._done is not None:
            return self._done
        kept = None if self._kept is None else self._kept.save()
        return None if kept is None else {**kept, **(super().save() or {}), "n": self.n}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.n = saved["n"]
        if is_made_of(self._path, saved["part"], self.n + self.n_waiting):
            self._drop()
            remove_saved(Path(self._path).resolve())
            self.n += self.n_waiting
            self.waiting, self.n_waiting, self._done = [], 0, saved
            return
        self._kept = self._kept or WholeFile(self._path, "parquet", packs=False)
        self._kept.restore(saved)

    def close(self, *, ok: bool) -> int:
        if not ok:
            if self._writer is not None:
                self._writer.close()
            self._drop()
            return self.n
        self.prepare()
        if self._done is None:
            self._file.commit()
        if self._kept is not None:
            self._kept.remove()
        return self.n

    def _drop(self) -> None:
        self._file.drop()
        if self._kept is not None:
            self._kept.drop()

    def prepare(self) -> None:
        if self._is_prepared or self._done is not None:
            return
        self._is_prepared = True
        try:
            if self.waiting or not self.n:
                self.put_waiting()
            if self._kept is not None:
                self._make_of(self._kept)
            with self._file.explained():
                if self._writer is not None:
                    self._writer.close()
        except BaseException:
            self._drop()
            raise
        self._file.sync()

    def _make_of(self, kept: WholeFile) -> None:
        kept.save()  # fixes its name, by which a restored run recognises the file
        for table in tables_in(self.pa, kept):
            self._write_group(table)
        mark_made_of(self._writer, kept)


@dataclass(frozen=True)
class _Parquet(Sink[object, int]):
    path: str
    schema: Any = field(default=None, repr=False)
    roll: Roll | None = None
    append: bool = False
    label = "parquet"
    takes_columns = True
    why_repeats = NOT_TAKEN_BACK

    @property
    def visible(self) -> Visible:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by roll
        return "at the end" if self.roll is None else "at checkpoints"

    def shard(self, worker: int, workers: int) -> Self:
        return replace(self, path=of_worker(self.path, worker))

    @property
    def replaces(self) -> str:
        return self.path if self.roll is None else numbered(self.path, "*")

    @property
    def delivery(self) -> Delivery:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by path
        return "at least once" if self.roll is None and is_stream(self.path) else "exactly once"

    def left_from(self, dag: str) -> str | None:
        return None if self.roll is None or self.append else left_of(self.path)

    def open(self, context: SinkContext) -> Writer:
        if self.roll is not None:
            return RolledParquetWriter(self.path, context, self.schema, self.roll, appends=self.append)
        return _ParquetWriter(self.path, context, self.schema)


def parquet(
    path: str | PathLike[str], /, *, schema: Any = None, roll: RollBy | None = None, append: bool = False
) -> Sink[object, int]:
    """Write a Parquet file, or numbered files; `result[sink]` is the number of rows.

    This needs the extra "arrow".

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". Conflicting names of panes get prefixes, as in `sinks.csv`. Columns and types are those of the first 65,536
    items: a field that an item lacks is null, and an additional field fails the run. The file appears only when the run
    has succeeded; a failed or cancelled run leaves the old file in place. Links, modes, devices and FIFOs are handled as
    in `sinks.csv`.

    In a run with checkpoints, rows wait uncompressed in a file beside it, and the Parquet file is made of them at the
    end. Each checkpoint holds the rows since the last full row group, up to 65,535.

    With `roll=`, "bars.parquet" gives the files bars-000001.parquet, bars-000002.parquet, ..., as in `sinks.csv`. All have
    the same columns and types. With a size, a file ends with the row group that reaches the size.

    Args:
        path: Path of the file. Its directory is created if missing.
        schema: A pyarrow.Schema, for cases in which the first items are not enough. It must have all fields of the
            items.
        roll: When a file is complete and the next one begins: "checkpoint", a size such as "100MB" of rows before
            compression, or a duration such as "1h", as in `sinks.csv`.
        append: True to continue the numbering of existing files; requires `roll`.

    Raises:
        GraphError: If an argument is invalid, or `roll` is given for a device or FIFO.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.parquet("numbers.parquet"))
        >>> rxdag.run(saved)[saved]
        2
    """
    text, when = checked_roll(path, roll, "parquet")
    if flag(append, "parquet: append") and when is None:
        raise GraphError("parquet: append must be given with roll=, since a Parquet file cannot be continued")
    return _Parquet(text, checked_schema(schema, "parquet"), when, append)
