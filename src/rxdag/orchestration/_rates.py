"""Rates: one budget for each provider, shared by all its callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

from rxdag.contract import Clock, Duration, duration_ns, share
from rxdag.engine.drivers import MonotonicClock
from rxdag.errors import GraphError, did_you_mean, shown
from rxdag.orchestration._breaker import BreakerState, CircuitBreaker
from rxdag.orchestration._bucket import TokenBucket

T = TypeVar("T")


@dataclass(frozen=True)
class ProviderState:
    """State of a provider.

    Attributes:
        provider: Name of the provider.
        scale: Share of its rate that is granted, 0 to 1; 0 is a pause.
        tokens: Number of available tokens.
        waiting: Number of calls that wait for tokens.
        circuit: State of its circuit breaker.
        cooldown_ns: Remaining cooldown, ns; 0 without one.
    """

    provider: str
    scale: float
    tokens: float
    waiting: int
    circuit: BreakerState
    cooldown_ns: int


class _Provider:
    def __init__(self, bucket: TokenBucket, breaker: CircuitBreaker, cooldown_ns: int) -> None:
        self.bucket = bucket
        self.breaker = breaker
        self.cooldown_ns = cooldown_ns
        self.cool_until = 0
        self.turn = asyncio.Lock()
        self.changed = asyncio.Event()
        self.waiting = 0


class RateCoordinator:
    """Token buckets and circuit breakers by provider. It is used on one event loop.

    Calls are served in order of arrival. Changes of a rate, pauses and cooldowns also affect calls that already wait.

    Args:
        clock: The clock to use; by default the system clock.

    Example:
        >>> async def main():
        ...     rates = rxdag.orchestration.RateCoordinator()
        ...     rates.register_provider("ibkr", capacity=60, refill_rate=60)
        ...     await rates.acquire("ibkr")
        ...     return rates.state("ibkr").circuit
        >>> asyncio.run(main())
        'closed'
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or MonotonicClock()
        self._providers: dict[str, _Provider] = {}
        self.on_scale: Callable[[str, float], object] | None = None
        """Called with each provider whose scale has changed, and its scale."""

    def register_provider(
        self,
        name: str,
        capacity: float = 60,
        refill_rate: float = 60,
        *,
        cooldown: Duration = "10m",
        breaker_threshold: int = 5,
        breaker_timeout: Duration = "60s",
    ) -> None:
        """Register a provider with a budget; a second call replaces the budget.

        Args:
            name: Name of the provider.
            capacity: Maximum number of tokens, and so the largest burst.
            refill_rate: Tokens per second.
            cooldown: Default duration of `trigger_cooldown`.
            breaker_threshold: Failures in a row that open the circuit.
            breaker_timeout: How long the circuit stays open.

        Raises:
            GraphError: If an argument is invalid.
        """
        bucket = TokenBucket(capacity, refill_rate, self._clock.now())
        breaker = CircuitBreaker(breaker_threshold, breaker_timeout, clock=self._clock, name=name)
        self._providers[name] = _Provider(bucket, breaker, duration_ns(cooldown, "register_provider: cooldown"))

    @property
    def providers(self) -> tuple[str, ...]:
        """Return the names of all registered providers."""
        return tuple(self._providers)

    async def acquire(self, provider: str, n: float = 1) -> None:
        """Wait for tokens, and take them.

        While the provider's circuit is half open, one call is allowed as a trial: report its outcome to
        `breaker(provider)`.

        Args:
            provider: Name of the provider.
            n: Number of tokens.

        Raises:
            GraphError: If the provider is not registered, or could never grant that many tokens.
            CircuitOpen: If its circuit is open, or half open with a trial under way.
        """
        found = self._found(provider, "acquire")
        if not 0 < n <= found.bucket.capacity:
            raise GraphError(
                f'acquire: n must be more than 0 and within the capacity of "{provider}", {found.bucket.capacity:g}, got {shown(n)}'
            )
        found.waiting += 1
        try:
            # The lock is fair, which keeps the order of arrival.
            async with found.turn:
                if found.breaker.state != "closed":
                    found.breaker.enter(f'provider "{provider}"')
                while True:
                    found.changed.clear()
                    wait = self._wait_ns(found, n)
                    if wait == 0:
                        return
                    await _either(found.changed, None if wait is None else wait / 1e9)
        finally:
            found.waiting -= 1

    async def limited(self, provider: str, items: AsyncIterable[T], /) -> AsyncIterator[T]:
        """Yield the items of an async iterable at the provider's rate, one token each.

        The iterable is closed however the loop ends.

        Raises:
            GraphError: If the provider is not registered.
            CircuitOpen: If its circuit is open.
        """
        source = aiter(items)
        try:
            async for item in source:
                await self.acquire(provider)
                yield item
        finally:
            aclose = getattr(source, "aclose", None)
            if aclose is not None:
                await aclose()

    def _wait_ns(self, found: _Provider, n: float) -> int | None:
        now = self._clock.now()
        if now < found.cool_until:
            return found.cool_until - now
        return found.bucket.take(n, now)

    def set_scale(self, provider: str, scale: float) -> None:
        """Grant this share of the provider's rate, 0 to 1, from now on; 0 pauses it.

        Raises:
            GraphError: If the provider is not registered, or the scale is invalid.
        """
        found = self._found(provider, "set_scale")
        scale = share(scale, "set_scale: scale")
        found.bucket.set_scale(float(scale), self._clock.now())
        found.changed.set()
        if self.on_scale is not None:
            self.on_scale(provider, float(scale))

    def trigger_cooldown(self, provider: str, duration: Duration | None = None) -> None:
        """Grant no tokens for a while, as after a pacing violation.

        Args:
            provider: Name of the provider.
            duration: Length of the cooldown; by default as registered.
        """
        found = self._found(provider, "trigger_cooldown")
        ns = found.cooldown_ns if duration is None else duration_ns(duration, "trigger_cooldown: duration")
        found.cool_until = max(found.cool_until, self._clock.now() + ns)
        found.changed.set()

    def breaker(self, provider: str) -> CircuitBreaker:
        """Return the provider's circuit breaker, to report outcomes of calls."""
        return self._found(provider, "breaker").breaker

    def state(self, provider: str) -> ProviderState:
        """Return the state of a provider."""
        found = self._found(provider, "state")
        now = self._clock.now()
        return ProviderState(
            provider,
            found.bucket.scale,
            found.bucket.tokens(now),
            found.waiting,
            found.breaker.state,
            max(0, found.cool_until - now),
        )

    def _found(self, provider: str, where: str) -> _Provider:
        if provider not in self._providers:
            raise GraphError(
                f'{where}: provider "{provider}" must be registered, and is not'
                f"{did_you_mean(provider, self._providers)}; see register_provider"
            )
        return self._providers[provider]


async def _either(changed: asyncio.Event, timeout_s: float | None) -> None:
    """Wait for the event or the time, whichever comes first."""
    try:
        async with asyncio.timeout(timeout_s):
            await changed.wait()
    except TimeoutError:
        pass
