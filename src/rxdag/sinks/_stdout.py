"""Items on the standard output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

from rxdag.contract import NOT_TAKEN_BACK, Chunk, Sink, SinkContext, Writer
from rxdag.errors import GraphError, shown
from rxdag.sinks._flatten import json_line


class _StdoutWriter(Writer):
    def __init__(self, form: str, context: SinkContext) -> None:
        self._json = json_line() if form == "jsonl" else None
        self._key_names = context.shape.key_names
        self.n = 0

    def write(self, chunk: Chunk) -> None:
        if self._json is None:
            text = "".join(f"{item}\n" for item in chunk.items)
        else:
            text = b"".join(self._json(item, self._key_names) for item in chunk.items).decode()
        sys.stdout.write(text)
        sys.stdout.flush()
        self.n += len(chunk.items)

    def close(self, *, ok: bool) -> int:
        return self.n


@dataclass(frozen=True)
class _Stdout(Sink[object, int]):
    form: str
    label = "stdout"
    why_repeats = NOT_TAKEN_BACK

    def open(self, context: SinkContext) -> Writer:
        return _StdoutWriter(self.form, context)


def stdout(*, form: Literal["text", "jsonl"] = "text") -> Sink[object, int]:
    """Print each item on its own line; `result[sink]` is the number of lines.

    Args:
        form: "text" for `str(item)`, "jsonl" for JSON.

    Raises:
        GraphError: If `form` is neither.

    Example:
        >>> _ = rxdag.run(rxdag.from_source(sources.range(2)).to(sinks.stdout()))
        0
        1
    """
    if form not in ("text", "jsonl"):
        raise GraphError(f'stdout: form must be "text" or "jsonl", got {shown(form)}')
    return _Stdout(form)
