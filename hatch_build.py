"""Compile rxdag with mypyc: as a hook of hatchling if RXDAG_COMPILE=1, and in place as `python hatch_build.py`.

Without that variable a build is plain and needs no compiler. The list of what is compiled is in pyproject.toml.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import shutil
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT: Final = Path(__file__).resolve().parent
SRC: Final = ROOT / "src"
PACKAGE: Final = SRC / "rxdag"
RECORD: Final = f"rxdag/_compiled.{sys.implementation.cache_tag}.json"
"""What was compiled of which sources, for one version of Python; `rxdag.build_info` reads it."""
_OPTIMIZATION: Final = "3"


class Settings(NamedTuple):  # no dataclass: hatchling runs this file outside of sys.modules
    """The table of pyproject.toml.

    Attributes:
        modules: Patterns of files below src that are compiled.
        plain: Patterns of files among them that are not.
        requires: Packages that compiling takes.
    """

    modules: tuple[str, ...]
    plain: tuple[str, ...]
    requires: tuple[str, ...]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Settings:
        """Read the table."""
        return cls(tuple(table["modules"]), tuple(table["plain"]), tuple(table["requires"]))

    @classmethod
    def load(cls) -> Settings:
        """Read them from pyproject.toml."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        return cls.of(project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"])

    def files(self) -> list[str]:
        """Return what is compiled, relative to src and sorted: never an `__init__`, which holds no logic."""
        found = _matching(self.modules) - _matching(self.plain)
        return sorted(path.relative_to(SRC).as_posix() for path in found if path.name != "__init__.py")


def _matching(patterns: Iterable[str]) -> set[Path]:
    return {path for pattern in patterns for path in SRC.glob(pattern) if path.suffix == ".py"}


def compile_into(target: Path, files: list[str]) -> None:
    """Compile modules into one shared library, with one small extension for each, and write the record beside them.

    Args:
        target: Folder that gets `rxdag/...`.
        files: Modules, relative to src.
    """
    _require_compiler()
    # setuptools first: mypyc builds with it where it is loaded, and Python 3.12 has no distutils.
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]  # it has no types

    sources = files_behind(files)
    before = hashes_of(sources)
    with tempfile.TemporaryDirectory(prefix="rxdag-compile-") as folder, contextlib.chdir(SRC):
        # From src, so that tracebacks say rxdag/... wherever it was built. Without the project's own settings: types are
        # checked by `make check`, with all extras there.
        extensions = mypycify(
            ["--config-file=", f"--cache-dir={folder}", "--follow-imports=silent", "--ignore-missing-imports", *files],
            opt_level=_OPTIMIZATION,
            target_dir=folder,
            group_name="rxdag._native",
        )
        command: Any = Distribution({"name": "rxdag", "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib = str(target)
        command.build_temp = folder
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
    record = {
        "modules": [file.removesuffix(".py").replace("/", ".") for file in files],
        "sources": before,
    }
    (target / RECORD).write_text(json.dumps(record, indent=1) + "\n")


def _require_compiler() -> None:
    compiler = (sysconfig.get_config_var("CC") or "").split(" ")[0]
    if compiler and shutil.which(compiler) is None:
        raise SystemExit(f"compile: {compiler} is missing; install a C compiler (Debian: apt-get install gcc)")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        raise SystemExit(
            f"compile: {header} is missing; install Python's headers (Debian: apt-get install python3-dev)"
        )


def files_behind(files: list[str]) -> list[str]:
    """Return the modules and those of rxdag that they import by name: mypyc writes their constants and types into the code."""
    found = set(files)
    for file in files:
        for node in ast.walk(ast.parse((SRC / file).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= _files_of(node.module)
            elif isinstance(node, ast.Import):
                found |= {path for alias in node.names for path in _files_of(alias.name)}
    return sorted(found)


def _files_of(module: str) -> set[str]:
    path = SRC.joinpath(*module.split("."))
    if not path.is_relative_to(PACKAGE) or path == PACKAGE:
        return set()
    files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    return {file.relative_to(SRC).as_posix() for file in files}


def hashes_of(files: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each file, relative to src."""
    return {file: hashlib.sha256((SRC / file).read_bytes()).hexdigest() for file in files}


def compile_in_place() -> list[str]:
    """Compile into src; what was compiled before for this Python goes first. Return the modules."""
    files = Settings.load().files()
    with tempfile.TemporaryDirectory(prefix="rxdag-compiled-") as folder:
        built = Path(folder)
        compile_into(built, files)
        remove_compiled()
        for path in built.rglob("*"):
            if path.is_file():
                shutil.copy2(path, SRC / path.relative_to(built))
    return files


def remove_compiled() -> None:
    """Delete what was compiled into src for this Python."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for path in [*PACKAGE.rglob(f"*{suffix}"), SRC / RECORD]:
        path.unlink(missing_ok=True)


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]  # of any configuration
    """Puts the compiled modules into the wheel, beside their sources."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        if not _is_on():
            return []
        # rxdag's own as well, so that mypyc sees the same types wherever it runs.
        return [*Settings.of(self.config).requires, *self.metadata.core.dependencies]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not _is_on():
            return
        if version == "editable":
            compile_in_place()
            return
        self._built = tempfile.TemporaryDirectory(prefix="rxdag-compiled-")
        built = Path(self._built.name)
        compile_into(built, Settings.of(self.config).files())
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for path in built.rglob("*"):
            if path.is_file():
                build_data["force_include"][str(path)] = path.relative_to(built).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if _is_on() and version != "editable":
            self._built.cleanup()


def _is_on() -> bool:
    return os.environ.get("RXDAG_COMPILE") == "1"


def main() -> None:
    """Compile in place, and say what was compiled and how long it took."""
    begin = time.monotonic()
    files = compile_in_place()
    print(f"compiled {len(files)} modules in {time.monotonic() - begin:.0f} s:")
    for file in files:
        print(f"  src/{file}")


if __name__ == "__main__":
    main()
