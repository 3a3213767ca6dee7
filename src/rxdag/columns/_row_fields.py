"""Fields of items that are there as objects: an array of each is made once somebody asks for it."""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rxdag.columns._column import Coded, Column, column_of, concatenate
from rxdag.expressions import FieldExpr, Reader, attribute_names, plain_fields

_ZIPPED: Final = 512
"""So many items are zipped at once, which makes an iterator of each: from 700 objects on the collector would look at them."""
_PART: Final = 4096
"""So many items are taken apart at once: their values are still in the processor's cache when arrays are made of them."""
_HEAD: Final = 5
"""Bytes before the first value that is written."""
_MOST_TEXTS: Final = 4096
"""So many texts of a field are remembered from one run to the next."""


_FORMS: Final[dict[type, tuple[np.dtype[Any], int]]] = {
    float: (np.dtype([("kind", "u1"), ("value", "<f8")]), ord("g")),
    int: (np.dtype([("kind", "u1"), ("value", "<i4")]), ord("i")),
}
"""How `marshal` writes a float, and an int of 32 bits."""


def _written(values: list[Any], form: np.dtype[Any], kind: int) -> NDArray[Any] | None:
    """The values as an array, if all of them are of just that type; None if not.

    `marshal` writes each with a letter for its type, and subclasses otherwise or not at all: looking at the letters is
    faster than looking at the types, and what is behind them is the array.
    """
    try:
        data = marshal.dumps(values, 2)  # the first version that writes floats as they are; later ones note repetitions
    except ValueError:
        return None
    n = len(values)
    if len(data) != _HEAD + n * form.itemsize:
        return None
    written = np.frombuffer(data, form, n, _HEAD)
    if not (written["kind"] == kind).all():
        return None
    return written["value"].astype(np.float64 if kind == ord("g") else np.int64)


class Known:
    """What the runs of one stream share.

    Attributes:
        of: Type of the items.
        names: Of its fields.
        asked: Fields that somebody has asked for: of the next run they are made at once.
    """

    __slots__ = ("_forms", "_places", "_readers", "_texts", "asked", "names", "of")

    def __init__(self, of: Any, names: tuple[str, ...]) -> None:
        self.of = of
        self.names = names
        self.asked: list[str] = []
        self._places = {name: at for at, name in enumerate(plain_fields(of) or ())}
        self._texts: dict[str, tuple[dict[str, int], list[str]]] = {}
        self._readers: dict[str, Reader] = {}
        self._forms: dict[str, tuple[np.dtype[Any], int]] = {}

    @classmethod
    def of_type(cls, of: Any) -> Known | None:
        """For items that have their fields as attributes; None for any other: a mapping may have other keys."""
        names = attribute_names(of)
        return cls(of, names) if names else None

    def lists(self, items: list[Any], names: Sequence[str]) -> list[list[Any]]:
        """The values of some fields."""
        if not self._places:
            return [self._reader(name).each(items) for name in names]
        lists: list[list[Any]] = [[] for _ in names]
        for start in range(0, len(items), _ZIPPED):
            every = tuple(zip(*items[start : start + _ZIPPED], strict=True))
            for values, name in zip(lists, names, strict=True):
                values += every[self._places[name]]
        return lists

    def _reader(self, name: str) -> Reader:
        reader = self._readers.get(name)
        if reader is None:
            reader = self._readers[name] = Reader(FieldExpr(name), self.of)
        return reader

    def column(self, name: str, values: list[Any]) -> Column:
        """The column of some values of a field."""
        written = _written(values, *self._forms[name]) if name in self._forms else None
        if written is not None:
            return written
        kinds = set(map(type, values))
        form = _FORMS.get(next(iter(kinds))) if len(kinds) == 1 else None
        if form is not None:
            self._forms[name] = form
        return self._coded(name, values) if kinds == {str} else column_of(values)

    def _coded(self, name: str, values: list[str]) -> Coded:
        """Dictionary-code texts; runs share the dictionary, which begins anew once it is large."""
        codes_of, names = self._texts.get(name) or ({}, [])
        if not names or len(names) > _MOST_TEXTS:
            codes_of, names = self._texts[name] = ({}, [])
        codes = np.empty(len(values), np.int64)
        try:
            at = [codes_of[value] for value in values]
        except KeyError:
            at = [codes_of.setdefault(value, len(codes_of)) for value in values]
            names.extend(islice(codes_of, len(names), None))
        struct.pack_into(f"{len(values)}q", codes.data, 0, *at)
        return Coded(codes, names)


class RowFields(Mapping[str, Column]):
    """The columns of items of one type, made when they are first asked for; the items stay at hand.

    Args:
        runs: The items, one or more, each of just that type.
        known: What the runs of their stream share.
        columns: Those that are known already.
    """

    __slots__ = ("_columns", "_known", "_runs")

    def __init__(self, runs: list[list[Any]], known: Known, columns: dict[str, Column] | None = None) -> None:
        self._runs = runs
        self._known = known
        self._columns: dict[str, Column] = {} if columns is None else columns

    @property
    def rows(self) -> list[Any]:
        """The items."""
        if len(self._runs) > 1:
            self._runs = [list(chain.from_iterable(self._runs))]
        return self._runs[0]

    def __getitem__(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            known = self._known
            if name not in known.names:
                raise KeyError(name)
            if name not in known.asked:
                known.asked.append(name)
            try:
                self._make([each for each in known.asked if each not in self._columns])
            except Exception:  # perhaps another field cannot be had of an item, which is not what is asked now
                self._make([name])
            column = self._columns[name]
        return column

    def _make(self, names: list[str]) -> None:
        items, known = self.rows, self._known
        parts: list[list[Column]] = [[] for _ in names]
        for start in range(0, len(items), _PART):
            part = items[start : start + _PART] if len(items) > _PART else items
            for made, name, values in zip(parts, names, known.lists(part, names), strict=True):
                made.append(known.column(name, values))
        for name, made in zip(names, parts, strict=True):
            self._columns[name] = concatenate(made)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known.names)

    def __len__(self) -> int:
        return len(self._known.names)

    def known_columns(self) -> dict[str, Column]:
        """Those that have been made."""
        return self._columns

    def of_runs(self, runs: list[list[Any]], columns: dict[str, Column]) -> RowFields:
        """The fields of other items of the same stream, some columns of which are known."""
        return RowFields(runs, self._known, columns)

    def __contains__(self, name: object) -> bool:
        return name in self._known.names
