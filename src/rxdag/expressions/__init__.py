"""Expressions of the fields of an item: `col.price * col.qty > 0`.

Public.
"""

from rxdag.expressions._col import Col, Record, Several, as_tuple, col, element, lit, plain_fields, positional
from rxdag.expressions._comprehend import Stage, Step, comprehend
from rxdag.expressions._expr import Between, Binary, Call, Expr, FillNull, IsIn, IsNull, Literal, Unary, as_expr
from rxdag.expressions._expr import Field as FieldExpr
from rxdag.expressions._foreign import is_foreign
from rxdag.expressions._hints import checks_itself, declared_types, is_limited, kinds_in
from rxdag.expressions._names import attribute_names, field_names
from rxdag.expressions._pairs import pairs
from rxdag.expressions._parse import parse
from rxdag.expressions._plain import is_traced, plain
from rxdag.expressions._reader import (
    ITEM,
    Field,
    FieldReader,
    PlainReader,
    bound,
    called,
    check_field,
    check_number,
    field_name,
    getter,
    look_up,
    of_value,
    why_opaque,
)
from rxdag.expressions._types import field_types, kind_of
from rxdag.expressions._unparse import unparse

__all__ = [
    "attribute_names",
    "PlainReader",
    "is_traced",
    "kind_of",
    "plain",
    "Between",
    "Binary",
    "Call",
    "Col",
    "Expr",
    "Field",
    "FieldExpr",
    "FillNull",
    "ITEM",
    "IsIn",
    "IsNull",
    "Literal",
    "FieldReader",
    "Record",
    "Several",
    "Stage",
    "Step",
    "Unary",
    "as_expr",
    "as_tuple",
    "bound",
    "called",
    "check_field",
    "check_number",
    "checks_itself",
    "col",
    "comprehend",
    "declared_types",
    "element",
    "field_name",
    "field_types",
    "field_names",
    "getter",
    "is_foreign",
    "is_limited",
    "kinds_in",
    "lit",
    "look_up",
    "of_value",
    "pairs",
    "parse",
    "plain_fields",
    "positional",
    "unparse",
    "why_opaque",
]
