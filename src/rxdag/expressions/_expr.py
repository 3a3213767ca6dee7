"""Expressions: `col.price * col.qty > 0`, one small tree that can be written as Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from rxdag.errors import shown
from rxdag.expressions._names import is_written_plainly

Write = Callable[[str], str]
"""Returns the text that reads a field of the current item."""
Bind = Callable[[Any], str]
"""Returns the local name of a value."""

_PLAIN: Final = (bool, int, str)
_WORDS: Final = {"&": "and", "|": "or"}


class Expr:
    """A value computed from the fields of an item.

    Build expressions from `col.<name>` and `lit(value)` with arithmetic, comparisons, `& | ~` and the methods below. On
    rows they follow Python: integers do not overflow, comparisons with NaN are false, and division by zero raises. None
    is null.
    """

    __slots__ = ("fields",)

    fields: tuple[str, ...]
    """Names of the fields that the expression reads."""

    def text(self, read: Write, bind: Bind) -> str:
        """Write the expression as Python source."""
        raise TypeError("an expression must say how it is written")

    def parts(self) -> tuple[Any, ...]:
        """Return the components, for structural comparison."""
        raise TypeError("an expression must say what it is made of")

    def is_same(self, other: object) -> bool:
        """Return True if both have the same structure; `==` builds an expression."""
        return isinstance(other, Expr) and type(other) is type(self) and _alike(self.parts(), other.parts())

    def __add__(self, other: object, /) -> Expr:
        return Binary("+", self, other)

    def __radd__(self, other: object, /) -> Expr:
        return Binary("+", other, self)

    def __sub__(self, other: object, /) -> Expr:
        return Binary("-", self, other)

    def __rsub__(self, other: object, /) -> Expr:
        return Binary("-", other, self)

    def __mul__(self, other: object, /) -> Expr:
        return Binary("*", self, other)

    def __rmul__(self, other: object, /) -> Expr:
        return Binary("*", other, self)

    def __truediv__(self, other: object, /) -> Expr:
        return Binary("/", self, other)

    def __rtruediv__(self, other: object, /) -> Expr:
        return Binary("/", other, self)

    def __floordiv__(self, other: object, /) -> Expr:
        return Binary("//", self, other)

    def __rfloordiv__(self, other: object, /) -> Expr:
        return Binary("//", other, self)

    def __mod__(self, other: object, /) -> Expr:
        return Binary("%", self, other)

    def __rmod__(self, other: object, /) -> Expr:
        return Binary("%", other, self)

    def __pow__(self, other: object, /) -> Expr:
        return Binary("**", self, other)

    def __rpow__(self, other: object, /) -> Expr:
        return Binary("**", other, self)

    def __neg__(self) -> Expr:
        return Unary("-", self)

    def __lt__(self, other: object, /) -> Expr:
        return Binary("<", self, other)

    def __le__(self, other: object, /) -> Expr:
        return Binary("<=", self, other)

    def __gt__(self, other: object, /) -> Expr:
        return Binary(">", self, other)

    def __ge__(self, other: object, /) -> Expr:
        return Binary(">=", self, other)

    def __eq__(self, other: object, /) -> Expr:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # builds an expression
        return Binary("==", self, other)

    def __ne__(self, other: object, /) -> Expr:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # builds an expression
        return Binary("!=", self, other)

    def __and__(self, other: object, /) -> Expr:
        return Binary("&", self, other)

    def __rand__(self, other: object, /) -> Expr:
        return Binary("&", other, self)

    def __or__(self, other: object, /) -> Expr:
        return Binary("|", self, other)

    def __ror__(self, other: object, /) -> Expr:
        return Binary("|", other, self)

    def __invert__(self) -> Expr:
        return Unary("~", self)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.fields, repr(self)))

    def __bool__(self) -> NoReturn:
        cure = "use & | ~ and parentheses instead of and, or, not, and .is_in(values) instead of in"
        raise TypeError(f"{shown(self)} has no truth value before an item comes; {cure}")

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{shown(self)} stands for a value of an item and cannot be iterated")

    def abs(self) -> Expr:
        """Return the absolute value."""
        return Call("abs", (self,))

    def min(self, other: object, /) -> Expr:
        """Return the smaller of this value and another."""
        return Call("min", (self, as_expr(other)))

    def max(self, other: object, /) -> Expr:
        """Return the larger of this value and another."""
        return Call("max", (self, as_expr(other)))

    def is_in(self, values: Iterable[object], /) -> Expr:
        """Return True if the value is one of `values`."""
        return IsIn(self, tuple(values))

    def between(self, low: object, high: object, /) -> Expr:
        """Return True if the value is at least `low` and at most `high`."""
        return Between(self, as_expr(low), as_expr(high))

    def is_null(self) -> Expr:
        """Return True if the value is None; NaN is not null."""
        return IsNull(self)

    def fill_null(self, value: object, /) -> Expr:
        """Replace None with another value."""
        return FillNull(self, as_expr(value))

    def cast(self, to: type[Any], /) -> Expr:
        """Convert the value to int, float, str or bool."""
        if to not in (int, float, str, bool):
            raise TypeError(f"cast: must be to int, float, str or bool, got {shown(to)}")
        return Call(to.__name__, (self,))


def as_expr(value: object) -> Expr:
    """Return the value as an expression."""
    return value if isinstance(value, Expr) else Literal(value)


def _alike(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return len(a) == len(b) and all(
        left.is_same(right) if isinstance(left, Expr) else type(left) is type(right) and left == right
        for left, right in zip(a, b, strict=True)
    )


def union(*exprs: Expr) -> tuple[str, ...]:
    """Return the fields that several expressions read, each once."""
    return tuple(dict.fromkeys(name for expr in exprs for name in expr.fields))


class FieldExpr(Expr):
    """A field of the item."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields = (name,)

    def __repr__(self) -> str:
        return f"col.{self.name}" if is_written_plainly(self.name) else f"col[{self.name!r}]"

    def text(self, read: Write, bind: Bind) -> str:
        return read(self.name)

    def parts(self) -> tuple[Any, ...]:
        return (self.name,)


