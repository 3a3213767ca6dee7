"""`rxdag replay` of a journal: its records in the order of their arrival."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.cli._exit import with_exit_code
from rxdag.codec import PlainCodec
from rxdag.contract import iso_utc
from rxdag.errors import SourceError, did_you_mean, named_text, text_of
from rxdag.journal import Cursor, Entries, Kind, Record, oldest, tail_of


def run_replay_journal(folder: Path, names: list[str], speed: float | None, until: str | None) -> int:
    """Write the records of a journal to stdout as JSON lines; return the exit code.

    Args:
        folder: Folder of the journal.
        names: Names of the sources to write; none for all.
        speed: 1 for the recorded pace, None for as fast as possible.
        until: Time after which to stop.

    Raises:
        SourceError: If there is no journal, or no such source.
    """
    known = tail_of(str(folder)).sources
    if oldest(str(folder)) is None:
        raise SourceError(
            f'replay: "{folder}" must be a file or the folder of a journal, got a folder without segments'
        )
    for name in names:
        if name not in known:
            raise SourceError(
                f'replay: --source must be one of {", ".join(sorted(known))}, got "{name}"{did_you_mean(name, known)}'
            )
    lines: rxdag.Source[tuple[int, dict[str, Any]]] = sources.iterable(_lines(folder, set(names)))
    if speed is not None:
        lines = sources.paced(lines, lambda line: line[0], speed=speed)
    stream = rxdag.from_source(lines, name="journal").pipe(ops.map(lambda line: line[1]))
    _, code = with_exit_code(lambda: rxdag.run(stream.to(sinks.stdout(form="jsonl"), name="stdout"), until=until))
    return code


def _lines(folder: Path, names: set[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the time of receipt of each item, gap and malformed item, and what is written of it."""
    cursor, entries = Cursor(str(folder)), Entries(PlainCodec(), f'journal "{folder}"')
    try:
        while (record := cursor.next()) is not None:
            if not names or record.source in names:
                begin = {"source": record.source, "received": iso_utc(record.at)}
                for rest in _entries(record, entries):
                    yield record.at, {**begin, **rest}
    finally:
        cursor.close()


def _entries(record: Record, entries: Entries) -> Iterator[dict[str, Any]]:
    if record.kind is Kind.ITEMS:
        chunk = entries.chunk(record.payload)
        for item in chunk.items:
            yield {"item": item}
    elif record.kind is Kind.BAD:
        for item, error in entries.bad_rows(record.payload):
            yield {"bad": item, "error": text_of(error)}
    elif record.kind is Kind.ANSWER:
        _, item, _, value, failure = entries.decode(record.payload)
        asked = None if item is None else entries.decode(item)
        yield {"item": asked, **({"answer": value} if failure is None else {"error": named_text(failure[0])})}
    elif record.kind is Kind.GAP:
        since, until, unrecorded = entries.decode(record.payload)
        yield {"gap": {"since": iso_utc(since), "until": iso_utc(until), "unrecorded": unrecorded}}
