"""Some hundred random graphs of each kind; `make stress` runs as many as you like."""

import logging
import sys

import pytest

from tests.engine.kinds import KINDS, Tally

PARTS = {"A": 6, "B": 8, "S": 6, "T": 6, "K": 4}
"""How many parts of 50 graphs."""


@pytest.fixture(autouse=True)
def eager_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
    sys.setswitchinterval(before)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "part"), [(kind, part) for kind, parts in PARTS.items() for part in range(parts)])
def test_random_graphs_hold(kind, part):
    tally = Tally()
    for seed in range(part * 50, part * 50 + 50):
        try:
            KINDS[kind](seed, tally)
        except BaseException as error:
            raise AssertionError(f"{error!r}; alone: make stress KIND={kind} SEED={seed}") from error
    assert tally.rests > 10 * tally.graphs
    assert tally.graphs > 15, "most runs were over before they could be stopped"
