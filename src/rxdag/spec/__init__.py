"""Specs: dags as YAML. `rxdag.load_spec`, `rxdag.dump_spec`.

Public.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rxdag.contract import Sink, Source
from rxdag.graph import Dag
from rxdag.spec._build import build_dag as build_dag
from rxdag.spec._build import connected as connected
from rxdag.spec._document import RECOVERY as RECOVERY
from rxdag.spec._document import SETTINGS as SETTINGS
from rxdag.spec._document import Document as Document
from rxdag.spec._document import read_document
from rxdag.spec._dump import dump_dag
from rxdag.spec._feeds import GATE as GATE
from rxdag.spec._kinds import Kind as Kind
from rxdag.spec._node import POLICIES as POLICIES
from rxdag.spec._node import RETRY as RETRY
from rxdag.spec._nodes import NodeType as NodeType
from rxdag.spec._nodes import registry as registry
from rxdag.spec._parts import parts as parts
from rxdag.spec._problems import Mark, Problem
from rxdag.spec._schema import json_schema

__all__ = [
    "Mark",
    "Problem",
    "dump_spec",
    "json_schema",
    "load_spec",
]


def read_spec(
    path: str | Path | None = None,
    *,
    text: str | bytes | None = None,
    allow: Sequence[str] = (),
    base: str | Path | None = None,
    outside: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Document:
    """Read and check a spec, without connecting its nodes; see `load_spec`.

    Raises:
        SpecError: Lists all problems.
    """
    document = open_spec(path, text=text, allow=allow, base=base, outside=outside, overrides=overrides)
    document.context.problems.check()
    return document


def open_spec(
    path: str | Path | None = None,
    *,
    text: str | bytes | None = None,
    allow: Sequence[str] = (),
    base: str | Path | None = None,
    outside: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Document:
    """Read a spec; problems of its nodes are in `document.context.problems`, see `read_spec`.

    Raises:
        SpecError: If the text cannot be read as a spec.
    """
    return read_document(
        text,
        None if path is None else Path(path),
        allow=(allow,) if isinstance(allow, str) else tuple(allow),
        base=None if base is None else Path(base),
        outside=outside,
        overrides=overrides or {},
    )


def load_spec(
    path: str | Path | None = None,
    *,
    text: str | bytes | None = None,
    replace: Mapping[str, Source[Any] | Sink[Any, Any]] | None = None,
    allow: Sequence[str] = (),
    base: str | Path | None = None,
    outside: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Dag:
    """Create a dag from a spec in YAML 1.2 or JSON.

    A spec can execute only functions of modules in `allow`. Paths stay inside the folder of the spec.

    Args:
        path: Path of the file.
        text: Text of the spec, instead of a file.
        replace: Replacement sources or sinks by node id, for tests and backtests.
        allow: Modules whose functions a spec may name, as "package.module:function"; includes their submodules.
        base: Folder for relative paths, which must stay inside it; by default the folder of the file, or the working
            directory.
        outside: True to allow paths outside `base`.
        overrides: Values to set before the spec is checked, by "node.param": plain data, or a text that is read as YAML.

    Raises:
        SpecError: Lists all problems, each with file, line, column, path, the rule and the nearest known name.
        MissingExtra: If ruamel.yaml is not installed: extra `yaml`.

    Example:
        >>> text = '''
        ... nodes:
        ...   numbers: {source: range, bounds: 6}
        ...   first: {op: take, input: numbers, max_items: 2}
        ...   out: {sink: collect, input: first}
        ... '''
        >>> dag = rxdag.load_spec(text=text)
        >>> rxdag.run(dag)["out"]
        [0, 1]
    """
    dag = build_dag(open_spec(path, text=text, allow=allow, base=base, outside=outside, overrides=overrides))
    return dag.replace(replace) if replace else dag


def dump_spec(dag: Dag, /) -> str:
    """Convert a dag to a spec: `load_spec(text=dump_spec(dag))` is the same dag.

    Functions are written as "module:name"; lambdas, closures and custom objects cannot be written.

    Raises:
        SpecError: If something cannot be written; names each such node and the reason.

    Example:
        >>> out = rxdag.from_source(sources.range(3), name="numbers").to(sinks.collect(), name="out")
        >>> print(rxdag.dump_spec(rxdag.Dag(out, name="count")), end="")
        version: 1
        name: count
        nodes:
          numbers: {source: range, bounds: 3}
          out: {sink: collect, input: numbers}
    """
    return dump_dag(dag)
