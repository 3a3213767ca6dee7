"""`rxdag replay`: a recorded file, at its own pace."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

import rxdag
from rxdag import sinks, sources
from rxdag.cli._exit import with_exit_code
from rxdag.contract import UNITS, LineFile
from rxdag.errors import SourceError, did_you_mean

Unit: TypeAlias = Literal["ns", "us", "ms", "s"]

_PLAUSIBLE_S: Final = (631_152_000, 4_102_444_800)
"""1990 to 2100, s since the epoch."""
_LARGEST_S: Final = (1 << 63) / 1e9


def run_replay(file: str, time: str | None, unit: Unit | None, speed: float, until: str | None) -> int:
    """Write its records to stdout as JSON lines; returns the exit code."""
    recorded: rxdag.Source[dict[str, Any]] = sources.iterable(_records(file))
    if time is not None:
        recorded = sources.paced(recorded, _TimeOf(time, unit), unit=unit or "ns", speed=speed)
    out = rxdag.from_source(recorded, name="file").to(sinks.stdout(form="jsonl"), name="stdout")
    _, code = with_exit_code(lambda: rxdag.run(out, until=until))
    return code


class _TimeOf:
    """Reads the time of a record, and checks the unit on the first one.

    Args:
        field: Field with the time.
        unit: Unit from the command line; None for ns, which is refused if the times are only plausible in another unit.
    """

    def __init__(self, field: str, unit: Unit | None) -> None:
        self._field = field
        self._unit = unit
        self._is_checked = False

    def __call__(self, record: dict[str, Any]) -> Any:
        field = self._field
        if field not in record:
            raise SourceError(
                f'a record must have the field "{field}"{did_you_mean(field, record)}; it has {", ".join(record)}'
            )
        value = record[field]
        if not self._is_checked and isinstance(value, int | float):
            self._check(value)
            self._is_checked = True
        return value

    def _check(self, value: float) -> None:
        seconds = {unit: value * UNITS[unit] / 1e9 for unit in ("s", "ms", "us", "ns")}
        given = seconds[self._unit or "ns"]
        meant = [unit for unit, each in seconds.items() if _PLAUSIBLE_S[0] <= each <= _PLAUSIBLE_S[1]]
        hint = f"; pass --unit {meant[0]}" if meant else ""
        if abs(given) > _LARGEST_S:
            raise SourceError(
                f'--unit: "{self._field}" must be within 1677 to 2262, got {value} {self._unit or "ns"}{hint}'
            )
        if self._unit is None and meant and "ns" not in meant:
            day = datetime.fromtimestamp(given, UTC)
            raise SourceError(f'--unit: must be given: "{self._field}" {value} is {day:%Y-%m-%d %H:%M} in ns{hint}')


def _records(file: str) -> Iterator[dict[str, Any]]:
    lines = LineFile(file, "replay")
    try:
        if not {".jsonl", ".json", ".ndjson"}.isdisjoint(Path(file).suffixes[-2:]):
            for line in lines.lines():
                if line.strip():
                    yield _decoded(line, lines)
        else:
            for row in csv.DictReader(lines.lines()):
                yield {key: _number(value) for key, value in row.items()}
    finally:
        lines.close()


def _decoded(line: str, lines: LineFile) -> dict[str, Any]:
    try:
        made: Any = json.loads(line)
    except ValueError as error:
        raise lines.problem(f"must be JSON: {error}") from None
    return cast("dict[str, Any]", made) if isinstance(made, dict) else {"value": made}


def _number(text: Any) -> Any:
    """Return a text as a number if it is written like one."""
    if not isinstance(text, str):
        return text
    for kind in (int, float):
        try:
            made = kind(text)
        except ValueError:
            continue
        return made if made == made and abs(made) != float("inf") else text
    return text
