"""Positions of the texts of lines: beside them, and clear of other lines, boxes and texts as far as possible."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]
Ends: TypeAlias = tuple[str, str]

_CHAR: Final = 6.1
"""Width of a character, px."""
_LINE: Final = 12
_OFF: Final = 6
"""Distance between a line and its text, px."""
_STEPS: Final = 24
"""Number of points of a curve that are tested."""
_OVERLAP: Final = 100
"""Score of a text on a box or another text; each point of a line scores 1."""


@dataclass(frozen=True)
class Rect:
    """A rectangle: left, top, right and bottom, px."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Rect) -> bool:
        """Return whether both have points in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )  # fmt: skip


@dataclass(frozen=True)
class Note:
    """A text beside a line; `x` is its left end, `y` its base line."""

    x: float
    y: float
    text: str


def room_for(texts: Sequence[str]) -> float:
    """Return the least length of a line that has these texts beside it, px."""
    return _width(texts) + 6 * _OFF if texts else 0.0


def notes_beside(
    links: Mapping[Ends, Sequence[str]], routes: Mapping[Ends, list[Point]], boxes: Iterable[Rect]
) -> list[Note]:
    """Return the texts of the links, each at the best position along its line."""
    curves = sorted(point for route in routes.values() for point in _points_of(route))
    taken = list(boxes)
    notes: list[Note] = []
    for ends, texts in links.items():
        if not texts:
            continue
        places = _places(routes[ends], texts)
        scores = [_crowd(place, curves, taken) for place in places]
        place = places[scores.index(min(scores))]
        taken.append(place)
        notes += [Note(place.left, place.top + (i + 1) * _LINE - 3, text) for i, text in enumerate(texts)]
    return notes


def curve(route: Sequence[Point]) -> str:
    """Return the path of a line through some points, level at each of them."""
    (x, y), *rest = route
    parts = [f"M{x:.1f} {y:.1f}"]
    for x2, y2 in rest:
        middle = (x + x2) / 2
        parts.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}")
        x, y = x2, y2
    return "".join(parts)


def _points_of(route: Sequence[Point]) -> Iterator[Point]:
    for (x, y), (x2, y2) in pairwise(route):
        for step in range(_STEPS + 1):
            t = step / _STEPS
            bend = 1.5 * t * (1 - t) + t**3  # of a cubic curve with both control points in the middle
            yield x + (x2 - x) * bend, y + (y2 - y) * (3 - 2 * t) * t * t


def _width(texts: Sequence[str]) -> float:
    return max(map(len, texts)) * _CHAR


def _places(route: list[Point], texts: Sequence[str]) -> list[Rect]:
    """Return the possible positions: at the tip, first on the side the line does not come from; at the start; on the way."""
    width, height = _width(texts), _LINE * len(texts)
    (start, begin), (_, before), (tip, end) = route[0], route[-2], route[-1]
    at = [(tip - 2 * _OFF - width, end, before >= end), (start + _OFF, begin, route[1][1] >= begin)]
    at += [(x - width / 2, y, True) for x, y in route[1:-1]]
    return [
        Rect(left, y - _OFF + 3 - height, left + width, y - _OFF + 3)
        if is_above
        else Rect(left, y + _OFF - 3, left + width, y + _OFF - 3 + height)
        for left, y, first in at
        for is_above in (first, not first)
    ]


def _crowd(place: Rect, curves: Sequence[Point], taken: Iterable[Rect]) -> int:
    """Return how crowded a position is: the points of lines and the other texts there."""
    near = curves[bisect_left(curves, (place.left, -1e9)) : bisect_right(curves, (place.right, 1e9))]
    return sum(place.top < y < place.bottom for _, y in near) + _OVERLAP * sum(map(place.meets, taken))
