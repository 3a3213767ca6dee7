"""Tables of Arrow: what is collected in one, and what files are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, Final

from rxdag.contract import Chunk, Sink, SinkContext, Writer, import_extra
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.sinks._flatten import flat_columns, flatten

_GROUP_ROWS: Final = 1 << 16
_TAKEN_FOR: Final = ((bool, float), (date, datetime), (str, bytes), (timedelta, int))


@dataclass
class TableSchema:
    """The schema of all tables of a sink; `found` is None until the first one is made."""

    found: Any = None

    def save(self) -> bytes | None:
        """Return it as bytes, for `restore`."""
        saved: bytes | None = None if self.found is None else self.found.serialize().to_pybytes()
        return saved

    def restore(self, pa: Any, saved: bytes | None) -> None:
        """Continue with what `save` returned."""
        self.found = None if saved is None else pa.ipc.read_schema(pa.py_buffer(saved))


class TableMaker:
    """Makes tables of chunks, all with the schema of the first."""

    def __init__(self, context: SinkContext, schema: TableSchema, where: str) -> None:
        self.pa = import_extra("pyarrow", "arrow", where)
        self._key_names = context.shape.key_names
        self._where = where
        self.waiting: list[Any] = []
        self.n_waiting = 0
        self.shared = schema
        self.taken = 0
        """Number of items that were taken by a write that has failed since, and is repeated with the same chunk."""

    @property
    def schema(self) -> Any:
        """Return the schema; None until the first table is made."""
        return self.shared.found

    def take(self, chunk: Chunk) -> None:
        """Take the items behind those that were taken, and count them as taken."""
        chunk = chunk.split(self.taken)[1]
        while True:  # groups are cut at the same rows, whatever the chunks
            if self.n_waiting == _GROUP_ROWS:
                self.put_waiting()
            if not len(chunk):
                break
            self.begin()
            room = _GROUP_ROWS - self.n_waiting
            head, chunk = chunk.split(room) if len(chunk) > room else (chunk, Chunk([]))
            self.waiting.append(self._explained(self._batch, head))
            self.n_waiting += len(head)
            self.taken += len(head)

    def _batch(self, chunk: Chunk) -> Any:
        columns = chunk.columns
        if columns is not None:
            from rxdag.columns import batch_of_columns  # it loads numpy

            return batch_of_columns(self.pa, columns)
        values = flat_columns(chunk.items, self._key_names)
        if values is None:
            rows = [flatten(item, self._key_names) for item in chunk.items]
            names = dict.fromkeys(chain.from_iterable(rows)) if all(rows) else ()
            values = {name: [row.get(name) for row in rows] for name in names}
        if not values:
            raise SourceError(f"{self._where}: an item must have one field or more, got one without")
        return self.pa.table({name: self._array(column) for name, column in values.items()})

    def _array(self, values: list[Any]) -> Any:
        from rxdag.columns import arrow_of_values  # it loads numpy

        _check_one_kind(values, set(map(type, values)))
        return arrow_of_values(self.pa, values)

    def table(self) -> Any:
        """Return the waiting items as one table of the schema."""
        pa = self.pa
        if not self.waiting:
            return pa.table({}) if self.schema is None else self.schema.empty_table()
        tables = [each if isinstance(each, pa.Table) else pa.Table.from_batches([each]) for each in self.waiting]
        return self._explained(self._joined, tables)

    def _joined(self, tables: list[Any]) -> Any:
        pa = self.pa
        union = pa.unify_schemas([table.schema for table in tables], promote_options="permissive")
        table = pa.concat_tables([_fitted(pa, table, union) for table in tables], promote_options="permissive")
        schema = self.shared.found = table.schema if self.schema is None else self.schema
        further = next(_further(pa, pa.struct(list(schema)), pa.struct(list(table.schema))), None)
        if further is not None:
            raise SourceError(
                f"{self._where}: items must have the fields of the first {_GROUP_ROWS:,}, or of schema=, got another "
                "field, "
                f'"{further}"; pass schema= with all fields'
            )
        for field_ in schema:
            if field_.name not in table.column_names:
                table = table.append_column(field_.name, pa.nulls(table.num_rows, field_.type))
        table = table.select(schema.names)
        for given, wanted in zip(table.schema, schema, strict=True):
            if not _is_kept(pa, given.type, wanted.type):
                raise SourceError(
                    f'{self._where}: field "{given.name}" must be of type {wanted.type}, as in the first {_GROUP_ROWS:,} '
                    f"items or schema=, got {given.type}, which would change the values; pass schema=, or convert "
                    "the values first"
                )
        return _fitted(pa, table, schema).cast(schema)

    def _explained(self, fn: Callable[[Any], Any], given: Any) -> Any:
        try:
            return fn(given)
        except (ValueError, OverflowError, self.pa.ArrowTypeError, self.pa.ArrowNotImplementedError) as error:
            raise SourceError(
                f"{self._where}: items must have the columns and types of the first ones, got {text_of(error)}; pass "
                "schema="
            ) from error

    def begin(self) -> None:
        """Prepare for items that will wait."""

    def put_waiting(self) -> None:
        """Put the waiting items; if that fails, they still wait."""
        self.put(self.table())
        self.waiting, self.n_waiting = [], 0

    def put(self, table: Any) -> None:
        """Take a table of many rows."""
        raise TypeError("a batch writer must say where tables go")

    def save(self) -> dict[str, Any] | None:
        """Return the waiting items as data that `restore` continues from; None for a device or a FIFO."""
        return {"taken": self.taken, "waiting": [packed(self.pa, each) for each in self.waiting]}

    def restore(self, saved: dict[str, Any]) -> None:
        """Continue with the items that `save` returned."""
        self.waiting = [unpacked(self.pa, each) for each in saved["waiting"]]
        self.n_waiting = sum(len(each) for each in self.waiting)
        self.taken = saved.get("taken", 0)


class BatchWriter(TableMaker, Writer):
    """A writer of tables."""

    def __init__(self, context: SinkContext, schema: Any, where: str) -> None:
        super().__init__(context, TableSchema(schema), where)

    def write(self, chunk: Chunk) -> None:
        self.take(chunk)
        self.taken = 0

    def save(self) -> dict[str, Any] | None:
        return {**(super().save() or {}), "schema": self.shared.save()}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self.shared.restore(self.pa, saved["schema"])


class _ArrowWriter(BatchWriter):
    def __init__(self, context: SinkContext, schema: Any) -> None:
        super().__init__(context, schema, "arrow")
        self._tables: list[Any] = []

    def put(self, table: Any) -> None:
        self._tables.append(table)

    def save(self) -> dict[str, Any]:
        return {**(super().save() or {}), "tables": [packed(self.pa, each) for each in self._tables]}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        self._tables = [unpacked(self.pa, each) for each in saved["tables"]]

    def close(self, *, ok: bool) -> Any:
        if self.waiting or not self._tables:
            self.put_waiting()
        return self.pa.concat_tables(self._tables)


def packed(pa: Any, table: Any) -> bytes:
    """Return a table or a batch as a stream of Arrow's format for exchange."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return bytes(sink.getvalue().to_pybytes())


