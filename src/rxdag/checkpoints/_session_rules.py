"""Checks of the arguments and the order of calls, alike for all sessions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from rxdag.contract import MAX, MIN
from rxdag.errors import CheckpointError, shown

BegunT = TypeVar("BegunT")


def check_open(where: str, is_open: bool, verb: str) -> None:
    """Raise CheckpointError if the session is closed."""
    if not is_open:
        raise CheckpointError(f"{where}: {verb} must come before close; open the store again")


def needs_begun(where: str, begun: BegunT | None, verb: str) -> BegunT:
    """Return the checkpoint that was begun.

    Raises:
        CheckpointError: If there is none.
    """
    if begun is None:
        raise CheckpointError(f"{where}: {verb} must come after begin; a put or commit that fails ends the checkpoint")
    return begun


def check_part(where: str, name: Any, data: Any, names: Collection[str]) -> None:
    """Raise CheckpointError if a name or its data cannot be a part, or the name is taken."""
    if not isinstance(name, str) or not name or not name.isprintable():
        raise CheckpointError(f"{where}: name of a part must be a printable text, got {shown(name)}")
    if name in names:
        raise CheckpointError(f'{where}: each part must have a name of its own, got "{name}" twice')
    if not isinstance(data, bytes):
        raise CheckpointError(f'{where}: part "{name}" must be bytes, got a {type(data).__name__}')


def check_facts(where: str, graph: Any, at_ns: Any, is_done: Any) -> None:
    """Raise CheckpointError if a store could not return the arguments of `commit` as they are."""
    if not isinstance(graph, str) or not graph.isprintable():
        raise CheckpointError(f"{where}: graph must be a printable text, got {shown(graph)}")
    if not isinstance(at_ns, int) or not MIN < at_ns < MAX:
        raise CheckpointError(f"{where}: at_ns must be a whole number of ns since the epoch, got {shown(at_ns)}")
    if not isinstance(is_done, bool):
        raise CheckpointError(f"{where}: is_done must be True or False, got {shown(is_done)}")


def check_id(where: str, number: Any, known: Collection[int]) -> None:
    """Raise CheckpointError if no checkpoint has this id."""
    if number not in known:
        ids = ", ".join(map(str, sorted(known))) or "none"
        raise CheckpointError(f"{where}: id must be that of a checkpoint in it ({ids}), got {shown(number)}")
