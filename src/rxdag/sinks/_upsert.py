"""Upserts in SQL: a row replaces an older one with the same key, but not one of a later revision."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def on_conflict(columns: Iterable[str], key: tuple[str, ...]) -> str:
    """Return the clause that lets an `insert into ... as old` replace a row with the same key.

    Args:
        columns: All columns that are written.
        key: Those that identify a row.
    """
    others = [name for name in columns if name not in key]
    if not others:
        return "on conflict do nothing"
    sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
    guard = " where old.revision is null or excluded.revision >= old.revision" if "revision" in others else ""
    return f"on conflict ({', '.join(map(quoted, key))}) do update set {sets}{guard}"
