"""Writes to a sink in processes that are killed by SIGKILL and continued; prints each output that differs.

    python -m tests.unit.killed_sinks KIND FOLDER

A child process is one life. It is killed at a named point between two calls, or at a line of a module of rxdag.sinks.
"""

import gzip
import os
import random
import shutil
import signal
import sqlite3
import sys
import traceback
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
from pyarrow import feather
from tests.postgres import ask
from tests.unit.saved import Context

import rxdag.sinks._arrow
from rxdag import sinks
from rxdag.codec import Codec
from rxdag.contract import Chunk

ITEMS = [{"key": f"k{i % 7}", "start": i // 14, "revision": i % 14 // 7, "text": f"{i}" * 200} for i in range(84)]
CHUNKS = [ITEMS[at : at + 7] for at in range(0, len(ITEMS), 7)]
POINTS = ("opened", "restored", "written", "saved", "durable", "published", "prepared", "closed")
MODULES = os.path.dirname(rxdag.sinks.__file__)


def rows_of(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("select key, start, revision, text from bars").fetchall()


def numbered(folder, ending):
    return {path.name: path.read_bytes() for path in folder.glob(f"x-*{ending}")}


def lines_of(folder):
    return [
        line for path in sorted(folder.glob("x-*.jsonl.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def divided(folder, read):
    """Return the rows of each place, with what is left over."""
    rows = {}
    for path in sorted(path for path in folder.rglob("*/*") if path.is_file()):
        rows.setdefault(path.parent.name, []).extend([path.name] if path.name.startswith(".") else read(path))
    return rows


rxdag.sinks._arrow._GROUP_ROWS = 10


def postgres(**options):
    """A table in a schema of its own for each folder."""

    def make(folder):
        ask(os.environ["DATABASE"], f"create schema if not exists s{folder.name}")
        return sinks.postgres(os.environ["DATABASE"], f"s{folder.name}.bars", **options)

    def read(folder):
        return sorted(ask(os.environ["DATABASE"], f"select key, start, revision, text from s{folder.name}.bars"))

    return make, read


KINDS = {
    "postgres": postgres(),
    "postgres upsert": postgres(upsert=["key", "start"]),
    "csv": (lambda folder: sinks.csv(folder / "x"), lambda folder: (folder / "x").read_bytes()),
    "jsonl": (lambda folder: sinks.jsonl(folder / "x"), lambda folder: (folder / "x").read_bytes()),
    "sqlite": (lambda folder: sinks.sqlite(folder / "x.db", "bars"), lambda folder: rows_of(folder / "x.db")),
    "upsert": (
        lambda folder: sinks.sqlite(folder / "x.db", "bars", upsert=["key", "start"]),
        lambda folder: rows_of(folder / "x.db"),
    ),
    "parquet": (lambda folder: sinks.parquet(folder / "x"), lambda folder: pq.read_table(folder / "x").to_pylist()),
    "size": (lambda folder: sinks.csv(folder / "x.csv", roll=3_000), lambda folder: numbered(folder, ".csv")),
    "checkpoint": (lambda folder: sinks.jsonl(folder / "x.jsonl.gz", roll="checkpoint"), lines_of),
    "parquets": (
        lambda folder: sinks.parquet(folder / "x.parquet", roll=9_000),
        lambda folder: {path.name: pq.read_table(path).to_pylist() for path in folder.glob("x-*.parquet")},
    ),
    "divided": (
        lambda folder: sinks.jsonl(folder / "{key}" / "x.jsonl.gz", roll=3_000, max_open=4),
        lambda folder: divided(folder, lambda path: gzip.decompress(path.read_bytes()).splitlines()),
    ),
    "divided parquet": (
        lambda folder: sinks.parquet(folder / "key={key}" / "x.parquet", roll="checkpoint"),
        lambda folder: divided(folder, lambda path: pq.ParquetFile(path).read().to_pylist()),
    ),
    "arrow files": (
        lambda folder: sinks.arrow_file(folder / "x.arrow", roll=9_000),
        lambda folder: {path.name: feather.read_table(path).to_pylist() for path in folder.glob("x-*.arrow")},
    ),
    "gz": (lambda folder: sinks.csv(folder / "x.gz"), lambda folder: gzip.decompress((folder / "x.gz").read_bytes())),
}


class Life:
    """One process, killed at `fault`: a point and how often it is passed, or "line" and a number; None to live."""

    def __init__(self, make, folder, fault):
        self.make, self.folder, self.fault = make, folder, fault
        self.passed = dict.fromkeys(POINTS, 0)
        self.lines = 0

    def point(self, name):
        self.passed[name] += 1
        if self.fault == (name, self.passed[name]):
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(MODULES):
            return None
        if event == "line":
            self.lines += 1
            if self.fault == ("line", self.lines):
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace

    def run(self):
        sys.settrace(self.trace)
        durable = self.folder / "checkpoint"
        writer = self.make(self.folder).open(Context())
        self.point("opened")
        at = 0
        if durable.exists():
            at, saved = Codec().decode(durable.read_bytes())
            writer.restore(saved)
        self.point("restored")
        for chunk in CHUNKS[at:]:
            at += 1
            writer.write(Chunk(list(chunk)))
            self.point("written")
            if at % 3 == 0:
                saved = writer.save()
                self.point("saved")
                self.keep(durable, Codec().encode((at, saved)))
                self.point("durable")
                writer.publish()
                self.point("published")
        writer.prepare()
        self.point("prepared")
        writer.close(ok=True)
        self.point("closed")
        (self.folder / "lines").write_text(str(self.lines))

    @staticmethod
    def keep(path, data):
        made = path.with_suffix(".new")
        with made.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)


def ended(make, folder, fault):
    """Return the signal that a life was ended by, or minus its exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            Life(make, folder, fault).run()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def main(kind, root):
    make, read = KINDS[kind]
    whole = root / "whole"
    whole.mkdir()
    assert ended(make, whole, None) == 0
    lines = int((whole / "lines").read_text())
    rng = random.Random(kind)
    trials = [[(name, n)] for name in POINTS for n in (1, 3)]
    trials += [[("line", rng.randint(1, lines)) for _ in range(rng.randint(1, 3))] for _ in range(16)]
    trials += [[("line", lines - n)] for n in range(10)]  # while the output is completed
    killed = 0
    for i, faults in enumerate(trials):
        folder = root / str(i)
        folder.mkdir()
        killed += sum(ended(make, folder, fault) == signal.SIGKILL for fault in faults)
        if ended(make, folder, None) != 0 or read(folder) != read(whole):
            print(f"{kind}: differs after {faults}")
        left = {each.name for each in folder.iterdir()} - {each.name for each in whole.iterdir()}
        if left:
            print(f"{kind}: {sorted(left)} is left after {faults}")
        shutil.rmtree(folder)
    print(f"{killed} kills")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
