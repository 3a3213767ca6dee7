"""Extras: packages that are imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from rxdag.errors import MissingExtra


def import_extra(module: str, extra: str, where: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Its name.
        extra: The extra of rxdag that brings it.
        where: What needs it, for the message.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(
            f'{where}: {package} must be installed, and is not; say pip install "rxdag[{extra}]"'
        ) from error
