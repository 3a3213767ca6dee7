"""Names that a public package does not have."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Final

from rxdag.errors import did_you_mean, plain_name

_ROOMS: Final = {
    "rxdag": "rxdag",
    "rxdag.operators": "ops",
    "rxdag.aggregates": "agg",
    "rxdag.windows": "windows",
    "rxdag.sources": "sources",
    "rxdag.sinks": "sinks",
}
"""Packages whose names are easily mistaken for another's, and what they are called in programs."""


def unknown_name(room: str, name: str) -> AttributeError:
    """Return the error for a name that a package does not have, with what to use in its place.

    Args:
        room: Name of the package.
        name: Name that was asked for.
    """
    text = f"module '{room}' has no attribute '{name}'"
    # Python asks for a module in this way too, before it imports it; a hint would load the other packages.
    if not name.startswith("_") and find_spec(f"{room}.{name}") is None:
        text += _hint(room, name)
    # Python adds a guess of its own to an error that names the module.
    return AttributeError(text, name=name, obj=None)


def _hint(room: str, name: str) -> str:
    other_names = importlib.import_module("rxdag._other_names").OTHER_NAMES  # only errors read it
    known = importlib.import_module(room).__all__
    plain = plain_name(name)
    if plain in map(plain_name, known):
        return did_you_mean(name, known)
    elsewhere = [f"{short}.{name}" for other, short in _ROOMS.items() if name in importlib.import_module(other).__all__]
    use = other_names[room].get(plain) or " or ".join(elsewhere)
    return f"; use {use}" if use else did_you_mean(name, known)
