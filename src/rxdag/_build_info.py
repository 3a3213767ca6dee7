"""Build information: which form of rxdag runs, compiled or plain."""

from __future__ import annotations

import hashlib
import importlib.machinery
import json
import platform
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

_HOME: Final = Path(__file__).parent
_RECORD: Final = f"_compiled.{sys.implementation.cache_tag}.json"
_LIBRARY: Final = "rxdag._native__mypyc"
"""Shared library of all compiled modules."""


@dataclass(frozen=True)
class BuildInfo:
    """Information about the running form of rxdag and its sources.

    Attributes:
        version: Version of rxdag.
        python: Implementation and version, such as "CPython 3.11.7".
        compiled: Names of the modules that run compiled, sorted; empty in the plain form.
        changed: Files, such as "rxdag/contract/_time.py", that differ from the compiled ones, sorted.
        sources: SHA-256 of all Python files of the package, equal for both forms.
    """

    version: str
    python: str
    compiled: tuple[str, ...]
    changed: tuple[str, ...]
    sources: str

    @property
    def form(self) -> Literal["compiled", "plain"]:
        """Return "compiled" if any module runs compiled."""
        return "compiled" if self.compiled else "plain"

    def __str__(self) -> str:
        form = f"compiled: {len(self.compiled)} modules" if self.compiled else "plain"
        stale = ", not of these sources" if self.changed else ""
        return f"rxdag {self.version} ({form}{stale}, {self.python})"


def build_info() -> BuildInfo:
    """Return which form of rxdag runs, compiled or plain.

    This reads all files of the package.

    Example:
        >>> rxdag.build_info().form in ("compiled", "plain")
        True
    """
    from rxdag import __version__

    return read_build(_HOME, __version__)


def read_build(home: Path, version: str) -> BuildInfo:
    """Return the build information of a package.

    Args:
        home: Folder of the package.
        version: Version of rxdag.
    """
    compiled = {name: path for name, path in _extensions(home) if name != _LIBRARY}
    record = _record(home)
    return BuildInfo(
        version,
        f"{platform.python_implementation()} {platform.python_version()}",
        tuple(sorted(compiled)),
        tuple(sorted(_changed(home, record, compiled))),
        _hash_of_all(home),
    )


def warn_if_stale() -> None:
    """Warn if sources have changed since they were compiled in place: Python takes the compiled modules all the same."""
    changed = sorted(_differing(_HOME, _record(_HOME)))
    if changed:
        warnings.warn(
            f"rxdag: {', '.join(changed)} differ from what was compiled, and the compiled modules run; run `make compiled` "
            "again, or `make plain`",
            RuntimeWarning,
            stacklevel=4,
        )


def _extensions(home: Path) -> Iterator[tuple[str, Path]]:
    """Yield the compiled modules that this Python imports instead of their sources, by name."""
    for path in home.rglob("*"):
        stem, dot, rest = path.name.partition(".")
        if dot + rest in importlib.machinery.EXTENSION_SUFFIXES:
            yield ".".join((home.name, *path.relative_to(home).parent.parts, stem)), path


def _record(home: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((home / _RECORD).read_text())
    except FileNotFoundError:
        return {}
    return record


def _changed(home: Path, record: dict[str, Any], compiled: dict[str, Path]) -> set[str]:
    """Return sources that differ from the compiled ones, and compiled modules or records without their counterpart."""
    recorded = set(record.get("modules", ()))
    unpaired = recorded ^ set(compiled)
    return _differing(home, record) | {_file_of(name) for name in unpaired}


def _differing(home: Path, record: dict[str, Any]) -> set[str]:
    return {file for file, known in record.get("sources", {}).items() if _hash_of(home.parent / file) != known}


def _file_of(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _hash_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _hash_of_all(home: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        whole.update(f"{path.relative_to(home).as_posix()} {_hash_of(path)}\n".encode())
    return whole.hexdigest()