class Literal(Expr):
    """A value."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value
        self.fields = ()

    def __repr__(self) -> str:
        return repr(self.value)

    def text(self, read: Write, bind: Bind) -> str:
        if self.value is None or type(self.value) in _PLAIN:
            return f"({self.value!r})"
        return bind(self.value)

    def parts(self) -> tuple[Any, ...]:
        return (self.value,)


class Unary(Expr):
    """An operator of one value."""

    __slots__ = ("of", "op")

    def __init__(self, op: str, of: Expr) -> None:
        self.op = op
        self.of = of
        self.fields = of.fields

    def __repr__(self) -> str:
        return f"{self.op}{_receiver(self.of)}"

    def text(self, read: Write, bind: Bind) -> str:
        return f"({'not ' if self.op == '~' else '-'}{self.of.text(read, bind)})"

    def parts(self) -> tuple[Any, ...]:
        return (self.op, self.of)


class Binary(Expr):
    """An operator of two values.

    Args:
        op: Operator in Python notation; "&" and "|" for `and` and `or`.
        left: An expression or a value.
        right: An expression or a value.
        fn: Function to call instead of Python's operator: equivalent, but for fewer types.
    """

    __slots__ = ("fn", "left", "op", "right")

    def __init__(self, op: str, left: object, right: object, *, fn: Callable[[Any, Any], Any] | None = None) -> None:
        self.op = op
        self.fn = fn
        self.left = as_expr(left)
        self.right = as_expr(right)
        self.fields = union(self.left, self.right)

    def __repr__(self) -> str:
        left = _receiver(self.left) if self.op == "**" else _inner(self.left)  # -2 ** 2 is -(2 ** 2)
        return f"{left} {self.op} {_inner(self.right)}"

    def text(self, read: Write, bind: Bind) -> str:
        left, right = self.left.text(read, bind), self.right.text(read, bind)
        if self.fn is not None:
            return f"{bind(self.fn)}({left}, {right})"
        return f"({left} {_WORDS.get(self.op, self.op)} {right})"

    def parts(self) -> tuple[Any, ...]:
        return (self.op, self.left, self.right)


def _null_test(expr: Expr, read: Write, bind: Bind) -> str:
    """Return the text of a test for None; Python warns of `is` between constants."""
    text = expr.text(read, bind)
    return f"{text} is None" if expr.fields else f"{bind(_is_none)}({text})"


def _is_none(value: object) -> bool:
    return value is None


def _inner(expr: Expr) -> str:
    return f"({expr!r})" if isinstance(expr, Binary | Unary) else repr(expr)


def _receiver(expr: Expr) -> str:
    """Return the text on which a method is called."""
    return f"lit({expr!r})" if not expr.fields else _inner(expr)


class Call(Expr):
    """A function of Python's own."""

    __slots__ = ("arguments", "fn")

    def __init__(self, fn: str, arguments: tuple[Expr, ...]) -> None:
        self.fn = fn
        self.arguments = arguments
        self.fields = union(*arguments)

    def __repr__(self) -> str:
        first, *rest = self.arguments
        if self.fn in ("int", "float", "str", "bool"):
            return f"{_receiver(first)}.cast({self.fn})"
        return f"{_receiver(first)}.{self.fn}({', '.join(repr(a) for a in rest)})"

    def text(self, read: Write, bind: Bind) -> str:
        return f"{self.fn}({', '.join(a.text(read, bind) for a in self.arguments)})"

    def parts(self) -> tuple[Any, ...]:
        return (self.fn, *self.arguments)


