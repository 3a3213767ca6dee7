"""Items of JSON texts: one of each, or the records inside an envelope."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from rxdag.errors import GraphError, shown, text_of
from rxdag.expressions import checks_itself, kinds_in
from rxdag.sources._json import JsonDecoder
from rxdag.sources._json_form import JsonForm, Names
from rxdag.sources._json_problem import json_problem

NO_RECORDS: Final = "no records"
"""The reason for which a text without records is dropped."""

_ANY: Final = msgspec.json.Decoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class Malformed:
    """Input that is not an item.

    Attributes:
        given: The text of the record, or the whole text.
        error: What must be true of it, and is not.
    """

    given: str | bytes
    error: Exception


class JsonItems:
    """Decodes texts to items.

    Args:
        of: Type of the items: anything that msgspec decodes.
        form: Form of the texts.
        zone: Adds the zone to a time, or refuses it; by default times are unchanged.

    Attributes:
        decoder: Decodes one item.

    Raises:
        TypeError: If msgspec cannot decode such a type.
    """

    def __init__(self, of: Any, form: JsonForm, zone: Callable[[datetime], datetime] | None = None) -> None:
        self._of = of
        self._form = form
        self.decoder = JsonDecoder(of, zone, strict=form.strict)
        self._many: Callable[[str], list[Any]] | None = None
        # Code of the type must not see a record twice, in the list and by itself.
        if form.records is not None and not any(map(checks_itself, kinds_in(of))):
            self._many = JsonDecoder(list[of], zone, strict=form.strict).decode

    def found(self, given: str | bytes) -> list[Any] | None:
        """Return the items of a text, with `Malformed` for what is not one; None if the text has no records."""
        names = self._form.records
        if names is None:
            return [self._item(given, given)]
        try:
            text = given if isinstance(given, str) else given.decode()
            value = text if not (names or self._form.when) else self._inside(text, names)
            if value is None:
                return None
            if value.lstrip()[:1] != "[":
                return [self._item(value, value)]
            return self._records(value)
        except (msgspec.MsgspecError, ValueError) as error:
            return [Malformed(given, json_problem(error, given, self._of))]

    def _item(self, text: str | bytes, given: str | bytes, place: str = "") -> Any:
        try:
            return self.decoder.decode(text)
        except Exception as error:  # also errors of the type's own code
            return Malformed(given, json_problem(error, text, self._of, place))

    def _records(self, value: str) -> list[Any]:
        if self._many is not None:
            with suppress(Exception):  # the record at fault is found below
                return self._many(value)
        texts = [_text(raw) for raw in _LIST.decode(value)]
        return [self._item(text, text, f"record {n} of {len(texts)} ") for n, text in enumerate(texts, 1)]

    def _inside(self, text: str, names: Names) -> str | None:
        """Return the records of an envelope; None if it has none, or not the values that it must have."""
        try:
            envelope = _OBJECT.decode(text)
        except msgspec.ValidationError:
            _ANY.decode(text)  # raises if it is not JSON at all
            return None
        for path, must in self._form.when.items():
            found = _value_at(envelope, path)
            value = None if found is None else _ANY.decode(found)
            if value.__class__ is not must.__class__ or value != must:
                return None
        return _value_at(envelope, names) if names else text


def json_items(of: Any, form: JsonForm, where: str) -> JsonItems:
    """Return the decoder of a type.

    Raises:
        GraphError: If msgspec cannot decode it.
    """
    try:
        return JsonItems(of, form)
    except TypeError as error:
        raise GraphError(
            f"{where}: items must be of a type that msgspec decodes, got {shown(of)} ({text_of(error)})"
        ) from error


def _value_at(envelope: dict[str, msgspec.Raw], names: Names) -> str | None:
    """Return the JSON of a value inside an object; None if it is not there, or null."""
    value = envelope.get(names[0])
    for name in names[1:]:
        try:
            value = None if value is None else _OBJECT.decode(value).get(name)
        except msgspec.ValidationError:  # no object
            return None
    text = None if value is None else _text(value)
    return None if text == "null" else text


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()
