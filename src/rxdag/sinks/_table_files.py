"""Files of tables: one file that appears at the end, or numbered ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rxdag.contract import SinkContext, Writer, flag, whole
from rxdag.errors import GraphError
from rxdag.sinks._arrow import BatchWriter, checked_schema
from rxdag.sinks._file_sink import FileSink
from rxdag.sinks._kept_tables import is_made_of, keep, write_kept
from rxdag.sinks._numbered import NumberedFiles, checked_roll
from rxdag.sinks._parts import remove_saved
from rxdag.sinks._roll import Roll
from rxdag.sinks._rolled_tables import RolledTablesWriter, is_made
from rxdag.sinks._table_format import TableFormat
from rxdag.sinks._whole_file import WholeFile, is_stream


class _TableFileWriter(BatchWriter):
    """Writes one file; it is made of kept tables in a run with checkpoints."""

    def __init__(self, form: TableFormat, path: str, context: SinkContext, schema: Any) -> None:
        super().__init__(context, schema, form.label)
        self._form = form
        self._path = path
        self._file = WholeFile(path, form.label, packs=False)
        self._writer: Any = None
        self._kept = WholeFile(path, form.label, packs=False) if context.saves and not is_stream(path) else None
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
                self._writer = self._form.writer(self._file.raw, table.schema)
            self._writer.write_table(table)

    def save(self) -> dict[str, Any] | None:
        if self._done is not None:
            return self._done
        kept = None if self._kept is None else self._kept.save()
        return None if kept is None else {**kept, **(super().save() or {}), "n": self.n}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.n = saved["n"]
        if is_made_of(self._form, self._path, saved["part"], self.n + self.n_waiting):
            self._drop()
            remove_saved(Path(self._path).resolve())
            self.n += self.n_waiting
            self.waiting, self.n_waiting, self._done = [], 0, saved
            return
        self._kept = self._kept or WholeFile(self._path, self._form.label, packs=False)
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
                self._kept.save()  # fixes its name, by which a restored run recognises the file
                write_kept(self._form, self._kept, self.schema, self._file)
            with self._file.explained():
                if self._writer is not None:
                    self._writer.close()
        except BaseException:
            self._drop()
            raise
        self._file.sync()


@dataclass(frozen=True)
class TableFiles(FileSink):
    """A file of tables, or numbered ones.

    Attributes:
        schema: A pyarrow.Schema; None to take that of the first items.
        form: Format of the files.
    """

    schema: Any = field(repr=False)
    form: ClassVar[type[TableFormat]]
    takes_columns = True

    def open(self, context: SinkContext) -> Writer:
        form = self.form()
        if self.roll is None:
            return _TableFileWriter(form, self.path, context, self.schema)
        files = NumberedFiles(
            self.path,
            self.label,
            saves=context.saves,
            appends=self.append,
            packs=False,
            is_named=partial(is_made, form),
        )
        return RolledTablesWriter(form, self.parts, context, self.schema, files, self.roll, self.max_open)


def checked_tables(
    path: Any, schema: Any, roll: Any, append: Any, max_open: Any, where: str
) -> tuple[str, Roll | None, bool, int, Any]:
    """Return the arguments of a sink of table files, checked.

    Raises:
        GraphError: If one is invalid.
    """
    text, when = checked_roll(path, roll, where)
    if flag(append, f"{where}: append") and when is None:
        raise GraphError(f"{where}: append must be given with roll=, since a file of this format cannot be continued")
    return text, when, append, whole(max_open, f"{where}: max_open", least=1), checked_schema(schema, where)
