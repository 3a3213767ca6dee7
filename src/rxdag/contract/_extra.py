"""Extras: packages that are imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any, Final

from rxdag.errors import MissingExtra

INSTALL: Final = "pip install '.[{extra}]'"
"""Command of the README that installs rxdag with an extra from a checkout."""


def install_line(extra: str) -> str:
    """Return the command that installs the packages of an extra, wherever rxdag itself was installed from."""
    from importlib import metadata  # it loads threading

    try:
        required = metadata.requires("rxdag") or []
    except metadata.PackageNotFoundError:
        required = []
    packages = [
        text.partition(";")[0].strip() for text in required if text.replace('"', "'").endswith(f"extra == '{extra}'")
    ]
    return " ".join(["pip install", *(f'"{name}"' for name in packages)]) if packages else INSTALL.format(extra=extra)


def import_extra(module: str, extra: str, where: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Name of the module.
        extra: The extra of rxdag that installs it.
        where: Function that needs it, for the message.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(
            f'{where}: {package} must be installed, and is not; run {install_line(extra)} (extra "{extra}")'
        ) from error
