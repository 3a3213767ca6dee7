"""Blocks of CSV, parsed by pyarrow where it reads texts as `sources.csv` does."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rxdag.contract import import_extra
from rxdag.expressions import is_limited, kinds_in
from rxdag.sources._dialect import Dialect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rxdag.columns import Coded, Column, Columns

CsvColumn = tuple[str, int, Any, Callable[[str], Any]]
"""Name of a field, place of its column, its type, and the function that parses a text."""

_TRUE: Final = ["true", "True", "TRUE", "t", "T", "1", "yes", "Yes", "YES"]
_FALSE: Final = ["false", "False", "FALSE", "f", "F", "0", "no", "No", "NO"]
_TEXTS: Final = {str, Any, object}


class CsvBlocks:
    """Parses blocks of lines.

    pyarrow parses ints, floats, truths and texts; for other types it finds the texts only.

    Args:
        columns: The columns to parse.
        width: Number of columns of the file.
        of: Type of the items.
        dialect: Form of the file.
    """

    def __init__(self, columns: list[CsvColumn], width: int, of: Any, dialect: Dialect) -> None:
        pa = self._pa = import_extra("pyarrow", "arrow", "csv")
        self._csv = import_extra("pyarrow.csv", "arrow", "csv")
        self._of = of
        self._columns = columns
        self._names = [str(at) for at in range(width)]
        ready = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        text = pa.dictionary(pa.int32(), pa.string())
        self._types = {self._names[at]: ready.get(_only_kind(hint), text) for _, at, hint, _ in columns}
        self._has_ints = pa.int64() in self._types.values()
        self._nulls = frozenset(("", *dialect.nulls))
        self._quote = (dialect.quote or "").encode()
        self._marks = tuple(mark.encode() for mark in (dialect.comment, dialect.trailer) if mark is not None)
        # pyarrow sees no quotes: blocks with quotes are read row by row.
        self._form = self._csv.ParseOptions(delimiter=dialect.delimiter, quote_char=False)
        self._options = self._csv.ConvertOptions(
            column_types=self._types,
            include_columns=list(self._types),
            null_values=["", *dialect.nulls],
            strings_can_be_null=False,
            decimal_point=dialect.decimal,
            true_values=_TRUE,
            false_values=_FALSE,
        )

    def parse(self, block: bytes, ends: NDArray[np.intp]) -> Columns | None:
        """Return the items of a block, one for each line; None if they must be read row by row."""
        from rxdag.columns import Columns  # it loads numpy

        if not self._is_plain(block, ends) or (self._has_ints and _has_hexadecimals(block)):
            return None
        reading = self._csv.ReadOptions(use_threads=False, column_names=self._names, block_size=len(block) + 1)
        try:
            table = self._csv.read_csv(
                self._pa.py_buffer(block),
                read_options=reading,
                parse_options=self._form,
                convert_options=self._options,
            )
            if table.num_rows != len(ends):  # blank lines
                return None
            made = {name: self._column(table[str(at)], hint, convert) for name, at, hint, convert in self._columns}
        except (self._pa.ArrowInvalid, ValueError):
            return None
        return Columns.from_columns(made, self._of)

    def _is_plain(self, block: bytes, ends: NDArray[np.intp]) -> bool:
        """Return True if the module `csv` and pyarrow see the same rows: one in each line, and no quotes."""
        import numpy as np

        if (self._quote and self._quote in block) or block.startswith((BOM_UTF8, *self._marks)):
            return False
        if any(b"\n" + mark in block for mark in self._marks):
            return False
        if b"\r" in block and not _ends_all_returns(np.frombuffer(block, np.uint8), ends):
            return False
        if int(np.diff(ends, prepend=0).max()) > csv.field_size_limit():
            return False
        if not block.isascii():
            try:
                block.decode()
            except UnicodeDecodeError:
                return False
        return True

    def _column(self, array: Any, hint: Any, convert: Callable[[str], Any]) -> Column:
        """Return the values of a column.

        Raises:
            ValueError: If a text is none of the type, or pyarrow may have read it as another value.
        """
        import numpy as np

        from rxdag.columns import Coded, Nullable, column_of, column_of_arrow, values_of

        column = column_of_arrow(self._pa, array)
        kind = _only_kind(hint)
        if kind is str:
            if isinstance(column, Coded) and type(None) in kinds_in(hint):
                return _with_none(column, self._nulls)
            return column
        if kind is None:
            return column_of([convert(text) for text in values_of(column)])
        if isinstance(column, Nullable) and type(None) not in kinds_in(hint):
            raise ValueError("a value is missing")
        values: Any = column.values if isinstance(column, Nullable) else column
        if kind is float and not np.isfinite(values).all():
            raise ValueError("the text of a number may be nan(1) or 1e400")
        return column


def _only_kind(hint: Any) -> Any:
    """Return int, float, bool or str if that is the type of all values but None, else None."""
    kinds = [kind for kind in kinds_in(hint) if kind is not type(None)]
    if is_limited(hint):
        return None
    if not _TEXTS.isdisjoint(kinds):
        return str
    return kinds[0] if kinds in ([int], [float], [bool]) else None


def _with_none(texts: Coded, nulls: frozenset[str]) -> Coded:
    """Return texts with None for some of them."""
    import numpy as np

    from rxdag.columns import Coded

    codes = [code for code, name in enumerate(texts.names) if name in nulls]
    return Coded(np.where(np.isin(texts.codes, codes), -1, texts.codes), texts.names) if codes else texts


def _has_hexadecimals(block: bytes) -> bool:
    """Return True if the block may have a number such as 0x1F, which pyarrow reads and `int` does not."""
    # A search for one byte is ten times as fast, and most files have no such byte.
    return (b"x" in block and b"0x" in block) or (b"X" in block and b"0X" in block)


def _ends_all_returns(text: NDArray[np.uint8], ends: NDArray[np.intp]) -> bool:
    """Return True if each carriage return is before a newline."""
    import numpy as np

    before = text[np.maximum(ends - 2, 0)] == ord("\r")
    before[-1] &= text[-1] == ord("\n")
    return int(np.count_nonzero(text == ord("\r"))) == int(np.count_nonzero(before))
