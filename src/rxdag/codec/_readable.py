"""State for people to read, without the classes of the program that saved it."""

from __future__ import annotations

from typing import Any

from rxdag.codec._codec import Codec
from rxdag.codec._names import Names
from rxdag.codec._unpack import Unpacker


class _Text(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Reading(Unpacker):
    """Unpacks records and members of enums as text."""

    def _form(self, name: str, fields: dict[str, Any]) -> Any:
        return _shown(name, fields)

    def _record(self, saved: list[Any]) -> Any:
        name, fields, others = saved
        return self._form(name, {**fields, **(others or {})})

    def _records(self, saved: list[Any]) -> list[Any]:
        name, fields, columns = saved
        return [self._form(name, dict(zip(fields, row, strict=True))) for row in zip(*columns, strict=True)]

    def _members(self, saved: list[Any]) -> list[Any]:
        name, given = saved
        return [_Text(f"{_class_name(name)}.{each}") for each in given]


class _Plain(_Reading):
    """Unpacks records as dicts, and members of enums as text."""

    def _form(self, name: str, fields: dict[str, Any]) -> Any:
        return fields


class ReadableCodec(Codec):
    """Decodes what `Codec` has encoded; records and members of enums become texts, such as `Trade(symbol='A')`."""

    def __init__(self) -> None:
        super().__init__()
        self._unpacker = _Reading(Names((), imported=False))

    def _unpacker_of(self, types: dict[str, dict[str, str]]) -> Unpacker:
        return self._unpacker


class PlainCodec(Codec):
    """Decodes what `Codec` has encoded; records become dicts, and members of enums texts."""

    def __init__(self) -> None:
        super().__init__()
        self._unpacker = _Plain(Names((), imported=False))

    def _unpacker_of(self, types: dict[str, dict[str, str]]) -> Unpacker:
        return self._unpacker


def _shown(name: str, fields: dict[str, Any]) -> _Text:
    return _Text(f"{_class_name(name)}({', '.join(f'{key}={value!r}' for key, value in fields.items())})")


def _class_name(name: str) -> str:
    return name.rpartition(":")[2].rpartition(".")[2]
