"""Rows: conversion of columns to items."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import starmap
from operator import attrgetter, itemgetter
from typing import Any, Final

from rxdag.columns._column import Column, column_of
from rxdag.expressions import ITEM, field_names, plain_fields, positional

SCALAR: Final = (ITEM,)
"""Column names of a stream whose items are not records."""

_new_tuple: Final[Callable[..., Any]] = vars(tuple)["__new__"]

Maker = Callable[[Sequence[list[Any]]], list[Any]]


@lru_cache(maxsize=256)
def row_maker(of: Any, names: tuple[str, ...]) -> Maker:
    """Return the function that makes items of columns, given as lists in the order of the names."""
    if names == SCALAR:
        return lambda lists: list(lists[0])
    if of is None or _is_mapping(of):
        return lambda lists: [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
    if names == plain_fields(of):
        make = partial(_new_tuple, of)  # what the generated constructor calls
        return lambda lists: list(map(make, zip(*lists, strict=True)))
    if names == positional(of):
        return lambda lists: list(starmap(of, zip(*lists, strict=True)))
    return lambda lists: [of(**dict(zip(names, row, strict=True))) for row in zip(*lists, strict=True)]


def _is_mapping(of: Any) -> bool:
    origin = typing.get_origin(of) or of
    return typing.is_typeddict(of) or (isinstance(origin, type) and issubclass(origin, Mapping))


def columns_of_items(items: list[Any], of: Any) -> dict[str, Column]:
    """Return items as columns; a single column if their type has no fields.

    Raises:
        ValueError: If an item has fields that the other items, or their type, lack.
    """
    names = field_names(of)
    is_mapping = _is_mapping(type(items[0]))
    if names is None:
        if len(set(map(type, items))) > 1:
            raise ValueError("items must be of one type, or say with of= what they have in common")
        names = tuple(items[0]) if is_mapping else field_names(type(items[0]))
    if names is None:
        return {ITEM: column_of(items)}
    if is_mapping:
        if set(map(len, items)) != {len(names)}:
            raise ValueError(f"items must have the fields {', '.join(map(str, names))}, and no others")
        return {name: column_of([*map(itemgetter(name), items)]) for name in names}
    return {name: column_of([*map(attrgetter(name), items)]) for name in names}
