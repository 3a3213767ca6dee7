"""Sound rows: columns become items of their type; rows that do not fit are reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rxdag.contract import SourceContext
from rxdag.errors import SourceError
from rxdag.expressions import checks_itself
from rxdag.sources._records import build, refused

if TYPE_CHECKING:
    from rxdag.columns import Column


@dataclass(frozen=True)
class SoundRows:
    """Makes items from columns; malformed rows are subject to the node's `on_error`.

    Args:
        of: Type of the items.
        fields: Type of each field.
        where: Name of the input, for messages.
        context: Context of the source.
    """

    of: Any
    fields: dict[str, Any]
    where: str
    context: SourceContext

    def parts(self, columns: dict[str, Column], n: int, first: int) -> Iterator[tuple[int, Any]]:
        """Yield the items in order: as columns, or as lists if their type has checks of its own.

        The rows of a part follow one another. Each comes with the number of rows before it.

        Args:
            columns: The values, by field.
            n: Number of rows.
            first: Number of rows read before these.
        """
        yield from self._between(columns, 0, n, first)

    def _between(self, columns: dict[str, Column], start: int, stop: int, first: int) -> Iterator[tuple[int, Any]]:
        from rxdag.columns import Columns  # it loads numpy

        made = self._fitted(columns, start, stop, first)
        if isinstance(made, SourceError):
            if stop - start > 1:  # bisection finds the few failing rows
                middle = (start + stop) // 2
                yield from self._between(columns, start, middle, first)
                yield from self._between(columns, middle, stop, first)
            else:
                self.context.bad(self._row(columns, start), made)
            return
        if checks_itself(self.of):
            yield from self._made(made, columns, start, first)
            return
        whole = Columns.from_columns(made, self.of)
        whole.n = stop - start
        yield first + start, whole[:]

    def _fitted(self, columns: dict[str, Column], start: int, stop: int, first: int) -> dict[str, Column] | SourceError:
        from rxdag.columns import fitted  # it loads numpy

        made: dict[str, Column] = {}
        for name, column in columns.items():
            try:
                made[name] = fitted(column[start:stop], self.fields[name], first=first + start)
            except ValueError as error:
                return SourceError(f'{self.where}: column "{name}" {error}')
        return made

    def _made(
        self, fitted: dict[str, Column], columns: dict[str, Column], start: int, first: int
    ) -> Iterator[tuple[int, Any]]:
        from rxdag.columns import values_of  # it loads numpy

        make = build(self.of)
        items: list[Any] = []
        began = first + start
        for at, row in enumerate(zip(*map(values_of, fitted.values()), strict=True), start):
            problem = None
            try:
                items.append(make(dict(zip(fitted, row, strict=True))))
            except Exception as error:  # whatever the type's own code raises
                given = self._row(columns, at)
                problem = refused(f"{self.where}: row {first + at + 1:,}", self.of, error, given)
            if problem is not None:
                if items:
                    yield began, items
                    items = []
                began = first + at + 1
                self.context.bad(self._row(columns, at), problem)
        if items:
            yield began, items

    def _row(self, columns: dict[str, Column], at: int) -> dict[str, Any]:
        from rxdag.columns import values_of  # it loads numpy

        return {name: values_of(column[at : at + 1])[0] for name, column in columns.items()}
