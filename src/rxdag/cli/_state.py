"""`rxdag state`: what a store of checkpoints holds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from rxdag import checkpoints
from rxdag.checkpoints import Checkpoint
from rxdag.codec import ReadableCodec
from rxdag.errors import CheckpointError, did_you_mean
from rxdag.runtime import saved_run

_LONGEST: Final = 2000
"""Most characters of a value that are shown."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint, read for people.

    Attributes:
        checkpoint: Its facts.
        run: What it holds of the run as a whole.
        places: The state of each node and edge, decoded; empty for a job that was done.
        sizes: Size of each in bytes.
    """

    checkpoint: Checkpoint
    run: Mapping[str, Any]
    places: Mapping[str, Mapping[str, Any]]
    sizes: Mapping[str, int]


def saved_in(path: str) -> Saved | None:
    """Read the last checkpoint of a store, beside a run that may have it open; None if there is none.

    Raises:
        CheckpointError: If there is no store, or it is damaged.
    """
    store = checkpoints.sqlite(path)
    last = store.latest()
    if last is None:
        return None
    codec = ReadableCodec()
    run, parts = saved_run(store.read, codec, last)
    places = {place: codec.decode(data, where=place) for place, data in parts.items()}
    return Saved(last, run, places, {place: len(data) for place, data in parts.items()})


def list_state(path: str) -> dict[str, Any]:
    """Return the checkpoints of a store, and the nodes of the last one, as plain data."""
    now = time.time_ns()
    listed = [
        {
            "id": each.id,
            "age_s": round(max(0, now - each.at_ns) / 1e9, 3),
            "bytes": each.bytes,
            "done": each.is_done,
            "pinned": each.is_pinned,
        }
        for each in checkpoints.sqlite(path).list()
    ]
    saved = saved_in(path)
    if saved is None:
        return {"checkpoints": listed, "nodes": []}
    nodes = [
        {
            "name": name,
            "operator": node["label"],
            "version": node["state_version"],
            "entries": _entries(saved.places.get(name, {}).get("kernel")),
            "bytes": saved.sizes.get(name, 0),
        }
        for name, node in saved.run["graph"]["nodes"].items()
    ]
    return {"dag": saved.run["graph"]["dag"], "rxdag": saved.run["rxdag"], "checkpoints": listed, "nodes": nodes}


def print_state(listed: Mapping[str, Any]) -> None:
    """Print the result of `list_state` as two tables."""
    console = Console(soft_wrap=True)
    if not listed["checkpoints"]:
        console.print("no checkpoint yet")
        return
    rows = [
        (each["id"], each["age_s"], _mb(each["bytes"]), each["done"], each["pinned"]) for each in listed["checkpoints"]
    ]
    console.print(_table(("id", "age s", "MB", "done", "pinned"), rows))
    console.print(f'checkpoint {rows[-1][0]}: dag "{listed["dag"]}", saved by rxdag {listed["rxdag"]}', highlight=False)
    if not any(each["bytes"] for each in listed["nodes"]):
        return
    nodes = [
        (each["name"], each["operator"], each["version"], each["entries"], _mb(each["bytes"]))
        for each in listed["nodes"]
    ]
    console.print(_table(("node", "operator", "version", "entries", "MB"), nodes))


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(box=box.SIMPLE)
    for index, name in enumerate(names):
        is_text = all(isinstance(row[index], str) and not row[index][:1].isdigit() for row in rows)
        table.add_column(name, justify="left" if is_text else "right")
    for row in rows:
        table.add_row(*("yes" if cell is True else "" if cell is False else str(cell) for cell in row))
    return table


def _mb(n: int) -> str:
    return f"{n / 1e6:.3f}"


def node_state(path: str, node: str, key: str | None) -> dict[str, Any]:
    """Return the state of a node in the last checkpoint and its totals, or the entries of one key.

    Raises:
        CheckpointError: If there is no such node, or nothing of that key.
    """
    saved = saved_in(path)
    where = f'checkpoints "{path}"'
    if saved is None:
        raise CheckpointError(f"{where}: must have a checkpoint, got none yet")
    if node not in saved.places:
        reason = "; the job is done, and its state is not kept" if saved.checkpoint.is_done else ""
        raise CheckpointError(
            f'{where}: "{node}" must be a node of checkpoint {saved.checkpoint.id}'
            f"{did_you_mean(node, saved.places)}{reason}"
        )
    state = saved.places[node]
    if key is None:
        return {**state, "totals": saved.run.get("totals", {}).get(node, {})}
    found = dict(_of_key(state.get("kernel"), key, "kernel"))
    if not found:
        raise CheckpointError(f'{where}: node "{node}" must have state of key "{key}", got none')
    return found


def shown_state(state: Mapping[str, Any]) -> str:
    """Return state as lines, one for each part; long values are cut."""
    lines = [f"{name}: {value!r}" for name, value in state.items() if value not in (None, [], {}, ())]
    return "\n".join(
        line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ... ({len(line):,} characters)" for line in lines
    )


def plain_state(value: Any) -> Any:
    """Convert state to what JSON can hold; other values become text."""
    if _is(value, Mapping):
        if all(_is(key, str) for key in value):
            return {key: plain_state(each) for key, each in value.items()}
        return [[plain_state(key), plain_state(each)] for key, each in value.items()]
    if _is(value, list, tuple):
        return [plain_state(each) for each in value]
    return value if _is(value, str, int, float, type(None)) else repr(value)


def _of_key(value: Any, key: str, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a key: values of dicts, and rows that begin with it."""
    if _is(value, Mapping):
        entries = [
            (f"{path}[{name!r}]" if _names(name, key) else f"{path}.{name}", name, each) for name, each in value.items()
        ]
    elif _is(value, list):
        no_row: list[Any] = []
        first: list[Any] = [each[0] if _is(each, list, tuple) and each else no_row for each in value]
        entries = [(f"{path}[{i}]", name, each) for i, (name, each) in enumerate(zip(first, value, strict=True))]
    else:
        return
    for where, name, each in entries:
        if _names(name, key):
            yield where, each
        else:
            yield from _of_key(each, key, where)


def _names(value: Any, key: str) -> bool:
    """Return True if a text names a key or one of its fields."""
    if _is(value, tuple):
        return str(value) == key or any(_names(each, key) for each in value)
    return str(value) == key and not _is(value, list, Mapping, bool)


def _entries(value: Any) -> int:
    """Return the number of rows in the state of a kernel: of keys, as a rule."""
    if _is(value, Mapping):
        return sum(_entries(each) for each in value.values())
    rows = [row for row in value if _is(row, list)] if _is(value, list) else []
    return sum(max(1, sum(_entries(cell) for cell in row)) for row in rows)


def _is(value: object, *kinds: type[Any]) -> bool:
    return isinstance(value, kinds)
