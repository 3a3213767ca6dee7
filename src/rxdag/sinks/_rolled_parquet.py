"""Numbered Parquet files: the rows of the open file are kept as tables, and written as Parquet when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rxdag.contract import Chunk, SinkContext, import_extra
from rxdag.sinks._arrow import BatchWriter
from rxdag.sinks._kept_tables import is_made_of, keep, mark_made_of, tables_in
from rxdag.sinks._numbered import NumberedFiles
from rxdag.sinks._roll import Intervals, Roll
from rxdag.sinks._whole_file import WholeFile


class RolledParquetWriter(BatchWriter):
    """Writes numbered Parquet files, each with one row or more."""

    def __init__(self, path: str, context: SinkContext, schema: Any, roll: Roll, *, appends: bool) -> None:
        super().__init__(context, schema, "parquet")
        self._parquet = import_extra("pyarrow.parquet", "arrow", "parquet")
        self._saves = context.saves
        self._files = NumberedFiles(
            path, "parquet", saves=context.saves, appends=appends, packs=False, is_named=_is_made_of
        )
        self._roll = roll
        self._interval = Intervals(roll, context.clock)
        self._kept: WholeFile | None = None
        """Full row groups of the open file, as tables; None if no file is open."""
        self._rows = self._size = 0
        """Number and size in bytes of the rows in `_kept`."""
        self._made: WholeFile | None = None
        """The last file, once it is made."""
        self.n = 0

    def write(self, chunk: Chunk) -> None:
        if self._interval.is_over() or self._is_full():
            self._complete()
        super().write(chunk)

    def begin(self) -> None:
        if self._kept is None:
            self._kept = self._files.begin()
            self._interval.begin()

    def put_waiting(self) -> None:
        super().put_waiting()
        if self._is_full():
            self._complete()

    def _is_full(self) -> bool:
        return self._roll.max_bytes is not None and self._size >= self._roll.max_bytes

    def put(self, table: Any) -> None:
        assert self._kept is not None
        # In one piece, so that its size does not depend on the chunks in which the rows came.
        self._size += keep(self.pa, self._kept, table.combine_chunks())
        self._rows += table.num_rows
        self.n += table.num_rows

    def _complete(self) -> None:
        made = self._make()
        if made is None:
            return
        try:
            self._files.complete(made)
        except BaseException:
            made.drop()
            raise
        self._forget()

    def _make(self) -> WholeFile | None:
        """Write all rows of the open file as Parquet; None if it has none."""
        if self.waiting:
            super().put_waiting()
        kept = self._kept
        if kept is None:
            return None
        file = self._files.begin()
        try:
            with file.explained(), self._parquet.ParquetWriter(file.raw, self.schema) as writer:
                for table in tables_in(self.pa, kept):
                    file.raw.make_room()
                    writer.write_table(table)
                mark_made_of(writer, kept)
        except BaseException:
            file.drop()
            raise
        return file

    def _forget(self) -> None:
        """Begin a new file; if a checkpoint needs the kept rows, they stay until a later one is durable."""
        if self._kept is not None:
            self._kept.drop()
        self._kept, self._rows, self._size = None, 0, 0

    def prepare(self) -> None:
        if self._made is not None:
            return
        if self._saves and self._kept is not None:
            self._kept.save()  # fixes its name, by which a restored run recognises the file
        self._made = self._make()
        if self._made is not None:
            self._made.sync()

    def save(self) -> dict[str, Any]:
        if self._made is None and (self._roll.at_checkpoint or self._interval.is_over()):
            self._complete()
        opened = None if self._kept is None else self._kept.save()
        if opened is not None:
            opened["rows"] = self._rows + self.n_waiting
        books = {"n": self.n, "rows": self._rows, "size": self._size, "interval": self._interval.number}
        return {**(super().save() or {}), **self._files.save(opened), **books}

    def publish(self) -> None:
        self._files.publish()

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._saves = True
        self._kept = self._files.restore(saved)
        self.n, self._interval.number = saved["n"], saved["interval"]
        if self._kept is not None:
            self._rows, self._size = saved["rows"], saved["size"]
        else:  # all rows are in complete files, the last of which may have been named at the end of the job
            self.n += self.n_waiting
            self.waiting, self.n_waiting = [], 0

    def close(self, *, ok: bool) -> int:
        if ok:
            self.prepare()
            self._forget()
            self._files.commit(self._made)
            return self.n
        if self._made is not None:
            self._made.drop()
        self._forget()
        self._files.drop()
        return self.n


def _is_made_of(target: Path, opened: dict[str, Any]) -> bool:
    return is_made_of(target, opened["part"], opened["rows"])
