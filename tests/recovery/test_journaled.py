"""A job behind a journal that is killed gives all that it has received, each item once."""

import asyncio
import itertools
import json
import random
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress

import pytest

import rxdag
from rxdag import sources
from tests.recovery.journaled import POINTS
from tests.recovery.kills import ROOT

websockets = pytest.importorskip("websockets")
serve = pytest.importorskip("websockets.asyncio.server").serve
TRIALS = 12
ITEMS = 1_500
"""Number of items that the server sends in all, over all connections."""


class Feed:
    """A server that counts on from connection to connection, and closes the one that has got the last number."""

    def __init__(self):
        self.numbers = itertools.count()
        self.connections = 0

    async def serve(self, connection):
        self.connections += 1
        with suppress(websockets.ConnectionClosed):
            for n in self.numbers:
                await connection.send(json.dumps({"n": n}))
                if n >= ITEMS - 1:
                    return
                if n % 20 == 0:
                    await asyncio.sleep(0.002)


@contextmanager
def served(feed):
    """Serve a feed on a thread; yields its address."""
    address, loop = [], asyncio.new_event_loop()
    is_up = threading.Event()

    async def run():
        async with serve(feed.serve, "127.0.0.1", 0) as server:
            address.append(server.sockets[0].getsockname()[1])
            feed.done = asyncio.Event()
            is_up.set()
            await feed.done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert is_up.wait(30)
    try:
        yield f"ws://127.0.0.1:{address[0]}"
    finally:
        loop.call_soon_threadsafe(feed.done.set)
        thread.join()
        loop.close()


def run(folder, url, *kill):
    command = [sys.executable, "-m", "tests.recovery.journaled", str(folder), url, *map(str, kill)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.timeout(600)
def test_a_killed_job_gives_all_that_it_has_received_each_item_once(tmp_path):
    kills = resumed = 0
    for trial in range(TRIALS):
        rng, feed, folder = random.Random(trial), Feed(), tmp_path / str(trial)
        folder.mkdir()
        with served(feed) as url:
            for _ in range(rng.randint(1, 3)):
                point = rng.choice(POINTS)
                killed = run(folder, url, point, rng.randint(1, 8 if "commit" in point else 300))
                assert killed.returncode in (0, -9), killed.stderr
                kills += killed.returncode == -9
                if killed.returncode == 0:  # it was through before the point was reached so often
                    break
            whole = run(folder, url)
        assert whole.returncode == 0, whole.stderr
        resumed += int(whole.stdout)
        received = rxdag.from_source(sources.journal_reader(folder / "journal"), name="ticks").collect()
        given = [json.loads(line)["n"] for line in (folder / "out.jsonl").read_text().splitlines()]
        assert given == [tick["n"] for tick in received], trial
        assert given == sorted(set(given)), trial
        assert given[-1] >= ITEMS - 1, trial
        jumps = sum(after != before + 1 for before, after in itertools.pairwise(given))
        assert jumps < feed.connections, trial
    assert kills >= TRIALS // 2  # some are through before their kill
    assert resumed >= 1
