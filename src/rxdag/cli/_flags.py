"""Messages in the spelling of the command line: `--until` for an argument `until=`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rxdag.errors import CheckpointError, CompileError, RxDagError, SpecError, text_of

_ARGUMENT: Final = re.compile(r"(?:dag \"[^\"]*\"|[\w.]+): (\w+):? ")
"""Beginning of the message about an invalid argument: `run: until must be ...`, `dag "bars": shard: must be ...`."""
_CALL: Final = re.compile(r"\b(\w+)=(?:True|[(\[]?\"([^\"]*)\"(?:,?[)\]])?)")
"""An argument in Python notation: `outside=True`, `allow=("mine",)`, `allow_drop=["bars"]`."""
_WORD: Final = re.compile(r"(?<![.\w])[a-z]+_[a-z_]+\b")
"""A name that can only be an argument: `max_replicas`, but not `settings.drain_timeout` of a spec."""


def said(error: RxDagError, flags: Mapping[str, str]) -> str:
    """Return the text of an error, with arguments written as flags unless it is an error of a run.

    Args:
        error: The error.
        flags: Options of the command by parameter: "until" is "--until".
    """
    text = text_of(error, most=1 << 31)
    return in_flags(text, flags) if is_of_usage(error) or isinstance(error, CheckpointError) else text


def is_of_usage(error: RxDagError) -> bool:
    """Return True for an error in the input of the command, False for an error of a run."""
    return isinstance(error, ValueError | SpecError | CompileError)


def in_flags(text: str, flags: Mapping[str, str]) -> str:
    """Return a message with the arguments that are options of the command spelt as those."""
    begin = _ARGUMENT.match(text)
    if begin is not None and begin[1] in flags:
        text = f"{flags[begin[1]]} {text[begin.end() :]}"

    def flag(call: re.Match[str]) -> str:
        name, value = call.groups()
        return call[0] if name not in flags else flags[name] if value is None else f"{flags[name]} {value}"

    return _WORD.sub(lambda word: flags.get(word[0], word[0]), _CALL.sub(flag, text))
