"""Input of a command: a spec, or a dag in Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from rxdag.cli._script import dag_named, dag_of_script, script_of
from rxdag.errors import RxDagError, SpecError, shown, text_of
from rxdag.graph import Dag
from rxdag.plan import compile
from rxdag.spec import Document, build_dag, connected, open_spec


@dataclass(frozen=True)
class Loaded:
    """A dag, and the settings of its spec.

    Attributes:
        dag: The dag.
        settings: "until", "drain_timeout", "restart", "flush".
        text: Text of the spec; None for a dag in Python.
    """

    dag: Dag
    settings: Mapping[str, Any]
    text: str | None = None

    def shard(self, share: str | None) -> Loaded:
        """Return the share of one worker, given as "0/3"; None for the only worker.

        Raises:
            SpecError: If the text has another form.
            GraphError: If there is no such worker, or the dag has no `ops.shard`.
        """
        if share is None:
            return self
        worker, slash, workers = share.partition("/")
        if not slash or not (worker + workers).isascii() or not worker.isdecimal() or not workers.isdecimal():
            raise SpecError(f'--shard: must be I/N, as 0/3 for the first of three workers, got "{share}"')
        return replace(self, dag=self.dag.shard(int(worker), int(workers)))


def load(spec: str, sets: list[str], allow: list[str], *, outside: bool) -> Loaded:
    """Load a YAML file, the standard input, `job.py`, `job.py:name`, or `package.module:dag`.

    Raises:
        SpecError: If it does not exist, or has problems.
    """
    dag = _in_python(spec, sets)
    if dag is not None:
        return Loaded(dag, {})
    document, text = _opened(spec, sets, allow, outside=outside)
    return Loaded(build_dag(document), document.settings, text.decode())


def _in_python(spec: str, sets: list[str]) -> Dag | None:
    """Return a dag in a Python file or module; None for a spec in YAML."""
    script, module = script_of(spec), _module_and_name(spec)
    if sets and (script is not None or module is not None):
        raise SpecError("--set: goes with a spec; a dag in Python has its values in Python")
    if script is not None:
        return dag_of_script(*script)
    return None if module is None else _imported(*module)


def _module_and_name(spec: str) -> tuple[str, str] | None:
    """Return the parts of `package.module:dag`; None for a path."""
    module, colon, name = spec.rpartition(":")
    is_module = bool(colon) and "/" not in spec and all(part.isidentifier() for part in module.split("."))
    return (module, name) if is_module and not Path(spec).exists() else None


def _opened(spec: str, sets: list[str], allow: list[str], *, outside: bool) -> tuple[Document, bytes]:
    """Open a YAML file or the standard input; returns its text too."""
    overrides: dict[str, str] = {}
    for each in sets:
        key, equals, value = each.partition("=")
        if not equals:
            raise SpecError(f"--set: must be node.param=value, got {shown(each)}")
        overrides[key] = value
    text = sys.stdin.buffer.read() if spec == "-" else None
    sys.path.insert(0, str(Path.cwd()))  # the user's modules are next to the spec
    document = open_spec(None if spec == "-" else spec, text=text, allow=allow, outside=outside, overrides=overrides)
    return document, Path(spec).read_bytes() if text is None else text


def check(spec: str, sets: list[str], allow: list[str], *, outside: bool) -> Dag:
    """Load a graph and compile it.

    Raises:
        SpecError: Lists all problems of the spec, and of the graph of its valid nodes.
        RxDagError: If a dag in Python cannot be loaded or compiled.
    """
    dag = _in_python(spec, sets)
    if dag is not None:
        compile(dag)
        return dag
    document, _ = _opened(spec, sets, allow, outside=outside)
    made = connected(document)
    if made is not None:
        try:
            compile(made)
        except RxDagError as error:
            message = text_of(error)
            name = next((each for each in document.nodes if f'"{each}"' in message), None)
            if name is None:
                document.context.tell(document.tree, message)
            else:
                document.context.at("nodes").at(name).tell(document.nodes[name].tree, message)
    document.context.problems.check()
    return cast("Dag", made)  # without one, a problem has been reported


def _imported(module: str, name: str) -> Dag:
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise SpecError(
            f"{module}: must be a module that can be imported from here, and is not: {text_of(error)}"
        ) from None
    return dag_named(found, name, module)
