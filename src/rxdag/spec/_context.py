"""The context of a reader of parameters: its position, its permissions, and its list of problems."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rxdag.errors import did_you_mean, named_text, shown
from rxdag.spec._problems import Mark, Problems
from rxdag.spec._tree import Tree

REFERENCE: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)")
"""A reference, `package.module:attribute`."""


class Refused(Exception):
    """A value is wrong, and the problem has been reported."""


@dataclass(frozen=True)
class Context:
    """Position and permissions of a value that is read.

    Attributes:
        problems: Collects problems.
        base: Folder for relative paths, which must stay inside it.
        allow: Modules whose attributes may be named, including submodules.
        outside: True to allow paths outside `base`.
        path: Keys that lead here, such as "nodes.bars.size".
    """

    problems: Problems
    base: Path
    allow: tuple[str, ...]
    outside: bool
    path: str = ""

    def at(self, key: object) -> Context:
        """Return the context of the value under a key."""
        return replace(self, path=f"{self.path}.{key}" if self.path else str(key))

    def refuse(self, tree: Tree | Mark, message: str) -> Refused:
        """Report a problem; return the exception to raise."""
        self.problems.add(tree if isinstance(tree, Mark) else tree.mark, self.path, message)
        return Refused(message)

    def tell(self, tree: Tree | Mark, message: str) -> None:
        """Report a problem, and continue."""
        self.refuse(tree, message)

    def reference(self, tree: Tree) -> Any:
        """Return the object at `package.module:attribute`, if its module is allowed."""
        match = REFERENCE.fullmatch(tree.value) if isinstance(tree.value, str) else None
        if match is None:
            raise self.refuse(tree, f'must be a reference such as "package.module:name", got {tree_text(tree)}')
        module, names = match.groups()
        if not is_within(module, self.allow):
            allowed = ", ".join(self.allow) or "none"
            raise self.refuse(
                tree,
                f'module "{module}" must be allowed by the code that loads the spec, with allow=("{module}",); '
                f"allowed: {allowed}",
            )
        try:
            found: Any = importlib.import_module(module)
        except Exception as error:  # importing the module may raise anything
            raise self.refuse(tree, f'module "{module}" must be importable: {named_text(error)}') from None
        for name in names.split("."):
            if not hasattr(found, name):
                raise self.refuse(tree, f'"{module}" has no "{name}"{did_you_mean(name, dir(found))}')
            found = getattr(found, name)
            home = getattr(found, "__module__", module)
            if inspect.ismodule(found) or not is_within(str(home), self.allow):
                raise self.refuse(tree, f'"{tree.value}" must be defined in an allowed module, and comes from {home}')
        return found


def is_within(module: str, allow: tuple[str, ...]) -> bool:
    """Return True if a name is one of the modules, or inside one."""
    return any(module == each or module.startswith(f"{each}.") for each in allow)


def tree_text(tree: Tree) -> str:
    """Return a value in a message, cut short."""
    if isinstance(tree.value, dict | list):
        return tree.kind
    return shown(tree.value, most=60)
