"""Epochs: the rows of a checkpoint are written after it, in one transaction with its number."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from rxdag.contract import SinkContext, Writer
from rxdag.errors import GraphError, SourceError, shown

Rows: TypeAlias = Callable[[], Iterable[Any]]
"""Returns rows from the first one on, each time it is called."""


class Epoch(NamedTuple):
    """The last rows in a target.

    Attributes:
        number: Number of the transaction that wrote them, 1, 2, 3, ...; 0 if there is none.
        mark: Distinguishes the rows of a run from those of a run on a copy of its state.
    """

    number: int
    mark: str


NO_EPOCH: Final = Epoch(0, "")


@dataclass(frozen=True)
class Step:
    """One transaction: the target must be at `base`, and is at `epoch` afterwards.

    Attributes:
        key: Names of the dag, the sink and the target.
        base: Epoch before the rows.
        epoch: Epoch of the rows.
    """

    key: tuple[str, str, str]
    base: Epoch
    epoch: Epoch


class EpochWriter(Writer):
    """Adds rows once: they are saved in the next checkpoint, and committed with an epoch once it is durable.

    Subclasses keep the waiting rows and know the target.

    Args:
        context: The run.
        target: Name of the target in the key of its epochs.
        where: The target as messages show it.
    """

    start_over: ClassVar[str] = "let one run write to it, or start over"
    """Fix for a target that is at another epoch."""

    def __init__(self, context: SinkContext, target: str, where: str) -> None:
        self._where = where
        self._key = (context.dag, context.name, target)
        """Names by which the epoch is found; a run that continues keeps them, even if its sink is renamed."""
        self._base = self._epoch = NO_EPOCH
        """Epoch of the rows in the target, and of those that were saved last."""
        self._saved: list[Any] = []
        """Rows that are saved and not published."""
        self._has_checkpoints = False
        self.n = 0

    def begin(self) -> None:
        """Read the epoch of the target; called once it is open."""
        self._base = self._epoch = self.epoch_there(self._key)

    @abstractmethod
    def epoch_there(self, key: tuple[str, str, str]) -> Epoch:
        """Return the epoch of the target."""

    @abstractmethod
    def waiting(self) -> Iterable[Any]:
        """Return the rows since the last save, from the first one on."""

    @abstractmethod
    def forget_waiting(self) -> None:
        """Forget the rows since the last save."""

    @abstractmethod
    def commit(self, rows: Rows, step: Step | None) -> None:
        """Write rows in one transaction, with a step to the next epoch.

        A missing target is created. Without a step, the run takes no checkpoints, or there are no rows.

        Raises:
            SourceError: If the target is at another epoch, as created by `other_epoch`.
        """

    def undo(self) -> str | None:
        """Return the statements that take a target back to the epoch before the rows; None if there are none."""
        return None

    def lacks_target(self) -> bool:
        """Return True if the target is missing and can be created without rows. Called at the end of a run."""
        return False

    @abstractmethod
    def leave(self) -> None:
        """Close the target."""

    def facts(self) -> dict[str, Any]:
        """Return the data about the target to save beside the rows, for `take_facts` of another writer."""
        return {}

    def take_facts(self, facts: dict[str, Any]) -> None:
        """Restore the data that `facts` of another writer returned."""

    def save(self) -> dict[str, Any]:
        self._has_checkpoints = True
        self._saved += self.waiting()
        self.forget_waiting()
        self._epoch = self._next() if self._saved else self._base
        saved = {"n": self.n, "key": self._key, "base": tuple(self._base), "epoch": tuple(self._epoch)}
        return {**saved, "rows": list(self._saved), **self.facts()}

    def publish(self) -> None:
        if not self._saved:
            return
        self.commit(lambda: self._saved, Step(self._key, self._base, self._epoch))
        self._base, self._saved = self._epoch, []

    def restore(self, saved: dict[str, Any]) -> None:
        self._has_checkpoints = True
        dag, sink, target = saved["key"]
        self.n, self._key = saved["n"], (dag, sink, target)
        self._base, self._epoch = Epoch(*saved["base"]), Epoch(*saved["epoch"])
        self.take_facts(saved)
        found = self.epoch_there(self._key)
        if found == self._epoch:
            self._base = found
        elif found == self._base:
            self._saved = list(saved["rows"])
            self.publish()
        else:
            undo = self.undo() if found.number > self._base.number else None
            raise self.other_epoch(
                found, undo and f"to go back to the checkpoint, stop all other runs and execute: {undo}"
            )

    def close(self, *, ok: bool) -> int:
        try:
            if ok:
                self.publish()
                has_more = any(True for _ in self.waiting())
                if has_more or self.lacks_target():
                    is_counted = has_more and self._has_checkpoints
                    self.commit(self.waiting, Step(self._key, self._base, self._next()) if is_counted else None)
        finally:
            self.leave()
        return self.n

    def other_epoch(self, found: Epoch, fix: str | None = None) -> SourceError:
        """Return the error for a target that is at another epoch than the run, with `start_over` unless there is a fix."""
        dag, sink, _ = self._key
        base = self._base.number
        told = "is older than the checkpoint" if found.number < base else "was written by another run of this dag"
        other = " of another run" if found.number == base else ""
        return SourceError(
            f'{self._where} {told}: sink "{sink}" of dag "{dag}" must be at epoch {base}, got {found.number}{other}; '
            f"{fix or self.start_over}"
        )

    def _next(self) -> Epoch:
        return Epoch(self._base.number + 1, secrets.token_hex(8))


@dataclass(frozen=True)
class EpochTable:
    """The table of epochs in a database.

    Attributes:
        name: Its name, as SQL has it.
        slot: Placeholder of a value in a statement: "?" or "%s".
    """

    name: str
    slot: str

    @property
    def _named(self) -> str:
        """The name in a statement with placeholders, where a per cent sign would begin one."""
        return self.name.replace("%", "%%") if self.slot == "%s" else self.name

    def create(self) -> str:
        """Return the statement that creates it."""
        return (
            f"create table if not exists {self.name} (dag text not null, sink text not null, target text not null, "
            "epoch bigint not null, mark text not null, primary key (dag, sink, target))"
        )

    def epoch(self, db: Any, key: tuple[str, str, str]) -> Epoch:
        """Return the epoch of a key in a table that exists."""
        slot = self.slot
        query = f"select epoch, mark from {self._named} where dag = {slot} and sink = {slot} and target = {slot}"
        found = db.execute(query, key).fetchone()
        return NO_EPOCH if found is None else Epoch(int(found[0]), str(found[1]))

    def left_from(self, db: Any, dag: str, target: str, table: str) -> str | None:
        """Return the rows that a dag has added to a target, whatever its sink was called, with the fix; None for none.

        Args:
            db: The connection.
            dag: Name of the dag.
            target: Name of the target in keys.
            table: Name of the target as SQL has it.
        """
        query = f"select max(epoch) from {self._named} where dag = {self.slot} and target = {self.slot}"
        (epoch,) = db.execute(query, (dag, target)).fetchone()
        if not epoch:
            return None
        return (
            f"is at epoch {epoch}: delete from {table}; delete from {self.name} where {_where(dag=dag, target=target)}"
        )

    def undo(self, db: Any, key: tuple[str, str, str], to: Epoch, rows: str) -> str | None:
        """Return the statements that take a key back to an epoch; None if others have written to its target too.

        Args:
            db: The connection.
            key: Names of the dag, the sink and the target.
            to: The epoch.
            rows: Beginning of a condition for the rows, without the number: `"t" where "_epoch" >`.
        """
        dag, sink, target = key
        query = f"select count(*) from {self._named} where target = {self.slot}"
        if db.execute(query, (target,)).fetchone()[0] != 1:  # their epochs have the same numbers
            return None
        where = _where(dag=dag, sink=sink, target=target)
        update = f"update {self.name} set epoch = {to.number}, mark = '{to.mark}' where {where}"
        return f"delete from {rows} {to.number}; {update}"

    def step(self, db: Any, step: Step) -> bool:
        """Go to the next epoch in the transaction at hand; return False if the table is at another one."""
        slot = self.slot
        values = ", ".join((slot, slot, slot, "0", "''"))
        db.execute(f"insert into {self._named} values ({values}) on conflict do nothing", step.key)
        update = (
            f"update {self._named} set epoch = {slot}, mark = {slot} "
            f"where epoch = {slot} and mark = {slot} and dag = {slot} and sink = {slot} and target = {slot}"
        )
        return bool(db.execute(update, (*step.epoch, *step.base, *step.key)).rowcount == 1)


def _where(**names: str) -> str:
    """Return the condition, as SQL has it, that columns are equal to these texts."""
    texts = ("'" + text.replace("'", "''") + "'" for text in names.values())
    return " and ".join(f"{column} = {text}" for column, text in zip(names, texts, strict=True))


def checked_stamp(stamp: Any, upsert: object, where: str) -> str:
    """Return the name of the column for the epoch of a row, "" for none.

    Raises:
        GraphError: If it is no name, or rows are upserted, which have no epochs.
    """
    if stamp is None:
        return ""
    if not isinstance(stamp, str) or not stamp or "\0" in stamp:
        raise GraphError(f'{where}: stamp must be the name of a column, such as "_epoch", got {shown(stamp)}')
    if upsert:
        raise GraphError(f"{where}: stamp must be left out with upsert=, whose rows have no epochs, got {shown(stamp)}")
    return stamp


def stamp_clash(stamp: str, names: Iterable[str]) -> str | None:
    """Return the complaint if the column for the epoch has the name of a column of the items; None if it has not."""
    if stamp.lower() not in map(str.lower, names):
        return None
    return f"stamp must not be the name of a column of the items, got {shown(stamp)}; choose another"
