"""The command line: `rxdag demo`."""

from rxdag.cli._main import main

__all__ = ["main"]
