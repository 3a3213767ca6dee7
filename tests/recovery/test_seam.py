"""Kills before, at and after the seam between a history and a live source lose and double nothing."""

import subprocess
import sys

import pytest

from tests.recovery.kills import ROOT
from tests.recovery.seam import ITEMS, SEAM, write_inputs

BEFORE = (SEAM // 3, 2 * SEAM // 3)
AT = (SEAM - 1, SEAM, SEAM + 1, SEAM + 2)
AFTER = (SEAM + 1_000, SEAM + 3_000, ITEMS - 1, ITEMS)
EXPECTED = "ts_ms,trade_id\n" + "".join(f"{10 * i},{i}\n" for i in range(ITEMS))


def run(folder, kind, *kill):
    command = [sys.executable, "-m", "tests.recovery.seam", str(folder), kind, *map(str, kill)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["file", "feed", "feed, by number"])
def test_ten_kills_around_the_seam_lose_and_double_nothing(tmp_path, kind):
    write_inputs(tmp_path)
    began = []
    for at in BEFORE + AT + AFTER:
        folder = tmp_path / str(at)
        folder.mkdir()
        killed = run(folder, kind, "item", at)
        assert killed.returncode == -9, killed.stderr
        whole = run(folder, kind)
        assert whole.returncode == 0, whole.stderr
        began.append(int(whole.stdout))
        assert (folder / "out.csv").read_text() == EXPECTED, at
    assert sum(0 < n < SEAM for n in began) >= 2
    assert sum(n >= SEAM for n in began) >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_one_job_that_is_killed_ten_times_loses_and_doubles_nothing(tmp_path):
    write_inputs(tmp_path)
    folder = tmp_path / "job"
    folder.mkdir()
    kills = [run(folder, "feed", *kill).returncode for kill in [("item", 1_000), ("committed", 2), ("commit", 2)] * 4]
    assert kills.count(-9) >= 10
    whole = run(folder, "feed")
    assert whole.returncode == 0, whole.stderr
    assert (folder / "out.csv").read_text() == EXPECTED
