"""Entries: the payloads of records as chunks, malformed items and gaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from rxdag.codec import Codec, PlainCodec
from rxdag.contract import Chunk
from rxdag.errors import RxDagError, SavedError, StateError, shown, text_of

Bad: TypeAlias = tuple[object, Exception]
"""A malformed item, and its error."""
_PLAIN: Final = PlainCodec()


@dataclass(frozen=True)
class Entries:
    """Encodes and decodes payloads.

    Attributes:
        codec: Codec that knows the classes of the items.
        where: Description of the journal, for messages.
        of: Type to which records of unknown classes are converted by field name; None for none.
    """

    codec: Codec
    where: str
    of: Any = None

    def items(self, chunk: Chunk) -> bytes:
        """Encode a chunk.

        Raises:
            StateError: If an item cannot be saved.
        """
        chunk = chunk.rows()
        return self.encode([chunk.items, chunk.ts, chunk.sequence, chunk.key, chunk.marks])

    def chunk(self, payload: bytes) -> Chunk:
        """Decode a chunk.

        Raises:
            StateError: If a class is not known.
        """
        try:
            items, ts, sequence, key, marks = self.decode(payload)
        except StateError:
            if self.of is None:
                raise
            # Recorded by another program, in which the class has another name.
            items, ts, sequence, key, marks = _PLAIN.decode(payload, where=self.where)
            items = self._converted(items)
        return Chunk(items, ts, sequence, key, marks)

    def bad(self, rows: Iterable[Bad]) -> bytes:
        """Encode malformed items; one that cannot be saved is saved as its text."""
        return self.encode([[self._saved(item), type(error).__name__, text_of(error)] for item, error in rows])

    def bad_rows(self, payload: bytes) -> list[Bad]:
        """Decode malformed items; of their errors, class name and text were saved."""
        return [(item, SavedError(kind, text)) for item, kind, text in self.decode(payload)]

    def encode(self, value: object) -> bytes:
        """Encode a value."""
        return self.codec.encode(value, where=self.where)

    def decode(self, payload: bytes) -> Any:
        """Decode a value."""
        return self.codec.decode(payload, where=self.where)

    def _converted(self, items: list[Any]) -> list[Any]:
        kind: Any = list
        try:
            converted: list[Any] = msgspec.convert(items, kind[self.of])
        except msgspec.ValidationError as error:
            raise StateError(f"{self.where}: items must fit {shown(self.of)}, got others: {text_of(error)}") from None
        return converted

    def _saved(self, item: object) -> object:
        try:
            self.encode(item)
        except RxDagError:
            return shown(item)
        return item


def entries_of(item_type: Any, where: str) -> Entries:
    """Return the entries of a source whose items have this type, if it is known."""
    try:
        return Entries(Codec((item_type,)), where, item_type)
    except StateError:  # it is no enum or record, and needs no name
        return Entries(Codec(), where)
