"""The law about user functions: one that fails leaves the state of the kernel as it was."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from rxdag.contract import KeyedProcess
from rxdag.testing._check_graph import Driven, Lane
from rxdag.testing._check_imprint import imprint
from rxdag.testing._check_node import DrivenNode
from rxdag.testing._check_recover import Broken

Path = tuple[Any, ...]
"""Path of a function in an operator: field names and tuple indices."""
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)


class Injected(Exception):
    """The error of a user function in laws about its failure."""


class _Failing:
    """A function that always fails for certain arguments.

    Args:
        fn: Called for all other arguments.
        on: Imprint of the failing arguments; None to never fail.
    """

    def __init__(self, fn: Callable[..., Any], on: str | None) -> None:
        functools.update_wrapper(self, fn, updated=())
        self._fn = fn
        self._on = on
        self.calls: dict[str, None] = {}
        """Imprints of all arguments so far, in order."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        got = repr(imprint((args, named)))
        self.calls[got] = None
        if got == self._on:
            raise Injected
        return self._fn(*args, **named)


class _Process(KeyedProcess[Any, Any, Any, Any]):
    """A process whose `on_item` is another function."""

    def __init__(self, process: KeyedProcess[Any, Any, Any, Any], on_item: Callable[..., Any]) -> None:
        self._process = process
        self._on_item = on_item
        vars(self)["ports"] = process.ports  # as if they belonged to the class

    def initial(self) -> Any:
        return self._process.initial()

    def on_item(self, ctx: Any, state: Any, item: Any, /) -> Any:
        return self._on_item(ctx, state, item)

    def on_timer(self, ctx: Any, state: Any, name: str, /) -> Any:
        return self._process.on_timer(ctx, state, name)

    def on_end(self, ctx: Any, state: Any, /) -> None:
        self._process.on_end(ctx, state)


def _is_function(value: object) -> bool:
    return isinstance(value, _FUNCTIONS)


def _is_process(value: object) -> bool:
    return isinstance(value, KeyedProcess)


def functions_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of the user functions of an operator."""
    if _is_function(value) or _is_process(value):
        yield path
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if field.init:
                yield from functions_of(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, tuple):
        for at, each in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from functions_of(each, (*path, at))


def _with(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Return the same operator with one function changed."""
    if not path:
        return change(value)
    first, *rest = path
    if isinstance(value, tuple):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        parts[first] = _with(parts[first], tuple(rest), change)
        return tuple(parts)
    return dataclasses.replace(value, **{first: _with(getattr(value, first), tuple(rest), change)})


class _FunctionWatch:
    """Compares the state before and after an item whose function failed."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._before: dict[str, Any] = {}

    def before(self, node: DrivenNode) -> None:
        self._before = {name: imprint(each) for name, each in node.kernel.snapshot().items()}

    def after(self, node: DrivenNode, error: Exception | None) -> None:
        if not isinstance(error, Injected):
            return
        now = {name: imprint(each) for name, each in node.kernel.snapshot().items()}
        changed = [name for name in now if now[name] != self._before.get(name)]
        if changed:
            raise Broken(
                f"{self._shown} must be called before the state changes, so that a failed item leaves the state as "
                f"it was, got a change of {', '.join(changed)}"
            )


def check_functions(make: Callable[..., Driven], lanes: tuple[Lane, ...]) -> None:
    """Make each user function of each operator fail on its first, a middle and its last arguments.

    Args:
        make: Makes a driver of a new graph; takes `operator`, which changes operators.
        lanes: Lanes to try.

    Raises:
        Broken: If an item on which a function fails changes the state, or is not counted.
    """
    for name, path in _places(make):
        calls = _calls(make, name, path)
        for on in dict.fromkeys((*calls[:1], *calls[len(calls) // 2 :][:1], *calls[-1:])):
            for lane in lanes:
                _fail_on(functools.partial(make, lane=lane), name, path, on)


def _places(make: Callable[..., Driven]) -> list[tuple[str, Path]]:
    """Return the nodes and places of all functions."""
    found: list[tuple[str, Path]] = []

    def look(name: str, operator: Any) -> Any:
        found.extend((name, path) for path in functions_of(operator) if path)
        return operator

    make(operator=look).close()
    return found


def _changed(name: str, path: Path, on: str | None, made: list[_Failing]) -> Callable[[str, Any], Any]:
    """Return a function that replaces one user function of one node by one that fails."""

    def failing(fn: Any) -> Any:
        is_process = _is_process(fn)
        made.append(_Failing(fn.on_item if is_process else fn, on))
        return _Process(fn, made[-1]) if is_process else made[-1]

    return lambda node, operator: _with(operator, path, failing) if node == name else operator


def _calls(make: Callable[..., Driven], name: str, path: Path) -> list[str]:
    """Return the arguments of a function; none if it is called while kernels are made."""
    made: list[_Failing] = []
    driven = make(operator=_changed(name, path, None, made))
    if made[0].calls:
        driven.close()
        return []
    driven.open()
    driven.run()
    driven.close()
    return list(made[0].calls)


def _fail_on(make: Callable[..., Driven], name: str, path: Path, on: str) -> None:
    driven = make(operator=_changed(name, path, on, []), skips=True)
    shown = f"{name}: {_spelled(path)}"
    node = driven.nodes[name]
    node.watch = _FunctionWatch(shown)
    driven.open()
    driven.run()
    driven.close()
    problem = node.problem(0)
    if problem is not None:
        raise Broken(f"{shown} fails, and the books must balance all the same, got {problem}")


def _spelled(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
