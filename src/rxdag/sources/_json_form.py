"""The form of JSON: how records are written in it, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from rxdag.contract import flag
from rxdag.errors import GraphError, shown

Names: TypeAlias = tuple[str, ...]
"""Names of fields, from the outermost object to a value inside it."""


@dataclass(frozen=True)
class JsonForm:
    """The form of JSON texts.

    Attributes:
        strict: False if numbers and truths may be written as texts.
        records: Path to the records of a text, empty for the text itself; None if each text is an item.
        when: The values that a text with records has, by path.
    """

    strict: bool = True
    records: Names | None = None
    when: Mapping[Names, str | int | bool] = field(default_factory=lambda: dict[Names, str | int | bool](), hash=False)


USUAL_FORM: Final = JsonForm()
"""Numbers are numbers, and each text is an item."""


def json_form(where: str, strict: Any, records: Any, when: Any) -> JsonForm:
    """Return the checked form.

    Raises:
        GraphError: If an argument is invalid.
    """
    is_strict = flag(strict, f"{where}: strict")
    if records is None:
        if when is not None:
            raise GraphError(
                f'{where}: when must come with records=, got {shown(when)} alone; pass records="" if each text is a record'
            )
        return JsonForm(is_strict)
    names = _names(records, f"{where}: records") if records != "" else ()
    return JsonForm(is_strict, names, {} if when is None else _values(when, f"{where}: when"))


def _values(when: Any, where: str) -> dict[Names, str | int | bool]:
    try:
        values = msgspec.convert(when, dict[str, str | int | bool])
    except msgspec.ValidationError:
        values = {}
    if not values:
        raise GraphError(
            f'{where} must map paths to texts, ints or bools, such as {{"channel": "trade"}}, got {shown(when)}'
        )
    return {_names(path, where): value for path, value in values.items()}


def _names(path: Any, where: str) -> Names:
    names = path.split(".") if isinstance(path, str) else []
    if not names or "" in names:
        raise GraphError(
            f'{where} must be names of fields with dots between them, such as "data.trades", got {shown(path)}'
        )
    return tuple(names)
