"""Dialects: how a CSV file is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast

import msgspec

from rxdag.contract import whole
from rxdag.errors import GraphError, shown


@dataclass(frozen=True, kw_only=True, repr=False)
class Dialect:
    """The form of a CSV file.

    Columns are matched to fields by name: first by `rename`, then by the `rename=` of a msgspec.Struct, then by the name
    of the field. Columns without a field are ignored.

    Attributes:
        delimiter: The character between two values.
        quote: The character around a value that may hold delimiters and ends of lines; None if quotes have no meaning.
        header: True if the first row has the names of the columns. False if there is no such row: the columns are the
            fields of the type, in order. A list has the names of the columns of a file without such a row.
        skip_lines: Number of lines before the header, or before the first row, that are not read.
        comment: Text at the beginning of lines that are not rows, such as "#".
        trailer: Text at the beginning of the last line of the file, which is not a row, such as "END|". Without that
            line, the file is truncated, which ends the run.
        rename: Field of a column, by the name of the column.
        decimal: The decimal separator of numbers. With ",", a number with a "." is malformed.
        nulls: Texts that mean None in a field that may be None, besides the empty one.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> dialect = sources.Dialect(delimiter=";", header=["time", "price"], decimal=",")
        >>> dialect
        Dialect(delimiter=';', header=('time', 'price'), decimal=',')
    """

    delimiter: str = ","
    quote: str | None = '"'
    header: bool | Sequence[str] = True
    skip_lines: int = 0
    comment: str | None = None
    trailer: str | None = None
    rename: Mapping[str, str] = field(default_factory=lambda: dict[str, str](), hash=False)
    decimal: Literal[".", ","] = "."
    nulls: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_character(self.delimiter, "delimiter")
        if self.quote is not None:
            _check_character(self.quote, "quote")
        if self.quote == self.delimiter:
            raise GraphError(f"Dialect: quote must differ from the delimiter, got {shown(self.quote)} for both")
        whole(self.skip_lines, "Dialect: skip_lines")
        _check_beginning(self.comment, "comment")
        _check_beginning(self.trailer, "trailer")
        if self.decimal not in (".", ","):
            raise GraphError(f'Dialect: decimal must be "." or ",", got {shown(self.decimal)}')
        # Frozen, so that one dialect can serve several sources.
        if not isinstance(self.header, bool):
            object.__setattr__(self, "header", _names(self.header))
        object.__setattr__(self, "nulls", _texts(self.nulls, "nulls"))
        object.__setattr__(self, "rename", _renamed(self.rename))
        if self.rename and self.header is False:
            raise GraphError(
                "Dialect: rename must be for a file with names of columns, got header=False; pass header= a list of them"
            )

    def __repr__(self) -> str:
        default = [(each.name, getattr(USUAL, each.name)) for each in fields(self)]
        changed = [f"{name}={getattr(self, name)!r}" for name, value in default if getattr(self, name) != value]
        return f"Dialect({', '.join(changed)})"


def _check_character(text: Any, name: str) -> None:
    if not isinstance(text, str) or len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise GraphError(f"Dialect: {name} must be one ASCII character that ends no line, got {shown(text)}")


def _check_beginning(text: Any, name: str) -> None:
    if text is not None and (not isinstance(text, str) or not text or "\n" in text or "\r" in text):
        raise GraphError(f"Dialect: {name} must be the text at the beginning of a line, or None, got {shown(text)}")


def _are_texts(given: Any) -> bool:
    return (
        isinstance(given, Sequence)
        and not isinstance(given, str)
        and all(isinstance(each, str) for each in cast("Sequence[object]", given))
    )


def _texts(given: Any, name: str) -> tuple[str, ...]:
    if not _are_texts(given):
        raise GraphError(f"Dialect: {name} must be a list of texts, got {shown(given)}")
    return tuple(given)


def _names(given: Any) -> tuple[str, ...]:
    if not _are_texts(given) or not given:
        raise GraphError(f"Dialect: header must be True, False or a list of names of columns, got {shown(given)}")
    return tuple(given)


def _renamed(given: Any) -> dict[str, str]:
    try:
        return msgspec.convert(given, dict[str, str])
    except msgspec.ValidationError:
        raise GraphError(f"Dialect: rename must map names of columns to names of fields, got {shown(given)}") from None


USUAL = Dialect()
"""A header, commas and double quotes."""
