"""Entry: what needs the extra says so, errors are a line, never a traceback unless asked for."""

from __future__ import annotations

import sys

from rxdag.errors import RxDagError


def main(args: list[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 for a failed run, or 2 for wrong usage."""
    try:
        from rxdag.cli._app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f"rxdag: the command line needs {error.name}; install it with: pip install 'rxdag[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    given = sys.argv[1:] if args is None else args
    try:
        app(given, prog_name="rxdag")
    except RxDagError as error:
        if "--traceback" in given:
            raise
        print(f"error: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", []):
            print(f"  {note}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ValueError) else 1) from None
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has left; there is nobody to tell
        raise SystemExit(1) from None
