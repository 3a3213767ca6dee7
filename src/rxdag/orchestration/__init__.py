"""Support for feeds: names, fail-over, rates, circuit breakers. Plain asyncio, no graph.

Public.
"""

from rxdag.orchestration._breaker import BreakerState, CircuitBreaker, CircuitOpen
from rxdag.orchestration._bucket import TokenBucket
from rxdag.orchestration._feedback import Feedback, FeedbackDecision, FeedbackPolicy, PressureLevel
from rxdag.orchestration._provider_quotes import ProviderQuote, SimulatedProvider
from rxdag.orchestration._rates import ProviderState, RateCoordinator
from rxdag.orchestration._registry import SourceRegistry
from rxdag.orchestration._router import RouterEvent, SourceRouter

__all__ = [
    "BreakerState",
    "CircuitBreaker",
    "CircuitOpen",
    "Feedback",
    "FeedbackDecision",
    "FeedbackPolicy",
    "PressureLevel",
    "ProviderQuote",
    "ProviderState",
    "RateCoordinator",
    "RouterEvent",
    "SimulatedProvider",
    "SourceRegistry",
    "SourceRouter",
    "TokenBucket",
]
