"""Codec: plain data to bytes and back, each value with its own type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.msgpack import Decoder

from rxdag.codec._field_types import Fit, fits
from rxdag.codec._names import Names
from rxdag.codec._pack import Packer
from rxdag.codec._records import Record
from rxdag.codec._unpack import Unpacker
from rxdag.codec._unsavable import complaint
from rxdag.errors import StateError

_VERSION: Final = 2
_PARTS: Final = Decoder(tuple[dict[str, dict[str, str]], msgspec.Raw])
"""Splits state into the declared types of its records, and the value."""


class Codec:
    """Turns state into bytes and back, so that each value returns equal and of the same type.

    It takes None, bool, int of any size, float, complex, str (lone surrogates too), bytes, bytearray, tuple, list, dict
    in its order, OrderedDict, Counter, defaultdict of a builtin type, set, frozenset, deque with its `maxlen`, range,
    datetime, date, time and timedelta (zones: fixed offsets and zoneinfo), Decimal, Fraction, UUID, members of enums,
    numpy arrays and scalars without Python objects, and records: msgspec.Struct, dataclasses, NamedTuples. An exception
    of a known class returns with its arguments, attributes and causes; any other as `rxdag.SavedError`, which has its
    text and the names of its classes.

    **References.** A value is a tree. An object that occurs twice returns as two equal objects, and an object that
    contains itself is refused.

    **Classes.** Enums, records and exceptions are saved by name, and only these kinds of class are looked up: first among
    `types`, then, unless `imported` is False, in modules that the process has imported already. Decoding imports no
    module but numpy, and calls no code from the data. A record returns with its fields as they were saved, and without
    a call of `__init__` that could change them; a Struct's `__post_init__` is called by msgspec, and its fields are set
    again afterwards. A field that is new in the class takes its default; a field that the class has lost is dropped. If
    the type of a field has changed, its values must fit the new type: an int becomes a float, or stays as an
    `int | None`, but becomes no str.

    Thread-safe.

    Args:
        types: Enums and records that are known, beside those of imported modules; a local class must be among them.
        imported: False to know no others.

    Example:
        >>> from decimal import Decimal
        >>> codec = rxdag.codec.Codec()
        >>> codec.decode(codec.encode({"BTC": (Decimal("0.10"), {1, 2})}))
        {'BTC': (Decimal('0.10'), {1, 2})}
    """

    def __init__(self, types: Iterable[type] = (), *, imported: bool = True) -> None:
        self._names = Names(types, imported=imported)
        self._unpacker = Unpacker(self._names)

    def encode(self, value: Any, *, where: str = "state") -> bytes:
        """Encode a value as bytes.

        Args:
            value: The value to save.
            where: Description of the value, for messages.

        Raises:
            StateError: If a part of it cannot be saved; names its place.
        """
        try:
            try:
                # First without checks, which are slow; values that need them are rare.
                packed = Packer(self._names).encode(value)
            except (OverflowError, UnicodeEncodeError):  # an int or a text that msgpack cannot represent
                packed = Packer(self._names, careful=True).encode(value)
        except StateError as error:
            raise StateError(complaint(value, where, self._names) or f"{where}: {error}") from None
        except RecursionError:
            text = complaint(value, where, self._names) or f"{where}: must be nested at most a few hundred levels deep"
            raise StateError(text) from None
        except (msgspec.MsgspecError, ValueError) as error:
            raise StateError(f"{where}: must fit into msgpack: {error}") from error
        return bytes((_VERSION,)) + packed

    def decode(self, data: bytes | bytearray | memoryview, *, where: str = "state") -> Any:
        """Decode a value.

        Args:
            data: The result of `encode`.
            where: Description of the value, for messages.

        Raises:
            StateError: If the bytes are damaged, from another version, or name an unknown class.
        """
        view = memoryview(data)
        if not len(view) or view[0] != _VERSION:
            raise StateError(f"{where}: must be state of version {_VERSION}, got {_version_of(view)}")
        try:
            types, packed = _PARTS.decode(view[1:])
            return self._unpacker_of(types).decode(packed)
        except StateError as error:
            raise StateError(f"{where}: {error}") from error.__cause__
        except Exception as error:  # whatever damaged bytes lead to
            raise StateError(
                f"{where}: must be complete, got damaged bytes: {type(error).__name__}: {error}"
            ) from error

    def _unpacker_of(self, types: dict[str, dict[str, str]]) -> Unpacker:
        """Return what unpacks a value with records of the given types."""
        changed: dict[str, dict[str, Fit]] = {}
        for name, was in types.items():
            record = self._names.find(name)
            if isinstance(record, Record) and (found := fits(record.cls, was, record.types)):
                changed[name] = found
        return Unpacker(self._names, changed) if changed else self._unpacker


def _version_of(data: memoryview) -> str:
    """Return the version of bytes that are not of this one, and who can read them."""
    if not len(data):
        return "no bytes"
    reader = "the older rxdag that wrote it, or start over" if data[0] < _VERSION else "a newer rxdag"
    return f"version {data[0]}; use {reader}"
