"""The exceptions and warnings a user can see, and how the text of foreign objects is made.

Public.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias, TypeVar, cast

__all__ = [
    "BufferOverflow",
    "CheckpointError",
    "CompileError",
    "GraphError",
    "GraphWarning",
    "MissingExtra",
    "NodeError",
    "RxDagError",
    "SavedError",
    "SourceError",
    "SpecError",
    "Stalled",
    "StateError",
    "Terminated",
]

_ITEM_CHARS: Final = 300
_ERROR_CHARS: Final = 10_000
_CAUSES: Final = 20
"""Longest chain of causes that is pickled."""
_TRACE: Final = "_recorded_trace"
_GOES_ON: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
_CAUSE: Final = vars(BaseException)["__cause__"]
"""Reads the cause of an error of any class, also of one that overrides the attribute."""
_E = TypeVar("_E", bound=BaseException)


class RxDagError(Exception):
    """Base class of all errors of this library.

    Errors can be pickled, with their causes and notes. A part that cannot be pickled is replaced by its text.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _pickled(self)


class GraphError(RxDagError, ValueError):
    """Raised at definition time if a graph is invalid."""


class SpecError(RxDagError):
    """Raised if a spec, its settings or one of its expressions is invalid.

    Attributes:
        problems: For specs, each problem with its location: `rxdag.spec.Problem`s.
    """

    problems: tuple[Any, ...] = ()


class CompileError(RxDagError):
    """Raised if a dag cannot be compiled."""


class SourceError(RxDagError):
    """Raised if the input of a source or the target of a sink is invalid or missing.

    Examples are a malformed line and a missing file.
    """


class NodeError(RxDagError):
    """Raised if a node failed; `__cause__` is the original exception.

    Attributes:
        node: Name of the node.
        item: The item that was being processed; None if there was none, as when opening a file or in a timer.
    """

    def __init__(self, message: str, *, node: str, item: Any = None) -> None:
        super().__init__(message)
        self.node = node
        self.item = item


class BufferOverflow(RxDagError):
    """Raised if a gate with `Overflow.ERROR` or `collect(max_items=)` overflows."""


class Stalled(RxDagError):
    """Raised if no node of the graph can make progress; names the gates and the fix."""


class StateError(RxDagError):
    """Raised if state cannot be saved, or saved state cannot be read."""


class SavedError(RxDagError):
    """Replaces an error from saved state whose class is unknown or cannot be rebuilt.

    Attributes:
        kind: Name of its class, such as "ValueError".
        kinds: Full names of its class and of the base classes, by which `rxdag.catch` recognises it.
    """

    def __init__(self, kind: str, text: str, kinds: Iterable[str] = ()) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.kinds = tuple(kinds)


class CheckpointError(RxDagError):
    """Raised if a store of checkpoints is in use, damaged, or cannot be read or written.

    Attributes:
        whole: If the store is damaged, the id of the newest checkpoint that is whole; None if there is none.
    """

    def __init__(self, message: str, *, whole: int | None = None) -> None:
        super().__init__(message)
        self.whole = whole


class GraphWarning(UserWarning):
    """Warns of a definition that is legal but probably a mistake."""


class MissingExtra(RxDagError, ImportError):
    """Raised if an optional package is required but not installed."""


class Terminated(SystemExit):
    """Raised after SIGTERM has drained a run; uncaught, it exits with code 143.

    Attributes:
        result: The `RunResult` that `run` would have returned; for `PipelineRuntime`, a dict of results by name.
    """

    def __init__(self, result: Any) -> None:  # Any: a RunResult, or a dict of them
        super().__init__(143)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return _pickled(self)


def shown(item: object, *, most: int = _ITEM_CHARS) -> str:
    """Return the repr of a foreign object, at most `most` characters; never raises."""
    try:
        text = repr(item)
    except _GOES_ON:
        raise
    except BaseException as broken:  # some libraries raise exceptions outside of Exception
        return f"a {type(item).__name__} whose repr raises {type(broken).__name__}"
    return text if len(text) <= most else text[: most - 3] + "..."


def did_you_mean(name: str, known: Iterable[str], elsewhere: Mapping[str, str] | None = None) -> str:
    """Return '; did you mean "dedupe"?', or nothing if no known name is near.

    Args:
        name: The unknown name.
        known: The known names.
        elsewhere: Names for them in other libraries, in lower case without underscores.
    """
    from difflib import get_close_matches  # only errors need it

    plain = plain_name(name)
    if elsewhere is not None and plain in elsewhere:
        return f'; did you mean "{elsewhere[plain]}"?'
    names = list(known)
    by_plain = {plain_name(each): each for each in names}
    near = get_close_matches(name, names, n=1) or [by_plain[each] for each in get_close_matches(plain, by_plain, n=1)]
    return f'; did you mean "{near[0]}"?' if near else ""


