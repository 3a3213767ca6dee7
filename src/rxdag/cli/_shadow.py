"""`rxdag run --shadow`: a graph with the state of a job, whose sinks write into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rxdag import checkpoints, sinks
from rxdag.cli._load import Loaded
from rxdag.contract import Sink, made_by
from rxdag.errors import SpecError
from rxdag.graph import Dag
from rxdag.runtime import Shadow

_FILES: Final = ("csv", "jsonl", "parquet", "arrow_file")
_KEPT: Final = ("columns", "schema")
"""Arguments of the sinks of files that decide what is in them."""


def shadowed(loaded: Loaded, db: Path, into: Path | None) -> tuple[Loaded, Shadow]:
    """Return the graph with sinks that write into a folder, and the state that it begins with.

    Args:
        loaded: The graph.
        db: Store of the job.
        into: The folder; by default it has the name of the dag, with ".shadow".

    Raises:
        SpecError: If there is anything in the folder.
    """
    folder = into or Path(f"{loaded.dag.name}.shadow")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SpecError(
            f'--into: must be a folder that is empty or does not exist, got "{folder}"; empty it, or name another one'
        )
    sources: dict[str, Any] = {name: loaded.dag.nodes[name].thing for name in loaded.dag.sources}
    followed = {name: source.followed() for name, source in sources.items()}
    dag = loaded.dag.replace({**followed, **_into_folder(loaded.dag, folder)})
    settings = {name: value for name, value in loaded.settings.items() if name not in ("checkpoints", "every", "fresh")}
    return replace(loaded, dag=dag, settings=settings), Shadow(checkpoints.sqlite(db))


def _into_folder(dag: Dag, folder: Path) -> Mapping[str, Sink[Any, Any]]:
    """Return the sinks by name: files keep their format, names and places to each other, all others become JSON lines."""
    calls = {name: made_by(dag.nodes[name].thing) for name in dag.sinks}
    files = {
        name: os.path.abspath(dict(call.arguments)["path"])
        for name, call in calls.items()
        if call is not None and call.name in _FILES and not _is_device(dict(call.arguments)["path"])
    }
    root = os.path.commonpath([os.path.dirname(path) for path in files.values()] or [""])
    found: dict[str, Sink[Any, Any]] = {}
    taken = {os.path.relpath(path, root) for path in files.values()}
    for name, call in calls.items():
        if call is not None and name in files:
            kept = {key: value for key, value in call.arguments if key in _KEPT}
            found[name] = getattr(sinks, call.name)(folder / os.path.relpath(files[name], root), **kept)
        else:
            other = f"{name}.jsonl"
            found[name] = sinks.jsonl(folder / (f"{name}.sink.jsonl" if other in taken else other))
    return found


def _is_device(path: Any) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)
