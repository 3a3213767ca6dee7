"""Frames of a long chain of nodes fit behind that of the driver."""

import sys

from rxdag.engine.drivers._wide_frame import on_wide_frame


@on_wide_frame
def called(a, *, b=2):
    """Of its own."""
    return a, b, sys._getframe().f_code.co_stacksize


def test_a_function_stays_what_it_is_but_for_its_frame():
    assert called(1)[:2] == (1, 2)
    assert called(1, b=3)[2] * 8 > 64 * 1024
    assert (called.__name__, called.__doc__) == ("called", "Of its own.")
