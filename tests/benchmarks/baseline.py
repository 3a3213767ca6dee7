"""The figures to compare with: those of this very machine, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.benchmarks import machine

PATH = Path(__file__).parent / "baseline.json"
WORSE = 1.15
"""A figure may be worse than the baseline's by this much: a machine varies."""


def load(items: int, *, path: Path = PATH) -> dict[str, float]:
    """Return the medians by name that this machine had for so many items; empty if it has none."""
    entry = _read(path).get(machine.key())
    return entry["ratios"] if entry is not None and entry["items"] == items else {}


def save(ratios: dict[str, float], items: int, *, path: Path = PATH) -> None:
    """Keep the medians as those of this machine; figures that were not measured stay as they are."""
    kept = {**load(items, path=path), **ratios}
    entry = {"machine": machine.described(), "items": items, "ratios": kept}
    path.write_text(json.dumps({**_read(path), machine.key(): entry}, indent=1) + "\n")


def worse(ratios: dict[str, float], base: dict[str, float]) -> list[str]:
    """Return a line for each figure that is worse than the baseline by more than a machine varies."""
    return [
        f"{name}: {ratio:.2f} is more than 15 % over the baseline's {base[name]:.2f}"
        for name, ratio in ratios.items()
        if name in base and ratio > base[name] * WORSE
    ]


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return found
