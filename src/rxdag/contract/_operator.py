"""Operators: the parameters of a node, frozen; each class types differently under `pipe`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from rxdag.contract._exits import KernelOf
from rxdag.contract._fan_in_kernel import FanInKernel
from rxdag.contract._kernel import Kernel
from rxdag.contract._shape import Shape
from rxdag.errors import GraphError

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
K_co = TypeVar("K_co", covariant=True)
K_contra = TypeVar("K_contra", contravariant=True)


class AnyOperator(ABC):  # noqa: B024  # its kinds say how they make kernels
    """The common part of all operators; a subclass is a frozen dataclass."""

    label: ClassVar[str] = ""
    """Default name of its nodes; by default the class name in lower case."""
    needs_event_time: ClassVar[bool] = False
    keeps_order: ClassVar[bool] = True
    """False if items can leave in a different order, or with event times that are not in order."""

    adjustable: ClassVar[tuple[str, ...]] = ()
    """Names of arguments of which a run may have other values than the checkpoint that it continues from: limits and
    times that decide about later items, and on which the form of the state does not depend. None cannot be adjusted."""
    apart: ClassVar[tuple[str, ...]] = ()
    """Names of arguments that no saved state depends on: a run may have any other value, also None."""
    divides: ClassVar[bool] = True
    """False if `shard` leaves all items to each worker, and only gives it files of its own."""
    leavings: ClassVar[tuple[str, ...]] = ("dropped",)
    """Ports for items that leave by other exits: "dropped", "unassigned", "unrouted"; reading them is optional."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Return the output ports, the main one first."""
        return ("out", "dead")

    @property
    def all_ports(self) -> tuple[str, ...]:
        """Return the output ports and the leavings."""
        return (*self.ports, *self.leavings)

    def check(self, shape: Shape, where: str) -> None:
        """Raise GraphError if the operator cannot work on a stream of this shape."""
        if self.needs_event_time and not shape.timed:
            raise GraphError(f"{where}: needs event time, and the stream has none; put ops.event_time(...) before it")

    def bound(self, shape: Shape) -> Self:
        """Return the operator for a stream of this shape.

        In it, field names have become functions that know the item type.
        """
        return self

    def shard(self, worker: int, workers: int) -> Self:
        """Return the operator for one of several workers that run the same graph.

        By default this is the operator itself; an operator that divides the items, or writes files, overrides it.
        """
        return self

    def shape(self, shape: Shape) -> Shape:
        """Return the shape of the main output."""
        return replace(shape, item_type=None)

    def clock_for(self, shape: Shape) -> Literal["event", "processing"]:
        """Return which clock stamps the items that the kernel sees."""
        return "event"

    def port_shape(self, port: str, shape: Shape) -> Shape:
        """Return the shape of a port, given the shape of the input."""
        if port == "dead":
            return Shape()
        if port == "dropped":
            return Shape(shape.item_type)  # an item may be dropped long after it came
        if port != self.ports[0]:
            return replace(shape, ordered=False)  # late items are not in order
        main = self.shape(shape)
        return main if self.keeps_order else replace(main, ordered=False)


class Operator(AnyOperator, Generic[A_contra, B_co]):
    """An operator with one input and one output; on a keyed stream it keeps the key."""

    @abstractmethod
    def kernel(self) -> KernelOf[A_contra, B_co]:
        """Create the state machine of one run."""


class Unkeyed(AnyOperator, Generic[A_contra, B_co]):
    """An operator like `Operator`, but its output has no key."""

    @abstractmethod
    def kernel(self) -> KernelOf[A_contra, B_co]:
        """Create the state machine of one run."""

    def shape(self, shape: Shape) -> Shape:
        return Shape(None, shape.timed)


class KeyBy(AnyOperator, Generic[A_contra, K_co]):
    """An operator that assigns a key to each item."""

    @abstractmethod
    def kernel(self) -> Kernel:
        """Create the state machine of one run."""


class WindowOp(AnyOperator, Generic[K_contra, A_contra, B_co]):
    """An operator on a keyed stream that emits panes, or the results of `into=`."""

    @abstractmethod
    def kernel(self) -> Kernel:
        """Create the state machine of one run."""


class RouteOp(AnyOperator, Generic[A_contra]):
    """An operator that sends each item to one of several ports."""

    leavings = ("dropped", "unrouted")

    @abstractmethod
    def kernel(self) -> Kernel:
        """Create the state machine of one run."""

    def port_shape(self, port: str, shape: Shape) -> Shape:
        return shape if port in self.ports and port != "dead" else super().port_shape(port, shape)


class FanIn(AnyOperator):
    """An operator with several inputs and one output."""

    @property
    def holds_for_watermarks(self) -> bool:
        """Return True if it holds items of an input, without a bound, until the watermarks of the others pass them."""
        return False

    @abstractmethod
    def kernel(self) -> FanInKernel:
        """Create the state machine of one run."""

    @abstractmethod
    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        """Return the shape of the output."""


@dataclass(frozen=True)
class Beside(Operator[A_contra, B_co]):
    """An operator that reads other streams besides the one it is piped behind.

    Attributes:
        fan_in: The fan-in of the piped stream and the others.
        others: The other streams.
    """

    fan_in: FanIn
    others: tuple[Any, ...]

    def kernel(self) -> KernelOf[A_contra, B_co]:
        raise TypeError(f"{label_of(self.fan_in)}: its fan_in makes the kernel")


class Foreign(AnyOperator):
    """A reactivex operator, which receives items one by one.

    Its output has no event time, key or watermark.
    """

    leavings = ()
    stateless: bool = False
    """True if it keeps nothing from one item to the next, so that a run with it can be continued."""

    @property
    @abstractmethod
    def build(self) -> Any:
        """Return the reactivex operator: Observable -> Observable."""

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out",)

    def shape(self, shape: Shape) -> Shape:
        return Shape()


def label_of(thing: object) -> str:
    """Name of a node for which the user gave none."""
    label = getattr(thing, "label", "")
    return str(label) or type(thing).__name__.strip("_").lower()
