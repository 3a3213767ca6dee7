"""Names of classes: how an enum or a record is found again, without an import."""

from __future__ import annotations

import enum
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from rxdag.codec._records import Record, record_of
from rxdag.errors import StateError, shown

Named: TypeAlias = "Record | type[enum.Enum]"
"""The object that a name refers to: a record class or an enum."""


class Names:
    """Enums and records by name.

    Args:
        types: Enums and records that are always known.
        imported: True to search imported modules too.
    """

    def __init__(self, types: Iterable[type], *, imported: bool) -> None:
        self._imported = imported
        self._given: dict[str, type] = {}
        self._name_of: dict[type, str] = {}
        self._named: dict[str, Named] = {}
        self._records: dict[type, Record | None] = {}
        for cls in types:
            if not is_named(cls):
                raise StateError(f"types: must be enums, Structs, dataclasses or NamedTuples, got {shown(cls)}")
            self._given[spelled(cls)] = self._given[_public(cls)] = cls

    def record(self, cls: type) -> Record | None:
        """Return how to take records of a class apart; None for other classes."""
        if cls not in self._records:
            self._records[cls] = record_of(cls)
        return self._records[cls]

    def name(self, cls: type) -> str:
        """Return the name by which a class is found.

        Raises:
            StateError: If the name leads to another class, or to none.
        """
        known = self._name_of.get(cls)
        if known is None:
            # A program that has been imported beside its own run has two classes of a name.
            known = next((name for name in (_public(cls), spelled(cls)) if self._class(name) is cls), None)
            if known is None:
                raise StateError(f"{spelled(cls)} cannot be imported by name")
            self._name_of[cls] = known
        return known

    def find(self, name: str) -> Named:
        """Return the record or enum of a name.

        Raises:
            StateError: If no enum or record of that name is known.
        """
        known = self._named.get(name)
        if known is None:
            cls = self._class(name)
            made: Any = None if cls is None else cls if is_enum(cls) else self.record(cls)
            if made is None:
                raise StateError(
                    f"must name known enums and records, got {shown(name)}; import its module first, or pass the "
                    "class in types=, or in state_types= of a run"
                )
            known = self._named[name] = made
        return known

    def error(self, name: str) -> type[Exception] | None:
        """Return the exception class of a name if it can be rebuilt without code of its own; None for others."""
        found = self._class(name)
        if found is None or not issubclass(found, Exception) or inspect.isfunction(found.__new__):
            return None
        return found

    def _class(self, name: str) -> type | None:
        given = self._given.get(name)
        module, _, path = name.partition(":")
        if given is not None or not (self._imported or module == "builtins"):
            return given
        found: Any = sys.modules.get("__main__" if module not in sys.modules and module == _main_name() else module)
        for part in path.split("."):
            if not isinstance(found, ModuleType | type):
                return None
            found = vars(found).get(part)  # not getattr, which could run code
        return found if isinstance(found, type) else None


def is_named(cls: object) -> bool:
    """Return True for enums and records, which are saved by name."""
    return isinstance(cls, type) and (is_enum(cls) or record_of(cls) is not None)


def is_enum(cls: type) -> bool:
    """Return True if the values of a class are members of an enum."""
    return issubclass(cls, enum.Enum)


def spelled(cls: type) -> str:
    """Return the full name of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def _main_name() -> str:
    """Return the name that the running program has if `rxdag run` imports it; "__main__" if it is not a file."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    return "__main__" if file is None else re.sub(r"\W", "_", Path(file).stem)


def _public(cls: type) -> str:
    """Return the shortest name of a class, without private modules if the public package exports it.

    A class of the running program has the name that it has once imported: what `python job.py` saves is found by
    `rxdag run job.py`, and the other way round.
    """
    module = _main_name() if cls.__module__ == "__main__" else cls.__module__
    while "._" in module:
        package = module.rpartition(".")[0]
        holder = sys.modules.get(package)
        if holder is None or vars(holder).get(cls.__qualname__) is not cls:
            break
        module = package
    return f"{module}:{cls.__qualname__}"
