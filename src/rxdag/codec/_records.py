"""Records: Structs, dataclasses and NamedTuples taken apart by field, and put together without their own code."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import msgspec

from rxdag.codec._field_types import field_types
from rxdag.errors import StateError, shown

_HEAP_TYPE: Final = 1 << 9
"""Flag of heap types: classes defined in Python, or equivalent."""

_COMPILED: Final = "__mypyc_attrs__"
"""Attribute of classes compiled by mypyc, with the names of their instance attributes."""
_EMPTY: Final = frozenset(msgspec.Struct.__mro__)
"""Base classes without fields."""


class Record(ABC):
    """Saves and rebuilds the records of one class.

    Args:
        cls: The class.
        fields: Names of its fields, in order.
    """

    def __init__(self, cls: Any, fields: tuple[str, ...]) -> None:
        self.cls = cls
        self.fields = fields
        self.has_room = cls.__dictoffset__ != 0
        """True if records can have attributes besides their fields."""
        self.in_dict = 0
        """Number of fields that are in the `__dict__` of a record."""

    @cached_property
    def types(self) -> dict[str, tuple[str, Any]]:
        """Declared type of each field, as text and as an object."""
        return field_types(self.cls, self.fields)

    def columns(self, values: Sequence[Any]) -> list[Any] | None:
        """Return the values of each field of several records; None if they have other attributes, or lack some."""
        n = len(self.fields)
        if not n or (self.has_room and any(len(attributes_of(value)) != self.in_dict for value in values)):
            return None
        try:
            get: Callable[[Any], Any] = attrgetter(*self.fields)
            return [list(map(get, values))] if n == 1 else list(zip(*map(get, values), strict=True))
        except AttributeError:
            return None

    def parts(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the fields of one record that have a value, and its other attributes."""
        fields = {name: getattr(value, name) for name in self.fields if hasattr(value, name)}
        if not self.has_room:
            return fields, {}
        return fields, {name: each for name, each in attributes_of(value).items() if name not in fields}

    def make(self, names: Sequence[str], columns: Sequence[Sequence[Any]], n: int) -> list[Any]:
        """Put together `n` records from the saved values of each field."""
        saved = dict(zip(names, columns, strict=True))
        missing = [name for name in self.fields if name not in saved]
        return self._made({name: saved[name] for name in self.fields if name in saved}, missing, n)

    @abstractmethod
    def _made(self, saved: Mapping[str, Iterable[Any]], missing: list[str], n: int) -> list[Any]:
        """Return records built from saved fields, in order; missing fields have their defaults."""

    def _lacks(self, name: str) -> StateError:
        return StateError(
            f"must have the field {shown(name)} of {self.cls.__qualname__}, got none; give the field a default"
        )


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object that are in its `__dict__`."""
    found: dict[str, Any] = value.__dict__
    return found


def rows_of(columns: Iterable[Iterable[Any]], n: int) -> Iterable[tuple[Any, ...]]:
    """Return the rows of columns; `n` empty rows if there are no columns."""
    found = list(columns)
    return zip(*found, strict=True) if found else repeat((), n)


class _Tuples(Record):
    """NamedTuples."""

    def parts(self, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(zip(self.fields, value, strict=True)), dict(attributes_of(value)) if self.has_room else {}

    def columns(self, values: Sequence[Any]) -> list[Any] | None:
        if not self.fields or (self.has_room and any(map(attributes_of, values))):
            return None
        return list(zip(*values, strict=True))

    def _made(self, saved: Mapping[str, Iterable[Any]], missing: list[str], n: int) -> list[Any]:
        columns = dict(saved)
        defaults: dict[str, Any] = getattr(self.cls, "_field_defaults", {})
        for name in missing:
            if name not in defaults:
                raise self._lacks(name)
            columns[name] = repeat(defaults[name], n)
        # The `__new__` of the class could change the values.
        return [tuple[Any].__new__(self.cls, row) for row in rows_of((columns[name] for name in self.fields), n)]


class _Structs(Record):
    """msgspec.Structs."""

    def __init__(self, cls: Any, fields: tuple[str, ...]) -> None:
        super().__init__(cls, fields)
        # Keyword-only fields are not among the match args.
        self._is_positional = cls.__match_args__ == fields
        self._has_hook = hasattr(cls, "__post_init__")

    def _made(self, saved: Mapping[str, Iterable[Any]], missing: list[str], n: int) -> list[Any]:
        rows = rows_of(saved.values(), n)
        if self._is_positional and not missing and not self._has_hook:
            return [self.cls(*row) for row in rows]
        out: list[Any] = []
        for row in rows:
            fields = dict(zip(saved, row, strict=True))
            try:
                made = self.cls(**fields)
            except TypeError as error:
                raise StateError(f"must fit {self.cls.__qualname__}: {error}; give new fields a default") from error
            # __post_init__ may have changed them, and the Struct may be frozen.
            for name, value in fields.items() if self._has_hook else ():
                msgspec.structs.force_setattr(made, name, value)
            out.append(made)
        return out


class _Dataclasses(Record):
    """Dataclasses, and their further slots."""

    def __init__(self, cls: Any, fields: tuple[str, ...]) -> None:
        slots = _slots(cls)
        super().__init__(cls, (*fields, *(name for name in slots if name not in fields)))
        self._has_slots = bool(slots)
        self.in_dict = sum(name not in slots for name in fields)
        self._known = {field.name: field for field in dataclasses.fields(cls)}
        # The `__new__` of the class might require arguments, but only that of a compiled class can create its objects.
        self._new: Callable[[Any], Any] = cls.__new__ if hasattr(cls, _COMPILED) else object.__new__

    def _made(self, saved: Mapping[str, Iterable[Any]], missing: list[str], n: int) -> list[Any]:
        out: list[Any] = []
        for row in rows_of(saved.values(), n):
            made = self._new(self.cls)
            if self._has_slots:
                for name, value in zip(saved, row, strict=True):
                    object.__setattr__(made, name, value)
            else:
                attributes_of(made).update(zip(saved, row, strict=True))
            for name in missing:
                self._set_default(made, name)
            out.append(made)
        return out

    def _set_default(self, made: Any, name: str) -> None:
        field = self._known.get(name)
        if field is None or not field.init:
            return  # it may never have had a value
        if field.default is not dataclasses.MISSING:
            object.__setattr__(made, name, field.default)
        elif field.default_factory is not dataclasses.MISSING:
            object.__setattr__(made, name, field.default_factory())
        else:
            raise self._lacks(name)


def _slots(cls: type) -> tuple[str, ...]:
    """Return the names of the slots of a class."""
    found: list[str] = []
    for each in reversed(cls.__mro__):
        given: Any = vars(each).get(_COMPILED) or vars(each).get("__slots__", ())
        for name in (given,) if isinstance(given, str) else given:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{each.__name__.lstrip('_')}{name}"  # Python's name mangling
            if name not in ("__dict__", "__weakref__"):
                found.append(name)
    return tuple(found)


def record_of(kind: type) -> Record | None:
    """Return how to take records of a class apart; None for other classes, or if a base class has more to save."""
    cls: Any = kind
    bases = [base for base in kind.__mro__ if not base.__flags__ & _HEAP_TYPE and base not in _EMPTY]
    if issubclass(kind, tuple):
        return _Tuples(cls, cls._fields) if bases == [tuple] and hasattr(cls, "_field_defaults") else None
    # A builtin base, such as dict or Exception, has state outside the fields.
    if bases:
        return None
    if issubclass(kind, msgspec.Struct):
        return _Structs(cls, cls.__struct_fields__) if cls is not msgspec.Struct else None
    if hasattr(cls, "__dataclass_fields__"):
        return _Dataclasses(cls, tuple(field.name for field in dataclasses.fields(cls)))
    return None
