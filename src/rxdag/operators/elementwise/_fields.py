"""Operators that make records of other fields."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from rxdag.contract import ColumnsEmit, Kernel, Operator, Shape, check_named_arguments, check_plain
from rxdag.errors import GraphError, shown
from rxdag.expressions import (
    ITEM,
    Expr,
    Field,
    FieldExpr,
    FieldReader,
    Record,
    bound,
    check_field,
    field_name,
    field_names,
    field_types,
    runs_code,
    why_opaque,
)
from rxdag.operators.elementwise._call_kernels import MapKernel

if TYPE_CHECKING:
    from rxdag.columns import Columns

B = TypeVar("B")


class _RecordKernel(MapKernel):
    """Emits records of new fields.

    Args:
        record: Definition of the record.
        fields: Readers or functions of the new fields, by name.
        of: Type of the records; None for dicts.
        keep: True to keep the fields of the item beside them.
    """

    def __init__(self, record: FieldReader, fields: dict[str, Any], of: Any, *, keep: bool) -> None:
        super().__init__(record)
        self._fields = fields
        self._of = of
        self._keep = keep

    def in_columns(self) -> Kernel | str:
        if runs_code(self._of):
            return f"{getattr(self._of, '__name__', 'into')} has a constructor with code of its own"
        return why_opaque(*self._fields.values()) or self

    def on_columns(self, columns: Columns, emit: ColumnsEmit) -> None:
        if self._keep and columns.names == (ITEM,):
            emit(columns.mapped({ITEM: self.fn}))  # items of several types: each has fields of its own
        else:
            emit(columns.mapped(self._fields, self._of, keep=self._keep))


@dataclass(frozen=True)
class _Records(Operator[Any, Any]):
    fields: tuple[tuple[str, Any], ...]
    into: Any
    keep: bool
    item_type: Any = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"{self.label}({', '.join(f'{name}={shown(value)}' for name, value in self.fields)})"

    @property
    def label(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # one class, two operators
        return "with_columns" if self.keep else "select"

    def check(self, shape: Shape, where: str) -> None:
        for name, value in self.fields:
            check_field(value, shape.item_type, f"{where}: {name}")
        names = field_names(self.into)
        if names is not None:
            made = self._names(shape)
            unknown = [name for name in made if name not in names]
            if unknown:
                raise GraphError(
                    f"{where}: into must have all fields of the output, {self.into.__name__} lacks {', '.join(unknown)}"
                )
        if self.into is not None and (not self.keep or field_names(shape.item_type) is not None):
            check_named_arguments(self.into, f"{where}: into", self._names(shape))

    def _names(self, shape: Shape) -> tuple[str, ...]:
        """Return the fields of the result, if known."""
        old = (field_names(shape.item_type) or ()) if self.keep else ()
        return tuple(dict.fromkeys((*old, *(name for name, _ in self.fields))))

    def bound(self, shape: Shape) -> Self:
        return replace(self, item_type=shape.item_type)

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, item_type=self._type(shape))

    def _type(self, shape: Shape) -> Any:
        """Return the result type: the one asked for, the items' if no field is new, or one made of the fields."""
        if self.into is not None:
            return self.into
        names, old = self._names(shape), field_names(shape.item_type)
        if self.keep and old is None:
            return None
        if self.keep and set(names) == set(old or ()):
            return shape.item_type
        hints = field_types(shape.item_type)
        types = {name: hints.get(name, Any) for name in names}
        types |= {name: hints.get(field_name(value) or "", Any) for name, value in self.fields}
        make: Any = typing.TypedDict  # created at run time, to provide the names
        return make("Record", types)

    def kernel(self) -> _RecordKernel:
        shape = Shape(self.item_type)
        made: Any = self._type(shape)
        of = None if made is None or typing.is_typeddict(made) else made
        values: dict[str, Any] = {
            name: FieldExpr(value) if isinstance(value, str) else value for name, value in self.fields
        }
        known = self.keep and field_names(self.item_type) is not None
        record = (
            {**{name: FieldExpr(name) for name in field_names(self.item_type) or ()}, **values} if known else values
        )
        reader = FieldReader(Record(record, of, keep=self.keep and not known), self.item_type)
        readers = {name: bound(value, self.item_type) for name, value in values.items()}
        return _RecordKernel(reader, readers, of, keep=self.keep)


@overload
def select(*fields: str | Expr, into: type[B], **named: Field[Any, Any]) -> Operator[Any, B]: ...
@overload
def select(*fields: str | Expr, into: None = None, **named: Field[Any, Any]) -> Operator[Any, dict[str, Any]]: ...
def select(*fields: str | Expr, into: Any = None, **named: Any) -> Any:
    """Build records from chosen and computed fields.

    Emits: a record for each item, a dict or `into(**fields)`, with the item's event time and key.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if a field of an item cannot be read, subject to the node's `on_error`.
    Clock: none.

    Args:
        fields: Fields to copy, by name or as `col.<name>`.
        into: Type of the records, built from the fields by name; dicts by default.
        named: Computed fields: a field name, an expression or a function of the item.

    Raises:
        GraphError: If there are no fields, a field occurs twice, or a name is not a field of the items or of `into`.

    Example:
        >>> feed(ops.select("qty", value=col.price * col.qty), [{"price": 2.0, "qty": 3}])
        [{'qty': 3, 'value': 6.0}]
    """
    chosen: dict[str, Any] = {}
    for each in fields:
        name = field_name(each)
        if name is None:
            raise GraphError(f"select: an expression must be given a name, got {shown(each)}; pass name={shown(each)}")
        if name in chosen or name in named:
            raise GraphError(f'select: fields must be named once, got "{name}" twice')
        chosen[name] = each
    return _records("select", chosen | named, into, keep=False)


@overload
def with_columns(*, into: type[B], **named: Field[Any, Any]) -> Operator[Any, B]: ...
@overload
def with_columns(*, into: None = None, **named: Field[Any, Any]) -> Operator[Any, Any]: ...
def with_columns(*, into: Any = None, **named: Any) -> Any:
    """Add fields to each item, or replace existing ones.

    Emits: each item with the fields, its event time and key: an item of the same type if no field is new, else a dict,
        or `into(**fields)`.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if a field of an item cannot be read, subject to the node's `on_error`.
    Clock: none.

    Args:
        into: Type of the result, built from all fields by name.
        named: The fields: a field name, an expression or a function of the item. Each sees the original item.

    Raises:
        GraphError: If there are no fields, or a name is not a field of the items or of `into`.

    Example:
        >>> feed(ops.with_columns(value=col.price * col.qty), [{"price": 2.0, "qty": 3}])
        [{'price': 2.0, 'qty': 3, 'value': 6.0}]
    """
    return _records("with_columns", named, into, keep=True)


def _records(where: str, fields: Mapping[str, Any], into: Any, *, keep: bool) -> _Records:
    if not fields:
        raise GraphError(f"{where}: takes one field or more, got none")
    for name, value in fields.items():
        check_field(value, None, f"{where}: {name}")
    if into is not None and not callable(into):
        raise GraphError(f"{where}: into must be a type, got {shown(into)}")
    if into is not None:
        check_plain(into, f"{where}: into", instead="")
    return _Records(tuple(fields.items()), into, keep)
