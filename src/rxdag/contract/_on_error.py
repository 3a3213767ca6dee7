"""What a node does with an item that its user code fails on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class OnError:
    """A policy for items on which user code fails."""

    kind: Literal["raise", "skip", "dead"]


RAISE: Final = OnError("raise")
SKIP: Final = OnError("skip")
DEAD: Final = OnError("dead")
