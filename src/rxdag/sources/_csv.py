"""CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from importlib.util import find_spec
from os import PathLike
from typing import Any, TypeVar

from rxdag.contract import RECEIVES, Reader, Shape, Source, SourceContext, Where, zone_of
from rxdag.errors import GraphError, shown
from rxdag.expressions import checks_itself
from rxdag.sources._blocks import BlocksReader
from rxdag.sources._csv_names import check_renamed
from rxdag.sources._csv_reader import CsvColumnsReader, CsvReader
from rxdag.sources._dialect import USUAL, Dialect
from rxdag.sources._files import checked_paths, open_files
from rxdag.sources._records import record_fields, required_fields
from rxdag.sources._texts import check_texts

T = TypeVar("T")


@dataclass(frozen=True)
class _Csv(Source[T]):
    paths: tuple[str, ...]
    of: Any
    shape: Shape = field(repr=False)
    where: Where = field(repr=False)
    zone: tzinfo | None = None
    dialect: Dialect = USUAL
    label = "csv"

    @property
    def gives_columns(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # some are read row by row
        return self.where == "inline" and not checks_itself(self.of)

    @property
    def is_stored(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        return self.where == "inline"

    @property
    def no_position(self) -> str | None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        return None if self.where == "inline" else RECEIVES

    def open(self, context: SourceContext) -> Reader:
        def open_file(path: str) -> Reader:
            rows = CsvReader(path, self.of, self.zone, self.dialect, context)
            reader = CsvColumnsReader(rows) if context.wants_columns else rows
            return BlocksReader(reader) if self.gives_columns and find_spec("pyarrow") is not None else reader

        return open_files(self.paths, "csv", open_file)


def csv(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    /,
    of: type[T],
    *,
    tz: str | tzinfo | None = None,
    dialect: Dialect | None = None,
) -> Source[T]:
    """Read a CSV file, or several, row by row, as typed items.

    Columns are matched by name, or by the name that the `rename=` of a msgspec.Struct gives a field; columns without a
    field are ignored. An empty value of an optional field is None. A row is also malformed if a value is beyond a limit
    of `msgspec.Meta` or if `__post_init__` of the type rejects it; a type with `__post_init__` is read row by row.

    A malformed row ends the run, with file, line, column and value; with `from_source(..., on_error="dead")` it goes to
    port "dead" as a list of texts and the run continues. A row that is not valid CSV goes there as a list of one text,
    its first line, and reading continues with the next line, so a quote that is never closed costs one row. A header
    without any field of the type, a truncated file and invalid UTF-8 always end the run. Digits of a time below
    the microsecond are discarded, except for np.datetime64. A field may have up to 131,072 characters, the limit of the
    module `csv`.

    Several files are read one after another, as one stream. A run that continues from a checkpoint refuses a file that
    was added, is missing, or has changed since it was read to the end.

    If pyarrow is installed (extra "arrow"), it parses the file in blocks of about 1 MiB, with the same result. A block
    with quotes, a malformed row, or a number such as nan is read row by row, which is several times slower.

    Args:
        path: Path of the file, UTF-8; "-" for stdin. Files that end in ".gz", ".bz2", ".zip" or ".zst" (extra "zstd") are
            decompressed; a zip archive must hold one file, or one that ends in ".csv". A pattern such as
            "trades-*.csv" gives the files that match when the run starts, in order of their names; a list gives files
            and patterns in its order.
        of: Type of the items: a msgspec.Struct, dataclass, NamedTuple or TypedDict. Each field has a type that a single
            text can represent: numbers, bool, text, bytes (base64), times (ISO 8601, np.datetime64 to the nanosecond),
            UUID, enumerations, Literal, and unions of these. Numbers are written as in data files: no `1_000`, and no
            1e400.
        tz: Time zone of times without one: an IANA name such as "America/New_York", or a tzinfo. By default such times
            are malformed. If a local time occurs twice, when clocks are set back, the first instant is used; one that
            does not exist, when they are set forward, is malformed. Times with a zone keep it.
        dialect: Form of the file, such as one without a header, with other delimiters, or with lines that are not rows.
            By default, the file has a header, commas and double quotes.

    Raises:
        GraphError: If `of` is not such a type or requires a field of another type, the zone is unknown, or the dialect
            renames a column to no field of `of`.

    Example:
        >>> trades = rxdag.from_source(sources.csv("trades.csv.gz", Trade))
    """
    check_texts(record_fields(of, "csv"), required_fields(of), of)
    paths = checked_paths(path, "csv")
    where: Where = "blocking" if paths == ("-",) else "inline"
    return _Csv(paths, of, Shape(of), where, zone_of(tz, "csv: tz"), _checked(dialect, of))


def _checked(dialect: Any, of: Any) -> Dialect:
    if dialect is None:
        return USUAL
    if not isinstance(dialect, Dialect):
        raise GraphError(f"csv: dialect must be a Dialect, got {shown(dialect)}; write sources.Dialect(delimiter=...)")
    check_renamed(of, dialect)
    return dialect
