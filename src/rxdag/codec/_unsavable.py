"""Values that cannot be saved: their path in the state, and a fix."""

from __future__ import annotations

import inspect
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from rxdag._saved_rows import SavedRows
from rxdag.codec._names import Names, is_enum, spelled
from rxdag.codec._pack import Packer
from rxdag.codec._scalars import is_numpy
from rxdag.codec._walk import kind_of, parts_of, shown
from rxdag.errors import StateError

_CONTAINERS: Final[dict[type, Callable[[], Any]]] = {
    kind: kind for kind in (list, tuple, set, frozenset, dict, deque, OrderedDict, Counter)
}


def complaint(value: Any, where: str, names: Names) -> str | None:
    """Return the message for the first thing in a value that cannot be saved; None if all can."""
    open_: set[int] = set()
    stack: list[tuple[str, Any, bool]] = [(where, value, False)]
    while stack:
        place, each, is_left = stack.pop()
        if is_left:
            open_.discard(id(each))
            continue
        text = _own(each, names)
        if text is not None:
            return f"{place}: {text}"
        parts = list(parts_of(each, place, names))
        if not parts:
            continue
        if id(each) in open_:
            return f"{place}: must not contain itself, got {shown(each)} again; save a key of it instead"
        open_.add(id(each))
        stack.append((place, each, True))
        stack += [(part, inner, False) for part, inner in reversed(parts)]
    return None


def _own(value: Any, names: Names) -> str | None:
    """Return the problem with a value itself, regardless of its parts; None if there is none."""
    kind = kind_of(value)
    if names.record(kind) is None and not is_enum(kind):
        try:
            Packer(names).pack(_emptied(value))
        except StateError as error:
            reason = str(error) if is_numpy(value) or not str(error).startswith("must be plain data") else ""
            return reason or f"must be plain data to be saved, got {shown(value)}; {_fix(value, kind)}"
        except (OverflowError, UnicodeEncodeError):
            return None
        return None
    try:
        names.name(kind)
    except StateError:
        return (
            f"must be of a class that can be imported by name, got an instance of {spelled(kind)}; move the class to "
            "the top level of its module, or pass it in types=, or in state_types= of a run"
        )
    return None


def _emptied(value: Any) -> Any:
    """Return an empty container of the same type; any other value unchanged."""
    kind = kind_of(value)
    if kind is defaultdict:
        return defaultdict[Any, Any](value.default_factory)
    make = _CONTAINERS.get(kind)
    return [] if kind is SavedRows else value if make is None else make()


def _fix(value: Any, kind: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        return "keep it on the operator, and only its data in the state"
    for base in (dict, list, tuple, set, frozenset, str, int, float, bytes):
        if issubclass(kind, base):
            return f"save it as a {base.__name__}"
    if isinstance(value, BaseException):
        return "save its text"
    if inspect.isgenerator(value) or isinstance(value, Iterator) or not hasattr(value, "__dict__"):
        return "leave it out, and create it again in restore()"
    return f"make {kind.__qualname__} a dataclass, a NamedTuple or a msgspec.Struct"
