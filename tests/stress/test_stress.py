"""Some hundred random graphs of columns: in both lanes in virtual time, and over three schedulers."""

import sys

import pytest

from tests.engine.kinds import Tally
from tests.stress.lanes import check_columns_on_threads, check_columns_restart, check_lanes


@pytest.fixture(autouse=True)
def eager_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(4))
def test_random_graphs_of_expressions_give_the_same_in_every_lane(part):
    assert [p for seed in range(part * 50, part * 50 + 50) if (p := check_lanes(seed, Tally())) is not None] == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(2))
def test_random_graphs_of_columns_keep_books_and_bounds_on_threads(part):
    assert [
        p for seed in range(part * 50, part * 50 + 50) if (p := check_columns_on_threads(seed, Tally())) is not None
    ] == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(2))
def test_random_graphs_of_columns_go_on_from_bytes(part):
    assert [
        p for seed in range(part * 50, part * 50 + 50) if (p := check_columns_restart(seed, Tally())) is not None
    ] == []
