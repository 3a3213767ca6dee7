"""Overload: more comes than can be taken, and memory stays where it is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from tests.chaos.experiment import Growth, Scale, experiment, offered, require, sound

RATE = 100_000
BUFFER = 1000
DROPPING = ("drop_oldest", "drop_newest", "drop_tail", "drop_buffer")


async def takes_a_millisecond(item: Any) -> None:
    await asyncio.sleep(0.001)


@experiment
def slow_sink_that_makes_its_producer_wait(scale: Scale) -> str:
    feed = sources.ingress(max_items=BUFFER)
    run = rxdag.start(rxdag.from_source(feed, name="in").to(sinks.acall(takes_a_millisecond), name="out"))
    growth = Growth()
    with offered(feed.push, RATE, scale.seconds, growth) as pushed:
        pass
    feed.complete()
    result = sound(run.wait(60))
    require(growth.mb < 20, f"memory grew by {growth.mb:.1f} MB")
    queued = max(gate.high_water for gate in result.stats.gates.values())
    require(queued <= 1024, f"the gate held {queued} items")
    require(result["out"] == pushed[0], f"{pushed[0]} were let in, {result['out']} delivered")
    return f"{pushed[0]:,} items let in over {scale.seconds:g} s, all delivered; memory grew by {growth.mb:.1f} MB"


@experiment
def slow_sink_with_each_policy_that_drops(scale: Scale) -> str:
    said = []
    for overflow in DROPPING:
        feed = sources.ingress(max_items=BUFFER, overflow=overflow)
        run = rxdag.start(rxdag.from_source(feed, name="in").to(sinks.acall(takes_a_millisecond), name="out"))
        growth = Growth()
        with offered(feed.push, RATE, scale.seconds, growth) as pushed:
            pass
        feed.complete()
        result = sound(run.wait(60))
        dropped = result.stats.nodes["in"].dropped.get("overflow", 0)
        require(growth.mb < 20, f"{overflow}: memory grew by {growth.mb:.1f} MB")
        require(dropped, f"{overflow}: nothing was dropped of {pushed[0]}: no overload")
        require(
            result["out"] + dropped == pushed[0],
            f"{overflow}: {result['out']} delivered + {dropped} dropped != {pushed[0]} produced",
        )
        said.append(f"{overflow} {result['out']:,} + {dropped:,} = {pushed[0]:,}")
    return "; ".join(said)


@experiment
def one_stalled_branch_of_three(scale: Scale) -> str:
    def run_with(stalled: bool) -> int:
        release = threading.Event()

        def takes(item: Any) -> None:
            if stalled:
                release.wait(scale.seconds + 30)

        feed = rxdag.from_source(sources.iterable(iter(range(10**9))), name="in")
        fast = [feed.pipe(ops.map(lambda x: x + 1)).to(sinks.null(), name=f"fast{i}") for i in (0, 1)]
        slow = feed.buffered(max_items=10, overflow="drop_oldest").on("stuck").to(sinks.call(takes), name="slow")
        run = rxdag.start(*fast, slow)
        threading.Event().wait(scale.seconds / 10)
        run.begin_drain()
        release.set()
        result = sound(run.wait(60))
        require(result["fast0"] == result["fast1"], f"{result['fast0']} != {result['fast1']}")
        if stalled:
            require(result["slow"] <= 1 + 10 + 1024, f"the branch that hangs took {result['slow']}")
        return int(result["fast0"])

    rates = [(run_with(True), run_with(False)) for _ in range(5)]
    share = max(stalled / free for stalled, free in rates)
    require(share >= 0.9, f"the other branches kept {share:.0%}")
    return f"two branches kept {share:.0%} of their rate beside one that hangs ({rates[0][0]:,} items)"


_LIMITED = """
    import resource, sys, threading, time
    sys.path.insert(0, {root!r})
    from tests.chaos import overload
    from tests.chaos.experiment import Scale
    base = int(open("/proc/self/status").read().split("VmData:")[1].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (base + 200_000_000,) * 2)
    print(overload.overloaded(Scale({seconds}, 1.0)))
"""


def overloaded(scale: Scale) -> str:
    """Three feeds far faster than their sinks, one policy each."""
    feeds = {
        policy: sources.ingress(max_items=BUFFER, overflow=policy) for policy in ("block", "drop_oldest", "drop_newest")
    }
    outs = []
    for policy, feed in feeds.items():
        stream = rxdag.from_source(feed, name=f"in.{policy}").pipe(ops.map(lambda x: {"n": x, "text": "x" * 100}))
        outs.append(stream.to(sinks.acall(takes_a_millisecond), name=policy))
    run = rxdag.start(*outs)
    threads = [offered(feed.push, RATE, scale.seconds) for feed in feeds.values()]
    counts = [each.__enter__() for each in threads]
    for each in threads:
        each.__exit__(None, None, None)
    for feed in feeds.values():
        feed.complete()
    result = sound(run.wait(60))
    for (policy, _), pushed in zip(feeds.items(), counts, strict=True):
        dropped = result.stats.nodes[f"in.{policy}"].dropped.get("overflow", 0)
        require(result[policy] + dropped == pushed[0], f"{policy}: {result[policy]} + {dropped} != {pushed[0]}")
    return f"{sum(count[0] for count in counts):,} items offered"


@experiment
def overload_with_200_mb_to_spare(scale: Scale) -> str:
    root = __file__.rsplit("/tests/", 1)[0]
    code = textwrap.dedent(_LIMITED).format(root=root, seconds=scale.seconds)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=scale.seconds + 90)
    require(done.returncode == 0, done.stderr[-500:])
    return f"{done.stdout.strip()} with RLIMIT_DATA 200 MB over what it began with"
