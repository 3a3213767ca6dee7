"""The commands of the page on upgrades, in their order, do what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "upgrade-without-a-gap.md").read_text()
JOB = (ROOT / "examples" / "restartable_bars.py").read_text()
STOPS = """
def stop(trade, at=iter(range(1 << 60))):
    if next(at) == 120_000:
        import os, signal
        os.kill(os.getpid(), signal.SIGTERM)
    return trade
"""


def run(folder, *words):
    command = [sys.executable, "-W", "ignore", "-m", "rxdag.cli", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
@pytest.mark.timeout(300)
def test_the_upgrade_on_the_page_can_be_followed(tmp_path):
    for name in ("old", "new", "stopped"):
        (tmp_path / name).mkdir()
    (tmp_path / "old" / "job.py").write_text(JOB)
    (tmp_path / "new" / "job.py").write_text(JOB.replace('out_of_order="100ms"', 'out_of_order="200ms"'))
    stopped = JOB.replace("trades = ", STOPS + "\ntrades = ").replace(
        "trades.pipe(", 'trades.pipe(ops.map(stop), name="stop").pipe('
    )
    (tmp_path / "stopped" / "job.py").write_text(stopped)
    assert run(tmp_path, "run", "stopped/job.py", "--checkpoints", "bars.state", "--quiet").returncode == 143
    did = []
    for line, shown in re.findall(r"^\$ rxdag (.*)\n((?:[^$`\n].*\n)*)", PAGE, re.M):
        done = run(tmp_path, *shlex.split(line))
        assert done.returncode == line.startswith("diff"), (line, done.stderr)
        first = (done.stdout.splitlines() or [""])[0]
        assert re.sub("[0-9,]+", "N", first) == re.sub("[0-9,]+", "N", shown.rstrip("\n")), line
        did.append(line.split()[0])
    assert did == ["state", "state", "run", "run", "diff", "run"]
    assert sorted(path.name for path in (tmp_path / "new.out").iterdir()) == ["bars.csv", "late.jsonl"]
    assert (tmp_path / "bars.csv").read_text().count("\n") > (tmp_path / "new.out" / "bars.csv").read_text().count("\n")
