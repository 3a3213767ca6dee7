"""Keys: which items belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

from rxdag.contract import KeyBy, Shape
from rxdag.errors import GraphError, shown
from rxdag.expressions import Expr, as_tuple, bound, check_field, field_name, getter, kind_of
from rxdag.operators.keyed._key_by_kernel import KeyByKernel

A = TypeVar("A")
K = TypeVar("K")


def one_reader(fields: tuple[Any, ...], item_type: Any) -> Callable[[Any], Any]:
    """Return a reader of the key: the field itself, or a tuple of several."""
    if len(fields) == 1:
        reader: Callable[[Any], Any] = bound(fields[0], item_type)
        return reader
    if all(isinstance(field, str | Expr) for field in fields):
        return getter(as_tuple(fields), item_type)
    getters = [getter(field, item_type) for field in fields]
    return lambda item: tuple([get(item) for get in getters])


@dataclass(frozen=True)
class _KeyBy(KeyBy[A, K]):
    fields: tuple[Any, ...]
    names: tuple[str, ...]
    is_plain: bool = False
    """True if the key is known from the item type to be a text or a number, and so hashable."""
    label = "key_by"

    def check(self, shape: Shape, where: str) -> None:
        for field in self.fields:
            check_field(field, shape.item_type, f"{where}: key")

    def bound(self, shape: Shape) -> Self:
        is_plain = all(kind_of(field, shape.item_type) in ("text", "number") for field in self.fields)
        return replace(self, fields=(one_reader(self.fields, shape.item_type),), is_plain=is_plain)

    def shape(self, shape: Shape) -> Shape:
        return replace(shape, keyed=True, key_names=self.names)

    def kernel(self) -> KeyByKernel:
        return KeyByKernel(one_reader(self.fields, None), is_plain=self.is_plain)


@overload
def key_by(key: Callable[[A], K], /) -> KeyBy[A, K]: ...
@overload
def key_by(key: str | Expr, /, *, of: type[K]) -> KeyBy[Any, K]: ...
@overload
def key_by(*key: str | Expr, names: Sequence[str] | None = None) -> KeyBy[Any, Any]: ...
@overload
def key_by(key: Callable[[A], K], /, *, names: Sequence[str]) -> KeyBy[A, K]: ...
def key_by(*key: Any, of: Any = None, names: Sequence[str] | None = None) -> Any:
    """Assign a key to each item, so that windows and keyed operators work per key.

    Emits: every item, with its key.
    Drops: nothing.
    Holds: nothing.
    Ends: when the source ends. Fails: if `key` raises or its value is not hashable, subject to the node's `on_error`.
    Clock: none.

    Args:
        key: A function of the item; or one or more fields, by name or as `col.<name>`; several fields form a tuple.
        of: Type of a key given by a field, for type checkers.
        names: Names of the parts of the key, for sinks that flatten panes; by default the field names.

    Raises:
        GraphError: If there is no key, two parts have the same name, or a name is not a field of the items.

    Example:
        >>> feed(ops.key_by(lambda word: word[0]), ["apple", "bean"])
        ['apple', 'bean']
    """
    if not key:
        raise GraphError("key_by: takes a function or one field or more, got none")
    for each in key:
        check_field(each, None, "key_by: key")
    if names is None:
        found = [field_name(each) for each in key]
        given = tuple(name for name in found if name is not None) if None not in found else ()
    else:
        given = tuple(names)
        if len(key) > 1 and len(given) != len(key):
            raise GraphError(f"key_by: names must have one name for each of the {len(key)} fields, got {shown(given)}")
    if len(set(given)) < len(given):
        raise GraphError(f"key_by: the parts of a key must have different names, got {shown(given)}; pass names=")
    return _KeyBy[Any, Any](key, given)
