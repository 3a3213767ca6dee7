"""How expressions begin: `col.price`, `lit(1)`."""

from __future__ import annotations

from typing import Any, Final

from rxdag.expressions._expr import Bind, Expr, Field, Write, as_expr, union


class Several(Expr):
    """Several values, as a tuple."""

    __slots__ = ("of",)

    def __init__(self, of: tuple[Expr, ...]) -> None:
        self.of = of
        self.fields = union(*of)

    def __repr__(self) -> str:
        return f"({', '.join(repr(e) for e in self.of)})"

    def text(self, read: Write, bind: Bind) -> str:
        return f"({', '.join(e.text(read, bind) for e in self.of)},)"

    def parts(self) -> tuple[Any, ...]:
        return self.of


def as_tuple(fields: tuple[Any, ...]) -> Expr:
    """Fields and expressions as one expression, of a tuple."""
    return Several(tuple(Field(field) if isinstance(field, str) else as_expr(field) for field in fields))


class Columns:
    """The fields of the item at hand: `col.price`, `col["odd name"]`."""

    def __getattr__(self, name: str, /) -> Expr:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field(name)

    def __getitem__(self, name: str, /) -> Expr:
        return Field(name)


col: Final = Columns()


def lit(value: object, /) -> Expr:
    """A value as an expression: `lit(1) / col.price`."""
    return as_expr(value)
