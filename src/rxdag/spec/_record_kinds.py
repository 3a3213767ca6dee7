"""Kinds of parameters that are classes of settings."""

from __future__ import annotations

from typing import Any, Final

from rxdag.sources import Backoff, Dialect
from rxdag.spec._compound_kinds import Either, ListOf, MappingOf, OrNone, RecordOf
from rxdag.spec._kinds import DurationKind, OneOf, Plain


def _is_no_bool(value: Any) -> bool:
    return not isinstance(value, bool)


BACKOFF: Final = RecordOf(
    Backoff,
    {
        "base": DurationKind(),
        "factor": Plain(float),
        "cap": DurationKind(),
        "jitter": Plain(float),
        "attempts": OrNone(Plain(int)),
        "reset_after": DurationKind(),
    },
)
DIALECT: Final = RecordOf(
    Dialect,
    {
        "delimiter": Plain(str),
        "quote": Plain(str | None),
        "header": Either(_is_no_bool, ListOf(Plain(str)), Plain(bool)),
        "skip_lines": Plain(int),
        "comment": Plain(str | None),
        "trailer": Plain(str | None),
        "rename": MappingOf(Plain(str)),
        "decimal": OneOf((".", ",")),
        "nulls": ListOf(Plain(str)),
    },
)
