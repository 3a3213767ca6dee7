"""Walks through a declared type: the classes of which its values consist, and whether they can be saved."""

from __future__ import annotations

import inspect
import types
import typing
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any, Final

from rxdag.codec._names import is_enum
from rxdag.codec._records import record_of
from rxdag.codec._scalars import PLAIN, SCALARS, numpy

_CONTAINERS: Final = frozenset((list, tuple, dict, set, frozenset, deque, OrderedDict, Counter, defaultdict))
_OPAQUE: Final = (typing.Literal, typing.get_origin(typing.Callable[..., Any]))
"""Generic types whose arguments are not types of parts."""


def classes_in(kind: Any) -> Iterator[tuple[str, type]]:
    """Yield the classes of which the values of a type consist, each with its path.

    Args:
        kind: A type: a class, or an annotation such as `list[Trade] | None`.
    """
    seen: set[Any] = set()
    stack: list[tuple[str, Any]] = [(getattr(kind, "__qualname__", "item"), kind)]
    while stack:
        path, each = stack.pop()
        origin = typing.get_origin(each)
        if origin is typing.Annotated:
            stack.append((path, typing.get_args(each)[0]))
            continue
        if origin not in _OPAQUE:
            stack += [(path, part) for part in typing.get_args(each)]
        cls: Any = each if origin is None else origin
        if not isinstance(cls, type) or cls in (types.UnionType, Any) or cls in seen:
            continue
        seen.add(cls)
        yield path, cls
        stack += [(f"{path}.{name}", part) for name, part in _fields(cls)]


def _fields(cls: type) -> list[tuple[str, Any]]:
    """Return the fields of a record or a TypedDict, each with its type where that can be resolved."""
    if typing.is_typeddict(cls):
        try:
            return list(typing.get_type_hints(cls).items())
        except NameError:
            return []
    record = None if is_enum(cls) else record_of(cls)
    return [] if record is None else [(name, kind) for name, (_, kind) in record.types.items()]


def cannot_be_saved(cls: type) -> bool:
    """Return True if no value of a class can be saved; False too where its subclasses decide."""
    is_known = cls in PLAIN or cls in SCALARS or cls in _CONTAINERS or issubclass(cls, Exception)
    if is_known or typing.is_typeddict(cls) or is_enum(cls) or record_of(cls) is not None:
        return False
    np = numpy()
    is_numpy = np is not None and issubclass(cls, np.ndarray | np.generic)
    is_abstract = inspect.isabstract(cls) or getattr(cls, "_is_protocol", False) or bool(type.__subclasses__(cls))
    return not is_numpy and not is_abstract
