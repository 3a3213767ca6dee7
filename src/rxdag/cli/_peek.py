"""`rxdag peek`: the program that reads a file."""

from __future__ import annotations

from typing import Annotated

import typer

from rxdag.cli._options import Traceback
from rxdag.errors import MissingExtra, SourceError, SpecError


def peek(
    file: Annotated[
        str,
        typer.Argument(help="CSV, JSON lines or FIX messages, also compressed; Parquet or Arrow.", metavar="FILE"),
    ],
    traceback: Traceback = False,
) -> None:
    """Print a program that reads a file: a type, the source, and event times, with what was guessed as comments.

    Only the beginning and the end of the file are read.
    """
    from rxdag.peek import program_of

    try:
        print(program_of(file), end="")
    except (SourceError, MissingExtra) as error:
        raise SpecError(str(error)) from error
