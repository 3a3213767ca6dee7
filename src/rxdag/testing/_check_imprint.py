"""Imprints: the contents of a value, in a form that shows whether it has changed."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections import deque
from typing import Any

from rxdag.contract import FirstCall, Kernel

_SET_FOR_IT = ("watermark", "inputs", "opened")
"""Kernel attributes set by the engine."""
_SLOTS_OF_TYPES = ("__dict__", "__weakref__")


def imprint(value: object, seen: tuple[int, ...] = ()) -> Any:
    """Return the contents of a value; functions, classes and frozen dataclasses count as themselves."""
    if isinstance(value, FirstCall):
        value = value.fn
    kind: Any = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return kind.__name__, repr(value)
    if id(value) in seen:
        return "again"
    inside = (*seen, id(value))
    held: Any = value
    if issubclass(kind, dict):
        return kind.__name__, [(imprint(key, inside), imprint(each, inside)) for key, each in held.items()]
    if issubclass(kind, list | tuple | deque):
        return kind.__name__, [imprint(each, inside) for each in held]
    if issubclass(kind, set | frozenset):
        return kind.__name__, sorted(repr(imprint(each, inside)) for each in held)
    if _is_fixed(value, kind):
        return kind.__name__, id(value)
    if hasattr(value, "tobytes"):
        return kind.__name__, held.tobytes()
    attributes = attributes_of(value)
    if not attributes:
        return kind.__name__, repr(value) if kind.__repr__ is not object.__repr__ else id(value)
    return kind.__name__, [(name, imprint(each, inside)) for name, each in attributes.items()]


def _is_fixed(value: object, kind: Any) -> bool:
    if callable(value) or isinstance(value, type | types.ModuleType | enum.Enum):
        return True
    params = getattr(kind, "__dataclass_params__", None)
    return dataclasses.is_dataclass(kind) and params is not None and bool(params.frozen)


def attributes_of(value: object) -> dict[str, Any]:
    """Return the attributes that an object has itself."""
    found: dict[str, Any] = {}
    for kind in type(value).__mro__:
        slots: Any = vars(kind).get("__mypyc_attrs__") or vars(kind).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            name = f"_{kind.__name__.lstrip('_')}{slot}" if slot[:2] == "__" != slot[-2:] else slot
            if name not in _SLOTS_OF_TYPES and hasattr(value, name):
                found[name] = getattr(value, name)
    return found | getattr(value, "__dict__", {})


class Undeclared:
    """The attributes of a kernel that are neither in its `state` nor in its `derived`: they must not change."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._declared = {name.lstrip("_") for name in (*type(kernel).state, *type(kernel).derived, *_SET_FOR_IT)}
        self._at_first = self._imprints()

    def _imprints(self) -> dict[str, Any]:
        found = attributes_of(self._kernel)
        return {name: imprint(each) for name, each in found.items() if name.lstrip("_") not in self._declared}

    def changed(self) -> list[str]:
        """Return the attributes that have changed."""
        now = self._imprints()
        found: list[str] = []
        for name in now | self._at_first:
            by_default = imprint(getattr(type(self._kernel), name, None))
            if now.get(name, by_default) != self._at_first.get(name, by_default):
                found.append(name)
        return found
