"""Functions as arguments: checks before their first call."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterable
from typing import Any, Final

from rxdag.errors import GraphError, shown

_NUMBERS: Final = ("no argument", "one argument", "two arguments", "three arguments")
MAP_ASYNC: Final = "ops.map_async awaits one"
RETURN: Final = "use `return` instead of `yield`; ops.explode takes a generator function"
_OF_ACCUMULATORS: Final = {
    "check": ("the item",),
    "add": ("the item",),
    "add_at": ("the item", "its event time", "its sequence"),
    "remove": ("the item",),
    "result": (),
    "result_in": ("the start", "the end"),
    "merge": ("the younger accumulator",),
    "snapshot": (),
    "restore": ("the snapshot",),
}
CONTEXT: Final = "decorate it with @contextlib.asynccontextmanager, or remove async"


def check_function(fn: Any, where: str, *takes: str, instead: str = MAP_ASYNC, generators: bool = False) -> None:
    """Raise GraphError for a coroutine or generator function, or one that cannot take its arguments.

    It refuses only what is certain to fail: callables without a signature, or with one from a decorator, pass.

    Args:
        fn: The callable.
        where: Operator and argument, for the message: "map: fn".
        takes: Description of each argument of a call, in order, such as "the item".
        instead: Advice for the message if it is a coroutine function.
        generators: True to allow generator functions, where an iterable is expected.
    """
    if not callable(fn):
        raise GraphError(f"{where} must be a function, got {shown(fn)}")
    check_plain(fn, where, instead=instead, generators=generators)
    check_arguments(fn, where, *takes)


def check_plain(
    fn: Any, where: str, *, instead: str = MAP_ASYNC, generators: bool = False, yields: str = RETURN
) -> None:
    """Raise GraphError for a coroutine function or a generator function: a call of one runs nothing.

    Args:
        fn: The callable.
        where: Operator and argument, for the message.
        instead: Advice for the message if it is a coroutine function.
        generators: True to allow generator functions.
        yields: Advice for the message if it is a generator function.
    """
    kind = async_kind(fn)
    if kind is not None:
        hint = f"; {instead}" if instead else ""
        raise GraphError(f"{where} must be a plain function, got the {kind} {shown(fn)}{hint}")
    if not generators and is_generator_function(fn):
        raise GraphError(f"{where} must be a plain function, got the generator function {shown(fn)}; {yields}")


def check_methods(thing: object, where: str, names: Iterable[str], *, yields: str) -> None:
    """Raise GraphError if one of an object's methods is a coroutine or generator function: a call of one runs nothing."""
    for name in names:
        method = getattr(thing, name, None)
        if method is not None:
            check_plain(method, f"{where}.{name}", instead="nothing awaits it here", yields=yields)


def check_accumulator(made: object) -> None:
    """Raise GraphError if a method of an accumulator cannot be called, or is a coroutine or generator function."""
    check_methods(made, type(made).__name__, _OF_ACCUMULATORS, yields="use `return` instead of `yield`")
    for name, takes in _OF_ACCUMULATORS.items():
        check_arguments(getattr(made, name, None), f"{type(made).__name__}.{name}", *takes)


def is_generator_function(fn: Any) -> bool:
    """Return True for a function with `yield` in it, or an object that is called as one."""
    return any(inspect.isgeneratorfunction(each) for each in (fn, None if isinstance(fn, type) else type(fn).__call__))


def check_awaited(fn: Any, where: str, *takes: str, instead: str) -> None:
    """Raise GraphError for a function that certainly returns no awaitable, or cannot take its arguments.

    A plain function passes, since it may return an awaitable, as the methods of many clients do.

    Args:
        fn: The callable.
        where: Operator and argument, for the message: "acall: fn".
        takes: Description of each argument of a call, in order.
        instead: Advice for the message: where to use a plain function.
    """
    if not _may_return_awaitable(fn):
        raise GraphError(f"{where} must be a coroutine function, got {shown(fn)}; a plain function goes into {instead}")
    check_arguments(fn, where, *takes)


