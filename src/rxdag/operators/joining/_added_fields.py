"""Records of a left item and some fields of its right one."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rxdag.contract import check_named_arguments, check_plain
from rxdag.errors import GraphError, shown
from rxdag.expressions import check_field, field_names, field_types, look_up, runs_code

Fields: typing.TypeAlias = "Sequence[str] | Mapping[str, str]"
"""Names of fields of the right item; or the name in the result, with the name of the field."""


@dataclass(frozen=True)
class AddedFields:
    """The fields of a left item and some of its right one, None without one, as a record.

    Attributes:
        fields: Fields of the right item: the name in the record, and the name of the field.
        into: Makes the record from its fields by name; None for a dict.
    """

    fields: tuple[tuple[str, str], ...]
    into: Any

    def __call__(self, left: Any, right: Any) -> Any:
        item: Any = left
        record: dict[str, Any] = dict(item) if isinstance(left, Mapping) else _fields_of(item)
        for name, field in self.fields:
            record[name] = None if right is None else look_up(right, field)
        return record if self.into is None else self.into(**record)

    @property
    def runs_code(self) -> bool:
        return runs_code(self.into)

    def item_type(self, left: Any, right: Any) -> Any:
        """Return the type of the records, None if it is not known.

        Raises:
            GraphError: If a field does not exist, has the name of a left one, or does not fit `into`.
        """
        for _, field in self.fields:
            check_field(field, right, "join_asof: fields")
        names = field_names(left)
        if names is None:
            return self.into
        for name, field in self.fields:
            if name in names:
                raise GraphError(
                    f'join_asof: fields must have names that the left item has not, got "{name}"; pass another name: '
                    f'fields={{"right_{name}": "{field}"}}'
                )
        made = (*names, *(name for name, _ in self.fields))
        if self.into is not None:
            check_named_arguments(self.into, "join_asof: into", made)
            return self.into
        types = {name: field_types(left).get(name, Any) for name in names}
        of_right = field_types(right)
        types |= {name: of_right[field] | None if field in of_right else Any for name, field in self.fields}
        make: Any = typing.TypedDict  # created at run time, to provide the names
        return make("Record", types)


def _fields_of(item: Any) -> dict[str, Any]:
    names = field_names(type(item))
    if names is None:
        raise TypeError(f"join_asof: fields= needs left items with fields, got {shown(item)}; leave it out")
    return {name: getattr(item, name) for name in names}


def added_fields(fields: Any, into: Any) -> AddedFields:
    """Return how to make the records.

    Raises:
        GraphError: If the names are not texts, or occur twice, or `into` is not a type.
    """
    given: Any = fields
    chosen: list[tuple[Any, Any]] = []
    if isinstance(fields, Mapping):
        chosen = list(given.items())
    elif isinstance(fields, Sequence) and not isinstance(fields, str):
        chosen = [(name, name) for name in given]
    if not chosen or not all(isinstance(name, str) and isinstance(field, str) for name, field in chosen):
        raise GraphError(
            f'join_asof: fields must be names of fields of the right item, such as ["bid", "ask"], got {shown(given)}'
        )
    names = [name for name, _ in chosen]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise GraphError(f'join_asof: fields must be named once, got "{twice}" twice')
    if into is not None:
        if not callable(into):
            raise GraphError(f"join_asof: into must be a type, got {shown(into)}")
        check_plain(into, "join_asof: into", instead="")
    return AddedFields(tuple(chosen), into)
