"""What a node does with an item that its user code fails on: `pipe(op, on_error=on_error.skip)`."""

from __future__ import annotations

from rxdag.contract import DEAD, RAISE, SKIP, OnError

__all__ = ["OnError", "dead", "raise_", "skip"]

raise_: OnError = RAISE
"""End the run with a `NodeError` that names the node and shows the item. The default."""
skip: OnError = SKIP
"""Drop the item, counted as dropped, reason "skipped"."""
dead: OnError = DEAD
"""Send it as a `DeadLetter` to the node's port "dead"; counted also where nobody listens."""
