"""Streams: typed handles on the outputs of nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, overload

from rxdag.contract import (
    RAISE,
    AnyOperator,
    Beside,
    Boundary,
    DeadLetter,
    FanIn,
    Foreign,
    KeyBy,
    OnError,
    OnErrorName,
    Operator,
    Overflow,
    RouteOp,
    Sink,
    Unkeyed,
    WindowOp,
    check_function,
    checked_overflow,
    flag,
    whole_or_none,
)
from rxdag.errors import GraphError, shown
from rxdag.graph._misplaced import check_foreign, not_an_operator
from rxdag.graph._node import Input, Node
from rxdag.graph._runner import runner

if TYPE_CHECKING:
    from typing import Self

    from reactivex import Observable

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")
K = TypeVar("K")
K2 = TypeVar("K2")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)

AnyOp: TypeAlias = Operator[Any, Any] | Unkeyed[Any, Any] | KeyBy[Any, Any] | WindowOp[Any, Any, Any] | RouteOp[Any]


@dataclass(frozen=True)
class ForeignOperator(Foreign):
    """Wrap a reactivex operator, unchanged."""

    operator: Callable[[Any], Any]
    stateless: bool = False
    label = "rx"

    @property
    def build(self) -> Any:
        return self.operator


class Stream(Generic[T_co]):
    """A typed handle on the output of a node. Nothing runs until you ask for items."""

    def __init__(self, node: Node, port: str = "out", boundary: Boundary | None = None) -> None:
        self.node = node
        self.port = port
        self.boundary = boundary

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.node.where}, port {self.port}>"

    @overload
    def pipe(
        self, op: Operator[T_co, B], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> Stream[B]: ...
    @overload
    def pipe(
        self, op: Unkeyed[T_co, B], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> Stream[B]: ...
    @overload
    def pipe(
        self, op: KeyBy[T_co, K2], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> KeyedStream[K2, T_co]: ...
    @overload
    def pipe(
        self, op: RouteOp[T_co], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> Routes[T_co]: ...
    @overload
    def pipe(self, first: AnyOp, second: AnyOp, /, *more: AnyOp) -> Stream[Any]: ...
    def pipe(self, *ops: Any, name: str | None = None, on_error: OnError | OnErrorName = RAISE) -> Any:
        """Append an operator to this stream.

        A single operator is typed exactly; several in one call give `Stream[Any]`.

        Args:
            ops: The operator or operators, in order.
            name: Name of the node; by default that of the operator. Only with a single operator.
            on_error: What to do with an item if the operator's user code fails on it: "raise", "skip", "dead" or
                `on_error.retry(...)`. Only with a single operator.

        Raises:
            GraphError: If an argument is not an operator, or the operator cannot work on this stream.
        """
        return self._piped(ops, name, on_error)

    def _piped(self, ops: tuple[Any, ...], name: str | None, on_error: OnError | OnErrorName) -> Any:
        if not ops:
            raise GraphError("pipe: takes one operator or more, got none")
        if len(ops) > 1 and (name is not None or on_error is not RAISE):
            raise GraphError("pipe: name= and on_error= go with one operator; give each its own pipe call")
        stream: Any = self
        for op in ops:
            if not isinstance(stream, Stream):
                raise GraphError("pipe: nothing can follow a route; take one of its ports: routes[name]")
            stream = stream._then(op, name, on_error)
        return stream

    def _then(self, op: Any, name: str | None, on_error: OnError | OnErrorName) -> Any:
        if not isinstance(op, AnyOperator):
            raise GraphError(not_an_operator(op))
        if isinstance(op, FanIn):
            raise GraphError("pipe: an operator with several inputs takes its streams as arguments: rxdag.merge(a, b)")
        if isinstance(op, Beside):
            others = tuple(other._input() for other in op.others)
            return stream_of(Node(op.fan_in, (self._input(), *others), name, on_error))
        node = Node(op, (self._input(),), name, on_error)
        if isinstance(op, RouteOp):
            routes: Routes[Any] = KeyedRoutes[Any, Any](node) if node.in_shape.keyed else Routes[Any](node)
            return routes
        if isinstance(op, WindowOp):
            return WindowedStream[Any, Any](node)
        return stream_of(node)

    def _input(self) -> Input:
        return Input(self.node, self.port, self.boundary)

    def rx(
        self, op: Callable[[Observable[T_co]], Observable[B]], /, *, name: str | None = None, stateless: bool = False
    ) -> Stream[B]:
        """Append a reactivex operator: `stream.rx(reactivex.operators.pairwise())`.

        The operator receives items one by one, from the moment it subscribes to its input: those of `start_with` or
        `concat` may come first. Its output has no event time, key or watermark. rxdag does not bound
        operators that have their own queue (observe_on, delay, zip, flat_map, replay).

        Args:
            op: A reactivex operator.
            name: Name of the node.
            stateless: True to declare that the operator keeps nothing from one item to the next, as map and filter do. A
                run with checkpoints refuses other operators, whose state it cannot save. The run fails if the operator
                emits outside the call with an item.

        Raises:
            GraphError: If `op` is not a reactivex operator, or `stateless` no bool.
        """
        check_foreign(op)
        return Stream(Node(ForeignOperator(op, flag(stateless, "rx: stateless")), (self._input(),), name))

    def through(self, fn: Callable[[Self], R], /) -> R:
        """Apply a function of streams: `trades.through(clean)` is `clean(trades)`."""
        check_function(fn, "through: fn", "the stream", instead="")
        return fn(self)

    def to(
        self, sink: Sink[T_co, R], /, *, name: str | None = None, on_error: OnError | OnErrorName | None = None
    ) -> SinkNode[T_co, R]:
        """Attach a sink; pass the returned node to `rxdag.run` or `rxdag.Dag`.

        Args:
            sink: A sink from `rxdag.sinks`, or your own.
            name: Name of the node; by default that of the sink.
            on_error: What to do with an item if the sink fails on it; by default the sink decides. Most sinks fail the
                run.
        """
        if not isinstance(sink, Sink):
            raise GraphError(f"to: takes a sink, got {shown(sink)}; see rxdag.sinks")
        node = Node(sink, (self._input(),), name, sink.on_error if on_error is None else on_error)
        self.node.sinks.append(node)
        return SinkNode(node)

    def named(self, name: str, /) -> Self:
        """Name the node of this stream."""
        self.node.rename(name)
        return self

    def buffered(
        self,
        *,
        max_items: int = 4096,
        overflow: Overflow
        | Literal["block", "drop_oldest", "drop_newest", "drop_tail", "drop_buffer", "error"] = Overflow.BLOCK,
        delay_error: bool = True,
        max_bytes: int | None = None,
        size_of: Callable[[T_co], int] | None = None,
    ) -> Self:
        """Append a gate, in which up to `max_items` may wait for the consumer.

        Args:
            max_items: Maximum number of waiting items. With 0 and "drop_newest", an item enters only if the consumer
                waits for one.
            overflow: What to do with an item that arrives when the gate is full; by default the producer waits. Dropped
                items are counted on the edge. Watermarks are never dropped.
            delay_error: With "error", True to deliver the waiting items before the run fails.
            max_bytes: Maximum size of the waiting items in bytes, in addition to `max_items`; a larger item may enter
                an empty gate. Items then enter one by one, which is slower.
            size_of: Function that returns the size of an item in bytes; by default `sys.getsizeof` of the item plus its
                fields.

        Raises:
            GraphError: If an argument is invalid.
        """
        max_bytes = whole_or_none(max_bytes, "buffered: max_bytes")
        if size_of is not None and max_bytes is None:
            raise GraphError("buffered: size_of goes with max_bytes")
        if max_bytes is not None and max_items == 0:
            raise GraphError("buffered: max_bytes goes with max_items of 1 or more")
        policy = checked_overflow("buffered", max_items, overflow, delay_error=delay_error, size_of=size_of)
        boundary = replace(
            self.boundary or Boundary(),
            max_items=max_items,
            overflow=policy,
            delay_error=delay_error,
            max_bytes=max_bytes,
            size_of=size_of,
        )
        return self._with(boundary)

    def on(self, scheduler: str, /) -> Self:
        """Run the nodes that follow on the named thread; equal names share a thread.

        "main" is the thread of the caller, or the run's event loop if a node needs one.
        """
        return self._with(replace(self.boundary or Boundary(), scheduler=scheduler))

    def _with(self, boundary: Boundary) -> Self:
        return type(self)(self.node, self.port, boundary)

    @property
    def late(self) -> Stream[Any]:
        """Return the items that arrived after their windows had closed."""
        return self.side("late")

    @property
    def dropped(self) -> Stream[Any]:
        """Return items dropped for a reason or by `on_error.skip`, without time and key."""
        return self.side("dropped")

    @property
    def dead(self) -> Stream[DeadLetter[Any]]:
        """Return the items that the node could not process."""
        return self.side("dead")

    @overload
    def side(self, name: str, /, *, of: type[B]) -> Stream[B]: ...
    @overload
    def side(self, name: str, /) -> Stream[Any]: ...
    def side(self, name: str, /, *, of: Any = None) -> Any:
        """Return another port of the node of this stream.

        Raises:
            GraphError: If the node has no such port; the message lists its ports.
        """
        return stream_of(self.node, self.node.checked_port(name))

    def head(self, max_items: int = 5, /) -> list[T_co]:
        """Run just enough of the graph to return the first items, of any key."""
        return runner().head(self, max_items)

    def collect(self, *, max_items: int | None = None) -> list[T_co]:
        """Run the graph to its end and return all items.

        Args:
            max_items: Maximum number of items to collect, 0 or more; None for no limit. A further item is an error and
                stops the run, so that an endless stream cannot fill the memory. Use `head` to take the first items of
                such a stream.

        Raises:
            BufferOverflow: If there are more than `max_items` items.
        """
        return runner().collect(self, max_items)

    def __iter__(self) -> Iterator[T_co]:
        return runner().iterate(self)

    def __aiter__(self) -> AsyncIterator[T_co]:
        return runner().aiterate(self)


class KeyedStream(Stream[T_co], Generic[K, T_co]):
    """A stream whose items have a key; invariant in the key type."""

    @overload
    def pipe(
        self, op: Operator[T_co, B], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> KeyedStream[K, B]: ...
    @overload
    def pipe(
        self, op: Unkeyed[T_co, B], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> Stream[B]: ...
    @overload
    def pipe(
        self, op: KeyBy[T_co, K2], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> KeyedStream[K2, T_co]: ...
    @overload
    def pipe(
        self, op: RouteOp[T_co], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> KeyedRoutes[K, T_co]: ...
    @overload
    def pipe(
        self, op: WindowOp[K, T_co, B], /, *, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> WindowedStream[T_co, B]: ...
    @overload
    def pipe(self, first: AnyOp, second: AnyOp, /, *more: AnyOp) -> Stream[Any]: ...
    def pipe(  # pyright: ignore[reportIncompatibleMethodOverride]  # pyright does not match the variadic overload; mypy does
        self, *ops: Any, name: str | None = None, on_error: OnError | OnErrorName = RAISE
    ) -> Any:
        """Append an operator to this stream; see `Stream.pipe`."""
        return self._piped(ops, name, on_error)


class WindowedStream(Stream[R_co], Generic[T_co, R_co]):
    """A stream of panes, or of the results of `into=`; `T_co` is the input item type."""

    @property
    def late(self) -> Stream[T_co]:
        """Return the items that arrived after all their windows had closed."""
        return self.side("late")

    @property
    def unassigned(self) -> Stream[T_co]:
        """Return the items that fell between windows."""
        return self.side("unassigned")

    @property
    def dead(self) -> Stream[DeadLetter[T_co]]:
        """Return the items that the aggregate refused."""
        return self.side("dead")


class Routes(Generic[T_co]):
    """The ports of a route: `routes["fx"]`."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.node.where}, ports {', '.join(self)}>"

    def __getitem__(self, name: str, /) -> Stream[T_co]:
        return stream_of(self.node, self.node.checked_port(name))

    def __iter__(self) -> Iterator[str]:
        thing = self.node.thing
        ports = thing.ports if isinstance(thing, AnyOperator) else ()
        return iter(port for port in ports if port != "dead")

    @property
    def dead(self) -> Stream[DeadLetter[T_co]]:
        """Return the items on which a predicate failed, with `on_error="dead"`."""
        return Stream(self.node, "dead")

    @property
    def unrouted(self) -> Stream[T_co]:
        """Return the items that match no route."""
        return stream_of(self.node, self.node.checked_port("unrouted"))


class KeyedRoutes(Routes[T_co], Generic[K, T_co]):
    """The ports of a route on a keyed stream."""

    def __getitem__(self, name: str, /) -> KeyedStream[K, T_co]:
        return KeyedStream(self.node, self.node.checked_port(name))


class SinkNode(Generic[T_co, R_co]):
    """A sink on the graph: it consumes `T_co`, and its result is `R_co`."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"<SinkNode {self.node.where}>"

    @property
    def dead(self) -> Stream[DeadLetter[T_co]]:
        """Return the items that the sink could not write, with `on_error="dead"`."""
        return Stream(self.node, "dead")

    def _result_type(self) -> R_co:  # binds the type parameter
        raise TypeError("the result of a sink is in the RunResult")


def stream_of(node: Node, port: str = "out") -> Stream[Any]:
    """Return the handle on a port, keyed or not."""
    return KeyedStream[Any, Any](node, port) if node.port_shape(port).keyed else Stream[Any](node, port)
