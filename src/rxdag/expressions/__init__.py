"""Fields of items, by name: `col.price`."""

from rxdag.expressions._col import Columns, Expr, Field, check_field, col, field_name, field_names, getter

__all__ = ["Columns", "Expr", "Field", "check_field", "col", "field_name", "field_names", "getter"]
