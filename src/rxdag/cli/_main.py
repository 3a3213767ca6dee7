"""Entry point: errors are one line, and a traceback only on request."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rxdag.contract import install_line
from rxdag.errors import CompileError, RxDagError, SpecError, text_of


def main(args: list[str] | None = None) -> None:
    """Run the command line.

    Exits with 0, 1 for a failed run, 2 for wrong usage, 130 after Ctrl-C, or 143 after SIGTERM.
    """
    try:
        from rxdag.cli._app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f"rxdag: the command line needs {error.name}; install it with: {install_line('cli')}", file=sys.stderr)
        raise SystemExit(2) from None
    given = sys.argv[1:] if args is None else args
    try:
        app(given, prog_name="rxdag")
    except RxDagError as error:
        if "--traceback" in given:
            raise
        if isinstance(error.__cause__, BrokenPipeError):
            _leave_quietly()
        print(f"error: {text_of(error, most=sys.maxsize)}", file=sys.stderr)
        for note in getattr(error, "__notes__", []):
            print(f"  {note}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ValueError | SpecError | CompileError) else 1) from None
    except BrokenPipeError:
        _leave_quietly()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _leave_quietly() -> NoReturn:
    """Exit quietly after the reader of stdout has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(1) from None
