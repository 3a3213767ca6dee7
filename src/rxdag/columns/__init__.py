"""Runs of items as numpy arrays: the columns lane. It loads numpy, so import it when it is used.

Internal: not part of the API; may change in any release.
"""

from rxdag.columns._arrow import (
    arrow_of_values,
    batch_of_columns,
    column_of_arrow,
    columns_of_batch,
    columns_of_frame,
    frame_of_columns,
    has_naive_times,
)
from rxdag.columns._blocks import Block
from rxdag.columns._column import (
    Array,
    Coded,
    Column,
    Nullable,
    as_column,
    bounds_of,
    column_of,
    concatenate,
    in_order,
    ints_of,
    is_array,
    object_array,
    objects_of,
    taken_or_null,
    values_of,
)
from rxdag.columns._columns import Columns
from rxdag.columns._each_rolled import each_rolled
from rxdag.columns._fitted import fitted, typed
from rxdag.columns._gathered import columns_of_rows, gathered
from rxdag.columns._groups import Groups, Places
from rxdag.columns._int_table import IntTable
from rxdag.columns._joins import joined, parted, rejoined
from rxdag.columns._keys import KeyPacker, code_values, coded_texts, distinct, first_rows
from rxdag.columns._rows import SCALAR
from rxdag.columns._saved import restored_columns, saved_columns
from rxdag.columns._span_tables import MISSING, SpanTables
from rxdag.columns._spans import Spans
from rxdag.columns._times import exact_ns, utc_of
from rxdag.columns._value import Value
from rxdag.columns._ways import ways_of

__all__ = [
    "Array",
    "Block",
    "Coded",
    "Column",
    "Columns",
    "Groups",
    "IntTable",
    "KeyPacker",
    "MISSING",
    "Nullable",
    "Places",
    "SCALAR",
    "Spans",
    "SpanTables",
    "Value",
    "as_column",
    "arrow_of_values",
    "batch_of_columns",
    "bounds_of",
    "code_values",
    "coded_texts",
    "column_of",
    "column_of_arrow",
    "columns_of_batch",
    "columns_of_frame",
    "columns_of_rows",
    "concatenate",
    "distinct",
    "each_rolled",
    "exact_ns",
    "first_rows",
    "fitted",
    "frame_of_columns",
    "has_naive_times",
    "in_order",
    "gathered",
    "ints_of",
    "is_array",
    "joined",
    "object_array",
    "taken_or_null",
    "objects_of",
    "parted",
    "rejoined",
    "restored_columns",
    "saved_columns",
    "typed",
    "utc_of",
    "values_of",
    "ways_of",
]
