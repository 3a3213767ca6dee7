"""A store in memory, for tests of what uses a store."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Self

import msgspec

from rxdag.checkpoints._session_rules import check_facts, check_id, check_open, check_part, needs_begun
from rxdag.checkpoints._store import Checkpoint
from rxdag.contract import whole
from rxdag.errors import CheckpointError

_WHERE = "checkpoints.memory"


def memory(*, keep: int = 2) -> MemoryStore:
    """Keep checkpoints in memory, for tests: they outlive a run, not the process.

    Args:
        keep: Number of newest checkpoints to keep, 1 or more, beside pinned ones.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> store = checkpoints.memory()
        >>> with store.open("bars") as session:
        ...     session.begin()
        ...     session.put("node", b"state")
        ...     session.commit(graph="1f2e", at_ns=0).id
        1
        1
        >>> store.read(1)
        {'node': b'state'}
    """
    return MemoryStore(whole(keep, f"{_WHERE}: keep", least=1))


class MemoryStore:
    """Checkpoints in memory: what `checkpoints.memory` returns. Thread-safe."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.last = 0
        self.kept: dict[int, tuple[Checkpoint, dict[str, bytes]]] = {}
        self.owner: str | None = None
        self.mutex = threading.RLock()

    def open(self, owner: str) -> MemorySession:
        """Open the store for one run.

        Raises:
            CheckpointError: If it is in use.
        """
        with self.mutex:
            if self.owner is not None:
                raise CheckpointError(
                    f'{_WHERE}: must be used by one run at a time, got dag "{self.owner}"; stop that run first'
                )
            self.owner = owner
        return MemorySession(self)

    def latest(self) -> Checkpoint | None:
        """Return the newest checkpoint; None if there is none."""
        with self.mutex:
            return self.kept[self.last][0] if self.last else None

    def list(self) -> tuple[Checkpoint, ...]:
        """Return all checkpoints, oldest first."""
        with self.mutex:
            return tuple(checkpoint for checkpoint, _ in self.kept.values())

    def read(self, id: int) -> Mapping[str, bytes]:  # noqa: A002
        """Return the parts of a checkpoint by name, in the order in which they were put.

        Raises:
            CheckpointError: If there is no such checkpoint.
        """
        with self.mutex:
            return dict(self._found(id)[1])

    def pin(self, id: int) -> None:  # noqa: A002
        """Keep a checkpoint until it is unpinned."""
        self._set_pinned(id, is_pinned=True)

    def unpin(self, id: int) -> None:  # noqa: A002
        """Keep a checkpoint no longer than the others of its age."""
        self._set_pinned(id, is_pinned=False)

    def _set_pinned(self, number: int, *, is_pinned: bool) -> None:
        with self.mutex:
            checkpoint, parts = self._found(number)
            self.kept[number] = msgspec.structs.replace(checkpoint, is_pinned=is_pinned), parts

    def _found(self, number: int) -> tuple[Checkpoint, dict[str, bytes]]:
        check_id(_WHERE, number, self.kept)
        return self.kept[number]


class MemorySession:
    """An opened store in memory. Thread-safe."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._begun: dict[str, bytes] | None = None
        self._is_open = True

    @property
    def identity(self) -> str:
        """Text that is unique to the store."""
        return f"memory-{id(self._store)}"

    def latest(self) -> Checkpoint | None:
        """Return the newest committed checkpoint; None if there is none."""
        return self._store.latest()

    def read(self, id: int) -> Mapping[str, bytes]:  # noqa: A002
        """Return the parts of a checkpoint by name."""
        return self._store.read(id)

    def begin(self) -> int:
        """Begin a checkpoint, and return its id."""
        with self._writing("begin"):
            self._begun = {}
            return self._store.last + 1

    def put(self, name: str, data: bytes) -> None:
        """Add a part to the checkpoint that was begun."""
        with self._writing("put"):
            begun, self._begun = needs_begun(_WHERE, self._begun, "put"), None
            check_part(_WHERE, name, data, begun)
            begun[name] = data
            self._begun = begun

    def commit(self, *, graph: str, at_ns: int, is_done: bool = False) -> Checkpoint:
        """Keep the checkpoint, and return it."""
        with self._writing("commit"):
            begun, self._begun = needs_begun(_WHERE, self._begun, "commit"), None
            check_facts(_WHERE, graph, at_ns, is_done)
            store, size = self._store, sum(map(len, begun.values()))
            checkpoint = Checkpoint(store.last + 1, at_ns, is_done, size, graph)
            newest = [*store.kept, checkpoint.id][-store.keep :]
            store.kept = {n: each for n, each in store.kept.items() if each[0].is_pinned or n in newest}
            store.kept[checkpoint.id] = checkpoint, begun
            store.last = checkpoint.id
            return checkpoint

    def abandon(self) -> None:
        """Drop the checkpoint that was begun, if any."""
        with self._writing("abandon"):
            self._begun = None

    def close(self) -> None:
        """Drop a checkpoint that was not committed, and let others open the store."""
        with self._store.mutex:
            if self._is_open:
                self._is_open, self._begun, self._store.owner = False, None, None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _writing(self, verb: str) -> Generator[None]:
        with self._store.mutex:
            check_open(_WHERE, self._is_open, verb)
            yield
