"""Names of columns: which of them belongs to which field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rxdag.errors import GraphError, did_you_mean
from rxdag.expressions import field_names
from rxdag.sources._dialect import Dialect
from rxdag.sources._records import check_columns


def columns_by_field(
    of: Any, columns: Sequence[str], dialect: Dialect, problem: Callable[[str], Exception]
) -> dict[str, int]:
    """Return the place of the column of each field that has one.

    Args:
        of: Type of the items.
        columns: Names of the columns of a file; of one without a header, names of fields.
        dialect: Form of the file.
        problem: Makes the error from the rule and the value found.

    Raises:
        Exception: What `problem` makes, if a required field has no column, a field has two, or no field has any.
    """
    lacking = [name for name in dialect.rename if name not in columns]
    if lacking:
        raise problem(f"must have the columns that the dialect renames, lacks {', '.join(lacking)}")
    given = {} if dialect.header is False else {**_encoded_names(of), **dialect.rename}
    taken = {given[name] for name in columns if name in given}
    # A column that is called as a field is another one if the field has its own.
    fields = [given.get(name, "" if name in taken else name) for name in columns]
    check_columns(of, fields, problem, columns)
    return {name: place for place, name in enumerate(fields)}


def check_renamed(of: Any, dialect: Dialect) -> None:
    """Raise GraphError if a column is renamed to no field of the type."""
    fields = field_names(of) or ()
    for name in dialect.rename.values():
        if name not in fields:
            raise GraphError(
                f'csv: dialect: rename must give fields of {of.__name__}, got "{name}"{did_you_mean(name, fields)}'
            )


def _encoded_names(of: Any) -> dict[str, str]:
    """Return the fields by the names that the `rename=` of a Struct gives them."""
    if not (isinstance(of, type) and issubclass(of, msgspec.Struct)):
        return {}
    return {field.encode_name: field.name for field in msgspec.structs.fields(of) if field.encode_name != field.name}
