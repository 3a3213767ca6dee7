"""Recorded journals as sources."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Final, TypeVar

from rxdag.contract import (
    END,
    JournalStats,
    Read,
    Reader,
    Shape,
    Source,
    SourceContext,
    checked_path,
    flag,
    item_type,
    nearest_file,
)
from rxdag.errors import GraphError, SourceError, did_you_mean, shown
from rxdag.journal import Cursor, Kind, entries_of, oldest, path_of, segments, size_of, tail_of
from rxdag.sources._playback import Playback

T = TypeVar("T")

_POLL_NS: Final = 10_000_000
"""Time between two looks for new records, ns."""


class _JournalReaderReader(Reader):
    """Reads the records of one source. Its position is the arrival number after the last item."""

    def __init__(self, source: Recorded[Any], context: SourceContext) -> None:
        self._source = source
        self._context = context
        self._name = source.source or context.name
        if not source.follow:
            self._name = self._recorded_name()
        self._arrival: int | None = None
        self._playback: Playback | None = None
        self._is_over = False

    def _recorded_name(self) -> str:
        """Return the name of the source to read, after checking that the journal has it."""
        path, known = self._source.path, tail_of(self._source.path).sources
        if not known:
            near = "" if os.path.exists(path) else nearest_file(path)
            raise SourceError(
                f'journal_reader: path must be the folder of a journal, got "{path}"{near}; with follow=True, it may '
                "be recorded later"
            )
        if self._source.source is None and len(known) == 1:
            return next(iter(known))
        if self._name not in known:
            raise SourceError(
                f'journal_reader: source must be one that "{path}" has, {", ".join(sorted(known))}, got "{self._name}"'
                f"{did_you_mean(self._name, known)}"
            )
        return self._name

    def _opened(self) -> Playback | None:
        """Return the playback, once there is a journal."""
        if self._playback is None:
            first = oldest(self._source.path) if self._arrival is None else self._arrival
            if first is None:
                return None
            source = self._source
            entries = entries_of(source.shape.item_type, f'journal "{source.path}"')
            self._playback = Playback(source.path, self._name, self._context, source.side_ports, entries, first)
        return self._playback

    def read(self, max_items: int) -> Read:
        playback = self._opened()
        read = END if self._is_over else None if playback is None else playback.read(max_items)
        if read is not None or (playback is not None and playback.is_waiting):
            return read
        if self._source.follow:
            self._context.wake_at(self._context.clock.now() + _POLL_NS)
            return None
        self._is_over = True
        return END

    def position(self) -> dict[str, Any]:
        return {"arrival": self._arrival if self._playback is None else self._playback.arrival}

    def seek(self, position: dict[str, Any]) -> None:
        self._arrival = position["arrival"]
        end = tail_of(self._source.path).arrival
        if self._arrival is not None and self._arrival > end:
            raise SourceError(
                f'journal_reader: "{self._source.path}" must have the records up to {self._arrival:,}, got one that ends '
                f"at {end:,}; restore the journal that the checkpoint was taken from, or start without the checkpoint"
            )

    def journal(self) -> JournalStats:
        playback, path = self._playback, self._source.path
        found = segments(path)
        behind_ns = 0
        if found and playback is not None and playback.at and not playback.is_caught_up:
            with contextlib.suppress(FileNotFoundError):
                behind_ns = max(0, os.stat(path_of(path, found[-1])).st_mtime_ns - playback.at)
        return JournalStats(path, size_of(path), behind_ns / 1e9, 0 if playback is None else playback.gaps)

    def close(self) -> None:
        if self._playback is not None:
            self._playback.close()


# pyright: reportIncompatibleVariableOverride=false
# Attributes of a source are plain; here one depends on an argument.
@dataclass(frozen=True)
class Recorded(Source[T]):
    """A source of what has been recorded; its attributes are the arguments of `journal_reader`, and the ports."""

    path: str
    follow: bool
    source: str | None
    shape: Shape = field(repr=False)
    side_ports: tuple[str, ...] = field(default=("events",), repr=False)
    label = "journal_reader"
    no_position = None

    @property
    def is_stored(self) -> bool:  # type: ignore[override]
        return not self.follow

    @property
    def replays(self) -> bool:  # type: ignore[override]
        return not self.follow

    @property
    def recorded_at(self) -> int | None:  # type: ignore[override]
        cursor = Cursor(self.path)
        try:
            while (first := cursor.next()) is not None and first.kind is Kind.SOURCES:
                pass
        finally:
            cursor.close()
        return None if first is None else first.at

    def open(self, context: SourceContext) -> Reader:
        return _JournalReaderReader(self, context)


def journal_reader(
    path: str | PathLike[str],
    /,
    *,
    follow: bool = False,
    source: str | None = None,
    of: type[T] | None = None,
) -> Source[T]:
    """Read the items that `sources.journal` or `rxdag record` has recorded.

    Any number of readers, in any process, can read a journal while it is recorded, each at its own position. Malformed
    items are handled by the policy of this node. Gaps and the items of port "events" are emitted on port "events".

    In virtual time, the clock begins at the first record of the journal, and each item is delivered at its time of receipt.
    Items of several sources of a journal then arrive in the order in which they were recorded.

    Args:
        path: Folder of the journal.
        follow: True to wait at the end for new records, which are read up to 10 ms after they are written; the reader then
            ends when the recorded source has ended by itself. By default, it ends at the end of the journal.
        source: Name under which the source was recorded; by default the name of this node. Without `follow`, a journal with
            a single source needs no name.
        of: Type of the items. Items that another program recorded, as a class of another name, are converted to it by field
            name.

    Raises:
        GraphError: If an argument is invalid.
        SourceError: When it is opened or read, if there is no journal or no such source, if the journal is damaged, or if
            its retention has deleted records that were not read yet.
        StateError: While reading, if the class of an item is not known; import its module first.

    Example:
        >>> live = sources.journal(sources.iterable([10.0, 10.5]), "journal")
        >>> rxdag.from_source(live, name="prices").head(2)
        [10.0, 10.5]
        >>> rxdag.from_source(sources.journal_reader("journal", follow=True, source="prices")).head(2)
        [10.0, 10.5]
    """
    if source is not None and (not isinstance(source, str) or not source):
        raise GraphError(f"journal_reader: source must be the name of a source, got {shown(source)}")
    shape = Shape(item_type(of, "journal_reader: of"))
    return Recorded(checked_path(path, "journal_reader"), flag(follow, "journal_reader: follow"), source, shape)
