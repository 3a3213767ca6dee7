"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from rxdag.errors import SpecError, shown

Spec = Annotated[
    str, typer.Argument(help="YAML file, - for stdin, job.py, job.py:dag, or package.module:dag.", metavar="SPEC")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a value of the spec: node.param=value. Repeatable.", metavar="KEY=VALUE"),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", help="Allow the spec to name functions of a module. Repeatable.", metavar="MODULE"),
]
Outside = Annotated[bool, typer.Option("--outside", help="Allow paths outside the folder of the spec.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error was raised.")]
AllowDrop = Annotated[
    list[str] | None,
    typer.Option("--allow-drop", help="Drop the saved state of this node. Repeatable.", metavar="NODE"),
]
Renamed = Annotated[
    list[str] | None,
    typer.Option("--renamed", help="Declare the new name of a node. Repeatable.", metavar="OLD=NEW"),
]


def renamed_of(given: list[str] | None) -> dict[str, str]:
    """Return the new name of each node by its old one.

    Raises:
        SpecError: If one has another form than OLD=NEW.
    """
    out: dict[str, str] = {}
    for each in given or []:
        old, _, new = each.partition("=")
        if not old or not new:
            raise SpecError(f"--renamed: must be OLD=NEW, got {shown(each)}")
        out[old] = new
    return out
