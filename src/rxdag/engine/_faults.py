"""The errors of nodes whose user code failed."""

from __future__ import annotations

from typing import Any, Final

from rxdag.contract import BadProgram, Sink, label_of
from rxdag.errors import NodeError, named_text, shown, text_of

NO_ITEM: Final = object()


def node_error(name: str, error: BaseException, item: Any = NO_ITEM) -> NodeError:
    """Return the error of a node whose user code failed: on an item, or at a watermark, a timer or the end."""
    if item is NO_ITEM:
        made = NodeError(f'node "{name}" failed: {named_text(error)}', node=name)
    else:
        made = NodeError(f'node "{name}" failed on {shown(item)}: {named_text(error)}', node=name, item=item)
    made.__cause__ = error
    return made


def end_error(kind: str, name: str, error: BaseException) -> NodeError:
    """Return the error of a source or a sink that failed as a whole."""
    made = NodeError(f'{kind} "{name}": {text_of(error) or type(error).__name__}', node=name)
    made.__cause__ = error
    return made


def watcher_error(name: str, error: BaseException) -> NodeError:
    """Return the error of what observes a node, which has failed."""
    made = NodeError(f'observer of "{name}" failed: {text_of(error) or type(error).__name__}', node=name)
    made.__cause__ = error
    return made


def wrong_write(sink: Sink[Any, Any], given: Any) -> str:
    """Return the message for a writer that returned something that cannot be awaited, or will not be."""
    where = f"{label_of(sink)}: write"
    if sink.where == "async":
        return f"{where} must return None or an awaitable, got {shown(given)}"
    return f'{where} must return None, got {shown(given)}; a sink with async methods must set where = "async"'


def checked_resource(made: Any, where: str) -> Any:
    """Return the resource that a factory has made, an async context manager.

    Raises:
        BadProgram: If it is not an async context manager.
    """
    if not (hasattr(made, "__aenter__") and hasattr(made, "__aexit__")):
        raise BadProgram(
            f"{where} must return an async context manager, got {shown(made)}; decorate an async generator function "
            "with @contextlib.asynccontextmanager"
        )
    return made


async def left(resource: Any, error: BaseException | None) -> None:
    """Leave an async context manager as `async with` does, with an error or without."""
    if error is None:
        await resource.__aexit__(None, None, None)
    else:
        await resource.__aexit__(type(error), error, error.__traceback__)
