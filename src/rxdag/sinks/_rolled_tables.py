"""Numbered files of tables: the rows of an open file are kept as tables, and written in its format when it is complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rxdag.contract import Chunk, SinkContext, WriteFailed, Writer
from rxdag.sinks._arrow import TableMaker, TableSchema
from rxdag.sinks._file_names import PathPart, Place
from rxdag.sinks._kept_tables import is_made_of, keep, write_kept
from rxdag.sinks._numbered import NumberedFile, NumberedFiles
from rxdag.sinks._places import Places, by_place
from rxdag.sinks._roll import Roll
from rxdag.sinks._rolled import Rolled, RolledFiles
from rxdag.sinks._table_format import TableFormat


class _RolledTables(TableMaker, Rolled[Chunk]):
    """Rows of one place; the open file has full row groups, as tables."""

    def __init__(
        self,
        form: TableFormat,
        context: SinkContext,
        schema: TableSchema,
        files: NumberedFiles,
        place: Place,
        roll: Roll,
    ) -> None:
        Rolled.__init__(self, files, place, roll, context.clock)  # pyright: ignore[reportUnknownMemberType]  # of chunks
        TableMaker.__init__(self, context, schema, form.label)
        self._form = form
        self._saves = context.saves
        self._is_made = False
        """True if the open file has its format; until then, it has tables."""
        self._rows = 0
        """Number of rows in the open file."""

    def write(self, rows: Chunk) -> None:
        if self.interval.is_over() or self._is_full():
            self.complete()
        self.take(rows)

    def begin(self) -> None:
        if self.opened is None:
            self.opened = self.files.begin(self.place)
            self.interval.begin()

    def put_waiting(self) -> None:
        super().put_waiting()
        if self._is_full():
            self.complete()

    def _is_full(self) -> bool:
        return self.roll.max_bytes is not None and self.size >= self.roll.max_bytes

    def put(self, table: Any) -> None:
        assert self.opened is not None
        # In one piece, so that its size does not depend on the chunks in which the rows came.
        self.size += keep(self.pa, self.opened, table.combine_chunks())
        self._rows += table.num_rows

    def complete(self) -> None:
        made = self._make()
        if made is None:
            return
        try:
            self.files.complete(made)
        except BaseException:
            if made is not self.opened:
                made.drop()
            raise
        self._forget(made)

    def _make(self) -> NumberedFile | None:
        """Return the rows of the open file as a file in its format; None if there are none."""
        if self.waiting:
            super().put_waiting()
        kept = self.opened
        if kept is None or self._is_made:
            return kept
        made = self.files.again(kept)
        try:
            write_kept(self._form, kept, self.schema, made)
        except BaseException:
            made.drop()
            raise
        return made

    def _forget(self, made: NumberedFile | None) -> None:
        """Begin a new file; if a checkpoint needs the kept rows, they stay until a later one is durable."""
        if self.opened is not None and self.opened is not made:
            self.opened.drop()
        self.opened, self._is_made = None, False
        self._rows = self.size = 0

    def finish(self) -> NumberedFile | None:
        if self._saves and self.opened is not None and not self._is_made:
            self.opened.save()  # fixes its name, by which a restored run recognises the file
        made = self._make()
        if made is not None:
            if not self._is_made and self.opened is not None:
                self.opened.drop()
            self.opened, self._is_made = made, True
            made.sync()
        return made

    def save(self) -> dict[str, Any]:
        saved: dict[str, Any] = Rolled.save(self)  # pyright: ignore[reportUnknownMemberType]  # of chunks
        if saved["opened"] is not None:
            saved["opened"]["rows"] = self._rows + self.n_waiting
        return {**saved, **(TableMaker.save(self) or {}), "rows": self._rows}

    def restore(self, saved: dict[str, Any], opened: NumberedFile | None = None) -> None:
        Rolled.restore(self, saved, opened)  # pyright: ignore[reportUnknownMemberType]  # of chunks
        TableMaker.restore(self, saved)
        self._saves = True
        self._rows = saved["rows"]

    def drop(self) -> None:
        self._forget(None)


class RolledTablesWriter(Writer):
    """Writes numbered files of tables, each with one row or more.

    Args:
        form: Format of the files.
        parts: Parts of the path that the items decide on.
        context: The run.
        schema: Schema of all files; None for that of the first items.
        files: The files.
        roll: When one is complete.
        max_open: Most files that are open at once.
    """

    def __init__(
        self,
        form: TableFormat,
        parts: Sequence[PathPart],
        context: SinkContext,
        schema: Any,
        files: NumberedFiles,
        roll: Roll,
        max_open: int,
    ) -> None:
        self._form = form
        self._places = Places(parts, context.shape.key_names)
        self._schema = TableSchema(schema)
        self._rolled = RolledFiles[Chunk](
            files,
            roll,
            max_open,
            context,
            lambda place: _RolledTables(form, context, self._schema, files, place, roll),
        )
        self.n = 0

    def write(self, chunk: Chunk) -> None:
        try:
            places = self._places.of(chunk)
        except WriteFailed as failed:
            self.write(chunk.split(failed.index)[0])
            raise
        if places is None:
            self._rolled.write([((), chunk)])
        else:
            self._rolled.write((place, _taken(chunk, at)) for place, at in by_place(places).items())
        self.n += len(chunk)

    def prepare(self) -> None:
        self._rolled.finish()

    def save(self) -> dict[str, Any]:
        return {**self._rolled.save(), "n": self.n, "schema": self._schema.save()}

    def publish(self) -> None:
        self._rolled.publish()

    def restore(self, saved: dict[str, Any]) -> None:
        self._schema.restore(self._form.pa, saved["schema"])
        self._rolled.restore(saved)
        self.n = saved["n"]

    def close(self, *, ok: bool) -> int:
        if ok:
            self._rolled.commit()
        else:
            self._rolled.drop()
        return self.n


def _taken(chunk: Chunk, at: list[int]) -> Chunk:
    """Return the items of a chunk at these positions."""
    columns = chunk.columns
    if columns is None:
        items = chunk.items
        return Chunk([items[i] for i in at])
    import numpy as np

    return Chunk(columns.take(np.array(at)))


def is_made(form: TableFormat, target: Path, opened: dict[str, Any]) -> bool:
    """Return True if an open file of a checkpoint got its name at the end of the job."""
    return is_made_of(form, target, opened["part"], opened["rows"])
