"""Feedback: from the fill level downstream to the rate of a provider, without flapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxdag.contract import Duration, positive_ns
from rxdag.errors import GraphError, shown

PressureLevel: TypeAlias = Literal["ok", "soft", "hard"]


@dataclass(frozen=True)
class FeedbackPolicy:
    """The thresholds and factors that slow a provider down, and its recovery.

    Attributes:
        soft: Pressure, 0 to 1, from which the level is "soft".
        hard: Pressure from which the level is "hard".
        release: A level ends when the pressure is below this share of its threshold, so that noise around it has no
            effect.
        soft_scale: Share of the rate at "soft".
        hard_scale: Share of the rate at "hard"; 0 pauses.
        floor: Lower bound of the scale.
        hold: Minimum time between two changes of the level.
        ramp: Time after the end of the pressure until the full rate is restored, longer than `hold`; the rate rises
            evenly.

    Raises:
        GraphError: If an argument is invalid.

    Example:
        >>> policy = rxdag.orchestration.FeedbackPolicy(soft=0.6, hard=0.9, soft_scale=0.25)
        >>> policy.scale_of("soft"), policy.scale_of("hard")
        (0.25, 0.0)
    """

    soft: float = 0.5
    hard: float = 0.8
    release: float = 0.8
    soft_scale: float = 0.5
    hard_scale: float = 0.0
    floor: float = 0.0
    hold: Duration = "5s"
    ramp: Duration = "30s"

    def __post_init__(self) -> None:
        if not 0 < self.soft < self.hard <= 1:
            raise GraphError(
                f"FeedbackPolicy: 0 < soft < hard <= 1 must hold, got {shown(self.soft)} and {shown(self.hard)}"
            )
        if not 0 < self.release <= 1:
            raise GraphError(f"FeedbackPolicy: release must be more than 0 and at most 1, got {shown(self.release)}")
        if not 0 <= self.floor <= 1 or not 0 <= self.hard_scale <= self.soft_scale <= 1:
            raise GraphError(
                f"FeedbackPolicy: 0 <= hard_scale <= soft_scale <= 1 must hold, and 0 <= floor <= 1, got {shown(self.hard_scale)}, "
                f"{shown(self.soft_scale)} and {shown(self.floor)}"
            )
        if self.ramp_ns <= self.hold_ns:
            raise GraphError(
                f"FeedbackPolicy: ramp must be longer than hold, got {shown(self.ramp)} and {shown(self.hold)}"
            )

    @property
    def hold_ns(self) -> int:
        """Return `hold` in ns."""
        return positive_ns(self.hold, "FeedbackPolicy: hold")

    @property
    def ramp_ns(self) -> int:
        """Return `ramp` in ns."""
        return positive_ns(self.ramp, "FeedbackPolicy: ramp")

    def scale_of(self, level: PressureLevel) -> float:
        """Return the scale for a level."""
        return max(self.floor, {"ok": 1.0, "soft": self.soft_scale, "hard": self.hard_scale}[level])


@dataclass(frozen=True)
class FeedbackDecision:
    """The outcome of a measurement.

    Attributes:
        at: Time of the measurement, ns.
        pressure: The measured pressure, 0 to 1.
        level: "ok", "soft" or "hard".
        scale: Share of the full rate from now on.
    """

    at: int
    pressure: float
    level: PressureLevel
    scale: float


class Feedback:
    """Applies a policy to measurements; times are arguments, so tests need no waiting.

    Args:
        policy: The policy.

    Example:
        >>> feedback = rxdag.orchestration.Feedback(rxdag.orchestration.FeedbackPolicy(hold="1s", ramp="11s"))
        >>> [
        ...     feedback.update(pressure, second * 10**9).scale
        ...     for second, pressure in ((0, 0.1), (1, 0.9), (2, 0.1), (7, 0.1), (12, 0.1))
        ... ]
        [1.0, 0.0, 0.0, 0.5, 1.0]
    """

    def __init__(self, policy: FeedbackPolicy | None = None) -> None:
        self.policy = policy or FeedbackPolicy()
        self.level: PressureLevel = "ok"
        self.scale = 1.0
        self._changed_at: int | None = None
        self._at: int | None = None

    def update(self, pressure: float, now: int) -> FeedbackDecision:
        """Process a measurement, and return the decision.

        Args:
            pressure: How full the downstream is, 0 to 1; more counts as 1.
            now: Time of the measurement, ns.
        """
        wanted = self._wanted(pressure)
        may_change = self._changed_at is None or now - self._changed_at >= self.policy.hold_ns
        passed = 0 if self._at is None else max(0, now - self._at)
        if wanted != self.level and may_change:
            self.level, self._changed_at, passed = wanted, now, 0
        target = self.policy.scale_of(self.level)
        if target <= self.scale:
            self.scale = target
        else:
            # The level may have ended up to `hold` after the pressure.
            self.scale = min(target, self.scale + passed / (self.policy.ramp_ns - self.policy.hold_ns))
        self._at = now
        return FeedbackDecision(now, pressure, self.level, self.scale)

    def _wanted(self, pressure: float) -> PressureLevel:
        policy = self.policy
        hard = policy.hard * (policy.release if self.level == "hard" else 1)
        soft = policy.soft * (policy.release if self.level != "ok" else 1)
        return "hard" if pressure >= hard else "soft" if pressure >= soft else "ok"
