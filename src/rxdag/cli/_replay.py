"""`rxdag replay`: a recorded file, at its own pace."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import rxdag
from rxdag import sinks, sources
from rxdag.cli._exit import with_exit_code
from rxdag.errors import SourceError, did_you_mean


def run_replay(file: str, time: str | None, unit: Any, speed: float, until: str | None) -> int:
    """Write its records to stdout as JSON lines; returns the exit code."""
    recorded: rxdag.Source[dict[str, Any]] = sources.iterable(_records(file))
    if time is not None:
        recorded = sources.paced(recorded, lambda record: _time_of(record, time), unit=unit, speed=speed)
    out = rxdag.from_source(recorded, name="file").to(sinks.stdout(form="jsonl"), name="stdout")
    _, code = with_exit_code(lambda: rxdag.run(out, until=until))
    return code


def _time_of(record: dict[str, Any], field: str) -> Any:
    if field not in record:
        raise SourceError(
            f'a record must have the field "{field}"{did_you_mean(field, record)}; it has {", ".join(record)}'
        )
    return record[field]


def _records(file: str) -> Iterator[dict[str, Any]]:
    path = Path(file)
    stem = path.name.removesuffix(".gz")
    with _opened(path) as lines:
        if stem.endswith((".jsonl", ".json", ".ndjson")):
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _decoded(line, file, number)
        else:
            for row in csv.DictReader(lines):
                yield {key: _number(value) for key, value in row.items()}


def _opened(path: Path) -> IO[str]:
    try:
        if str(path) == "-":
            return sys.stdin
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8", newline="")
        return path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise SourceError(f"{path}: must be a file that can be read: {error}") from error


def _decoded(line: str, file: str, number: int) -> dict[str, Any]:
    try:
        made: Any = json.loads(line)
    except ValueError as error:
        raise SourceError(f"{file}: line {number}: must be JSON: {error}") from None
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
