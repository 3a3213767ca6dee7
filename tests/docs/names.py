"""What a name in the documentation stands for: packages of rxdag, their classes, and the variables of examples."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from typing import Any, Final

import rxdag
from rxdag import contract, errors, expressions, runtime, schedulers, sources
from rxdag.adapters import market_data
from rxdag.columns import Columns
from rxdag.testing import strategies
from tests.docs.pages import Code

PACKAGES: Final = {
    name: getattr(rxdag, name) for name in rxdag.__all__ if inspect.ismodule(getattr(rxdag, name))
} | {
    "rxdag": rxdag,
    "ops": rxdag.operators,
    "agg": rxdag.aggregates,
    "contract": contract,
    "errors": errors,
    "expressions": expressions,
    "market_data": market_data,
    "schedulers": schedulers,
    "faults": rxdag.testing.faults,
    "strategies": strategies,
}  # fmt: skip


def _public_classes() -> dict[str, type]:
    found: dict[str, type] = {}
    for package in (rxdag, sources, *PACKAGES.values(), runtime, rxdag.graph, rxdag.plan):
        for name in getattr(package, "__all__", ()):
            thing = getattr(package, name)
            if inspect.isclass(thing):
                found.setdefault(name, thing)
    return found


_CLASSES: Final = _public_classes()
VARIABLES: Final[dict[str, tuple[type, ...]]] = {
    "bars": (rxdag.WindowedStream,),
    "both": (rxdag.Stream,),
    "chunk": (rxdag.Chunk,),
    "columns": (Columns,),
    "context": (contract.SourceContext, contract.SinkContext),
    "controller": (market_data.RateController,),
    "ctx": (contract.ProcessContext,),
    "dag": (rxdag.Dag,),
    "emit": (rxdag.Emit,),
    "epoch": (rxdag.sinks.BatchEpoch,),
    "error": (rxdag.NodeError,),
    "info": (rxdag.BuildInfo,),
    "nyse": (rxdag.market.Session,),
    "plan": (rxdag.Plan,),
    "push": (sources.Push,),
    "quotes": (runtime.QuotesSettings,),
    "rates": (rxdag.orchestration.RateCoordinator,),
    "result": (rxdag.RunResult,),
    "routes": (rxdag.Routes,),
    "run": (rxdag.Run, rxdag.testing.VirtualRun),
    "runtime": (rxdag.PipelineRuntime,),
    "session": (rxdag.market.Session,),
    "sim": (rxdag.testing.Simulation,),
    "stream": (rxdag.WindowedStream,),
    "trades": (rxdag.Stream,),
}
"""What variables of examples are called, wherever they are made."""
MODULES: Final = {"np": "numpy"} | {
    name: name for name in ("copy", "dataclasses", "json", "logging", "mmh3", "msgspec", "reactivex", "sys", "time")
}
"""Others that the documentation speaks of, by the name that they have there."""
_ENDS: Final = ["csv", "gz", "html", "json", "jsonl", "md", "py", "so", "svg", "toml", "txt", "yaml", "yml"]


def public_callables() -> dict[str, list[Callable[..., Any]]]:
    """Return functions, classes and methods of the public packages, by their own name."""
    found: dict[str, list[Callable[..., Any]]] = {}
    for package in PACKAGES.values():
        for name in getattr(package, "__all__", ()):
            thing = getattr(package, name)
            if callable(thing):
                found.setdefault(name, []).append(thing)
    for cls in _CLASSES.values():
        for name, member in inspect.getmembers(cls, callable):
            if not name.startswith("_"):
                found.setdefault(name, []).append(member)
    return found


CALLABLES: Final = public_callables()


def parameters(thing: Callable[..., Any]) -> set[str] | None:
    """Return the names of keyword arguments; None if any name goes."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    names = {name for name, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}
    if len(names) == len(signature.parameters):
        return names
    hints = typing.get_type_hints(thing) if "Unpack" in str(signature) else {}
    options = [typing.get_args(hint) for hint in hints.values() if typing.get_origin(hint) is typing.Unpack]
    return names | set(options[0][0].__annotations__) if options else None


