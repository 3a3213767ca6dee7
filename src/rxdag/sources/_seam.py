"""Seams: which items of a live source were in the history before it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rxdag.contract import UNITS
from rxdag.errors import SourceError, shown
from rxdag.expressions import getter

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

OnGap = Callable[[int, int], None]
"""Called with the last number of the history and the first one of the live source, if numbers are missing between."""


class Seam(ABC):
    """The memory of the end of a history, which live items are compared with."""

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """True if no live item can be a double any more."""

    @abstractmethod
    def passed(self, items: list[Any]) -> None:
        """Note items of the history, in order."""

    @abstractmethod
    def fresh(self, items: list[Any]) -> list[int]:
        """Return the indexes of the live items that are not doubles, ascending; not called once it is over."""

    @abstractmethod
    def save(self) -> Any:
        """Return what `restore` takes, as plain data."""

    @abstractmethod
    def restore(self, saved: Any) -> None:
        """Continue with the memory of another seam."""


@dataclass(frozen=True)
class ByKey:
    """Doubles are live items with a key that was among the last ones of the history.

    Attributes:
        key: Fields of the key.
        overlap: Number of items of the history, or a span of its event time in ns.
        time: Event time of an item, in `unit`; None if `overlap` is a number of items.
        unit: Unit of `time`.
    """

    key: tuple[Any, ...]
    overlap: int
    time: Any
    unit: str

    def open(self, item_type: Any, on_gap: OnGap) -> Seam:
        """Return the memory of one run."""
        return _KeySeam(self, item_type)


@dataclass(frozen=True)
class BySequence:
    """Doubles are live items with a sequence number that is not above the last one of the history.

    Attributes:
        sequence: The number of an item.
        consecutive: True if each number is that of the item before plus 1.
    """

    sequence: Any
    consecutive: bool

    def open(self, item_type: Any, on_gap: OnGap) -> Seam:
        """Return the memory of one run."""
        return _SequenceSeam(getter(self.sequence, item_type), on_gap if self.consecutive else None)


class _KeySeam(Seam):
    def __init__(self, how: ByKey, item_type: Any) -> None:
        self._keys = [getter(field, item_type) for field in how.key]
        self._overlap = how.overlap
        self._time = None if how.time is None else getter(how.time, item_type)
        self._scale = UNITS[how.unit]
        self._known = OrderedDict[Any, int]()
        """Keys of the overlap, each with its event time, the last one seen at the end."""
        self._latest = 0
        """Largest event time of the history, ns."""
        self._n_fresh = 0

    @property
    def is_over(self) -> bool:
        return not self._known

    def passed(self, items: list[Any]) -> None:
        known, by_time = self._known, self._time is not None
        for item in items if by_time else items[-self._overlap :]:
            key = self._key(item)
            known[key] = self._ns(item) if by_time else 0
            known.move_to_end(key)
            if not by_time:
                if len(known) > self._overlap:
                    known.popitem(last=False)
            elif known[key] > self._latest or len(known) == 1:
                self._latest = known[key]
                self._forget(self._latest - self._overlap)

    def _forget(self, before: int) -> None:
        known = self._known
        while known[next(iter(known))] < before:
            known.popitem(last=False)

    def fresh(self, items: list[Any]) -> list[int]:
        indexes: list[int] = []
        for i, item in enumerate(items):
            if self._known and self._key(item) in self._known:
                continue
            indexes.append(i)
            self._n_fresh += 1
            if self._known and self._is_behind(item):
                self._known.clear()
        return indexes

    def _is_behind(self, item: Any) -> bool:
        """Return True if no double can come after this live item."""
        if self._time is None:
            return self._n_fresh >= self._overlap
        return self._ns(item) > self._latest + self._overlap

    def _key(self, item: Any) -> Any:
        keys = self._keys
        key = keys[0](item) if len(keys) == 1 else tuple([key(item) for key in keys])
        try:
            hash(key)
        except TypeError as error:
            raise SourceError(f"then: key must be hashable, got {shown(key)} of {shown(item)}") from error
        return key

    def _ns(self, item: Any) -> int:
        assert self._time is not None
        time: Any = self._time(item)
        if time.__class__ is datetime and time.tzinfo is not None:
            return (time - _EPOCH) // _MICROSECOND * 1_000
        if isinstance(time, bool) or not hasattr(time, "__index__"):
            raise SourceError(
                f"then: time must be an int or a datetime with a time zone, got {shown(time)} of {shown(item)}"
            )
        return int(time.__index__()) * self._scale

    def save(self) -> Any:
        if self.is_over:
            return None
        times = None if self._time is None else list(self._known.values())
        return {"keys": list(self._known), "times": times, "latest": self._latest, "fresh": self._n_fresh}

    def restore(self, saved: Any) -> None:
        if saved is not None:
            keys = saved["keys"]
            self._known = OrderedDict(zip(keys, saved["times"] or [0] * len(keys), strict=True))
            self._latest, self._n_fresh = saved["latest"], saved["fresh"]


class _SequenceSeam(Seam):
    def __init__(self, sequence: Callable[[Any], Any], on_gap: OnGap | None) -> None:
        self._sequence = sequence
        self._on_gap = on_gap
        self._last: int | None = None

    @property
    def is_over(self) -> bool:
        return self._last is None

    def passed(self, items: list[Any]) -> None:
        if items:
            last = max(map(self._number, items))
            self._last = last if self._last is None else max(self._last, last)

    def fresh(self, items: list[Any]) -> list[int]:
        last = self._last
        assert last is not None
        for i, item in enumerate(items):
            number = self._number(item)
            if number > last:
                self._last = None
                if number > last + 1 and self._on_gap is not None:
                    self._on_gap(last, number)
                return list(range(i, len(items)))
        return []

    def _number(self, item: Any) -> int:
        number: Any = self._sequence(item)
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise SourceError(f"then: sequence must be a whole number, got {shown(number)} of {shown(item)}")
        return int(number.__index__())

    def save(self) -> int | None:
        return self._last

    def restore(self, saved: int | None) -> None:
        self._last = saved
