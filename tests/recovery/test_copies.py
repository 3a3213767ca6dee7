"""The later one of two processes on two copies of one state is refused; nothing doubles."""

import shutil
import signal
import subprocess
import sys

import pytest

from tests.recovery.kills import ROOT, write_trades
from tests.recovery.postgres import load, output, run_job

REFUSED = "was written by another run of this dag"


@pytest.fixture
def halves(tmp_path, dsn):
    """Two copies of the state of a job that was killed, and its tables beside those of a whole job."""
    write_trades(tmp_path / "trades.csv", 6_000)
    load(dsn, tmp_path / "trades.csv")
    assert run_job(dsn, tmp_path, "whole")[0] == 0
    code, _, _ = run_job(dsn, tmp_path, "job", "published", 7)
    assert code == -9
    shutil.copy(tmp_path / "job.state", tmp_path / "copy.state")
    return tmp_path


def started(dsn, folder, state):
    command = [sys.executable, "-m", "tests.recovery.postgres_job", "job", dsn, str(folder / f"{state}.state")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_the_later_one_of_two_copies_is_refused_and_the_rows_are_those_of_one(halves, dsn):
    for state, code in (("job", 0), ("copy", 1)):
        job = started(dsn, halves, state)
        _, stderr = job.communicate(timeout=60)
        assert (job.returncode, REFUSED in stderr) == (code, code == 1)
    assert output(dsn, "job") == output(dsn, "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_process_that_was_stopped_is_refused_if_another_has_written_meanwhile(halves, dsn):
    with started(dsn, halves, "job") as stopped:
        stopped.stdout.readline()
        stopped.send_signal(signal.SIGSTOP)
        other = started(dsn, halves, "copy")
        other.communicate(timeout=60)
        assert other.returncode == 0
        stopped.send_signal(signal.SIGCONT)
        _, stderr = stopped.communicate(timeout=60)
        assert (stopped.returncode, REFUSED in stderr) == (1, True)
    assert output(dsn, "job") == output(dsn, "whole")
