"""A graph in a Python file: the only one in it, or the one named."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from rxdag.contract import nearest_file
from rxdag.errors import SpecError, did_you_mean, shown
from rxdag.graph import Dag
from rxdag.plan import Plan


def script_of(spec: str) -> tuple[str, str | None] | None:
    """Return the parts of `job.py` or `job.py:name`; None for anything else."""
    if spec.endswith(".py"):
        return spec, None
    path, colon, name = spec.rpartition(":")
    return (path, name) if colon and path.endswith(".py") else None


def dag_of_script(path: str, name: str | None) -> Dag:
    """Run a file as a module, and return its dag; `if __name__ == "__main__"` is False in it.

    Args:
        path: Path of the file.
        name: Name of a Dag, a Plan or a function that returns one; None for the only Dag of the file.

    Raises:
        SpecError: If there is no such file, or no such dag in it.
    """
    module = _imported(path)
    if name is None:
        name = _only(module, path)
    return dag_named(module, name, path)


def dag_named(module: ModuleType, name: str, where: str) -> Dag:
    """Return the dag that has a name in a module, or that a function of that name returns.

    Raises:
        SpecError: If there is none.
    """
    if not hasattr(module, name):
        raise SpecError(f'{where}: must have "{name}", got none{did_you_mean(name, dir(module))}')
    thing: Any = getattr(module, name)
    if callable(thing) and not isinstance(thing, Dag | Plan) and _takes_nothing(thing):
        thing = thing()
    if isinstance(thing, Plan):
        thing = thing.dag
    if not isinstance(thing, Dag):
        raise SpecError(
            f"{where}:{name}: must be a Dag, a Plan, or a function without arguments that returns one, got {shown(thing)}"
        )
    return thing


def _takes_nothing(fn: Callable[..., Any]) -> bool:
    """Return True for a plain function that can be called without arguments."""
    if inspect.isclass(fn) or inspect.iscoroutinefunction(fn):
        return False
    try:
        inspect.signature(fn).bind()
    except (TypeError, ValueError):
        return False
    return True


def _imported(path: str) -> ModuleType:
    """Import a file under its own name, so that state can name the classes in it."""
    file = Path(path).resolve()
    if not file.is_file():
        raise SpecError(f'"{path}": must be a Python file, got none{nearest_file(path)}')
    name = re.sub(r"\W", "_", file.stem)
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == str(file):
            return known
        raise SpecError(f'"{path}": must not have the name of a module that is in use, got "{name}"; rename the file')
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise SpecError(f'"{path}": must be a Python file')
    sys.path.insert(0, str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _only(module: ModuleType, path: str) -> str:
    """Return the name of the only dag of a module.

    Raises:
        SpecError: If it has none, or several.
    """
    found: dict[int, str] = {}
    for name, value in vars(module).items():
        if isinstance(value, Dag | Plan):
            found.setdefault(id(value.dag if isinstance(value, Plan) else value), name)
    names = list(found.values())
    if len(names) == 1:
        return names[0]
    if names:
        raise SpecError(f"{path}: must have one dag, got {len(names)}: {', '.join(names)}; pass {path}:{names[0]}")
    own = [name for name, value in vars(module).items() if _is_builder(value, module)]
    raise SpecError(
        f"{path}: must have a Dag at module level, got none; assign one, such as dag = rxdag.Dag(...)"
        + (f", or pass the name of a function that returns one: {path}:{own[0]}" if own else "")
    )


def _is_builder(value: Any, module: ModuleType) -> bool:
    """Return True for a function of the module that can be called without arguments."""
    is_own = inspect.isfunction(value) and value.__module__ == module.__name__ and not value.__name__.startswith("_")
    return is_own and _takes_nothing(value)
