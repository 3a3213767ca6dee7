"""Kills of the tutorial's own job, from outside: a program that knows commands, files and signals, and nothing of rxdag."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "kill-it.md"
OUTPUT = ("bars.csv", "late.jsonl")
STORE = "bars.state"
LOG = f"{STORE}-wal"
"""SQLite's log: not empty while a checkpoint is being committed, and shortly behind that."""
LONGEST_S = 120.0


@dataclass
class Figures:
    """Results of trials.

    Attributes:
        trials: How many.
        kills: Processes that were killed while they ran.
        resumed: Trials whose last run found a checkpoint to continue from, behind a kill.
        in_commit: Trials with a kill while the log of the store was not empty.
        wrong: Descriptions of trials with other output.
    """

    trials: int = 0
    kills: int = 0
    resumed: int = 0
    in_commit: int = 0
    wrong: list[str] = field(default_factory=lambda: list[str]())

    def __str__(self) -> str:
        return (
            f"{self.trials} trials of the tutorial's job, {self.kills} kills, {self.resumed} resumed, "
            f"{self.in_commit} killed in a commit, {len(self.wrong)} wrong"
        )

    @property
    def falls_short(self) -> bool:
        """True if too few trials had a checkpoint, or were killed in a commit, to show anything."""
        return 2 * self.resumed < self.trials or 10 * self.in_commit < self.trials


def job_of_tutorial() -> str:
    """Return the job as the tutorial has it."""
    found = re.search(r"```python\n(.*?)```", TUTORIAL.read_text(), re.S)
    assert found is not None
    return found[1]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "rxdag.cli", "run", "job.py", "--quiet", "--log-level", "error", *options]


def size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def kill_at(folder: Path, rng: random.Random) -> tuple[bool, bool]:
    """Run the job and kill it at some instant; return if it was killed, and if a commit was under way."""
    with (folder / "errors.txt").open("a") as errors:
        job = subprocess.Popen(
            command("--checkpoints", STORE, "--every", "50ms"), cwd=folder, stdout=errors, stderr=errors
        )
        began = time.monotonic()
        while job.poll() is None and size(folder / f"{STORE}-lock") == 0 and time.monotonic() - began < LONGEST_S:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 1.2))
        waits = rng.random() < 0.4  # for a commit
        while waits and job.poll() is None and size(folder / LOG) == 0 and time.monotonic() - began < LONGEST_S:
            time.sleep(0.0002)
        os.kill(job.pid, signal.SIGKILL)
        was_killed = job.wait() == -signal.SIGKILL
    return was_killed, was_killed and size(folder / LOG) > 0


def output(folder: Path) -> dict[str, bytes | None]:
    return {name: (folder / name).read_bytes() if (folder / name).exists() else None for name in OUTPUT}


def check(folder: Path, trials: int, first: int = 0) -> Figures:
    """Run trials; each has one to three kills, at instants drawn from its number."""
    figures, source = Figures(), job_of_tutorial()
    whole = folder / "whole"
    whole.mkdir()
    (whole / "job.py").write_text(source)
    subprocess.run(command(), cwd=whole, check=True, timeout=LONGEST_S)
    expected = output(whole)
    assert all(expected.values())
    for seed in range(first, first + trials):
        rng = random.Random(seed)
        place = folder / f"trial{seed}"
        place.mkdir()
        (place / "job.py").write_text(source)
        kills = [kill_at(place, rng) for _ in range(rng.randint(1, 3))]
        resumes = kills[-1][0] and output(place)["bars.csv"] is None and _has_checkpoint(place)
        done = subprocess.run(
            command("--checkpoints", STORE), cwd=place, capture_output=True, text=True, timeout=LONGEST_S
        )
        figures.trials += 1
        figures.kills += sum(killed for killed, _ in kills)
        figures.resumed += resumes
        figures.in_commit += any(in_commit for _, in_commit in kills)
        got = output(place)
        if done.returncode or got != expected or (place / "errors.txt").read_text():
            differs = [name for name in OUTPUT if got[name] != expected[name]]
            said = (place / "errors.txt").read_text() + done.stderr
            figures.wrong.append(f"trial {seed}: exit {done.returncode}, other {differs}: {said[-1000:]}")
        shutil.rmtree(place)
    return figures


def _has_checkpoint(folder: Path) -> bool:
    listed = subprocess.run(
        [sys.executable, "-m", "rxdag.cli", "state", "ls", STORE], cwd=folder, capture_output=True, text=True
    )
    return listed.returncode == 0 and "no checkpoint" not in listed.stdout
