"""Texts and errors for what user code raises: making them never raises itself."""

from __future__ import annotations

import traceback
from typing import Any, Final

from rxdag.errors import NodeError

_MOST: Final = 300
_NO_ITEM: Final = object()


def shown(item: Any) -> str:
    """Return the repr of an item, cut to 300 characters; never raises."""
    try:
        text = repr(item)
    except BaseException as error:  # the item is broken, and the user must hear of that
        return f"a {type(item).__name__} whose repr raises {type(error).__name__}"
    return text if len(text) <= _MOST else text[: _MOST - 3] + "..."


def said(error: BaseException) -> str:
    """Return what an error says, or its type if it says nothing; never raises."""
    try:
        return str(error) or type(error).__name__
    except BaseException as failure:
        return f"{type(error).__name__}, whose text raises {type(failure).__name__}"


def traced(error: BaseException) -> str:
    """Return the traceback of an error as text; never raises."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:
        return f"{type(error).__name__}: {said(error)}"


def node_error(name: str, error: BaseException, item: Any = _NO_ITEM) -> NodeError:
    """Return the error of a node whose user code failed: on an item, or at a watermark, a timer or the end."""
    text = f"{type(error).__name__}: {said(error)}"
    if item is _NO_ITEM:
        made = NodeError(f'node "{name}" failed: {text}', node=name)
    else:
        made = NodeError(f'node "{name}" failed on {shown(item)}: {text}', node=name, item=item)
    made.__cause__ = error
    return made


def end_error(kind: str, name: str, error: BaseException) -> NodeError:
    """Return the error of a source or a sink that failed as a whole."""
    made = NodeError(f'{kind} "{name}": {said(error)}', node=name)
    made.__cause__ = error
    return made
