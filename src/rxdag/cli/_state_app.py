"""The commands of `rxdag state`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rxdag import checkpoints
from rxdag.cli._load import load
from rxdag.cli._options import Allow, AllowDrop, AsJson, Outside, Renamed, Set, Spec, Traceback, renamed_of
from rxdag.cli._state import list_state, node_state, plain_state, print_state, shown_state
from rxdag.logs import json_text

state_app = typer.Typer(
    help="Look into a store of checkpoints, copy it, and compare it with a graph.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Db = Annotated[str, typer.Argument(help="File of checkpoints.", metavar="DB")]
To = Annotated[Path, typer.Argument(help="File to write, where none is.", metavar="FILE")]
Number = Annotated[int, typer.Argument(help="Number of the checkpoint.", metavar="ID")]


@state_app.command("ls", epilog="Example: rxdag state ls bars.state")
def ls(db: Db, as_json: AsJson = False, traceback: Traceback = False) -> None:
    """List the checkpoints of a store, and the nodes of the last one."""
    listed = list_state(db)
    if as_json:
        print(json_text(listed))
    else:
        print_state(listed)


@state_app.command("show", epilog="Example: rxdag state show bars.state once --key AAPL")
def show(
    db: Db,
    node: Annotated[str, typer.Argument(help="Name of the node.", metavar="NODE")],
    key: Annotated[str | None, typer.Option(help="Show only what is kept for this key.")] = None,
    as_json: AsJson = False,
    traceback: Traceback = False,
) -> None:
    """Show the state of a node in the last checkpoint."""
    state = node_state(db, node, key)
    print(json_text(plain_state(state)) if as_json else shown_state(state))


@state_app.command("check", epilog="Example: rxdag state check bars.state job.py")
def check(
    db: Db,
    spec: Spec,
    sets: Set = None,
    allow_drop: AllowDrop = None,
    renamed: Renamed = None,
    allow: Allow = None,
    outside: Outside = False,
    traceback: Traceback = False,
) -> None:
    """Compare a graph with the last checkpoint, and list all differences; nothing runs. Exits with 1 if the job could not continue."""
    from rxdag.plan import compile
    from rxdag.runtime import check_resumes

    plan = compile(load(spec, sets or [], allow or [], outside=outside).dag)
    options: Any = {"allow_drop": allow_drop or [], "renamed": renamed_of(renamed)}
    last = check_resumes(plan, checkpoints.sqlite(db), options)
    if last is None:
        print(f"ok: {plan.dag.name} would start over, since {db} has no checkpoint yet")
    elif last.is_done:
        print(f"ok: {plan.dag.name} is done, at checkpoint {last.id}")
    else:
        print(f"ok: {plan.dag.name} would continue from checkpoint {last.id}")


@state_app.command("backup", epilog="Example: rxdag state backup bars.state backups/bars.state")
def backup(db: Db, to: To, traceback: Traceback = False) -> None:
    """Copy a store into one file, as of one moment, while a run goes on."""
    checkpoints.sqlite(db).backup(to)


@state_app.command("fork", epilog="Example: rxdag state fork bars.state trial.state")
def fork(db: Db, to: To, traceback: Traceback = False) -> None:
    """Copy a store as backup does, with an identity of its own: for a trial with other targets."""
    checkpoints.sqlite(db).fork(to)


@state_app.command("pin", epilog="Example: rxdag state pin bars.state 41")
def pin(db: Db, number: Number, traceback: Traceback = False) -> None:
    """Keep a checkpoint until it is unpinned, however old it gets."""
    checkpoints.sqlite(db).pin(number)


@state_app.command("unpin", epilog="Example: rxdag state unpin bars.state 41")
def unpin(db: Db, number: Number, traceback: Traceback = False) -> None:
    """Unpin a checkpoint: it is deleted in its turn."""
    checkpoints.sqlite(db).unpin(number)
