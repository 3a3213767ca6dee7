"""Packing: values of any supported type as msgpack, with a tag where msgpack has no such type.

Long lists of similar values are first turned into columns: a list of rows into one list per position, a list of records
into one list per field. Columns are fast because msgpack packs lists of plain values without Python code per value.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

from msgspec.msgpack import Encoder, Ext

from rxdag._saved_rows import SavedRows
from rxdag.codec._names import Names
from rxdag.codec._records import Record
from rxdag.codec._scalars import BIG, PLAIN, SCALARS, TEXT, Scalar, array_of, is_native_moment, is_numpy, scalar_of
from rxdag.errors import SavedError, StateError, chain_of, kinds_of, shown, text_of

# Tags of values with parts.
TUPLE: Final = 32
SET: Final = 33
FROZENSET: Final = 34
DEQUE: Final = 35
DICT: Final = 36
ORDERED: Final = 37
COUNTER: Final = 38
DEFAULT: Final = 39
RECORD: Final = 40
MEMBER: Final = 41
ARRAY: Final = 42
NUMPY: Final = 43
ERROR: Final = 44
# Tags of lists as columns.
ROWS: Final = 64
RAGGED: Final = 65
RECORDS: Final = 66
DICTS: Final = 67
MEMBERS: Final = 68
SAME: Final = 69

FACTORIES: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, deque)
}
"""Factories allowed in a defaultdict."""

_FEW: Final = 4
"""Least length of a list that is turned into columns."""
_LEAST: Final = -(1 << 63)
_MOST: Final = 1 << 64


class Packer:
    """Packs one value.

    Args:
        names: Names of enums and records.
        careful: True to check whether msgpack supports each int and text; False to raise at one that it does not.
    """

    def __init__(self, names: Names, *, careful: bool = False) -> None:
        self._names = names
        self._careful = careful
        self._types: dict[str, dict[str, str]] = {}
        """Declared types of the fields of each class of records in the value."""
        self._to_bytes: Callable[[Any], bytes] = Encoder().encode
        self._packers: dict[type, Callable[[Any], Any]] = {
            list: self.column,
            SavedRows: self.column,
            tuple: self._tuple,
            set: lambda value: self._ext(SET, self.column(list(value))),
            frozenset: lambda value: self._ext(FROZENSET, self.column(list(value))),
            deque: lambda value: self._ext(DEQUE, [value.maxlen, self.column(list(value))]),
            dict: self._dict,
            OrderedDict: lambda value: self._ext(ORDERED, self._pairs(value)),
            Counter: lambda value: self._ext(COUNTER, self._pairs(value)),
            defaultdict: self._default,
        }
        if careful:
            self._packers[int] = self._int
            self._packers[str] = self._text

    def encode(self, value: Any) -> bytes:
        """Return the bytes of a value, behind the declared types of the records in it.

        Raises:
            StateError: If something in it cannot be saved.
            OverflowError: If msgpack does not support an int; never if `careful`.
            UnicodeEncodeError: If msgpack does not support a text; never if `careful`.
        """
        packed = self.pack(value)
        return self._to_bytes([self._types, packed])

    def _ext(self, code: int, packed: Any) -> Ext:
        return Ext(code, self._to_bytes(packed))

    def pack(self, value: object) -> Any:
        """Return the value, or its tagged form."""
        # The exact type: an instance of a subclass would be restored as the builtin.
        kind = type(value)
        if kind in PLAIN and not self._careful:
            return value
        packer = self._packers.get(kind)
        if packer is None:
            packer = self._packers[kind] = self._packer(kind, value)
        return packer(value)

    def _packer(self, kind: Any, value: object) -> Callable[[Any], Any]:
        """Return how values of a type are packed."""
        if kind in PLAIN:
            return _itself
        scalar = SCALARS.get(kind)
        if scalar is not None:
            return lambda value: self._scalar(scalar, value)
        if is_numpy(value):
            if hasattr(value, "__len__") and not isinstance(value, str | bytes):
                return lambda value: self._ext(ARRAY, array_of(value))
            return lambda value: self._ext(NUMPY, scalar_of(value))
        if issubclass(kind, enum.Enum):
            name = self._names.name(kind)
            return lambda value: self._ext(MEMBER, [name, member_of(value)])
        if issubclass(kind, Exception):
            return lambda value: self._ext(ERROR, [self._error(each) for each in chain_of(value)])
        record = self._names.record(kind)
        if record is None:
            raise StateError(f"must be plain data, got a {kind.__qualname__}")
        name = self._named(kind, record)
        return lambda value: self._record(record, name, value)

    def _named(self, kind: type, record: Record) -> str:
        """Return the name of a class of records, whose declared types are noted."""
        name = self._names.name(kind)
        if name not in self._types:
            self._types[name] = {field: text for field, (text, _) in record.types.items()}
        return name

    def _error(self, error: BaseException) -> Any:
        """Return the names of an error's classes and its text; and its name and parts, unless they cannot be saved."""
        name: str | None
        body: Any
        try:
            name = self._names.name(type(error))
            if self._names.error(name) is None:
                raise StateError(f"{name} cannot be rebuilt")
            body = [self.column(error.args), self._dict(vars(error))]
        except StateError:
            name = body = None
        return [self.column(each) for each in (kinds_of(error), kind_and_text(error))] + [name, body]

    def _int(self, value: int) -> Any:
        return value if _LEAST <= value < _MOST else self._scalar(BIG, value)

    def _text(self, value: str) -> Any:
        return value if _is_text(value) else self._scalar(TEXT, value)

    def _scalar(self, scalar: Scalar, value: Any) -> Any:
        if scalar is _MOMENT and is_native_moment(value):
            return value
        return self._ext(scalar.code, scalar.plain(value))

    def _tuple(self, value: tuple[Any, ...]) -> Ext:
        return self._ext(TUPLE, self.column(value))

    def _dict(self, value: dict[Any, Any]) -> Any:
        if not self._are_plain(value):
            return self._ext(DICT, self._pairs(value))
        if self._are_plain(value.values()):
            return value
        if len(value) < _FEW:
            return {key: self.pack(each) for key, each in value.items()}
        return self._ext(DICT, self._pairs(value))

    def _pairs(self, value: dict[Any, Any]) -> list[Any]:
        return [self.column(list(value)), self.column(list(value.values()))]

    def _default(self, value: defaultdict[Any, Any]) -> Ext:
        factory = value.default_factory
        name = None if factory is None else getattr(factory, "__name__", "")
        if name is not None and FACTORIES.get(name) is not factory:
            raise StateError(f"a defaultdict must have a builtin type as its factory, got {shown(factory)}")
        return self._ext(DEFAULT, [name, *self._pairs(value)])

    def _record(self, record: Record, name: str, value: Any) -> Ext:
        fields, others = record.parts(value)
        return self._ext(RECORD, [name, self._dict(fields), self._dict(others)])

    def _are_plain(self, values: Iterable[Any]) -> bool:
        """Return True if msgpack stores all values natively."""
        return PLAIN.issuperset(map(type, values)) and not (self._careful and not _fit(values))

    def column(self, values: Sequence[Any]) -> Any:
        """Return a list of values, or its tagged form."""
        if isinstance(values, SavedRows):
            return self._columns(values)
        kinds = set(map(type, values))
        if kinds <= PLAIN and not (self._careful and not _fit(values)):
            return values
        if len(values) >= _FEW and len(kinds) == 1:
            packed = self._alike(kinds.pop(), values)
            if packed is not None:
                return packed
        return [self.pack(value) for value in values]

    def _columns(self, rows: SavedRows) -> Any:
        """Return rows as `column` returns the list that they equal."""
        if len(rows) < _FEW:
            return self.column(list(rows))
        return self._ext(ROWS, [False, [self.column(column) for column in rows.columns]])

    def _alike(self, kind: Any, values: Sequence[Any]) -> Ext | None:
        """Return a list of values of one type as columns; None if that saves nothing."""
        if kind is list or kind is tuple:
            return self._rows(values, is_tuple=kind is tuple)
        if kind is dict:
            return self._dicts(values)
        scalar = SCALARS.get(kind)
        if scalar is not None:
            if scalar is _MOMENT and all(map(is_native_moment, values)):
                return None
            return self._ext(SAME, [scalar.code, [scalar.plain(value) for value in values]])
        if issubclass(kind, enum.Enum):
            return self._ext(MEMBERS, [self._names.name(kind), [member_of(value) for value in values]])
        record = self._names.record(kind)
        columns = None if record is None else record.columns(values)
        if record is None or columns is None:
            return None
        packed = [self.column(column) for column in columns]
        return self._ext(RECORDS, [self._named(kind, record), list(record.fields), packed])

    def _rows(self, values: Sequence[Any], *, is_tuple: bool) -> Ext:
        lengths = list(map(len, values))
        width = lengths[0]
        if width and lengths.count(width) == len(lengths):
            return self._ext(ROWS, [is_tuple, [self.column(column) for column in zip(*values, strict=True)]])
        return self._ext(RAGGED, [is_tuple, lengths, self.column(list(chain.from_iterable(values)))])

    def _dicts(self, values: Sequence[dict[Any, Any]]) -> Ext | None:
        keys = list(values[0])
        # Same keys in the same order only: the order of a dict is part of its value.
        if not keys or any(list(value) != keys for value in values) or not set(map(type, keys)) <= {str}:
            return None
        columns = [self.column(list(map(itemgetter(key), values))) for key in keys]
        return self._ext(DICTS, [self.column(keys), columns])


_MOMENT: Final = next(scalar for kind, scalar in SCALARS.items() if kind.__name__ == "datetime")


def _itself(value: Any) -> Any:
    return value


def member_of(member: enum.Enum) -> str | list[Any]:
    """Return the packed form of an enum member: its name, or the value of a combination of flags without one."""
    name: str | None = member._name_  # None of flags that have no name together
    if type(member)._member_map_.get(name or "") is member:
        return str(name)
    return [int(member._value_)]


def kind_and_text(error: BaseException) -> tuple[str, str]:
    """Return the class name and the text of an error."""
    if isinstance(error, SavedError):
        kind = error.kind
        return kind, text_of(error).removeprefix(f"{kind}: ")
    return type(error).__qualname__, text_of(error)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fit(values: Iterable[Any]) -> bool:
    """Return True if msgpack can hold all ints and texts among plain values."""
    return all(
        _LEAST <= value < _MOST if type(value) is int else _is_text(value)
        for value in values
        if type(value) in (int, str)
    )
