"""How a peer measures its workloads and tells the figures; runs in the peer's environment."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.measure import pairs, same


@dataclass(frozen=True)
class Entry:
    """A workload of a peer.

    Attributes:
        name: "W1 csp, one node": the workload, the peer, and how.
        rows: Makes the items.
        loop: The plain loop over them.
        run: What is measured, of what `given` makes of the items.
        given: The items in the form that is best for the peer, made before the clock starts.
        answer: Makes the result comparable; not timed.
        expected: The same for the loop's.
        share: Part of the items.
    """

    name: str
    rows: Callable[[int], list[Any]]
    loop: Callable[[Any], Any]
    run: Callable[[Any], Any]
    given: Callable[[Any], Any] = same
    answer: Callable[[Any], Any] = same
    expected: Callable[[Any], Any] = same
    share: float = 1.0


def tell(entries: tuple[Entry, ...]) -> None:
    """Measure what the command line asks for, and print it as JSON."""
    items, count, works = int(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3:])
    found = []
    for entry in entries:
        if entry.name.split()[0] not in works:
            continue
        rows = entry.rows(int(items * entry.share))
        given = entry.given(rows)
        f = pairs(
            entry.name,
            lambda entry=entry, rows=rows: entry.loop(rows),
            lambda entry=entry, given=given: entry.run(given),
            len(rows),
            count,
            answer=entry.answer,
            expected=entry.expected,
        )
        found.append((f.name, f.ratios, f.ns_per_item, f.rss_mb, f.is_correct))
    print(json.dumps(found))


def rounded(answer: Any) -> tuple[float, ...]:
    """Round sums that were not added in order of arrival."""
    return tuple(float(f"{value:.9g}") for value in answer)


def by_start(bars: Any) -> list[Any]:
    """Sort bars as the loop gives them: by window, then symbol."""
    return sorted((tuple(bar) for bar in bars), key=lambda bar: (bar[1], bar[0]))
