"""Every case that can be run passes, and none passes with another outcome."""

import copy
import random

import pytest

from tests.conformance.runner import ADAPTERS, difference, judge, load

CASES = [case for case in load() if case["area"] in ADAPTERS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_case_passes(case):
    verdict = judge(case)
    if verdict.state == "unsupported":
        pytest.skip(f"{case['id']}: {case['title']}: no operator for it yet")
    assert verdict.state == "pass", verdict


def leaves(value, path=()):
    """Paths to all that is neither a list nor a dict."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, inner in pairs for leaf in leaves(inner, (*path, key))]
    return [path]


def changed(expected, path):
    """The same with another value at a path."""
    mutant = copy.deepcopy(expected)
    holder = mutant
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    holder[path[-1]] = f"not {old}" if isinstance(old, str) else (old or 0) + 1
    return mutant


def test_no_case_passes_with_another_outcome():
    rng = random.Random(3)
    survived = []
    for case in CASES:
        outcome = ADAPTERS[case["area"]](case["input"])
        if outcome is None:
            continue
        paths = leaves(case["expected"])
        for path in rng.sample(paths, min(4, len(paths))):
            if not difference(outcome, changed(case["expected"], path), case["input"]):
                survived.append((case["id"], path))
        for name, value in case["expected"].items():
            if isinstance(value, list) and value and not difference(outcome, {name: value[:-1]}, case["input"]):
                survived.append((case["id"], name, "one less"))
    assert survived == []
