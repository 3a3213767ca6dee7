"""The short form of `make recovery`."""

import sys

import pytest

from tests.recovery.kills import check


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_a_job_that_is_killed_gives_what_it_gives_without(tmp_path):
    figures = check(tmp_path, trials=8)
    assert figures.wrong == []
    assert figures.kills >= 6
    assert figures.resumed >= 4
