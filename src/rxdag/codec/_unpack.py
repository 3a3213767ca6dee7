"""Unpacking: msgpack with tags as the values that it stands for."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

from msgspec.msgpack import Decoder

from rxdag.codec import _pack as tags
from rxdag.codec._field_types import Fit
from rxdag.codec._names import Names
from rxdag.codec._records import Record, attributes_of
from rxdag.codec._scalars import BY_CODE, array, scalar
from rxdag.errors import SavedError, StateError, rebuilt, shown


class Unpacker:
    """Unpacks values.

    Args:
        names: Names of enums and records.
        changed: How to make saved values fit the fields whose types have changed, by class and field.
    """

    def __init__(self, names: Names, changed: Mapping[str, Mapping[str, Fit]] | None = None) -> None:
        self._names = names
        self._changed = changed or {}
        self._decoder: Decoder[Any] = Decoder(ext_hook=self._tagged)
        self.decode: Callable[[memoryview | bytes], Any] = self._decoder.decode
        self._made: dict[int, Callable[[Any], Any]] = {
            **{code: each.value for code, each in BY_CODE.items()},
            tags.TUPLE: tuple,
            tags.SET: set,
            tags.FROZENSET: frozenset,
            tags.DEQUE: _deque,
            tags.DICT: lambda saved: dict(zip(*saved, strict=True)),
            tags.ORDERED: lambda saved: OrderedDict(zip(*saved, strict=True)),
            tags.COUNTER: lambda saved: Counter(dict(zip(*saved, strict=True))),
            tags.DEFAULT: _default,
            tags.RECORD: self._record,
            tags.MEMBER: lambda saved: self._members([saved[0], [saved[1]]])[0],
            tags.ERROR: self._error,
            tags.ARRAY: array,
            tags.NUMPY: scalar,
            tags.ROWS: _rows,
            tags.RAGGED: _ragged,
            tags.RECORDS: self._records,
            tags.DICTS: _dicts,
            tags.MEMBERS: self._members,
            tags.SAME: lambda saved: list(map(BY_CODE[saved[0]].value, saved[1])),
        }

    def _tagged(self, code: int, data: memoryview) -> Any:
        made = self._made.get(code)
        if made is None:
            raise StateError(f"must have tags that this version knows, got {code}")
        return made(self.decode(data))

    def _record_of(self, name: str) -> Record:
        found = self._names.find(name)
        if not isinstance(found, Record):
            raise StateError(f"must name a record, got the enum {shown(name)}")
        return found

    def _record(self, saved: list[Any]) -> Any:
        name, fields, others = saved
        record = self._record_of(name)
        (made,) = record.make(list(fields), self._fitting(name, list(fields), [[each] for each in fields.values()]), 1)
        if others:
            attributes_of(made).update(others)
        return made

    def _records(self, saved: list[Any]) -> list[Any]:
        name, fields, columns = saved
        return self._record_of(name).make(fields, self._fitting(name, fields, columns), len(columns[0]))

    def _fitting(self, name: str, fields: list[str], columns: list[Any]) -> list[Any]:
        """Return the columns of records, with values of the types that the class has now."""
        changed = self._changed.get(name)
        if changed is None:
            return columns
        return [
            changed[field](column) if field in changed else column
            for field, column in zip(fields, columns, strict=True)
        ]

    def _error(self, saved: list[Any]) -> BaseException:
        chain: list[BaseException] = []
        for kinds, (kind, text), name, body in saved:
            known = None if name is None else self._names.error(name)
            chain.append(SavedError(kind, text, kinds) if known is None else rebuilt(known, tuple(body[0]), body[1]))
        for error, cause in pairwise(chain):
            error.__cause__ = cause
        return chain[0]

    def _members(self, saved: list[Any]) -> list[Any]:
        name, given = saved
        found: Any = self._names.find(name)
        if isinstance(found, Record):
            raise StateError(f"must name an enum, got the record {shown(name)}")
        return [_member(found, each) for each in given]


def _member(kind: type[enum.Enum], saved: Any) -> Any:
    if isinstance(saved, str):
        member = kind._member_map_.get(saved)
        if member is None:
            raise StateError(f"must be a member of {kind.__qualname__}, got {shown(saved)}")
        return member
    if not issubclass(kind, enum.Flag):
        raise StateError(f"must be a member of {kind.__qualname__}, got the value {shown(saved)}")
    return kind(saved[0])


def _deque(saved: list[Any]) -> deque[Any]:
    most, values = saved
    return deque(values, most)


def _default(saved: list[Any]) -> defaultdict[Any, Any]:
    name, keys, values = saved
    return defaultdict(None if name is None else tags.FACTORIES[name], zip(keys, values, strict=True))


def _rows(saved: list[Any]) -> list[Any]:
    is_tuple, columns = saved
    rows: Iterable[tuple[Any, ...]] = zip(*columns, strict=True)
    return list(rows) if is_tuple else list(map(list, rows))


def _ragged(saved: list[Any]) -> list[Any]:
    is_tuple, lengths, flat = saved
    # Bytes may be damaged: islice would silently return short rows.
    if sum(lengths) != len(flat):
        raise StateError(f"must have {sum(lengths)} values in its rows, got {len(flat)}")
    values = iter(flat)
    make: Callable[[Iterable[Any]], Sequence[Any]] = tuple if is_tuple else list
    return [make(islice(values, n)) for n in lengths]


def _dicts(saved: list[Any]) -> list[dict[str, Any]]:
    keys, columns = saved
    return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
