"""Demand: publishers and subscribers, after Reactive Streams 1.0.4."""

from __future__ import annotations

from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Subscription(Protocol):
    """The handle of a subscriber, to request items or cancel. Thread-safe."""

    def request(self, n: int, /) -> None:
        """Ask for `n` more items, 1 or more; less ends the subscription with an error (rule 3.9)."""
        ...

    def cancel(self) -> None:
        """Stop taking items; a second call does nothing."""
        ...


class Subscriber(Protocol[T_contra]):
    """A receiver of items: never more than it requested, one call at a time."""

    def on_subscribe(self, subscription: Subscription, /) -> None:
        """Receive the subscription; the first call."""
        ...

    def on_next(self, item: T_contra, /) -> None:
        """Receive an item."""
        ...

    def on_error(self, error: Exception, /) -> None:
        """Receive the error; the last call if the stream failed. Needs no demand."""
        ...

    def on_complete(self) -> None:
        """Receive the end; the last call if the stream ended. Needs no demand."""
        ...


class Publisher(Protocol[T_co]):
    """A stream that subscribers can request items from."""

    def subscribe(self, subscriber: Subscriber[T_co], /) -> None:
        """Send items to a subscriber as it requests them."""
        ...