def attribute(thing: Any, name: str) -> Any:
    """Return the attribute of a module, class or object; None for one that only objects of the class have.

    Raises:
        AttributeError: If there is none.
    """
    if inspect.ismodule(thing) and not hasattr(thing, name):
        with contextlib.suppress(ImportError):
            return importlib.import_module(f"{thing.__name__}.{name}")
    if hasattr(thing, name):
        return getattr(thing, name)
    for cls in getattr(thing, "__mro__", ()):
        if name in inspect.get_annotations(cls) or re.search(rf"^        self\.{name}\b", _source(cls), re.M):
            return None
    raise AttributeError(name)


def _source(cls: type) -> str:
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        return ""


def roots(name: str) -> tuple[Any, ...]:
    """Return what a first name can stand for.

    Raises:
        LookupError: If it is no package, class or variable, and no module either.
    """
    for known in (PACKAGES, _CLASSES):
        if name in known:
            return (known[name],)
    if name in VARIABLES:
        return VARIABLES[name]
    if name in MODULES:
        return (importlib.import_module(MODULES[name]),)
    raise LookupError(name)


def is_file(dotted: str) -> bool:
    first, _, rest = dotted.partition(".")
    return first not in PACKAGES and rest.split(".")[-1] in _ENDS


def resolve(dotted: str) -> Any:
    """Return what a dotted name stands for; None if only objects have it.

    Raises:
        LookupError: If the first part is not known.
        AttributeError: If a later one is not.
    """
    first, *rest = dotted.split(".")
    *others, last = roots(first)
    for thing in others:
        with contextlib.suppress(AttributeError):
            return _inside(thing, rest)
    return _inside(last, rest)


def _inside(thing: Any, names: list[str]) -> Any:
    for name in names:
        if thing is None or isinstance(thing, property) or name.startswith("__"):
            return None
        thing = attribute(thing, name)
    return thing


def dotted_names(text: str) -> Iterator[str]:
    """Yield names such as `ops.map` out of code, without those in strings."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", '""', text)
    own = set(re.findall(r"lambda ([\w, ]+):", bare)) | {"self", "col", "_"}
    own |= {name.strip() for names in own for name in names.split(",")}
    for found in re.finditer(r"(?<![\w.\])/@-])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?![\w:-])", bare):
        if found[1].split(".")[0] not in own and not is_file(found[1]):
            yield found[1]


def calls(text: str) -> Iterator[tuple[str | None, str, list[str]]]:
    """Yield the calls in code: the dotted name if there is one, the last name, and the keyword arguments."""
    whole = re.sub(r"=(?=[,)])", "=...", text.removeprefix("await ").lstrip("."))
    try:
        tree = ast.parse(whole)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            given = [word.arg for word in node.keywords if word.arg is not None]
            yield _dotted(node.func), name, given


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def problems(code: Code, *, foreign: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of a piece of code that do not exist, and arguments that what is called does not take.

    Args:
        code: The piece.
        foreign: First names that belong to other libraries.
    """
    for dotted in dotted_names(code.text):
        if dotted.split(".")[0] in foreign:
            continue
        try:
            resolve(dotted)
        except LookupError:
            yield f"{code.where}: {code.text}: {dotted.split('.')[0]} is not known"
        except AttributeError as missing:
            yield f"{code.where}: {code.text}: {dotted} has no {missing}"
    for dotted, name, given in calls(code.text):
        if dotted is None or dotted.split(".")[0] not in foreign:
            for word in unknown_arguments(dotted, name, given):
                yield f"{code.where}: {code.text}: {name} takes no {word}="


def unknown_arguments(dotted: str | None, name: str, given: list[str]) -> list[str]:
    """Return keyword arguments that none of the callables of that name takes."""
    candidates = CALLABLES.get(name, [])
    if dotted is not None and "." in dotted:
        try:
            thing = resolve(dotted)
        except (LookupError, AttributeError):
            thing = None
        candidates = [thing] if callable(thing) else candidates
    elif hasattr(builtins, name) and name not in CALLABLES:
        return []
    taken = [parameters(each) for each in candidates]
    if not taken or None in taken:
        return []
    return [word for word in given if not any(word in names for names in taken if names is not None)]
