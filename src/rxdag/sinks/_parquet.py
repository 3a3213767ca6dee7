"""Parquet files.

A Parquet file cannot be continued: its footer is written last. From the first checkpoint on, the row groups are
therefore kept as tables of Arrow, uncompressed, in a part file that can. The Parquet file is made of them at the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final

from rxdag.contract import Delivery, Sink, SinkContext, Writer, checked_path, import_extra
from rxdag.sinks._arrow import BatchWriter, checked_schema, packed, unpacked
from rxdag.sinks._parts import remove_saved
from rxdag.sinks._whole_file import WholeFile, is_stream

_LENGTH_BYTES: Final = 8
_KEPT: Final = "rxdag.part"
"""Entry in the file's metadata: the part file that its rows were kept in, by which a restored run knows the file."""


class _ParquetWriter(BatchWriter):
    def __init__(self, path: str, context: SinkContext, schema: Any) -> None:
        super().__init__(context, schema, "parquet")
        self._parquet = import_extra("pyarrow.parquet", "arrow", "parquet")
        self._path = path
        self._file = WholeFile(path, "parquet", packs=False)
        self._writer: Any = None
        self._kept: WholeFile | None = None
        """Row groups as tables, from the first checkpoint on."""
        self._done: dict[str, Any] | None = None
        """The data of the checkpoint, if the file is complete already."""
        self._is_prepared = False
        self.n = 0

    def put(self, table: Any) -> None:
        if self._kept is not None:
            data = packed(self.pa, table)
            self._kept.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        else:
            self._write_group(table)
        self.n += table.num_rows

    def _write_group(self, table: Any) -> None:
        with self._file.explained():
            if self._writer is None:
                self._writer = self._parquet.ParquetWriter(self._file.raw, table.schema)
            self._writer.write_table(table)

    def save(self) -> dict[str, Any] | None:
        if self._done is not None:
            return self._done
        if is_stream(self._path):
            return None
        if self._kept is None:
            self._keep()
        kept = None if self._kept is None else self._kept.save()
        return None if kept is None else {**kept, **(super().save() or {}), "n": self.n}

    def _keep(self) -> None:
        """Move the row groups written so far to a file that can be continued."""
        self._file.check_process()
        self._kept = WholeFile(self._path, "parquet", packs=False)
        if self._writer is None:
            return
        written, self.n = self._file, 0
        with written.explained():
            self._writer.close()
            written.raw.flush()
            with written.reopened() as file:
                groups = self._parquet.ParquetFile(file)
                for i in range(groups.num_row_groups):
                    self.put(groups.read_row_group(i).cast(self.schema or groups.schema_arrow))
        written.drop()
        self._file = WholeFile(self._path, "parquet", packs=False)
        self._writer, self._is_prepared = None, False

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.n = saved["n"]
        if self._is_complete(saved):
            self._file.drop()
            remove_saved(Path(self._path).resolve())
            self.n += self.n_waiting
            self.waiting, self.n_waiting, self._done = [], 0, saved
            return
        self._kept = WholeFile(self._path, "parquet", packs=False)
        self._kept.restore(saved)

    def _is_complete(self, saved: dict[str, Any]) -> bool:
        """Return True if the file was made of what a checkpoint covers, and has its name."""
        with contextlib.suppress(OSError, self.pa.ArrowInvalid):
            found = self._parquet.read_metadata(self._path)
            entries: dict[bytes, bytes] = found.metadata or {}
            return (
                entries.get(_KEPT.encode()) == saved["part"].encode() and int(found.num_rows) == self.n + self.n_waiting
            )
        return False

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
                self.put(self.table())
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
        kept.sync()
        for table in self._tables_of(kept):
            self._write_group(table)
        self._writer.add_key_value_metadata({_KEPT: kept.part_name})

    def _tables_of(self, kept: WholeFile) -> Iterator[Any]:
        with kept.explained(), kept.reopened() as file:
            while length := file.read(_LENGTH_BYTES):
                yield unpacked(self.pa, file.read(int.from_bytes(length, "big")))


@dataclass(frozen=True)
class _Parquet(Sink[object, int]):
    path: str
    schema: Any = field(default=None, repr=False)
    label = "parquet"
    takes_columns = True

    @property
    def replaces(self) -> str:
        return self.path

    @property
    def delivery(self) -> Delivery:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # by path
        return "at least once" if is_stream(self.path) else "exactly once"

    def open(self, context: SinkContext) -> Writer:
        return _ParquetWriter(self.path, context, self.schema)


def parquet(path: str | PathLike[str], /, *, schema: Any = None) -> Sink[object, int]:
    """Write a Parquet file; `result[sink]` is the number of rows.

    This needs the extra "arrow".

    A record gives its fields, a pane its key, start, end, value, revision and closed_by; any other item a column
    "value". Conflicting names of panes get prefixes, as in `sinks.csv`. Columns and types are those of the first 65,536
    items: a field that an item lacks is null, and an additional field fails the run. The file appears only when the run
    has succeeded; a failed or cancelled run leaves the old file in place. Links, modes, devices and FIFOs are handled as
    in `sinks.csv`.

    In a run with checkpoints, rows wait uncompressed in a file beside it, and the Parquet file is made of them at the
    end. Each checkpoint holds the rows since the last full row group, up to 65,535.

    Args:
        path: Path of the file. Its directory is created if missing.
        schema: A pyarrow.Schema, for cases in which the first items are not enough. It must have all fields of the
            items.

    Raises:
        GraphError: If `schema` is not a schema.

    Example:
        >>> saved = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.parquet("numbers.parquet"))
        >>> rxdag.run(saved)[saved]
        2
    """
    return _Parquet(checked_path(path, "parquet"), checked_schema(schema, "parquet"))
