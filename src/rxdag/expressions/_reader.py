"""Readers: fields and expressions as functions of an item."""

from __future__ import annotations

import ast
import operator
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeVar

from rxdag.contract import check_function
from rxdag.errors import GraphError, did_you_mean, shown
from rxdag.expressions._evaluated import evaluated
from rxdag.expressions._expr import Bind, Expr, FieldExpr, Write
from rxdag.expressions._limits import check_size
from rxdag.expressions._named_field import attribute
from rxdag.expressions._names import field_names, is_written_plainly
from rxdag.expressions._plain_expr import expression_of
from rxdag.expressions._types import check_types, kind_of

A = TypeVar("A")
V = TypeVar("V")

Field: TypeAlias = str | Expr | Callable[[A], V]
"""A field argument: a field's name, an expression, or a function of the item."""

_ITEM: Final = "__item__"
ITEM: Final = ""
"""Name of the field that is the item itself."""


def field_name(field: object) -> str | None:
    """Return the name, if it is a plain field; None for expressions, functions and the item itself."""
    if isinstance(field, FieldExpr):
        return field.name or None
    return field if isinstance(field, str) else None


def check_field(field: object, item_type: Any, where: str, *, generators: bool = False) -> None:
    """Raise GraphError if the field is not one of the type, does not fit it, or is not a field at all."""
    expr = FieldExpr(field) if isinstance(field, str) else field
    if not isinstance(expr, Expr):
        if not callable(field):
            raise GraphError(
                f"{where} must be a field's name, an expression of col.<name> or a function of the item, got {shown(field)}"
            )
        check_function(field, where, "the item", generators=generators)
        return
    try:
        check_size(expr)
    except ValueError as error:
        raise GraphError(
            f"{where}: an expression {error}; use .is_in(values) for many ==, or a function of the item"
        ) from None
    names = field_names(item_type)
    if names is None:
        return
    for name in expr.fields:
        if name not in names and name != ITEM:
            known = ", ".join(names)
            raise GraphError(
                f'{where}: {item_type.__name__} has no field "{name}"{did_you_mean(name, names)}; its fields are {known}'
            )
    check_types(expr, item_type, where)


def check_number(field: object, item_type: Any, where: str) -> None:
    """Raise GraphError if `check_field` does, or if all values of the field are texts."""
    check_field(field, item_type, where)
    if kind_of(field, item_type) == "text":
        raise GraphError(f"{where} must be a number, got {shown(field)}, which is a text")


class FieldReader:
    """An expression as a function of an item."""

    __slots__ = ("_constants", "_fn", "_item_type", "_text", "expr", "vector")
    _fn: Callable[[Any], Any]

    def __init__(self, expr: Expr, item_type: Any) -> None:
        self.expr = expr
        self.vector: Any = None
        """The function that evaluates it over columns, set on first use by the columns package."""
        self._constants: dict[str, Any] = {}
        self._item_type = item_type
        names = field_names(item_type)
        is_mapping = typing.is_typeddict(item_type) or _is_mapping(item_type)

        def read(name: str) -> str:
            if name == ITEM:
                return _ITEM
            if is_mapping:
                return f"{_ITEM}[{name!r}]"
            if names is not None and is_written_plainly(name):
                return f"{_ITEM}.{name}"
            return f"{self._bind(look_up)}({_ITEM}, {name!r})"

        self._text = expr.text(read, self._bind)
        name = field_name(expr)
        if name is not None and is_mapping:
            self._fn = operator.itemgetter(name)
        elif name is not None and names is not None:
            self._fn = attribute(item_type, names, name)

    def _bind(self, value: Any) -> str:
        for name, known in self._constants.items():
            # By identity, since equal constants may differ in type: 1, 1.0 and True.
            if known is value:
                return name
        name = f"__v{len(self._constants)}__"
        self._constants[name] = value
        return name

    def __call__(self, item: Any) -> Any:
        return self.function()(item)

    def function(self) -> Callable[[Any], Any]:
        """Return the compiled function, without a wrapper."""
        try:
            return self._fn
        except AttributeError:  # compiled on the first call, since columns do not need it
            # Made from the tree, whose names are quoted or checked to be fields, so no user text is executed.
            fn = eval(f"lambda {_ITEM}: {self._text}", dict(self._constants))
            self._fn = evaluated(self.expr, self._item_type, fn)
            return self._fn

    def __repr__(self) -> str:
        return repr(self.expr)

    def tree(self, item: str, constant: Callable[[str, Any], str]) -> ast.expr:
        """Return the expression of the item in that local, with its constants named by `constant`."""
        names = {name: constant(f"v{i}", value) for i, (name, value) in enumerate(self._constants.items())}
        return _Rename({_ITEM: item, **names}).visit(ast.parse(self._text, mode="eval").body)  # type: ignore[no-any-return]


class PlainReader(FieldReader):
    """A user's function that is equivalent to an expression.

    Rows call the function, unless the expression is quicker; columns evaluate the expression.

    Args:
        fn: The function.
        expr: The equivalent expression.
        item_type: Type of its items.
    """

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[Any], Any], expr: Expr, item_type: Any) -> None:
        super().__init__(expr, item_type)
        self.fn = fn
        if field_name(expr) is None:
            self._fn = evaluated(expr, item_type, fn)


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)


def of_value(expr: Expr) -> Callable[[Any], Any]:
    """Return an expression of one field as a function of that field's value."""
    return FieldReader(_OnValue(expr), None)


class _OnValue(Expr):
    """An expression whose one field is the item itself."""

    __slots__ = ("of",)

    def __init__(self, of: Expr) -> None:
        self.of = of
        self.fields = (ITEM,)

    def text(self, read: Write, bind: Bind) -> str:
        return self.of.text(lambda _: read(ITEM), bind)


def _is_mapping(item_type: Any) -> bool:
    origin = typing.get_origin(item_type) or item_type
    return isinstance(origin, type) and issubclass(origin, Mapping)


def look_up(item: Any, name: str) -> Any:
    """Return a field of an item of any type: an attribute, or the entry of a mapping."""
    if isinstance(item, dict):
        return item[name]  # pyright: ignore[reportUnknownVariableType]
    try:
        return getattr(item, name)
    except AttributeError:
        if isinstance(item, Mapping):
            return item[name]  # pyright: ignore[reportUnknownVariableType]
        raise


def getter(field: Field[Any, V], item_type: Any = None) -> Callable[[Any], V]:
    """Return the function that reads a field."""
    if isinstance(field, str):
        return FieldReader(FieldExpr(field), item_type)
    return FieldReader(field, item_type) if isinstance(field, Expr) else field


def bound(field: Any, item_type: Any) -> Any:
    """Return a field as a function of items of a type; functions stay, or become readers that call them."""
    if field is None:
        return None
    if isinstance(field, str | Expr | FieldReader):
        return getter(field, item_type)
    expr = expression_of(field, item_type)
    return field if expr is None else PlainReader(field, expr, item_type)


def called(field: Field[Any, V]) -> Callable[[Any], V]:
    """Return the function that reads a field, with nothing around it, to be called for each item."""
    fn = getter(field)
    return fn.function() if isinstance(fn, FieldReader) else fn


def why_opaque(*fns: Any) -> str | None:
    """Return why functions cannot be evaluated over columns; None if all are expressions."""
    for fn in fns:
        if not isinstance(fn, FieldReader):
            name = getattr(fn, "__qualname__", type(fn).__name__)
            return f"opaque callable {name.replace('<locals>.', '')}"
    return None