def plain_name(name: str) -> str:
    """Return a name in lower case without underscores, so that `flatMap` and `flat_map` are one."""
    return name.replace("_", "").lower()


def text_of(error: BaseException, *, most: int = _ERROR_CHARS) -> str:
    """Return the text of an error, at most `most` characters; never raises."""
    try:
        text = str(error)
    except _GOES_ON:
        raise
    except BaseException as broken:  # some libraries raise exceptions outside of Exception
        return f"an error whose text raises {type(broken).__name__}"
    return text if len(text) <= most else text[: most - 3] + "..."


def named_text(error: BaseException) -> str:
    """Return the class of an error and its text; never raises."""
    if isinstance(error, SavedError):  # its text begins with the class that it had
        return text_of(error)
    return f"{type(error).__name__}: {text_of(error)}"


def as_exception(reason: BaseException, where: str) -> Exception:
    """Return an error as an Exception: itself, or an `RxDagError` that it has caused."""
    if isinstance(reason, Exception):
        return reason
    made = RxDagError(f"{where}: ended by {shown(reason)}")
    made.__cause__ = reason
    return made


def kinds_of(error: BaseException) -> tuple[str, ...]:
    """Return the full names of the class of an error and of its base classes; of a saved one, those that it had."""
    if isinstance(error, SavedError):
        return error.kinds
    return tuple(_full_name(each) for each in type(error).__mro__ if issubclass(each, Exception))


def is_a(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Return True if an error, or the one that a `SavedError` replaces, is of one of some classes."""
    if isinstance(error, kinds):
        return True
    return isinstance(error, SavedError) and any(_full_name(each) in error.kinds for each in kinds)


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def chain_of(error: BaseException) -> list[BaseException]:
    """Return an error, its cause, the cause of that, and so on; at most a few."""
    chain = [error]
    while (cause := _CAUSE.__get__(chain[-1])) is not None and len(chain) <= _CAUSES and not _is_in(cause, chain):
        chain.append(cause)
    return chain


def traced(error: _E, trace: str) -> _E:
    """Return a recorded error with the traceback that it had, as text."""
    vars(error)[_TRACE] = trace
    return error


def trace_of(error: BaseException) -> str:
    """Return the traceback of an error as Python prints it; never raises."""
    recorded = vars(error).get(_TRACE)
    if isinstance(recorded, str):
        return recorded
    try:
        return "".join(traceback.format_exception(error))
    except _GOES_ON:
        raise
    except BaseException:  # its causes and notes are foreign too
        return f"{named_text(error)}\n"


_Parcel: TypeAlias = tuple[bytes | None, str]
"""A part pickled on its own, None if that fails, and its text for a process that cannot unpickle it."""


def _pickled(error: BaseException) -> tuple[Any, ...]:
    """Return the result of `__reduce__`: the error and its causes, each on its own."""
    return _unpickled, (tuple(_packed_error(each) for each in chain_of(error)),)


def _unpickled(parcels: tuple[_Parcel, ...]) -> BaseException:
    chain = [_unpacked_error(parcel) for parcel in parcels]
    for error, cause in pairwise(chain):
        error.__cause__ = cause
    return chain[0]


def _is_in(error: BaseException, chain: list[BaseException]) -> bool:
    return any(error is each for each in chain)


def _packed(value: object) -> _Parcel:
    try:
        return pickle.dumps(value), shown(value)
    except _GOES_ON:
        raise
    except BaseException:
        return None, shown(value)


def _unpacked(parcel: _Parcel) -> Any:
    blob, text = parcel
    try:
        return text if blob is None else pickle.loads(blob)
    except _GOES_ON:
        raise
    except BaseException:
        return text


def rebuilt(kind: type[BaseException], args: tuple[Any, ...], attributes: Mapping[str, Any]) -> BaseException:
    """Return an error with its arguments and attributes, without calling its own constructor."""
    error = kind.__new__(kind, *args)
    # The constructor may require other arguments. That of the nearest builtin class sets the state held in C.
    builtin: Any = next(each for each in kind.__mro__ if each.__module__ == "builtins")
    builtin.__init__(error, *args)
    vars(error).update(attributes)
    return error


def _packed_error(error: BaseException) -> _Parcel:
    text = named_text(error)
    if not isinstance(error, RxDagError | Terminated):
        return _packed(error)[0], text
    args = tuple(map(_packed, error.args))
    attributes = {name: _packed(value) for name, value in vars(error).items()}
    return _packed((type(error), args, attributes))[0], text


def _unpacked_error(parcel: _Parcel) -> BaseException:
    blob, text = parcel
    made = _unpacked((blob, text))
    if isinstance(made, tuple):
        kind, args, attributes = cast("tuple[type[BaseException], tuple[_Parcel, ...], dict[str, _Parcel]]", made)
        given = tuple(map(_unpacked, args))
        return rebuilt(kind, given, {name: _unpacked(value) for name, value in attributes.items()})
    return made if isinstance(made, BaseException) else RxDagError(text)
