"""Pairs: each value inside an item, beside its origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from rxdag.expressions._foreign import names_in_text


def pairs(item: Any, plain: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each leaf value of an item, with the plain value it was decoded from.

    Args:
        item: The decoded item.
        plain: The plain data it was decoded from: dicts, lists and values.
    """
    if isinstance(plain, dict):
        yield from _in_dict(item, plain)  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    elif isinstance(plain, list | tuple | set | frozenset):
        yield from _in_list(item, list(plain))  # pyright: ignore[reportUnknownArgumentType]  # of whatever
    else:
        yield item, plain


def _in_dict(item: Any, plain: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    if not isinstance(item, dict):
        for name, field in names_in_text(item.__class__).items():
            if name in plain:
                yield from pairs(getattr(item, field), plain[name])
    elif len(item) == len(plain):  # pyright: ignore[reportUnknownArgumentType]  # of whatever
        for (key, value), (plain_key, plain_value) in zip(item.items(), plain.items(), strict=True):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # of whatever
            yield from pairs(key, plain_key)
            yield from pairs(value, plain_value)
    else:  # a TypedDict keeps only its known fields
        for key, value in item.items():  # pyright: ignore[reportUnknownVariableType]  # of whatever
            if key in plain:
                yield from pairs(value, plain[key])


def _in_list(item: Any, plain: list[Any]) -> Iterator[tuple[Any, Any]]:
    if isinstance(item, set | frozenset):  # in no order
        for each in plain:
            yield from ((made, each) for made in ([each] if each in item else item))  # pyright: ignore[reportUnknownVariableType]  # of whatever
        return
    if isinstance(item, msgspec.Struct):  # a record that is written as a list
        tags = 0 if type(item).__struct_config__.tag is None else 1
        item, plain = [getattr(item, field.name) for field in msgspec.structs.fields(type(item))], plain[tags:]
    if isinstance(item, list | tuple):
        for made, given in zip(item, plain, strict=False):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # of whatever
            yield from pairs(made, given)
