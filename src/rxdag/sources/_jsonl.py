"""Files of JSON lines."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from os import PathLike
from typing import Any, TypeVar

from rxdag.contract import RECEIVES, LineFile, Reader, Shape, Source, SourceContext, Where, zone_of
from rxdag.errors import GraphError, SourceError, shown, text_of
from rxdag.expressions import checks_itself
from rxdag.sources._blocks import BlocksReader, LinesReader, Parse
from rxdag.sources._files import checked_paths, open_files
from rxdag.sources._iterable import IteratorReader
from rxdag.sources._json import JsonDecoder
from rxdag.sources._jsonl_blocks import JsonlBlocks
from rxdag.sources._zones import zoned

T = TypeVar("T")


class _JsonlReader(IteratorReader, LinesReader):
    def __init__(self, path: str, of: Any, zone: tzinfo | None, context: SourceContext) -> None:
        self._context = context
        self.file = LineFile(path, "jsonl")
        self._decoder = JsonDecoder(of, partial(zoned, zone=zone))
        super().__init__(self._parse(), context, blocking=path == "-")

    def _parse(self) -> Generator[Any]:
        decode = self._decoder.decode
        for line in self.file.lines():
            if not line.strip():
                continue
            try:
                item = decode(line)
            except Exception as error:  # also errors of the type's own code
                problem = self.file.problem(
                    f"must be JSON of the items' type: {text_of(error)}, got {shown(line.rstrip(), most=80)}"
                )
                try:
                    self._context.bad(line, SourceError(str(problem)))
                except Exception:
                    self.file.give_back((line,))
                    raise
                continue
            yield item

    def is_between_lines(self) -> bool:
        return self._error is None

    def parser(self) -> Parse:
        return JsonlBlocks(self._decoder).parse

    def position(self) -> Any:
        return self.file.position()

    def seek(self, position: Any) -> None:
        self.file.verify(position)
        self.file.skip_to(position)

    def progress(self) -> float | None:
        return self.file.progress()

    def close(self) -> None:
        super().close()
        self.file.close()


@dataclass(frozen=True)
class _Jsonl(Source[T]):
    paths: tuple[str, ...]
    of: Any
    shape: Shape = field(repr=False)
    where: Where = field(repr=False)
    zone: tzinfo | None = None
    label = "jsonl"

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # lines of stdin come one by one
        return self.where == "inline"

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # stdin has none
        return None if self.where == "inline" else RECEIVES

    def open(self, context: SourceContext) -> Reader:
        def open_file(path: str) -> Reader:
            lines = _JsonlReader(path, self.of, self.zone, context)
            # Code of the type must not see an item twice, in a block and in its line.
            return BlocksReader(lines) if self.where == "inline" and not checks_itself(self.of) else lines

        return open_files(self.paths, "jsonl", open_file)


def jsonl(
    path: str | PathLike[str] | Sequence[str | PathLike[str]], /, of: type[T], *, tz: str | tzinfo | None = None
) -> Source[T]:
    """Read a file of JSON lines, or several, as typed items.

    A malformed line ends the run, with file, line, field and value; with `from_source(..., on_error="dead")` it goes to
    port "dead" as text and the run continues. An object without any field of its type is malformed, even if all fields
    have defaults. A truncated file or invalid UTF-8 always ends the run. Digits of a time below the microsecond are
    discarded.

    Several files are read one after another, as one stream. A run that continues from a checkpoint refuses a file that
    was added, is missing, or has changed since it was read to the end.

    Blocks of about 1 MiB are decoded at once, with the same result. A block with a malformed or blank line is decoded
    line by line, which takes longer, and so is a type with `__post_init__`.

    Args:
        path: Path of the file, UTF-8; "-" for stdin. Files that end in ".gz", ".bz2", ".zip" or ".zst" (extra "zstd") are
            decompressed; a zip archive must hold one file, or one that ends in ".jsonl". A pattern such as
            "trades-*.jsonl" gives the files that match when the run starts, in order of their names; a list gives files
            and patterns in its order.
        of: Type of the items: any type that msgspec decodes; `dict` for untyped objects.
        tz: Time zone of times without one, also in nested fields; see `sources.csv`. By default such times are
            malformed.

    Raises:
        GraphError: If msgspec cannot decode the type, or the zone is unknown.

    Example:
        >>> rows = rxdag.from_source(sources.jsonl("rows.jsonl", dict))
    """
    try:
        JsonDecoder(of)
    except TypeError as error:
        raise GraphError(
            f"jsonl: items must be of a type that msgspec decodes, got {shown(of)} ({text_of(error)})"
        ) from error
    paths = checked_paths(path, "jsonl")
    if of is None:
        raise GraphError("jsonl: of must be a type that msgspec decodes, got None; dict[str, Any] takes any object")
    return _Jsonl(paths, of, Shape(of), "blocking" if paths == ("-",) else "inline", zone_of(tz, "jsonl: tz"))
