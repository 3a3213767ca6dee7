"""check_operator: the laws for every operator, rxdag's or a user's."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rxdag import sinks
from rxdag.codec import Codec, types_in
from rxdag.contract import AnyOperator
from rxdag.errors import GraphError, NodeError, shown
from rxdag.graph import Dag, Input, Node, Routes, SinkNode, Stream, from_source, stream_of
from rxdag.operators import take, unkey
from rxdag.plan import compile
from rxdag.runtime import RunResult
from rxdag.testing._check_functions import check_functions
from rxdag.testing._check_graph import Driven, can_drive
from rxdag.testing._check_migrate import check_older
from rxdag.testing._check_recover import Broken, Drives
from rxdag.testing._sources import Chunked
from rxdag.testing._virtual import settle_virtual, virtual

LAWS: Final = (
    *("ends", "books", "columns", "chunks", "runs", "state", "recover", "marks", "functions", "fails", "disposes"),
    "frozen",
)

Build = Callable[[Stream[Any]], "Stream[Any] | Routes[Any]"]


class LawBroken(AssertionError):  # it is an assertion that fails
    """Raised if a law is broken; the message names it and shows the difference."""


class SourceFailed(Exception):
    """The error of the source in laws about failures."""


@dataclass(frozen=True)
class _Outcome:
    outputs: dict[str, list[Any]]
    result: RunResult


def check_operator(
    make: Callable[[], AnyOperator] | Build,
    items: Iterable[Any],
    /,
    *,
    before: Callable[[Stream[Any]], Stream[Any]] | None = None,
    of: Any = None,
    types: Iterable[type] = (),
    older: Mapping[int, Mapping[str, Any] | Sequence[Any]] | None = None,
    waive: Iterable[str] = (),
    seed: int = 0,
) -> None:
    """Check that an operator obeys the laws, for the given items.

    * It *ends* when its source does, and the *books* balance at every end.
    * On *columns*, if it supports them, it gives the same results as on rows, for any split into *chunks*. Two *runs*
      do not affect each other.
    * *State*: each attribute of a kernel that changes is in its `state`, or in its `derived`.
    * *Recover*: at any point, its state can be moved as bytes into a new run, on rows or columns, which continues as if
      nothing had happened. It migrates state of older versions, if its `state_version`, or that of an aggregate in its
      open panes, is above 1.
    * *Marks*: additional watermarks without an item between them make no difference.
    * *Functions*: an item on which a user function fails leaves no trace in the state, and is counted.
    * If its source *fails*, it fails too, after the items emitted before; it *disposes* its source if nothing reads its
      output; and it is *frozen*.

    The laws from "state" to "functions" call the kernels directly, with a clock that advances between the items.

    Args:
        make: Creates the operator; or a function that appends it to a stream: `lambda s: s.pipe(ops.take(3))`.
        items: Input; a few dozen items that reach every exit, including falsy ones such as 0, "" and None.
        before: Appends the nodes that must precede it, for example for event time and keys.
        of: Type of the items, if fields are given by name.
        types: Enums and records in its state, besides those in the items, if they are local classes.
        older: For a kernel or an aggregate whose `state_version` is above 1: a state of each older version, by that. That
            of an aggregate is the list that `snapshot` of its accumulator gave; it is put into all open panes.
        waive: Laws that it cannot obey.
        seed: Seed of the random chunks, points and watermarks.

    Raises:
        LawBroken: If it breaks a law.
        GraphError: If a waived law does not exist.

    Example:
        >>> testing.check_operator(lambda: ops.scan(0, lambda total, x: total + x), [0, 1, 2, 3])
    """
    waived = set(waive)
    unknown = waived - set(LAWS)
    if unknown:
        raise GraphError(f"check_operator: waive must be some of {', '.join(LAWS)}, got {', '.join(sorted(unknown))}")
    check = _Check(_builder(make), before, list(items), of, random.Random(seed), types, older)
    for law in LAWS:
        if law not in waived:
            getattr(check, law)()


def _builder(make: Callable[..., Any]) -> Build:
    if len(inspect.signature(make).parameters) == 0:

        def build(stream: Stream[Any]) -> Any:
            return stream_of(Node(make(), (Input(stream.node, stream.port),)))

        return build
    return make


class _Check:
    """One operator, its items, and a baseline: on rows, in one chunk."""

    def __init__(
        self,
        build: Build,
        before: Callable[[Stream[Any]], Stream[Any]] | None,
        items: list[Any],
        of: Any,
        rng: random.Random,
        types: Iterable[type] = (),
        older: Mapping[int, Mapping[str, Any] | Sequence[Any]] | None = None,
    ) -> None:
        self.build = build
        self.before = before
        self.items = items
        self.of = of
        self.rng = rng
        self.older = older or {}
        self.codec = Codec({*types_in(*items), *types})
        self._drives: Drives | None = None
        self.baseline = self.run([items])

    def ports(self, source: Chunked[Any]) -> dict[str, Stream[Any]]:
        stream: Stream[Any] = from_source(source)
        if self.before is not None:
            stream = self.before(stream)
        built = self.build(stream)
        # A node whose leavings are read works on rows.
        leavings = (
            built.node.thing.leavings if source.gives_columns and isinstance(built.node.thing, AnyOperator) else ()
        )
        return {port: stream_of(built.node, port) for port in built.node.ports if port not in leavings}

    def plan(
        self,
        chunks: Sequence[Sequence[Any]],
        *,
        error: Exception | None = None,
        in_columns: bool = False,
    ) -> Any:
        source = Chunked(tuple(tuple(chunk) for chunk in chunks), error, self.of, in_columns)
        kept = [stream.to(sinks.collect(), name=f"port.{port}") for port, stream in self.ports(source).items()]
        return compile(Dag(*kept, name="check"))

    def run(self, chunks: Sequence[Sequence[Any]], **how: Any) -> _Outcome:
        return self.outcome(settle_virtual(virtual(self.plan(chunks, **how))))

    @staticmethod
    def outcome(result: RunResult) -> _Outcome:
        outputs = {name.removeprefix("port."): result[name] for name in result.dag.sinks}
        return _Outcome({port: [_comparable(item) for item in items] for port, items in outputs.items()}, result)

    def same(self, law: str, got: _Outcome, how: str) -> None:
        for port, expected in self.baseline.outputs.items():
            if port in got.outputs and not _equal(got.outputs[port], expected):
                raise LawBroken(
                    f"{law}: {how} must give the same on port {port}, {_difference(got.outputs[port], expected)}"
                )

    def ends(self) -> None:
        self.books()
        if self.baseline.result.state != "completed":
            raise LawBroken(
                f"ends: must complete, got {self.baseline.result.state}: {shown(self.baseline.result.error)}"
            )

    def books(self) -> None:
        if self.baseline.result.problems:
            raise LawBroken(f"books: must balance, got {'; '.join(self.baseline.result.problems)}")

    def columns(self) -> None:
        if not self.items or not self.works_on_columns():
            return
        for chunks in ([self.items], *(self.split() for _ in range(8))):
            got = self.run(chunks, in_columns=True)
            self.same("columns", got, f"the lane of columns, in {len(chunks)} chunks,")
            if got.result.problems:
                raise LawBroken(f"books: must balance over columns, got {'; '.join(got.result.problems)}")

    def works_on_columns(self) -> bool:
        """Return True if the operator does, where columns come in."""
        plan = self.plan([self.items], in_columns=True)
        built = next(iter(self.ports(Chunked((), None, self.of, True)).values())).node
        return any(type(plan.dag.nodes[name].thing) is type(built.thing) for name in plan.lanes.columns)

    def chunks(self) -> None:
        for _ in range(8):
            self.same("chunks", self.run(self.split()), "a split into chunks")

    def split(self) -> list[list[Any]]:
        chunks: list[list[Any]] = [[]]
        for item in self.items:
            chunks[-1].append(item)
            if self.rng.random() < 0.4:
                chunks.append([])
        return [chunk for chunk in chunks if chunk]

    def runs(self) -> None:
        plan = self.plan([self.items])
        for which in ("first", "second"):
            self.same("runs", self.outcome(settle_virtual(virtual(plan))), f"the {which} run of one plan")

    def drives(self) -> Drives | None:
        """Return the graph driven by calls of its kernels; None if a node has none."""
        if self._drives is None and can_drive(self.dag()):
            self._drives = Drives(self.driven, self.codec, self.rng)
        return self._drives

    def dag(self) -> Dag:
        """Return a graph that is new, each item in a chunk of its own."""
        source = Chunked(tuple((item,) for item in self.items), None, self.of)
        return Dag(
            *(s.to(sinks.collect(), name=f"port.{port}") for port, s in self.ports(source).items()), name="check"
        )

    def driven(self, **how: Any) -> Driven:
        """Return a driver of a graph that is new."""
        return Driven(self.dag(), **how)

    def _by_hand(self, law: str, check: Callable[[Drives], None]) -> None:
        drives = self.drives()
        if drives is None:
            return
        try:
            check(drives)
        except Broken as broken:
            raise LawBroken(f"{law}: {broken}") from broken.__cause__

    def state(self) -> None:
        self._by_hand("state", Drives.check_state)

    def recover(self) -> None:
        self._by_hand("recover", Drives.check_recover)
        self._by_hand("recover", self._migrates)

    def _migrates(self, drives: Drives) -> None:
        check_older(drives, self.older, self.codec)

    def marks(self) -> None:
        self._by_hand("marks", Drives.check_marks)

    def functions(self) -> None:
        self._by_hand("functions", lambda drives: check_functions(drives.make, drives.lanes))

    def fails(self) -> None:
        half = self.items[: len(self.items) // 2]
        got = self.run([half], error=SourceFailed("half way"))
        if got.result.state == "completed":  # it had ended before its source failed
            self_ended = self.run([half])
            if self_ended.outputs == got.outputs:
                return
            raise LawBroken("fails: must fail when its source does, got completed")
        if not isinstance(got.result.error, NodeError) or not isinstance(got.result.error.__cause__, SourceFailed):
            raise LawBroken(f"fails: must end with the source's error, got {shown(got.result.error)}")
        if got.result.problems:
            raise LawBroken(f"books: must balance after a failure, got {'; '.join(got.result.problems)}")
        for port, outputs in got.outputs.items():
            whole = self.run([half]).outputs[port]
            if not _equal(outputs, whole[: len(outputs)]):
                raise LawBroken(
                    f"fails: items before the failure must be those of a run without it, got {shown(outputs)}"
                )

    def disposes(self) -> None:
        source = Chunked(tuple((item,) for item in self.items))
        kept: list[SinkNode[Any, Any]] = [
            stream.pipe(unkey()).pipe(take(0)).to(sinks.collect(), name=f"port.{port}")
            for port, stream in self.ports(source).items()
        ]
        execution = virtual(compile(Dag(*kept, name="check")))
        result = settle_virtual(execution)
        if result.problems:
            raise LawBroken(f"books: must balance when nobody reads, got {'; '.join(result.problems)}")
        if any(result[sink] for sink in kept):
            raise LawBroken("disposes: must be silent after its end")
        if result.items_in > 0:
            raise LawBroken(f"disposes: must release its source when nobody reads, got {result.items_in} items read")

    def frozen(self) -> None:
        node = next(iter(self.ports(Chunked(())).values())).node
        thing = node.thing
        params: Any = getattr(type(thing), "__dataclass_params__", None)
        if params is None or not params.frozen:
            raise LawBroken(f"frozen: an operator must be a frozen dataclass, got {type(thing).__name__}")


def _difference(got: list[Any], expected: list[Any]) -> str:
    """Describe the first difference between two outputs."""
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if not _equal([a], [b])), None)
    if at is None:
        return f"got {len(got)} items, not {len(expected)}"
    return f"got {shown(got[at])} at position {at}, not {shown(expected[at])}"


def _comparable(item: Any) -> Any:
    """Return an output in comparable form: the exceptions in dead letters equal only themselves."""
    error = getattr(item, "error", None)
    return (item.node, item.item, shown(error)) if isinstance(error, BaseException) else item


def _equal(a: list[Any], b: list[Any]) -> bool:
    return a == b or repr(a) == repr(b)  # NaN is not equal to itself; its text is
