"""What an experiment is: it says what it did, or raises a Violation."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rxdag


class Violation(AssertionError):
    """What must hold did not."""


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        seconds: How long an overload lasts.
        share: Share of the full counts, 0 to 1.
        seed: Of all that is random.
    """

    seconds: float
    share: float
    seed: int = 0

    def of(self, n: int) -> int:
        """So many, or the share of them."""
        return max(1, round(n * self.share))


Experiment = Callable[[Scale], str]
EXPERIMENTS: dict[str, Experiment] = {}


def experiment(fn: Experiment) -> Experiment:
    """Have it run by `make chaos`."""
    EXPERIMENTS[fn.__name__.replace("_", " ")] = fn
    return fn


def require(holds: object, text: str) -> None:
    """Raise Violation if it does not hold."""
    if not holds:
        raise Violation(text)


def sound(result: rxdag.RunResult | None, state: str = "completed") -> rxdag.RunResult:
    """The result, if the run ended so and its books balance."""
    if result is None:
        raise Violation("the run has not ended")
    require(result.state == state, f"the run {result.state}, not {state}: {result.error}")
    require(result.problems == (), f"books: {result.problems}")
    return result


def resident_bytes() -> int:
    """Memory of this process that is in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


class Growth:
    """How far the memory in use has grown since it was made, at most."""

    def __init__(self) -> None:
        gc.collect()
        self._began = resident_bytes()
        self._most = self._began

    def look(self) -> None:
        self._most = max(self._most, resident_bytes())

    @property
    def mb(self) -> float:
        self.look()
        return (self._most - self._began) / 1e6


@contextmanager
def offered(
    push: Callable[[int], object], a_second: int, seconds: float, growth: Growth | None = None
) -> Iterator[list[int]]:
    """Push numbers at a rate from a thread of its own, for so long; gives a list that ends up with how many."""
    pushed: list[int] = []

    def act() -> None:
        began = time.monotonic()
        n = 0
        while (now := time.monotonic() - began) < seconds:
            due = int(now * a_second)
            try:
                while n < due and time.monotonic() - began < seconds:
                    push(n)
                    n += 1
            except rxdag.RxDagError:
                break
            if growth is not None:
                growth.look()
            time.sleep(0.002)
        pushed.append(n)

    thread = threading.Thread(target=act, name="offered")
    thread.start()
    try:
        yield pushed
    finally:
        thread.join(seconds + 30)


def seeded(scale: Scale, name: str) -> random.Random:
    """Random numbers of one experiment."""
    return random.Random(f"{name} {scale.seed}")
