"""Operators: the parameters of a node, frozen; each class types differently under `pipe`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from rxdag.contract._exits import KernelOf
from rxdag.contract._kernel import Kernel
from rxdag.contract._shape import Shape
from rxdag.errors import GraphError

A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
K_co = TypeVar("K_co", covariant=True)
K_contra = TypeVar("K_contra", contravariant=True)


class AnyOperator(ABC):  # noqa: B024  # its kinds say how they make kernels
    """What all operators have; a subclass is a frozen dataclass."""

    label: ClassVar[str] = ""
    """Name of its nodes where the user gives none; the class name in lower case by default."""
    needs_event_time: ClassVar[bool] = False
    keeps_order: ClassVar[bool] = True
    """False if items can leave in another order than they came, or with event times that are not in order."""

    leavings: ClassVar[tuple[str, ...]] = ("dropped",)
    """Ports of items that leave by another exit: "dropped", "unassigned", "unrouted"; they need not be read."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Output ports, the main one first."""
        return ("out", "dead")

    @property
    def all_ports(self) -> tuple[str, ...]:
        """Output ports and leavings."""
        return (*self.ports, *self.leavings)

    def check(self, shape: Shape, where: str) -> None:
        """Raise GraphError if the operator cannot work on such a stream."""
        if self.needs_event_time and not shape.timed:
            raise GraphError(f"{where}: needs event time, and the stream has none; put ops.event_time(...) before it")

    def bound(self, shape: Shape) -> Self:
        """The operator for such a stream: fields by name become functions that know the items' type."""
        return self

    def part(self, worker: int, workers: int) -> Self:
        """The operator for one of several workers that run the same graph: itself, unless it divides the items."""
        return self

    def shape(self, shape: Shape) -> Shape:
        """What is known of the main output."""
        return replace(shape, item_type=None)

    def clock_for(self, shape: Shape) -> Literal["event", "processing"]:
        """Which clock stamps the items that the kernel sees."""
        return "event"

    def port_shape(self, port: str, shape: Shape) -> Shape:
        """What is known of the port, given the shape of the input."""
        if port == "dead":
            return Shape()
        if port == "dropped":
            return Shape(shape.item_type)  # an item may be dropped long after it came
        if port != self.ports[0]:
            return replace(shape, ordered=False)  # late items are not in order
        main = self.shape(shape)
        return main if self.keeps_order else replace(main, ordered=False)


class Operator(AnyOperator, Generic[A_contra, B_co]):
    """One input and one output; on a keyed stream it keeps the key."""

    @abstractmethod
    def kernel(self) -> KernelOf[A_contra, B_co]:
        """Make the state machine of one run."""


class Unkeyed(AnyOperator, Generic[A_contra, B_co]):
    """As `Operator`, but the key ends here."""

    @abstractmethod
    def kernel(self) -> KernelOf[A_contra, B_co]:
        """Make the state machine of one run."""

    def shape(self, shape: Shape) -> Shape:
        return Shape(None, shape.timed)


class KeyBy(AnyOperator, Generic[A_contra, K_co]):
    """Gives each item a key."""

    @abstractmethod
    def kernel(self) -> Kernel:
        """Make the state machine of one run."""


class WindowOp(AnyOperator, Generic[K_contra, A_contra, B_co]):
    """Takes items of a keyed stream, emits panes, or what `into=` makes of them."""

    @abstractmethod
    def kernel(self) -> Kernel:
        """Make the state machine of one run."""


class RouteOp(AnyOperator, Generic[A_contra]):
    """Sends each item to one of several ports."""

    leavings = ("dropped", "unrouted")

    @abstractmethod
    def kernel(self) -> Kernel:
        """Make the state machine of one run."""

    def port_shape(self, port: str, shape: Shape) -> Shape:
        return shape if port in self.ports and port != "dead" else super().port_shape(port, shape)


class FanIn(AnyOperator):
    """Several inputs, one output."""

    @abstractmethod
    def kernel(self) -> Kernel:
        """Make the state machine of one run."""

    @abstractmethod
    def merged(self, shapes: tuple[Shape, ...]) -> Shape:
        """What is known of the output."""


@dataclass(frozen=True)
class Beside(Operator[A_contra, B_co]):
    """An operator that looks at other streams beside the one it is piped behind.

    Attributes:
        fan_in: What has the piped stream and the others as its inputs.
        others: Streams.
    """

    fan_in: FanIn
    others: tuple[Any, ...]

    def kernel(self) -> KernelOf[A_contra, B_co]:
        raise TypeError(f"{label_of(self.fan_in)}: its kernel is that of its fan_in")


class Foreign(AnyOperator):
    """A reactivex operator: an island that takes items one by one. Event time, key and watermark end there."""

    leavings = ()

    @property
    @abstractmethod
    def build(self) -> Any:
        """The reactivex operator: Observable -> Observable."""

    @property
    def ports(self) -> tuple[str, ...]:
        return ("out",)

    def shape(self, shape: Shape) -> Shape:
        return Shape()


def label_of(thing: object) -> str:
    """Name of a node for which the user gave none."""
    label = getattr(thing, "label", "")
    return str(label) or type(thing).__name__.strip("_").lower()
