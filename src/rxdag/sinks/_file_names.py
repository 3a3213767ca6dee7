"""Names of files: a number in front of the ending, and parts that fields of the items or their event time give."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from rxdag.errors import GraphError, shown
from rxdag.sinks._packing import PACKED

Place: TypeAlias = tuple[str, ...]
"""The parts of a path that differ from item to item, escaped; empty if the path has none."""

_BRACES: Final = re.compile(r"\{[^{}]*\}")
_NUMBER: Final = "\0"
_FORMATS: Final = {"date": "%Y-%m-%d", "hour": "%H"}


@dataclass(frozen=True)
class PathPart:
    """A part of a path in braces.

    Attributes:
        name: Name of a field of the items; "date", "hour" and "time" are those of the event time.
        time_format: Format of the event time for `strftime`; empty for a field.
    """

    name: str
    time_format: str = ""


def parts_of(path: str, where: str) -> tuple[PathPart, ...]:
    """Return the parts of a path in braces, in order.

    Raises:
        GraphError: If one is neither a name nor a time with a format.
    """
    return tuple(_part(found[0][1:-1], path, where) for found in _BRACES.finditer(path))


def _part(text: str, path: str, where: str) -> PathPart:
    name, _, given = text.partition(":")
    time_format = given if name == "time" else _FORMATS.get(text, "")
    is_time = name == "time" or name in _FORMATS
    if not text.isidentifier() if not is_time else not _is_format(time_format):
        raise GraphError(
            f"{where}: path must have a field, {{date}}, {{hour}} or a time such as {{time:%Y-%m}} in braces, "
            f"got {shown(path)}"
        )
    return PathPart(name, time_format)


def _is_format(text: str) -> bool:
    """Return True for a format of times that makes one part of a path, for spans of a second or longer."""
    try:
        made = datetime(2000, 1, 2, 3, tzinfo=UTC).strftime(text)
    except ValueError:
        return False
    return made not in ("", text) and "/" not in made and "%f" not in text


def numbered(path: str, number: str) -> str:
    """Return the path of a numbered file: "out/bars.csv.gz" and "000001" give "out/bars-000001.csv.gz"."""
    folder, name = os.path.split(path)
    bare = next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)
    stem, ending = os.path.splitext(bare)
    if "}" in ending:  # a part with a dot, such as {time:%H.%M}
        stem, ending = bare, ""
    return os.path.join(folder, f"{stem}-{number}{ending}{name[len(bare) :]}")


class FileNames:
    """The names of the numbered files of a sink.

    Args:
        path: Path that the names are made of.
    """

    def __init__(self, path: str) -> None:
        self.pattern = numbered(path, "*")
        """The names as messages show them."""
        self._template = numbered(path, _NUMBER)
        self._literals = _BRACES.split(self._template)

    def path(self, number: int, place: Place) -> str:
        """Return the path of a file."""
        text = "".join(f"{literal}{part}" for literal, part in zip(self._literals, (*place, ""), strict=True))
        return text.replace(_NUMBER, f"{number:06d}")

    def first(self, number: int) -> str:
        """Return a path in the folder that holds all files and folders of this sink."""
        folder, name = os.path.dirname(self._literals[0]), os.path.basename(self._template)
        return os.path.join(folder, name).replace(_NUMBER, f"{number:06d}")

    def highest(self) -> tuple[int, str]:
        """Return the highest number that a file has, and its path; 0 for none."""
        number_of = re.compile(_expression(self._template), re.DOTALL).fullmatch
        paths = glob.iglob(_wildcard(self._template))
        return max(((int(found[1]), path) for path in paths if (found := number_of(path))), default=(0, ""))

    def folders(self) -> list[str]:
        """Return the folders that files may be in."""
        return glob.glob(_wildcard(os.path.dirname(self._template)) or ".")

    def is_name(self, name: str) -> bool:
        """Return True for the name of a file, without its folder."""
        return re.fullmatch(_expression(os.path.basename(self._template)), name, re.DOTALL) is not None


def _wildcard(template: str) -> str:
    return "*".join(map(glob.escape, _BRACES.split(template))).replace(_NUMBER, "*")


def _expression(template: str) -> str:
    """Return the regular expression of paths; its group is the number."""
    return "[^/]+".join(map(re.escape, _BRACES.split(template))).replace(re.escape(_NUMBER), "([0-9]{6,})")
