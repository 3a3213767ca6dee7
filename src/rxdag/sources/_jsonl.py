"""Files of JSON lines."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from itertools import chain
from os import PathLike
from types import UnionType
from typing import Any, TypeVar

from rxdag.contract import RECEIVES, LineFile, Reader, Shape, Source, SourceContext, Where, zone_of
from rxdag.errors import GraphError, SourceError, text_of
from rxdag.expressions import checks_itself, kinds_in
from rxdag.sources._blocks import BlocksReader, LinesReader, Parse
from rxdag.sources._files import checked_paths, open_files
from rxdag.sources._iterable import IteratorReader
from rxdag.sources._json_form import USUAL_FORM, JsonForm, json_form
from rxdag.sources._json_items import NO_RECORDS, JsonItems, Malformed, json_items
from rxdag.sources._jsonl_blocks import JsonlBlocks
from rxdag.sources._zones import zoned

T = TypeVar("T")


class _JsonlReader(IteratorReader, LinesReader):
    def __init__(self, path: str, source: _Jsonl[Any], context: SourceContext) -> None:
        self._context = context
        self.file = LineFile(path, "jsonl")
        self._items_of = JsonItems(source.of, source.form, partial(zoned, zone=source.zone))
        self._part: tuple[str, int] | None = None
        """The line that is read and its number of records so far; None between lines."""
        self._again: list[str] = []
        """The line in which to continue."""
        super().__init__(self._parse(), context, blocking=path == "-")

    def _parse(self) -> Generator[Any]:
        found_in = self._items_of.found
        for line in chain(self._again, self.file.lines()):
            if not line.strip():
                continue
            found = found_in(line)
            n_before = 0 if self._part is None else self._part[1]
            if found is None or len(found) <= n_before:
                self._part = None
                if found is None:
                    self._context.drop(NO_RECORDS)
                continue
            for n, item in enumerate(found[n_before:], n_before + 1):
                if item.__class__ is Malformed:
                    self._refuse(line, item)
                self._part = None if n == len(found) else (line, n)
                if item.__class__ is not Malformed:
                    yield item

    def _refuse(self, line: str, item: Malformed) -> None:
        try:
            self._context.bad(item.given, self.file.problem(text_of(item.error)))
        except Exception:
            if self._part is None:
                self.file.give_back((line,))
            raise

    def is_between_lines(self) -> bool:
        return self._error is None

    def parser(self) -> Parse:
        return JsonlBlocks(self._items_of.decoder).parse

    def position(self) -> Any:
        position = self.file.position()
        if position is None or self._part is None:
            return position
        line, n = self._part
        begin = self.file.byte - len(line.encode()) if self.file.line > 1 else 0  # line 1 may have a byte order mark
        return position | {"begin": begin, "records": n, "digest": _digest(line)}

    def seek(self, position: Any) -> None:
        self.file.verify(position)
        if "records" not in position:
            self.file.skip_to(position)
            return
        self.file.skip_to({"byte": position["begin"], "line": position["line"] - 1})
        line = next(self.file.lines(), "")
        if _digest(line) != position["digest"]:
            raise SourceError(
                f'jsonl: "{self.file.name}" must be the file that the checkpoint was taken from, got one whose line '
                f"{position['line']:,} is another one; put that file back, or start without the checkpoint"
            )
        self._part, self._again = (line, position["records"]), [line]

    def progress(self) -> float | None:
        return self.file.progress()

    def close(self) -> None:
        super().close()
        self.file.close()


def _digest(line: str) -> bytes:
    """Return the digest of a line, whose end may have been written later."""
    return hashlib.blake2b(line.rstrip("\r\n").encode(), digest_size=16).digest()


@dataclass(frozen=True)
class _Jsonl(Source[T]):
    paths: tuple[str, ...]
    of: Any
    shape: Shape = field(repr=False)
    where: Where = field(repr=False)
    zone: tzinfo | None = None
    form: JsonForm = USUAL_FORM
    label = "jsonl"

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # lines of stdin come one by one
        return self.where == "inline"

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # stdin has none
        return None if self.where == "inline" else RECEIVES

    def open(self, context: SourceContext) -> Reader:
        # Code of the type must not see an item twice, in a block and in its line.
        is_one_by_one = any(map(checks_itself, kinds_in(self.of))) or self.form.records is not None

        def open_file(path: str) -> Reader:
            lines = _JsonlReader(path, self, context)
            return lines if is_one_by_one or self.where != "inline" else BlocksReader(lines)

        return open_files(self.paths, "jsonl", open_file)


def jsonl(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    /,
    of: type[T] | UnionType,
    *,
    tz: str | tzinfo | None = None,
    strict: bool = True,
    records: str | None = None,
    when: Mapping[str, str | int | bool] | None = None,
) -> Source[T]:
    """Read a file of JSON lines, or several, as typed items.

    A malformed line ends the run, with file, line, field and value; with `from_source(..., on_error="dead")` it goes to
    port "dead" as text and the run continues. An object without any field of its type is malformed, even if all fields
    have defaults. A truncated file or invalid UTF-8 always ends the run. Digits of a time below the microsecond are
    discarded.

    With `records`, a line is an envelope, which may hold several items or none. A malformed record does not affect the
    other records of its line; it goes to port "dead" as the text of the record. Lines without the path or with null
    there, such as heartbeats and acknowledgements, and lines that `when` excludes are counted as dropped, with the reason
    "no records". A run that continues from a checkpoint does so at the next record, also in the middle of a line. The
    records of a line are in memory at once.

    Several files are read one after another, as one stream. A run that continues from a checkpoint refuses a file that
    was added, is missing, or has changed since it was read to the end.

    Blocks of about 1 MiB are decoded at once, with the same result. A block with a malformed or blank line is decoded
    line by line, which takes longer, and so are a type with `__post_init__` and lines with `records`.

    Args:
        path: Path of the file, UTF-8; "-" for stdin. Files that end in ".gz", ".bz2", ".zip" or ".zst" (extra "zstd") are
            decompressed; a zip archive must hold one file, or one that ends in ".jsonl". A pattern such as
            "trades-*.jsonl" gives the files that match when the run starts, in order of their names; a list gives files
            and patterns in its order.
        of: Type of the items: any type that msgspec decodes; `dict` for untyped objects. A msgspec.Struct with
            `array_like=True` is written as a list of its fields. Of a union of several, each has a `tag=`; type checkers
            need a declaration, as in `feed: sources.Source[Trade | Quote] = sources.jsonl(path, Trade | Quote)`.
        tz: Time zone of times without one, also in nested fields; see `sources.csv`. By default such times are
            malformed.
        strict: False if numbers and bools may be written as texts: "1.50" as int, float or Decimal, "true" or "1" as bool,
            "null" as None. A field that may be a text keeps the text. Numbers are no times: declare them as int or
            float, and use `ops.event_time(unit=)`.
        records: Path to the records in a line, names of fields with dots between them, such as "data.trades"; "" for
            the line itself. A list there is a list of records; any other value is one record.
        when: Values by path that a line with records must have, such as `{"channel": "trade"}`. A run that continues
            after a restart may have other ones, for the lines that follow.

    Raises:
        GraphError: If msgspec cannot decode the type, the zone is unknown, or another argument is invalid.

    Example:
        >>> rows = rxdag.from_source(sources.jsonl("rows.jsonl", dict))
        >>> trades = rxdag.from_source(sources.jsonl("okx.jsonl", Trade, strict=False, records="data"))
    """
    form = json_form("jsonl", strict, records, when)
    paths = checked_paths(path, "jsonl")
    if of is None:
        raise GraphError("jsonl: of must be a type that msgspec decodes, got None; dict[str, Any] takes any object")
    json_items(of, form, "jsonl")
    return _Jsonl(paths, of, Shape(of), "blocking" if paths == ("-",) else "inline", zone_of(tz, "jsonl: tz"), form)