class IsIn(Expr):
    """Membership."""

    __slots__ = ("of", "values")

    def __init__(self, of: Expr, values: tuple[object, ...]) -> None:
        self.of = of
        self.values = values
        self.fields = of.fields

    def __repr__(self) -> str:
        return f"{_receiver(self.of)}.is_in({list(self.values)!r})"

    def text(self, read: Write, bind: Bind) -> str:
        try:
            values: Any = frozenset(self.values)
        except TypeError:
            values = self.values
        return f"({self.of.text(read, bind)} in {bind(values)})"

    def parts(self) -> tuple[Any, ...]:
        return (self.of, self.values)


class Between(Expr):
    """A closed range."""

    __slots__ = ("high", "low", "of")

    def __init__(self, of: Expr, low: Expr, high: Expr) -> None:
        self.of, self.low, self.high = of, low, high
        self.fields = union(of, low, high)

    def __repr__(self) -> str:
        return f"{_receiver(self.of)}.between({self.low!r}, {self.high!r})"

    def text(self, read: Write, bind: Bind) -> str:
        return f"({self.low.text(read, bind)} <= {self.of.text(read, bind)} <= {self.high.text(read, bind)})"

    def parts(self) -> tuple[Any, ...]:
        return (self.of, self.low, self.high)


class IsNull(Expr):
    """True for None."""

    __slots__ = ("of",)

    def __init__(self, of: Expr) -> None:
        self.of = of
        self.fields = of.fields

    def __repr__(self) -> str:
        return f"{_receiver(self.of)}.is_null()"

    def text(self, read: Write, bind: Bind) -> str:
        return f"({_null_test(self.of, read, bind)})"

    def parts(self) -> tuple[Any, ...]:
        return (self.of,)


class FillNull(Expr):
    """Another value for None."""

    __slots__ = ("instead", "of")

    def __init__(self, of: Expr, instead: Expr) -> None:
        self.of, self.instead = of, instead
        self.fields = union(of, instead)

    def __repr__(self) -> str:
        return f"{_receiver(self.of)}.fill_null({self.instead!r})"

    def text(self, read: Write, bind: Bind) -> str:
        value = self.of.text(read, bind)
        return f"({self.instead.text(read, bind)} if {_null_test(self.of, read, bind)} else {value})"

    def parts(self) -> tuple[Any, ...]:
        return (self.of, self.instead)
