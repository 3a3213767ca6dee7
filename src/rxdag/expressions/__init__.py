"""Expressions of the fields of an item: `col.price * col.qty > 0`.

Public.
"""

from rxdag.expressions._col import Record as Record
from rxdag.expressions._col import Several as Several
from rxdag.expressions._col import as_tuple as as_tuple
from rxdag.expressions._col import col, element, lit
from rxdag.expressions._col import plain_fields as plain_fields
from rxdag.expressions._col import positional as positional
from rxdag.expressions._comprehend import comprehend as comprehend
from rxdag.expressions._expr import Between as Between
from rxdag.expressions._expr import Binary as Binary
from rxdag.expressions._expr import Call as Call
from rxdag.expressions._expr import Expr
from rxdag.expressions._expr import FieldExpr as FieldExpr
from rxdag.expressions._expr import FillNull as FillNull
from rxdag.expressions._expr import IsIn as IsIn
from rxdag.expressions._expr import IsNull as IsNull
from rxdag.expressions._expr import Literal as Literal
from rxdag.expressions._expr import Unary as Unary
from rxdag.expressions._expr import as_expr as as_expr
from rxdag.expressions._foreign import is_foreign as is_foreign
from rxdag.expressions._hints import checks_itself as checks_itself
from rxdag.expressions._hints import declared_types as declared_types
from rxdag.expressions._hints import is_limited as is_limited
from rxdag.expressions._hints import kinds_in as kinds_in
from rxdag.expressions._hints import runs_code as runs_code
from rxdag.expressions._names import field_names as field_names
from rxdag.expressions._pairs import pairs as pairs
from rxdag.expressions._parse import parse
from rxdag.expressions._plain import is_traced as is_traced
from rxdag.expressions._plain import plain as plain
from rxdag.expressions._reader import ITEM as ITEM
from rxdag.expressions._reader import Field as Field
from rxdag.expressions._reader import FieldReader as FieldReader
from rxdag.expressions._reader import PlainReader as PlainReader
from rxdag.expressions._reader import bound as bound
from rxdag.expressions._reader import called as called
from rxdag.expressions._reader import check_field as check_field
from rxdag.expressions._reader import check_number as check_number
from rxdag.expressions._reader import field_name as field_name
from rxdag.expressions._reader import getter as getter
from rxdag.expressions._reader import look_up as look_up
from rxdag.expressions._reader import of_value as of_value
from rxdag.expressions._reader import why_opaque as why_opaque
from rxdag.expressions._types import field_types as field_types
from rxdag.expressions._types import kind_of as kind_of
from rxdag.expressions._unparse import unparse

__all__ = [
    "Expr",
    "col",
    "element",
    "lit",
    "parse",
    "unparse",
]
