"""Processes that are killed while they write checkpoints: `python -m tests.checkpoints.kills FOLDER points|instants COUNT`.

One process without threads forks those that are killed, since starting an interpreter for each takes far longer. It prints
the number of kills, and each state of the store that is wrong.
"""

import itertools
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path

from rxdag import checkpoints
from rxdag.checkpoints import _rows
from tests.checkpoints.damage import is_right, write

_rows.PIECE_BYTES = 50_000  # the largest part is in three pieces


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Points:
    """Kills its process before the statement, or the step of the file system, of a number; counts them all."""

    def __init__(self, target):
        self._left = target
        self._connect = sqlite3.connect
        sqlite3.connect = self.connect
        os.replace = self.before_and_after(os.replace)
        os.fsync = self.before_and_after(os.fsync)

    def point(self, *_):
        self._left -= 1
        if self._left == 0:
            die()

    def connect(self, *args, **named):
        db = self._connect(*args, **named)
        db.set_trace_callback(self.point)
        return db

    def before_and_after(self, call):
        def wrapped(*args):
            self.point()
            call(*args)
            self.point()

        return wrapped


def forked(work):
    """Run `work(tell)` in a child; return the last number that it told, and whether it was killed."""
    read, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        work(lambda number: os.write(told, b"%d\n" % number))
        os._exit(0)
    os.close(told)
    _, status = os.waitpid(pid, 0)
    with open(read, "rb") as pipe:
        numbers = pipe.read().split()
    return int(numbers[-1]) if numbers else 0, os.WIFSIGNALED(status)


def problem_of(path, told):
    """What is wrong with a store behind a process that had told of checkpoint `told`; None if nothing is."""
    store = checkpoints.sqlite(path)
    with store.open("next") as session:  # the lock is free, and nothing is damaged
        latest = session.latest()
        number = 0 if latest is None else latest.id
        if number not in (told, told + 1):
            return f"{told} was committed, and {number} is the newest"
        if latest is not None and not is_right(store, latest):
            return f"{number} has other content"
        if session.begin() != number + 1:
            return f"the checkpoint behind {number} has another id"
    return None


def at_points(folder):
    """Kill at each point of a run that makes a store and writes three checkpoints."""
    killed, wrong, target = 0, [], 0
    while True:
        target += 1
        path = Path(folder, str(target), "bars.db")

        def work(tell, target=target, path=path):
            Points(target)
            with checkpoints.sqlite(path).open("bars") as session:
                for number in (1, 2, 3):
                    write(session, number)
                    tell(number)

        told, is_killed = forked(work)
        problem = problem_of(path, told)
        if problem is not None:
            wrong.append(f"point {target}: {problem}")
        if not is_killed:
            return killed, wrong
        killed += 1


def at_instants(folder, count):
    """Kill at random instants, again and again on one store; a timer kills, even within a call of SQLite.

    It starts behind up to two checkpoints, so that the store goes on however slow the machine is. Returns the number of
    those too.
    """
    path, seeded = Path(folder, "bars.db"), random.Random(7)
    killed, wrong, told, fewest = 0, [], 0, 0
    for n in range(count):
        first, seconds = seeded.randrange(3), seeded.uniform(0.0005, 0.08)
        fewest += first

        def work(tell, first=first, seconds=seconds):
            if not first:
                signal.setitimer(signal.ITIMER_REAL, seconds)  # SIGALRM, which nobody handles
            with checkpoints.sqlite(path).open("bars") as session:
                latest = session.latest()
                number = 0 if latest is None else latest.id
                for n in itertools.count(1):
                    write(session, number + n)
                    tell(number + n)
                    if n == first:
                        signal.setitimer(signal.ITIMER_REAL, seconds)

        new, is_killed = forked(work)
        told = max(told, new)
        killed += is_killed
        problem = problem_of(path, told)
        if problem is not None:
            wrong.append(f"instant {n}: {problem}")
        latest = checkpoints.sqlite(path).latest()
        told = 0 if latest is None else latest.id
    return killed, wrong, told, fewest


if __name__ == "__main__":
    if sys.argv[2] == "points":
        print(at_points(sys.argv[1]))
    else:
        print(at_instants(sys.argv[1], int(sys.argv[3])))
