"""Error policies: the fate of an item on which user code failed, and the delays between tries."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias, get_args

from rxdag.contract._kernel import BadProgram
from rxdag.errors import GraphError, did_you_mean, shown

OnErrorName: TypeAlias = Literal["raise", "skip", "dead"]
"""A policy by its name; `on_error.retry(...)` has none."""


@dataclass(frozen=True)
class Delays:
    """Delays between attempts.

    Attributes:
        base_ns: Delay after the first failure, ns.
        factor: Growth of the delay from one attempt to the next.
        cap_ns: Longest delay, ns.
        jitter: Share of the delay by which it varies at random, both ways, 0 to 1.
    """

    base_ns: int
    factor: float
    cap_ns: int
    jitter: float

    def wait_ns(self, failures: int, random: Random) -> int:
        """Return the wait in ns after that many failures in a row."""
        wait = min(self.base_ns * self.factor ** min(failures - 1, 128), self.cap_ns)
        return round(wait * (1 + self.jitter * random.uniform(-1, 1)) if self.jitter else wait)


@dataclass(frozen=True)
class OnError:
    """A policy for items on which user code fails.

    Attributes:
        kind: What to do with such an item.
        attempts: With "retry", the maximum number of attempts.
        backoff: Delays before further attempts.
        on: Exceptions to retry.
        then: What to do with an item that failed every time.
    """

    kind: Literal["raise", "skip", "dead", "retry"]
    attempts: int = 1
    backoff: Delays | None = None
    on: tuple[type[Exception], ...] = (Exception,)
    then: OnError | None = None

    @property
    def last(self) -> OnError:
        """The final outcome of an item that has failed."""
        return self if self.then is None else self.then

    def wait_ns(self, error: Exception, attempts: int, random: Random) -> int | None:
        """Return the wait in ns before another try, after that many; None to stop."""
        if self.backoff is None or attempts >= self.attempts:
            return None
        if isinstance(error, BadProgram) or not isinstance(error, self.on):
            return None
        return self.backoff.wait_ns(attempts, random)


RAISE: Final = OnError("raise")
SKIP: Final = OnError("skip")
DEAD: Final = OnError("dead")
_NAMED: Final[dict[str, OnError]] = dict(zip(get_args(OnErrorName), (RAISE, SKIP, DEAD), strict=True))


def checked_on_error(given: OnError | OnErrorName, where: str) -> OnError:
    """Return the policy, which may be given by its name.

    Raises:
        GraphError: If the name is unknown, or it is neither a policy nor a name.
    """
    if isinstance(given, OnError):
        return given
    is_text = isinstance(given, str)
    if is_text and given in _NAMED:
        return _NAMED[given]
    raise GraphError(
        f"{where} must be one of {', '.join(_NAMED)}, or a policy of rxdag.on_error, got {shown(given)}"
        f"{did_you_mean(given, _NAMED) if is_text else ''}"
    )
