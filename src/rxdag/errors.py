"""The exceptions and warnings a user can see."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BufferOverflow",
    "CompileError",
    "GraphError",
    "GraphWarning",
    "MissingExtra",
    "NodeError",
    "RxDagError",
    "SourceError",
    "SpecError",
    "Stalled",
    "StateError",
]


class RxDagError(Exception):
    """Root of every error of this library."""


class GraphError(RxDagError, ValueError):
    """A definition is wrong; raised while defining."""


class SpecError(RxDagError):
    """A spec, its settings or an expression in it is wrong.

    Attributes:
        problems: Each thing that is wrong with its place, for specs: `rxdag.spec.Problem`s.
    """

    problems: tuple[Any, ...] = ()


class CompileError(RxDagError):
    """A dag cannot be compiled."""


class SourceError(RxDagError):
    """What a source reads, or what a sink writes to, is not as it must be: a malformed line, a missing file."""


class NodeError(RxDagError):
    """A node failed; `__cause__` is what was raised in it.

    Attributes:
        node: Name of the node.
        item: What the node was working on; None where it was not an item (opening a file, a timer).
    """

    def __init__(self, message: str, *, node: str, item: Any = None) -> None:
        super().__init__(message)
        self.node = node
        self.item = item


class BufferOverflow(RxDagError):
    """A gate with `overflow=Overflow.ERROR` was full."""


class Stalled(RxDagError):
    """Nothing in the graph can move; names the gates and the fix."""


class StateError(RxDagError):
    """State cannot be saved, or what was saved cannot be read."""


class GraphWarning(UserWarning):
    """A definition is legal and probably not what was meant."""


class MissingExtra(RxDagError, ImportError):
    """An optional package is needed, and not installed."""
