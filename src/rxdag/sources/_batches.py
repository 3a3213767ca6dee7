"""Record batches of Arrow: their rows as columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Any

from rxdag.contract import SourceContext, import_extra
from rxdag.errors import SourceError
from rxdag.expressions import kinds_in
from rxdag.sources._records import check_columns, record_fields
from rxdag.sources._rows import RowsReader
from rxdag.sources._sound import SoundRows


class BatchesReader(RowsReader):
    """Reads record batches."""

    def __init__(self, of: Any, zone: tzinfo | None, where: str, context: SourceContext) -> None:
        super().__init__()
        self._of = of
        self._zone = zone
        self._where = where
        self._context = context
        self._pa = import_extra("pyarrow", "arrow", where)
        self._taken = 0
        """Number of rows in the batches so far."""

    @abstractmethod
    def batches(self, first: int) -> Iterator[Any]:
        """Yield the batches of the rows after so many."""

    def n_rows(self) -> int:
        return self._taken

    def parts(self, first: int) -> Iterator[tuple[int, Any]]:
        from rxdag.columns import Columns, column_of_arrow  # they load numpy

        pa, of, where = self._pa, self._of, self._where
        fields = None if of is None else record_fields(of, where)
        self._taken = first
        for given in self.batches(first):
            batch = given
            if fields is not None:
                batch = batch.select([name for name in fields if name in batch.schema.names])
            batch = _zoned(pa, batch, self._zone, where)
            columns: dict[str, Any] = {}
            for at, name in enumerate(batch.schema.names):
                try:
                    array = batch.column(at) if fields is None else _checked(pa, batch.column(at), fields[name])
                    columns[name] = column_of_arrow(pa, array)
                except ValueError as error:
                    raise SourceError(f'{where}: column "{name}" {error}') from error
            first, self._taken = self._taken, self._taken + batch.num_rows
            if fields is None:
                whole = Columns.from_columns(columns, of)
                whole.n = batch.num_rows
                yield first, whole[:]
            else:
                yield from SoundRows(of, fields, where, self._context).parts(columns, batch.num_rows, first)


def after(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    """Yield batches without their first rows."""
    for batch in batches:
        if rows and rows >= batch.num_rows:
            rows -= batch.num_rows
            continue
        yield batch.slice(rows) if rows else batch
        rows = 0


def _zoned(pa: Any, batch: Any, zone: tzinfo | None, where: str) -> Any:
    """Return the columns, with naive times interpreted in the zone.

    Raises:
        SourceError: If there are naive times but no zone, or a time does not exist in the zone.
    """
    from rxdag.columns import has_naive_times, utc_of  # they load numpy

    for at, (name, kind) in enumerate(zip(batch.schema.names, batch.schema.types, strict=True)):
        if not has_naive_times(pa.types, kind):
            continue
        if zone is None:
            raise SourceError(
                f'{where}: column "{name}" must have times with a zone, got {kind}; pass tz= to the source, such as '
                'tz="UTC"'
            )
        array = batch.column(at)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if not pa.types.is_timestamp(array.type):
            raise SourceError(
                f'{where}: column "{name}" must have times with a zone inside of {kind}; tz= is for plain columns'
            )
        local = array.to_numpy(zero_copy_only=False)
        try:
            instants = utc_of(local, zone)
        except ValueError as error:
            raise SourceError(f'{where}: column "{name}": {error}') from None
        made = pa.array(instants, pa.timestamp(array.type.unit, "UTC"), mask=instants != instants)
        batch = batch.set_column(at, name, made)
    return batch


def _checked(pa: Any, array: Any, hint: Any) -> Any:
    """Return an Arrow column if it has the type of its field.

    Raises:
        ValueError: If it has another type.
    """
    types, kind = pa.types, array.type
    value_type = kind.value_type if types.is_dictionary(kind) else kind
    hint, *others = [each for each in kinds_in(hint) if each is not type(None)] or [Any]
    fits = {
        int: types.is_integer(value_type),
        float: types.is_floating(value_type) or types.is_integer(kind),
        bool: types.is_boolean(value_type),
        str: types.is_string(value_type) or types.is_large_string(value_type) or str(value_type) == "string_view",
    }
    if not others and hint in fits and not fits[hint] and not types.is_null(kind):
        raise ValueError(f"must be {hint.__name__}, got {kind}; cast it, or declare the field with another type")
    return array


def fitting(batches: Iterable[Any], schema: Any, of: Any, where: str) -> Iterator[Any]:
    """Yield batches, if their columns are those of a type; without one, if each has a name of its own."""
    twice = [name for name in dict.fromkeys(schema.names) if schema.names.count(name) > 1]
    if of is None and twice:
        raise SourceError(
            f"{where}: columns must have names of their own, got several called {', '.join(twice)}; rename them, or "
            "pass a type without such a field"
        )
    if of is not None:
        check_columns(of, schema.names, lambda what: SourceError(f"{where}: {what}"))
    yield from batches
