"""Starts of expressions: `col.price`, `lit(1)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, cast

from rxdag.expressions._expr import Bind, Expr, FieldExpr, Write, as_expr, union
from rxdag.expressions._names import is_written_plainly


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
    """Return fields and expressions as one tuple expression."""
    return Several(tuple(FieldExpr(field) if isinstance(field, str) else as_expr(field) for field in fields))


def positional(of: Any) -> tuple[str, ...] | None:
    """Return the fields that a type takes by position, in order; None if not known."""
    try:
        parameters = inspect.signature(of).parameters.values()
    except (TypeError, ValueError):
        return None
    return tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)


_new_tuple: Final[Callable[..., Any]] = vars(tuple)["__new__"]


def plain_fields(of: Any) -> tuple[str, ...] | None:
    """Return the fields of a named tuple with the generated constructor; None for anything else."""
    if not isinstance(of, type) or of.__mro__[1:2] != (tuple,) or "_fields" not in vars(of):
        return None
    make = getattr(vars(of).get("__new__"), "__func__", None)  # the one that the standard library writes
    is_plain = getattr(make, "__globals__", {}).get("__name__") == f"namedtuple_{of.__name__}"
    return cast("Any", of)._fields if is_plain else None


class Record(Expr):
    """A record of several values.

    Args:
        values: Expressions, or functions of the item, by field.
        of: Makes the record from its fields by name; None for a dict.
        keep: True to add the fields of the item, which must then be a mapping.
    """

    __slots__ = ("keep", "of", "values")

    def __init__(self, values: dict[str, Any], of: Any = None, *, keep: bool = False) -> None:
        self.values = values
        self.of = of
        self.keep = keep
        self.fields = union(*(value for value in values.values() if isinstance(value, Expr)))

    def __repr__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.values.items())

    def text(self, read: Write, bind: Bind) -> str:
        item = read("")
        texts = {
            name: value.text(read, bind) if isinstance(value, Expr) else f"{bind(value)}({item})"
            for name, value in self.values.items()
        }
        if tuple(texts) == plain_fields(self.of):  # avoids the Python call of its constructor
            return f"{bind(_new_tuple)}({bind(self.of)}, ({', '.join(texts.values())},))"
        if self.of is not None and tuple(texts) == positional(self.of):
            return f"{bind(self.of)}({', '.join(texts.values())})"
        if self.of is not None and all(is_written_plainly(name) for name in texts):
            return f"{bind(self.of)}({', '.join(f'{name}={text}' for name, text in texts.items())})"
        kept = f"**{item}, " if self.keep else ""
        made = f"{{{kept}{', '.join(f'{name!r}: {text}' for name, text in texts.items())}}}"
        return made if self.of is None else f"{bind(self.of)}(**{made})"

    def parts(self) -> tuple[Any, ...]:
        return (self.of, self.keep, *self.values, *self.values.values())


class Col:
    """The fields of the current item: `col.price`, `col["odd name"]`."""

    def __getattr__(self, name: str, /) -> Expr:
        if name.startswith("__"):
            raise AttributeError(name)
        return FieldExpr(name)

    def __getitem__(self, name: str, /) -> Expr:
        return FieldExpr(name)


col: Final = Col()


class Element(FieldExpr):
    """The item itself."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")

    def __repr__(self) -> str:
        return "element"


element: Final[Expr] = Element()
"""The item itself, for streams whose items are not records: `element * 2`."""


def lit(value: object, /) -> Expr:
    """Return a constant as an expression: `lit(1) / col.price`.

    Example:
        >>> trade = Trade(0, 0, 0, "X", "BTC", 1, 50_000.0, 0.2, False)
        >>> rxdag.wrap([trade]).pipe(ops.map(rxdag.lit(1) / col.price)).collect()
        [2e-05]
    """
    return as_expr(value)
