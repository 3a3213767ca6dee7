"""Backpressure in the terms of market-data-core: levels and rate adjustments."""

from __future__ import annotations

import time
from typing import Any, Literal, TypeAlias

from rxdag.adapters.market_data._extra import EXTRA
from rxdag.contract import import_extra
from rxdag.errors import GraphError, shown
from rxdag.orchestration import RateCoordinator

Level: TypeAlias = Literal["ok", "soft", "hard"]


def level_of(event: Any, /) -> Level:
    """Return the level of a FeedbackEvent or a RateAdjustment of core.

    Raises:
        GraphError: If it is neither.
    """
    level = getattr(event, "level", None) or getattr(event, "reason", None)
    value = getattr(level, "value", level)
    if value == "ok" or value == "soft" or value == "hard":
        return value  # type: ignore[no-any-return]  # one of the three
    raise GraphError(f"level_of: takes a FeedbackEvent or a RateAdjustment of market-data-core, got {shown(event)}")


def feedback_event(name: str, queued: int, capacity: int, level: Level, /) -> Any:
    """Return a FeedbackEvent of core, as a store would publish it.

    Args:
        name: Name of the full queue, such as that of a gate.
        queued: Number of items in it.
        capacity: Maximum number of items.
        level: "ok", "soft" or "hard".

    Raises:
        MissingExtra: If market-data-core is not installed.
    """
    telemetry = import_extra("market_data_core.telemetry", EXTRA, "feedback_event")
    return telemetry.FeedbackEvent(
        coordinator_id=name,
        queue_size=queued,
        capacity=capacity,
        level=telemetry.BackpressureLevel(level),
        source="rxdag",
        ts=time.time(),
    )


def rate_adjustment(provider: str, scale: float, level: Level, /) -> Any:
    """Return a RateAdjustment of core, for a provider's rate controller.

    Args:
        provider: Name of the provider.
        scale: Share of its rate, 0 to 1; 0 is a pause.
        level: Level that causes it.

    Raises:
        MissingExtra: If market-data-core is not installed.
    """
    telemetry = import_extra("market_data_core.telemetry", EXTRA, "rate_adjustment")
    return telemetry.RateAdjustment(
        provider=provider, scale=scale, reason=telemetry.BackpressureLevel(level), ts=time.time()
    )


class RateController:
    """Applies RateAdjustments of core to a RateCoordinator, by core's protocol: `await controller.apply(adjustment)`.

    Args:
        rates: Coordinator of the providers.
    """

    def __init__(self, rates: RateCoordinator) -> None:
        self._rates = rates

    async def apply(self, adjustment: Any, /) -> None:
        """Scale the rate of a provider.

        Raises:
            GraphError: If the provider is not registered.
        """
        self._rates.set_scale(adjustment.provider, adjustment.scale)
