"""Entry point: errors are one line, and a traceback only on request."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rxdag.contract import import_extra
from rxdag.errors import MissingExtra, RxDagError


def main(args: list[str] | None = None) -> None:
    """Run the command line.

    Exits with 0, 1 for a failed run, 2 for wrong usage, 130 after Ctrl-C, or 143 after SIGTERM.
    """
    try:
        for package in ("typer", "rich"):
            import_extra(package, "cli", "rxdag")
    except MissingExtra as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    from rxdag.cli._app import app, flags_of
    from rxdag.cli._flags import is_of_usage, said
    from rxdag.cli._logs import is_json_asked, log_failure

    given = sys.argv[1:] if args is None else args
    try:
        app(given, prog_name="rxdag")
    except RxDagError as error:
        if "--traceback" in given:
            raise
        if isinstance(error.__cause__, BrokenPipeError):
            _leave_quietly()
        exit_code = 2 if is_of_usage(error) else 1
        text = said(error, flags_of(*(each for each in given if not each.startswith("-"))))
        if is_json_asked(given):
            log_failure(error, exit_code, text)
            raise SystemExit(exit_code) from None
        print(f"error: {text}", file=sys.stderr)
        for note in getattr(error, "__notes__", []):
            print(f"  {note}", file=sys.stderr)
        raise SystemExit(exit_code) from None
    except BrokenPipeError:
        _leave_quietly()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _leave_quietly() -> NoReturn:
    """Exit quietly after the reader of stdout has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(1) from None
