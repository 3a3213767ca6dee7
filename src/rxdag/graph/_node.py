"""Nodes: a source, an operator or a sink, and its inputs."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass, field, replace
from typing import Any, Final, TypeAlias

from rxdag.contract import (
    RAISE,
    AnyOperator,
    Boundary,
    FanIn,
    Foreign,
    OnError,
    OnErrorName,
    Pane,
    Shape,
    Sink,
    Source,
    checked_on_error,
    label_of,
)
from rxdag.errors import GraphError, did_you_mean, shown

Thing: TypeAlias = Source[Any] | AnyOperator | Sink[Any, Any]
_NAME: Final = re.compile(r"\w[\w.\-]*")


def checked_name(name: str, where: str) -> str:
    """Return the name if it is valid for a node, else raise GraphError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GraphError(
            f"{where}: a name must be letters, digits, _, - or ., and not start with - or ., got {shown(name)}"
        )
    return name


@dataclass(frozen=True)
class Input:
    """One input of a node: its producer, and the gate requested there."""

    producer: Node
    port: str
    boundary: Boundary | None = None

    @property
    def shape(self) -> Shape:
        return self.producer.port_shape(self.port)


@dataclass(eq=False)
class Node:
    """A source, an operator or a sink on the graph; compared by identity.

    Attributes:
        thing: Its source, operator or sink, with frozen parameters.
        inputs: Its inputs, in order.
        name: Name given by the user; None if a dag is to choose one.
        policy: The same as `on_error`, possibly by name.
        origin: The node that this one replaces in a dag; itself if there is none.
        sinks: Sinks attached to it.
        is_spoken_for: True once the node is in a dag, or a warning has said that it is in none.
        on_error: Error policy for items on which user code fails.
    """

    thing: Thing
    inputs: tuple[Input, ...] = ()
    name: str | None = None
    policy: InitVar[OnError | OnErrorName] = RAISE
    origin: Node | None = None
    sinks: list[Node] = field(default_factory=lambda: list[Node](), repr=False)
    is_spoken_for: bool = False
    on_error: OnError = field(init=False)

    def __post_init__(self, policy: OnError | OnErrorName) -> None:
        if self.name is not None:
            checked_name(self.name, self.label)
        where = self.where
        if isinstance(self.thing, FanIn):
            self.in_shape = self.thing.merged(tuple(i.shape for i in self.inputs))
        elif self.inputs:
            self.in_shape = self.inputs[0].shape
        else:
            self.in_shape = Shape()
        if isinstance(self.thing, AnyOperator | Sink):
            self.thing.check(self.in_shape, where)
        self.on_error = checked_on_error(policy, f"{where}: on_error")
        if isinstance(self.thing, Foreign) and self.on_error is not RAISE:
            raise GraphError(f"{where}: a reactivex operator has no on_error policy; handle errors inside it")

    @property
    def label(self) -> str:
        return label_of(self.thing)

    @property
    def where(self) -> str:
        """Name of the node in messages."""
        return f'{self.label} "{self.name}"' if self.name and self.name != self.label else self.label

    @property
    def identity(self) -> Node:
        """The node that the user's handles know."""
        return self if self.origin is None else self.origin.identity

    @property
    def ports(self) -> tuple[str, ...]:
        if isinstance(self.thing, Source):
            return ("out", "dead", *self.thing.side_ports)
        return ("dead",) if isinstance(self.thing, Sink) else self.thing.all_ports

    def port_shape(self, port: str) -> Shape:
        """Return the shape of a port's stream."""
        if isinstance(self.thing, Source):
            return self.thing.shape if port == "out" else Shape()
        if isinstance(self.thing, Sink):
            return Shape()
        shape = self.thing.port_shape(port, self.in_shape)
        return shape if shape.item_type is Pane or shape.windows is None else replace(shape, windows=None)

    def checked_port(self, port: str) -> str:
        """Return the port if the node has it, else raise GraphError with those it has."""
        if port not in self.ports:
            known = ", ".join(self.ports)
            raise GraphError(
                f'{self.where}: has no port "{port}"{did_you_mean(port, self.ports)}; its ports are {known}'
            )
        return port

    def rename(self, name: str) -> None:
        """Set the name, once."""
        if self.name is not None and self.name != name:
            raise GraphError(f'{self.where}: must be named once, got a second name "{name}"')
        self.name = checked_name(name, self.label)
