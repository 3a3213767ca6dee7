"""Hints: the annotations of a type's fields, and whether its constructor runs code of its own."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from rxdag.expressions._names import field_names
from rxdag.expressions._types import field_types

_WRAPPERS: Final = tuple(
    getattr(typing, name) for name in ("Annotated", "Required", "NotRequired", "ReadOnly") if hasattr(typing, name)
)


def declared_types(of: Any) -> dict[str, Any]:
    """Return the type of each field, as far as it is known, with the limits that `msgspec.Meta` sets."""
    plain = field_types(of)
    full = typing.get_type_hints(of, include_extras=True) if plain else {}
    return {name: full[name] if is_limited(full[name]) else kind for name, kind in plain.items()}


def is_limited(hint: Any) -> bool:
    """Return whether a type limits its values, or those inside of them, by `msgspec.Meta`."""
    if any(isinstance(each, msgspec.Meta) for each in getattr(hint, "__metadata__", ())):
        return True
    under = _under(hint)
    parts = typing.get_args(hint) if under is None else (under,)
    return typing.get_origin(hint) is not typing.Literal and any(map(is_limited, parts))


def kinds_in(hint: Any) -> tuple[Any, ...]:
    """Return the types that a value may have: the parts of a union, without names and limits."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return tuple(dict.fromkeys(kind for part in typing.get_args(hint) for kind in kinds_in(part)))
    if origin in _WRAPPERS:
        return kinds_in(typing.get_args(hint)[0])
    if origin is typing.Literal and None in typing.get_args(hint):
        values = tuple(value for value in typing.get_args(hint) if value is not None)
        return (typing.Literal[values], type(None)) if values else (type(None),)
    if isinstance(hint, typing.TypeVar):
        return (Any,)
    under = _under(hint)
    if under is not None:
        return kinds_in(under)
    return (hint,) if hint is not None else (type(None),)


def _under(hint: Any) -> Any:
    """Return the type that a NewType or an alias is a name of; None for any other."""
    return None if isinstance(hint, type) else getattr(hint, "__supertype__", getattr(hint, "__value__", None))


def checks_itself(of: Any) -> bool:
    """Return whether items of a type are made by code of its own, as `__post_init__`: it may refuse or change values."""
    kind: Any = of if isinstance(of, type) else typing.get_origin(of)
    if hasattr(kind, "__post_init__"):
        return True
    if dataclasses.is_dataclass(kind):
        made_by: Any = getattr(kind, "__init__", None)
        return getattr(getattr(made_by, "__code__", None), "co_filename", "") != "<string>"
    if hasattr(kind, "_fields"):  # a named tuple
        made_by = getattr(kind, "__new__", None)
        return not getattr(made_by, "__globals__", {}).get("__name__", "").startswith("namedtuple_")
    return False


def runs_code(of: Any) -> bool:
    """Return whether records of a type, None for dicts, are made by user code, which may fail or change its arguments."""
    if of is None or issubclass(typing.get_origin(of) or (of if isinstance(of, type) else object), Mapping):
        return False
    return field_names(of) is None or checks_itself(of)
