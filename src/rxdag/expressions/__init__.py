"""Expressions of the fields of an item: `col.price * col.qty > 0`."""

from rxdag.expressions._col import Columns, as_tuple, col, lit
from rxdag.expressions._expr import Expr, as_expr
from rxdag.expressions._parse import parse
from rxdag.expressions._reader import Field, Reader, bound, check_field, field_name, field_names, getter
from rxdag.expressions._types import kind_of

__all__ = [
    "Columns",
    "Expr",
    "Field",
    "Reader",
    "as_expr",
    "as_tuple",
    "bound",
    "check_field",
    "col",
    "field_name",
    "field_names",
    "getter",
    "kind_of",
    "lit",
    "parse",
]
