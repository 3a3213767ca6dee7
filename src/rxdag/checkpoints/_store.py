"""The protocol of stores: how checkpoints are saved, and the last one is found."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

import msgspec


class Checkpoint(msgspec.Struct, frozen=True):
    """The facts about a checkpoint; its content is read by `read(id)`.

    Attributes:
        id: Number of the checkpoint: 1, 2, 3, ... in a store, each used for one committed checkpoint only.
        at_ns: Wall clock when the state was taken, ns since the epoch.
        is_done: True if the run had ended; nothing is left to do.
        bytes: Size of all parts, in bytes.
        graph: Fingerprint of the graph, as passed to `commit`.
        is_pinned: True if the checkpoint is kept until it is unpinned.
    """

    id: int
    at_ns: int
    is_done: bool
    bytes: int
    graph: str
    is_pinned: bool = False


class StoreSession(Protocol):
    """An opened store: the only writer of it, until it is closed.

    A checkpoint is a set of named parts. It is written by `begin`, one `put` per part, and `commit`. It is durable once
    `commit` has returned; a process that is killed earlier leaves the new checkpoint whole or the previous one as it
    was. If `put` or `commit` fails, the checkpoint is abandoned, and `begin` starts another attempt.

    A session that writes to a local disk also has an attribute `path`, the path of its file or folder. The free space of
    that disk is a metric.

    Used as a context manager, it is closed at the end. Thread-safe: it may be used by other threads than the one that
    opened it. Only one checkpoint is written at a time.
    """

    @property
    def identity(self) -> str:
        """Text that is unique to the store; a fork has another one."""
        ...

    def latest(self) -> Checkpoint | None:
        """Return the newest committed checkpoint; None if there is none."""
        ...

    def read(self, id: int) -> Mapping[str, bytes]:  # noqa: A002
        """Return the parts of a checkpoint by name, in the order of `put`.

        Raises:
            CheckpointError: If there is no such checkpoint, or it is damaged.
        """
        ...

    def begin(self) -> int:
        """Begin a checkpoint, and return the id that it will have; abandon one that was begun and not committed."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Add a part to the checkpoint that was begun.

        Args:
            name: Name of the part, not empty, one per checkpoint.
            data: Content of the part, of any size.

        Raises:
            CheckpointError: If the part cannot be written, or `begin` was not called.
        """
        ...

    def commit(self, *, graph: str, at_ns: int, is_done: bool = False) -> Checkpoint:
        """Make the checkpoint durable, and return it; older ones are deleted by the settings of the store.

        Args:
            graph: Fingerprint of the graph.
            at_ns: Wall clock when the state was taken, ns since the epoch.
            is_done: True if the run has ended.

        Raises:
            CheckpointError: If it cannot be written, or `begin` was not called.
        """
        ...

    def abandon(self) -> None:
        """Drop the checkpoint that was begun, if any."""
        ...

    def close(self) -> None:
        """Drop a checkpoint that was not committed, and let others open the store. Does nothing if closed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Store(Protocol):
    """A place for checkpoints: a value, which can be opened by one run at a time."""

    def open(self, owner: str) -> StoreSession:
        """Open the store for one run.

        Args:
            owner: Name of the dag, shown to others that want to open the store.

        Raises:
            CheckpointError: If it is in use, and by whom; if it cannot be opened; or if it is damaged.
        """
        ...
