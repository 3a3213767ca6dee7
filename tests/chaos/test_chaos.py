"""Every experiment holds, in short."""

import pytest

from tests.chaos import faulty, overload, scale, threads
from tests.chaos.experiment import EXPERIMENTS, Scale

SHORT = Scale(seconds=0.5, share=0.01)
ROOMS = (faulty, overload, scale, threads)
MEASURED = {"one stalled branch of three"}
"""It compares rates, which is for `make chaos`."""


# Python drops an interrupt that comes in a callback of a weak reference, such as one that closes a forgotten bell.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <finalize object:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in MEASURED])
def test_an_experiment_holds(name):
    assert EXPERIMENTS[name](SHORT)
