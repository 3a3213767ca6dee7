"""The short form of `make recovery`."""

import sys

import pytest

from tests.recovery.kills import check
from tests.recovery.outside import ROOT, job_of_tutorial
from tests.recovery.outside import check as check_outside
from tests.recovery.postgres import check as check_postgres
from tests.recovery.threaded import check as check_threaded


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_a_job_that_is_killed_gives_what_it_gives_without(tmp_path):
    figures = check(tmp_path, trials=8)
    assert figures.wrong == []
    # A quick machine ends some jobs before their kill.
    assert figures.kills >= 3
    assert figures.resumed >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_a_job_over_threads_that_is_killed_gives_what_it_gives_without(tmp_path):
    figures = check_threaded(tmp_path, trials=8)
    assert figures.wrong == []
    # A quick machine ends some jobs before their kill.
    assert figures.kills >= 3
    assert figures.resumed >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_the_job_of_the_tutorial_gives_the_same_files_however_it_is_killed(tmp_path):
    figures = check_outside(tmp_path, trials=5)
    assert figures.wrong == []
    assert figures.kills >= 3
    assert figures.resumed >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_a_job_between_databases_that_is_killed_gives_the_rows_of_one_that_is_not(tmp_path, dsn):
    figures = check_postgres(tmp_path, dsn, trials=8)
    assert figures.wrong == []
    # A quick machine ends some jobs before their kill.
    assert figures.kills >= 3
    assert figures.resumed >= 1


def test_the_tutorial_shows_the_job_of_the_examples():
    assert job_of_tutorial() == (ROOT / "examples" / "restartable_bars.py").read_text()