def check_arguments(fn: Any, where: str, *takes: str) -> None:
    """Raise GraphError for a function that cannot be called with this number of arguments."""
    signature = _signature(fn)
    if signature is None:
        return
    try:
        signature.bind(*takes)
    except TypeError:
        words = f"{_NUMBERS[len(takes)]}{', ' if takes else ''}{_listed(takes)}"
        got = f"{_name(fn)}{shown_signature(signature)}"
        raise GraphError(f"{where} must take {words}; got {got}; {_cure(signature, takes)}") from None


def check_named_arguments(fn: Any, where: str, names: Iterable[str]) -> None:
    """Raise GraphError for a function that cannot be called with arguments of these names."""
    signature = _signature(fn)
    if signature is None:
        return
    given = dict.fromkeys(names)
    try:
        signature.bind(**given)
    except TypeError:
        raise GraphError(
            f"{where} must take arguments named {', '.join(given)}; got {_name(fn)}{shown_signature(signature)}"
        ) from None


def async_kind(fn: Any) -> str | None:
    """Return the kind of an asynchronous function, in words; None if it is plain."""
    for each in (fn, None if isinstance(fn, type) else type(fn).__call__):
        if inspect.iscoroutinefunction(each):
            return "coroutine function"
        if inspect.isasyncgenfunction(each):
            return "async generator function"
    return None


def _may_return_awaitable(fn: Any) -> bool:
    while isinstance(fn, functools.partial):
        fn = fn.func
    kind = async_kind(fn)
    if kind is not None:
        return kind == "coroutine function"
    if isinstance(fn, type):
        return hasattr(fn, "__await__")
    if isinstance(fn, types.BuiltinFunctionType):
        owner: Any = fn.__self__
        of_builtins = fn.__module__ if isinstance(owner, types.ModuleType) or owner is None else type(owner).__module__
        return of_builtins != "builtins"  # compiled libraries may return some
    code = getattr(fn, "__code__", None)
    is_generator = inspect.isgeneratorfunction(fn)
    return not is_generator or bool(getattr(code, "co_flags", 0) & inspect.CO_ITERABLE_COROUTINE)


def _signature(fn: Any) -> inspect.Signature | None:
    """Return the signature of a call; None if it is not known for certain."""
    kinds: list[Any] = type.mro(fn) if isinstance(fn, type) else [fn]
    if any("__signature__" in getattr(each, "__dict__", ()) for each in kinds):
        return None
    try:
        # Not the signature of the wrapped function: a decorator may add arguments.
        return inspect.signature(fn, follow_wrapped=False)
    except (ValueError, TypeError):
        return None


def _cure(signature: inspect.Signature, takes: tuple[str, ...]) -> str:
    """Return the way to turn a function into one that takes this number of arguments."""
    parameters = signature.parameters.values()
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    is_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    if len(positional) < len(takes) and not is_any:
        return f"add a parameter for {_listed(takes[len(positional) :])}"
    if takes == ("the item",) and len(positional) > 1:
        return "to spread an item over its parameters, write lambda item: fn(*item)"
    return "give its other parameters a default, or bind them with functools.partial"


def _listed(takes: tuple[str, ...]) -> str:
    return " and ".join(takes) if len(takes) < 3 else f"{', '.join(takes[:-1])} and {takes[-1]}"


def shown_signature(signature: inspect.Signature) -> str:
    """Return a signature without annotations, each default as "..."."""
    plain = [
        each.replace(annotation=inspect.Parameter.empty, default=each.default if each.default is each.empty else ...)
        for each in signature.parameters.values()
    ]
    return str(inspect.Signature(plain)).replace("Ellipsis", "...")


def _name(fn: Any) -> str:
    name = getattr(fn, "__name__", None)
    return name if isinstance(name, str) else shown(fn)
