"""Names that a public package does not have."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Final

from rxdag.errors import did_you_mean, plain_name

_PACKAGES: Final = {
    "rxdag": "rxdag",
    "rxdag.operators": "ops",
    "rxdag.aggregates": "agg",
    "rxdag.windows": "windows",
    "rxdag.sources": "sources",
    "rxdag.sinks": "sinks",
}
"""Packages that are easily confused, and their names in programs."""


def unknown_name(package: str, name: str) -> AttributeError:
    """Return the error for a name that a package does not have, with the name to use instead.

    Args:
        package: Name of the package.
        name: The requested name.
    """
    text = f"module '{package}' has no attribute '{name}'"
    # Python asks for a module in this way too, before it imports it; a hint would load the other packages.
    if not name.startswith("_") and find_spec(f"{package}.{name}") is None:
        text += _hint(package, name)
    # Python adds a guess of its own to an error that names the module.
    return AttributeError(text, name=name, obj=None)


def _hint(package: str, name: str) -> str:
    other_names = importlib.import_module("rxdag._other_names").OTHER_NAMES  # only errors read it
    known = importlib.import_module(package).__all__
    plain = plain_name(name)
    if plain in map(plain_name, known):
        return did_you_mean(name, known)
    elsewhere = [
        f"{short}.{name}" for other, short in _PACKAGES.items() if name in importlib.import_module(other).__all__
    ]
    use = other_names.get(package, {}).get(plain) or " or ".join(elsewhere)
    return f"; use {use}" if use else did_you_mean(name, known)
