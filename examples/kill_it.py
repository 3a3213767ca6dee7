"""Kill a job a few times with SIGKILL, run it to its end, and compare its files with those of a job that was left alone."""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rxdag import checkpoints

JOB = Path(__file__).with_name("restartable_bars.py").resolve()
RUN = [sys.executable, "-m", "rxdag.cli", "run", str(JOB), "--quiet", "--log-level", "error"]
STORE = "bars.state"
SAVING = ["--checkpoints", STORE, "--every", "100ms"]
FILES = ("bars.csv", "late.jsonl")


def last_checkpoint(store: checkpoints.SqliteStore) -> checkpoints.Checkpoint | None:
    """Return the last checkpoint; None if there is none yet."""
    return store.latest() if Path(store.path).exists() else None


def kill_one(folder: Path, delay_s: float) -> bool:
    """Start the job, kill it some time after its first checkpoint, and return True if it was still running."""
    store = checkpoints.sqlite(folder / STORE)
    before = last_checkpoint(store)
    job = subprocess.Popen([*RUN, *SAVING], cwd=folder)
    while job.poll() is None and last_checkpoint(store) == before:
        time.sleep(0.01)
    time.sleep(delay_s)
    job.kill()
    was_killed = job.wait() < 0
    last = last_checkpoint(store)
    if was_killed and last is not None:
        left = sum(path.stat().st_size for path in folder.glob("*.part"))
        print(f"killed: checkpoint {last.id} holds {last.bytes:,} bytes, unfinished files {left:,}", flush=True)
    return was_killed


def digests(folder: Path) -> dict[str, str]:
    """Return a digest of each file that the job has written."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:16] for name in FILES}


def main() -> int:
    """Run the trial; return 0 if the files are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/recovery"), help="folder for the files of both jobs")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    args = parser.parse_args()
    whole, killed = args.out / "whole", args.out / "killed"
    for folder in (whole, killed):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    print("a job that is left alone", flush=True)
    subprocess.run(RUN, cwd=whole, check=True)
    print("the same job with checkpoints, killed with SIGKILL", flush=True)
    rng = random.Random(args.seed)
    kills = sum(kill_one(killed, rng.uniform(0.0, 0.4)) for _ in range(args.kills))
    last = last_checkpoint(checkpoints.sqlite(killed / STORE))
    if last is not None and not last.is_done:
        print(f"started again: it continues from checkpoint {last.id}", flush=True)
    subprocess.run([*RUN, *SAVING], cwd=killed, check=True)
    alone, after = digests(whole), digests(killed)
    for name in FILES:
        verdict = "equal" if alone[name] == after[name] else "DIFFERENT"
        print(f"{name}: {alone[name]} left alone, {after[name]} after {kills} kills: {verdict}")
    return 0 if alone == after else 1


if __name__ == "__main__":
    raise SystemExit(main())
