"""A killed job uses each recorded answer, and a replay of its journal gives what it has given in all its lives."""

import random
import subprocess
import sys
from collections import Counter

import pytest

from rxdag import sources, testing
from tests.recovery.answered import ITEMS, POINTS, dag
from tests.recovery.kills import ROOT

TRIALS = 4


def run(kind, folder, *kill):
    command = [sys.executable, "-m", "tests.recovery.answered", kind, str(folder), *map(str, kill)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


async def nobody(asked):
    raise AssertionError(f"a replay must call nothing, got a call for {asked}")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["map_async", "ordered", "lookup"])
def test_a_killed_job_calls_at_most_once_more_per_kill_and_its_replay_gives_its_output(kind, tmp_path):
    kills = resumed = 0
    for trial in range(TRIALS):
        rng, folder, own = random.Random(trial), tmp_path / str(trial), 0
        folder.mkdir()
        for _ in range(rng.randint(1, 3)):
            point = rng.choice(POINTS)
            killed = run(kind, folder, point, rng.randint(1, 8 if "commit" in point else 150))
            assert killed.returncode in (0, -9), killed.stderr
            own += killed.returncode == -9
            if killed.returncode == 0:
                break
        whole = run(kind, folder)
        assert whole.returncode == 0, whole.stderr
        kills, resumed = kills + own, resumed + int(whole.stdout)
        calls = Counter((folder / "calls").read_text().split())
        if kind != "lookup":
            assert len(calls) == ITEMS
            # One call of each item is recorded; those that a kill cut short, at most `concurrency` of them, come again.
            assert max(calls.values()) <= own + 1
            assert sum(calls.values()) <= ITEMS + 8 * own
        reader = sources.journal_reader(folder / "journal", source="ticks")
        testing.run(dag(kind, reader, folder / "journal", folder / "again.jsonl", nobody))
        assert (folder / "again.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes(), trial
    assert kills >= TRIALS // 2  # some are through before their kill
    assert resumed >= 1
