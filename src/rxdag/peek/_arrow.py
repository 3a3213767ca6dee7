"""Layouts of Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import basename
from typing import Any, Final

from rxdag.contract import UNITS, import_extra, iso_utc
from rxdag.errors import SourceError
from rxdag.peek._column import Column
from rxdag.peek._head import Head
from rxdag.peek._program import Layout, field_names, quoted
from rxdag.peek._times import time_of

_ROWS: Final = 1_000
_ARROW_FILE: Final = b"ARROW1"
_ARROW_STREAM: Final = b"\xff\xff\xff\xff"
_BUFFER_BYTES: Final = 1 << 16


def arrow_layout(path: str, head: Head) -> Layout | None:
    """Return the layout of a Parquet or an Arrow file; None if it is neither.

    Raises:
        SourceError: If it is compressed as a whole, or damaged.
        MissingExtra: If pyarrow is not installed.
    """
    name = "Parquet" if head.begin.startswith(b"PAR1") else "Arrow"
    if name == "Arrow" and not head.begin.startswith((_ARROW_FILE, _ARROW_STREAM)):
        return None
    if head.compressed is not None:
        raise SourceError(
            f"{path}: must be {name} that is not compressed as a whole, got a {head.compressed} file of it; decompress it"
        )
    pa = import_extra("pyarrow", "arrow", "peek")
    try:
        return _parquet(pa, path) if name == "Parquet" else _arrow(pa, path, head)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path}: must be a {name} file that is whole, got {error}") from None


def _parquet(pa: Any, path: str) -> Layout:
    parquet = import_extra("pyarrow.parquet", "arrow", "peek")
    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
        groups = [file.metadata.row_group(at) for at in range(file.num_row_groups)]
        chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
        nulls = {chunk.path_in_schema.partition(".")[0] for chunk in chunks if _may_have_nulls(chunk)}
        first = next(file.iter_batches(_ROWS, use_threads=False), None)
        return _layout(pa, path, "parquet", None, file.schema_arrow, first, nulls)


def _may_have_nulls(chunk: Any) -> bool:
    """Return True if a part of a column has nulls, or does not tell."""
    known = chunk.statistics if chunk.is_stats_set else None
    return known is None or not known.has_null_count or known.null_count > 0


def _arrow(pa: Any, path: str, head: Head) -> Layout:
    form = "file" if head.begin.startswith(_ARROW_FILE) else "stream"
    with pa.memory_map(path) as file:
        if form == "file":
            reader = pa.ipc.open_file(file)
            first = reader.get_batch(0) if reader.num_record_batches else None
        else:
            reader = pa.ipc.open_stream(file)
            first = next(iter(reader), None)
        columns = () if first is None else zip(first.schema.names, first.columns, strict=True)
        nulls: set[str] = {name for name, column in columns if column.null_count}
        data = f"pyarrow.ipc.open_{form}(pyarrow.memory_map({quoted(path)})).read_all()"
        return _layout(pa, path, "arrow", data, reader.schema, None if first is None else first.slice(0, _ROWS), nulls)


def _layout(pa: Any, path: str, source: str, data: str | None, schema: Any, first: Any, nulls: set[str]) -> Layout:
    batch = schema.empty_table().to_batches() if first is None else [first]
    columns = [
        _column(pa, each, [batch.column(at) for batch in batch], may_be_none=each.name in nulls)
        for at, each in enumerate(schema)
    ]
    naive = [each.name for each in schema if pa.types.is_timestamp(each.type) and each.type.tz is None]
    is_record = field_names(columns) == list(schema.names)
    checks = [f"The times of {', '.join(naive)} have no zone: UTC is assumed, as tz=."] if naive else []
    if not is_record:
        checks.append("Some names of columns cannot be those of fields, so that items are dicts.")
    return Layout(
        path,
        f"{source.capitalize()}, {len(columns)} columns",
        source,
        columns,
        of="Row" if is_record else None,
        data=data,
        tz="UTC" if naive else None,
        time=time_of(columns, basename(path), has_names=True),
        checks=checks,
    )


def _column(pa: Any, of: Any, arrays: Sequence[Any], *, may_be_none: bool) -> Column:
    kind = _kind(pa, of.type)
    texts: list[str] = []
    if kind == "instant":
        values = [value for array in arrays for value in array.cast(pa.int64()).to_pylist() if value is not None]
        texts = [iso_utc(value * UNITS[of.type.unit]) for value in values[:1]]
    elif kind in ("int", "float", "str"):
        texts = [str(value) for array in arrays for value in array.to_pylist() if value is not None]
    return Column(of.name, texts, kind, may_be_none)


def _kind(pa: Any, given: Any) -> str:
    """Return the type of the values of an Arrow type, as in a program."""
    types = pa.types
    kind = given.value_type if types.is_dictionary(given) else given
    forms = (
        (types.is_boolean, "bool"),
        (types.is_integer, "int"),
        (types.is_floating, "float"),
        (types.is_decimal, "Decimal"),
        (types.is_timestamp, "instant"),
        (types.is_string, "str"),
        (types.is_large_string, "str"),
        (types.is_date, "datetime.date"),
        (types.is_time, "datetime.time"),
        (types.is_binary, "bytes"),
        (types.is_struct, "dict[str, Any]"),
        (types.is_list, "list[Any]"),
        (types.is_large_list, "list[Any]"),
    )
    return "str" if str(kind) == "string_view" else next((name for is_form, name in forms if is_form(kind)), "Any")