def unpacked(pa: Any, data: bytes) -> Any:
    """Return the table of a stream that `packed` made."""
    return pa.ipc.open_stream(data).read_all()


def _check_one_kind(values: list[Any], kinds: set[type]) -> None:
    """Raise ValueError for values that pyarrow would take for each other in silence."""
    for one, other in _TAKEN_FOR:
        if one in kinds and other in kinds:
            raise ValueError(f"{one.__name__} and {other.__name__} in one column")
    if datetime in kinds and len({value.tzinfo is None for value in values if value.__class__ is datetime}) > 1:
        raise ValueError("times with and without a zone in one column")


def _is_kept(pa: Any, given: Any, wanted: Any) -> bool:
    """Return whether values of a type keep their kind in another one: numbers, texts or times."""
    types = pa.types
    if types.is_dictionary(given) or types.is_dictionary(wanted):
        given = given.value_type if types.is_dictionary(given) else given
        wanted = wanted.value_type if types.is_dictionary(wanted) else wanted
        return _is_kept(pa, given, wanted)
    if given == wanted or types.is_null(given):
        return True
    if types.is_nested(given) and types.is_nested(wanted):
        by_name = types.is_struct(given) and types.is_struct(wanted)
        places = [wanted.get_field_index(given.field(i).name) if by_name else i for i in range(given.num_fields)]
        return all(
            0 <= place < wanted.num_fields and _is_kept(pa, given.field(i).type, wanted.field(place).type)
            for i, place in enumerate(places)
        )
    if types.is_date(given) and types.is_timestamp(wanted):
        return bool(wanted.tz is None)
    return any(is_one(given) and is_one(wanted) for is_one in _kinds(types))


