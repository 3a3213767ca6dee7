"""Input of a command: a spec, or a dag in Python."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rxdag.errors import SpecError, did_you_mean, shown, text_of
from rxdag.graph import Dag
from rxdag.plan import Plan
from rxdag.spec import build_dag, read_spec


@dataclass(frozen=True)
class Loaded:
    """A dag, and the settings of its spec.

    Attributes:
        dag: The dag.
        settings: "until", "drain_timeout", "restart".
        text: Of the spec; None for a dag in Python.
    """

    dag: Dag
    settings: Mapping[str, Any]
    text: str | None = None

    def part(self, share: str | None) -> Loaded:
        """Return the share of one worker, given as "0/3"; None for the only worker.

        Raises:
            SpecError: If the text is not like that.
            GraphError: If there is no such worker, or no ops.shard.
        """
        if share is None:
            return self
        worker, slash, workers = share.partition("/")
        if not slash or not (worker + workers).isascii() or not worker.isdecimal() or not workers.isdecimal():
            raise SpecError(f'--partition: must be I/N, as 0/3 for the first of three workers, got "{share}"')
        return replace(self, dag=self.dag.part(int(worker), int(workers)))


def load(spec: str, sets: list[str], allow: list[str], *, outside: bool) -> Loaded:
    """Load a YAML file, the standard input, or `package.module:dag`.

    Raises:
        SpecError: If there is none, or something is wrong with it.
    """
    module, colon, name = spec.rpartition(":")
    if colon and not Path(spec).exists() and "/" not in spec and all(part.isidentifier() for part in module.split(".")):
        if sets:
            raise SpecError("--set: goes with a spec; a dag in Python has its values in Python")
        return Loaded(_imported(module, name), {})
    overrides: dict[str, str] = {}
    for each in sets:
        key, equals, value = each.partition("=")
        if not equals:
            raise SpecError(f"--set: must be node.param=value, got {shown(each)}")
        overrides[key] = value
    text = sys.stdin.buffer.read() if spec == "-" else None
    sys.path.insert(0, str(Path.cwd()))  # modules of the user's own stand beside the spec
    document = read_spec(None if spec == "-" else spec, text=text, allow=allow, outside=outside, overrides=overrides)
    given = Path(spec).read_bytes() if text is None else text
    return Loaded(build_dag(document), document.settings, given.decode())


def _imported(module: str, name: str) -> Dag:
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise SpecError(
            f"{module}: must be a module that can be imported from here, and is not: {text_of(error)}"
        ) from None
    if not hasattr(found, name):
        raise SpecError(f'{module}: has no "{name}"{did_you_mean(name, dir(found))}')
    thing = getattr(found, name)
    if callable(thing) and not isinstance(thing, Dag | Plan):
        thing = thing()
    if isinstance(thing, Plan):
        thing = thing.dag
    if not isinstance(thing, Dag):
        raise SpecError(f"{module}:{name}: must be a Dag, a Plan, or a function that returns one, got {shown(thing)}")
    return thing
