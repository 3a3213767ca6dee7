"""The laws about state: it is all declared, survives the process, and does not depend on watermark steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random
from typing import Any

from rxdag.codec import Codec
from rxdag.errors import StateError, shown
from rxdag.testing._check_graph import Driven, Lane
from rxdag.testing._check_imprint import Undeclared
from rxdag.testing._check_node import DrivenNode

Outputs = dict[str, list[Any]]
_POINTS = 12
"""Number of points at which a run is stopped, for all lanes together."""
_LEAVINGS = ("dropped", "unassigned", "unrouted")
"""Ports that get no items on columns."""


class Broken(Exception):  # says what is wrong, for the law
    """Raised by an observer of a run: a law is violated."""


class Drives:
    """The runs of one graph that laws compare.

    Args:
        make: Makes a driver of a new graph, which shares nothing with others.
        codec: Codec that saves the state.
        rng: Draws points and watermarks.
    """

    def __init__(self, make: Callable[..., Driven], codec: Codec, rng: Random) -> None:
        self.make = make
        self._codec = codec
        self._rng = rng
        self.whole = self.run(self.make())
        columns = self.make(lane="columns")
        self.lanes: tuple[Lane, ...] = ("rows", "columns") if columns.columns else ("rows",)
        columns.close()

    @staticmethod
    def run(driven: Driven) -> Driven:
        """Run it from its beginning to its end."""
        driven.open()
        driven.run()
        driven.close()
        return driven

    def check_state(self) -> None:
        """Check that each attribute is state, is derived, or never changes, and that snapshots match `state`.

        Raises:
            Broken: If an attribute is none of these, or a snapshot differs.
        """
        for lane in self.lanes:
            driven = self.make(lane=lane)
            for node in driven.nodes.values():
                node.watch = _StateWatch(node)
            self.run(driven)

    def check_recover(self) -> None:
        """Check that a run restored from bytes, on either lane, gives the same outputs as an uninterrupted one.

        Raises:
            Broken: If it does not, or its state cannot be saved.
        """
        for before, after in itertools.product(self.lanes, self.lanes):
            for point in self._points():
                how = f"{before}, then {after}, from bytes after {point} turns" if len(self.lanes) > 1 else ""
                self._recover(before, after, point, how or f"from bytes after {point} turns")

    def _points(self) -> list[int]:
        turns = range(self.whole.turn + 1)
        n = _POINTS // len(self.lanes) ** 2
        return sorted({*self._rng.sample(turns, min(n, len(turns))), turns[-1] - 1, turns[-1] // 2} & {*turns})

    def _recover(self, before: Lane, after: Lane, point: int, how: str) -> None:
        first = self.make(lane=before)
        first.open()
        first.run(point)
        data = self._bytes(first.save())
        first.close()
        second = self.make(lane=after)
        try:
            second.load({where: self._codec.decode(part, where=where) for where, part in data.items()})
            second.run()
        except Exception as error:
            raise Broken(f"{how}: restore must take what snapshot gave, and failed: {shown(error)}") from error
        finally:
            second.close()
        both = {port: items + second.outputs[port] for port, items in first.outputs.items()}
        self.compare(both, second.error or first.error, how, lanes={before, after})
        if second.error is None and (problems := second.problems()):
            raise Broken(f"{how}: books must balance, got {'; '.join(problems)}")

    def _bytes(self, saved: dict[str, Any]) -> dict[str, bytes]:
        try:
            return {where: self._codec.encode(part, where=where) for where, part in saved.items()}
        except StateError as error:
            raise Broken(str(error)) from None

    def check_marks(self) -> None:
        """Check that additional watermarks without an item between make no difference.

        Raises:
            Broken: If the outputs differ.
        """
        for lane in self.lanes:
            driven = self.make(lane=lane)
            for node in driven.nodes.values():
                node.split = Random(self._rng.random())
            self.run(driven)
            how = f"further watermarks below those that come ({lane})"
            self.compare(driven.outputs, driven.error, how, lanes={lane})

    def compare(self, got: Outputs, error: Exception | None, how: str, *, lanes: set[Lane]) -> None:
        """Raise Broken if the outputs of a run differ from those of the whole one."""
        if repr(error.__cause__ if error else None) != repr(self.whole.error.__cause__ if self.whole.error else None):
            raise Broken(f"{how} must end alike, got {shown(error)}, not {shown(self.whole.error)}")
        for port, expected in self.whole.outputs.items():
            if "columns" in lanes and port.removeprefix("port.") in _LEAVINGS:
                continue
            # On columns, a watermark passes after a run of items; and tasks are not part of the state.
            most = 4 if "columns" in lanes or self.whole.has_streams else 6
            found = [row[:most] for row in comparable(got[port])]
            wanted = [row[:most] for row in comparable(expected)]
            at = next((i for i, pair in enumerate(zip(found, wanted, strict=False)) if not _equal(*pair)), None)
            if at is not None:
                port = port.removeprefix("port.")
                raise Broken(
                    f"{how} must give the same on port {port}, got {shown(found[at])} at {at}, not {shown(wanted[at])}"
                )
            if len(found) != len(wanted):
                port = port.removeprefix("port.")
                raise Broken(f"{how} must give the same on port {port}, got {len(found)} items, not {len(wanted)}")


class _StateWatch:
    """Looks for attributes of one kernel that change and are not declared."""

    def __init__(self, node: DrivenNode) -> None:
        self._kernel = node.kernel
        self._undeclared = Undeclared(node.kernel)

    def before(self, node: DrivenNode) -> None:
        """Ignore the call: nothing has changed yet."""

    def after(self, node: DrivenNode, error: Exception | None) -> None:
        kind = type(self._kernel).__name__
        names = self._undeclared.changed()
        if names:
            raise Broken(
                f"attributes of {kind} that change must be named in `state`, or in `derived` if restore() makes them anew, got "
                f"neither for {', '.join(names)}"
            )
        named, held = sorted(type(self._kernel).state), sorted(self._kernel.snapshot())
        if held != named:
            raise Broken(f"{kind}.snapshot() must have the names in `state`, {named}, got {held}")


def comparable(rows: list[Any]) -> list[Any]:
    """Return an output in comparable form: the exceptions in dead letters equal only themselves."""
    out: list[Any] = []
    for item, *beside in rows:
        error = getattr(item, "error", None)
        is_letter = isinstance(error, BaseException)
        out.append([(item.node, item.item, shown(error)) if is_letter else item, *beside])
    return out


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) or repr(a) == repr(b)  # NaN is not equal to itself; its text is
