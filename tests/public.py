"""Which packages and modules of rxdag are public: their docstrings say it."""

import importlib
import pkgutil
from typing import Final

import rxdag

PUBLIC: Final = "Public."
INTERNAL: Final = "Internal: not part of the API; may change in any release."


def packages() -> list[str]:
    """The names of all packages, and of the modules that have no underscore."""
    found = [module.name for module in pkgutil.walk_packages(rxdag.__path__, "rxdag.")]
    return ["rxdag", *(name for name in found if not name.rpartition(".")[2].startswith("_"))]


def said_of(name: str) -> str:
    """The last line of a package's docstring."""
    return (importlib.import_module(name).__doc__ or "").rstrip().splitlines()[-1]


def public_packages() -> list[str]:
    """The names of those that are public."""
    return [name for name in packages() if said_of(name) == PUBLIC]


def exported(name: str) -> dict[str, object]:
    """What a package exports, by name."""
    module = importlib.import_module(name)
    return {each: getattr(module, each) for each in module.__all__}
