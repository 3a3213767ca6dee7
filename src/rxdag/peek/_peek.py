"""A look at a file: the program that reads it."""

from __future__ import annotations

from rxdag.errors import SourceError, shown
from rxdag.peek._arrow import arrow_layout
from rxdag.peek._csv import csv_layout
from rxdag.peek._fix import fix_layout
from rxdag.peek._head import head_of
from rxdag.peek._json import json_layout
from rxdag.peek._program import text_of


def program_of(path: str) -> str:
    """Return the program that reads a file, with its reasons as comments.

    About 1 MiB of the beginning is read, and 64 KiB of the end; of Parquet and Arrow, the first rows.

    Args:
        path: Path of a file: CSV, JSON lines or FIX messages, plain or compressed, Parquet, or Arrow.

    Raises:
        SourceError: If the file is missing, empty, damaged, or of no form that is known.
    """
    head = head_of(path)
    layout = arrow_layout(path, head)
    if layout is None:
        lines = head.lines(path)
        layout = json_layout(path, head, lines) or fix_layout(path, head, lines) or csv_layout(path, head, lines)
        if layout is None:
            first = next((line for line in lines if line.strip()), "")
            raise SourceError(
                f"{path}: must be CSV, JSON lines, Parquet or Arrow, got lines of another form, such as "
                f"{shown(first, most=80)}"
            )
    return text_of(layout)
