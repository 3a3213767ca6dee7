"""Demand: publishers and subscribers, after Reactive Streams 1.0.4."""

from __future__ import annotations

from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Subscription(Protocol):
    """What a subscriber has in hand: it asks for items, or leaves. Both from any thread, at any time."""

    def request(self, n: int, /) -> None:
        """Ask for `n` more items, 1 or more; less ends the subscription with an error (rule 3.9)."""
        ...

    def cancel(self) -> None:
        """Take no more; a second call does nothing."""
        ...


class Subscriber(Protocol[T_contra]):
    """What is given items, never more than it has asked for, one call at a time."""

    def on_subscribe(self, subscription: Subscription, /) -> None:
        """The first call."""
        ...

    def on_next(self, item: T_contra, /) -> None:
        """An item."""
        ...

    def on_error(self, error: Exception, /) -> None:
        """The last call, if the stream failed; it needs no demand."""
        ...

    def on_complete(self) -> None:
        """The last call, if the stream ended; it needs no demand."""
        ...


class Publisher(Protocol[T_co]):
    """What subscribers are given items by."""

    def subscribe(self, subscriber: Subscriber[T_co], /) -> None:
        """Give a subscriber items, as it asks for them."""
        ...