def _kinds(types: Any) -> tuple[Callable[[Any], bool], ...]:
    """Return the predicates of the kinds of types."""
    return (
        types.is_boolean,
        lambda of: types.is_integer(of) or types.is_floating(of),
        lambda of: types.is_integer(of) or types.is_decimal(of),  # a float is rounded to a decimal, and the other way
        lambda of: "string" in str(of),
        lambda of: "binary" in str(of),
        types.is_date,
        lambda of: types.is_timestamp(of) and of.tz is None,
        lambda of: types.is_timestamp(of) and of.tz is not None,
        types.is_time,
        types.is_duration,
    )


def _fitted(pa: Any, table: Any, schema: Any) -> Any:
    """Return a table whose records have the fields of a schema: casts of older pyarrow refuse missing fields."""
    for i, field_ in enumerate(table.schema):
        wanted = schema.field(field_.name).type
        if pa.types.is_nested(wanted) and field_.type != wanted:
            try:
                column = table.column(i).cast(wanted)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
                column = pa.chunked_array([pa.array(table.column(i).to_pylist(), wanted)])
            table = table.set_column(i, schema.field(field_.name), column)
    return table


def _further(pa: Any, wanted: Any, given: Any, inside: str = "") -> Iterator[str]:
    """Yield the fields of a type that another lacks, records in records too: a cast drops them in silence."""
    by_name = pa.types.is_struct(wanted) and pa.types.is_struct(given)
    if not by_name and given.num_fields != wanted.num_fields:
        return
    for i in range(given.num_fields):
        field_ = given.field(i)
        at = wanted.get_field_index(field_.name) if by_name else i
        name = f"{inside}{field_.name}"
        if at < 0:
            yield name
        else:
            yield from _further(pa, wanted.field(at).type, field_.type, f"{name}." if by_name else inside)


@dataclass(frozen=True)
class _Arrow(Sink[object, Any]):
    schema: Any = field(default=None, repr=False)
    label = "arrow"
    takes_columns = True
    delivery = "exactly once"
    visible = "at the end"

    def open(self, context: SinkContext) -> Writer:
        return _ArrowWriter(context, self.schema)


def arrow(*, schema: Any = None) -> Sink[object, Any]:
    """Collect all items in an Arrow table. Needs the extra "arrow".

    `result[sink]` is the pyarrow.Table. A record gives its fields, a pane its key, start, end, value, revision and
    closed_by; any other item a column "value". Conflicting names of panes get prefixes, as in `sinks.csv`. Columns and
    types are those of the first 65,536 items: a field that an item lacks is null, and an additional field fails the
    run. Each checkpoint of a run holds all items collected so far.

    Args:
        schema: A pyarrow.Schema, for cases in which the first items are not enough. It must have all fields of the
            items.

    Raises:
        GraphError: If `schema` is not a schema.

    Example:
        >>> kept = rxdag.from_source(sources.iterable([{"a": 1}, {"a": 2}])).to(sinks.arrow())
        >>> rxdag.run(kept)[kept].to_pydict()
        {'a': [1, 2]}
    """
    return _Arrow(checked_schema(schema, "arrow"))


def checked_schema(schema: Any, where: str) -> Any:
    if schema is not None and not hasattr(schema, "empty_table"):
        raise GraphError(f"{where}: schema must be a pyarrow.Schema, got {shown(schema)}")
    return schema
