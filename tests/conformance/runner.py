"""Runs cases: a file of inputs and expected outcomes, through an adapter for each area."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.conformance import backpressure, event_time, items, market_data, restarts, specs

CASES = Path(__file__).parent / "cases.yaml"


class Unsupported(Exception):
    """The adapter does not know how to run such a case."""


@dataclass(frozen=True)
class Verdict:
    """What became of a case: "pass", "fail" or "unsupported", and why."""

    id: str
    state: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.id} {self.state}{': ' + self.why if self.why else ''}"


ADAPTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "backpressure": backpressure.run,
    "event-time": event_time.run,
    "market-data": market_data.run,
    "router": items.route,
    "dedupe": items.dedupe,
    "partition": items.partition,
    "throttle": items.throttle,
    "operators": items.operator,
    "retry": items.retry,
    "checkpoint": restarts.run,
    "spec": specs.run,
}
"""Give an outcome in the words of `expected`; None for what they do not know."""


def load(path: Path = CASES) -> list[dict[str, Any]]:
    """The cases of a file."""
    cases: list[dict[str, Any]] = yaml.safe_load(path.read_text())["cases"]
    for case in cases:
        if isinstance(case["expected"], str):  # the type of an error
            case["expected"] = {"raises": case["expected"]}
        if case["area"] == "backpressure":
            case.update(input=backpressure.spread(case["input"]), expected=backpressure.spread(case["expected"]))
    return cases


def judge(case: dict[str, Any]) -> Verdict:
    """Run a case and compare."""
    adapter = ADAPTERS.get(case["area"])
    outcome = adapter(case["input"]) if adapter is not None else None
    if outcome is None:
        return Verdict(case["id"], "unsupported")
    if case["area"] == "spec":
        outcome = specs.refit(outcome, case["expected"])
    wrong = difference(outcome, case["expected"], case["input"])
    return Verdict(case["id"], "fail", wrong) if wrong else Verdict(case["id"], "pass")


def difference(outcome: dict[str, Any], expected: dict[str, Any], given: dict[str, Any]) -> str:
    """Where an outcome is not what is expected; nothing where it is."""
    for name, value in expected.items():
        if name not in outcome:
            return f"{name}: expected {value!r}, got nothing of the kind"
        got = outcome[name]
        if name == "error":
            value = value.split()[0]
        if name == "bars":
            got = _as_asked(got, value)
        if name == "bar" and isinstance(got, dict):
            (got,) = _as_asked([got], [value])
        if name == "panes":
            got = [{key: pane[key] for key in want} for pane, want in zip(got, value, strict=False)] + got[len(value) :]
            if isinstance(given.get("window"), dict) and given["window"].get("type") == "session":
                got, value = [[_multiset(pane) for pane in panes] for panes in (got, value)]
        if not equal(got, value):
            return f"{name}: expected {value!r}, got {got!r}"
    return ""


def _as_asked(got: list[Any], expected: list[Any]) -> list[Any]:
    """Bars with the fields that are asked for; volume-weighted prices within 1e-12; numbers without regard to int or float."""
    out: list[Any] = []
    for bar, want in zip(got, expected, strict=False):
        shown = {name: bar.get(name) for name in want}
        if bar.get("filled") and "filled" not in want:
            shown["filled"] = True
        for name, value in want.items():
            mine = shown[name]
            is_close = name == "vwap" and mine is not None and value is not None and abs(mine - value) <= 1e-12
            if is_close or (isinstance(mine, int | float) and mine == value):
                shown[name] = value
        out.append(shown)
    return out + got[len(expected) :]


def _multiset(pane: Any) -> Any:
    return {**pane, "values": sorted(pane["values"], key=repr)} if isinstance(pane, dict) else pane


def equal(got: Any, expected: Any) -> bool:
    """Equal, where NaN is equal to NaN and a tuple to a list."""
    if isinstance(expected, list | tuple):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(expected)
            and all(equal(a, b) for a, b in zip(got, expected, strict=True))
        )
    if isinstance(expected, dict):
        return isinstance(got, dict) and got.keys() == expected.keys() and all(equal(got[k], expected[k]) for k in got)
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(got, float) and math.isnan(got)
    return type(got) is type(expected) and got == expected
