"""Threads, signals and interrupts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import rxdag
from rxdag import operators as ops
from rxdag import sinks, sources
from rxdag.errors import RxDagError
from tests.chaos.experiment import Scale, Violation, experiment, require, sound


@experiment
def eight_threads_push_into_one_ingress(scale: Scale) -> str:
    n = scale.of(1_000_000) // 8 * 8
    feed = sources.ingress(max_items=1024)
    busy = threading.Lock()
    seen = [0, 0]

    def take(item: int) -> None:
        if not busy.acquire(blocking=False):
            raise Violation("two calls at once")
        seen[0] += 1
        seen[1] += item
        busy.release()

    run = rxdag.start(rxdag.from_source(feed).to(sinks.call(take)))

    def push(k: int) -> None:
        for item in range(k, n, 8):
            feed.push(item)

    threads = [threading.Thread(target=push, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    feed.complete()
    sound(run.wait(120))
    require(seen == [n, n * (n - 1) // 2], f"{seen[0]} items with the sum {seen[1]}")
    return f"{n:,} items, the sum is exact, and no two calls overlapped"


@experiment
def two_runs_of_one_plan_in_two_threads(scale: Scale) -> str:
    stream = rxdag.from_source(sources.range(scale.of(200_000))).pipe(ops.scan(0, lambda n, x: n + x))
    plan = rxdag.compile(rxdag.Dag(stream.on("w").buffered(max_items=64).to(sinks.collect(), name="out")))
    results: list[Any] = [None, None]

    def act(k: int) -> None:
        results[k] = rxdag.run(plan)

    threads = [threading.Thread(target=act, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    outs = [sound(result)["out"] for result in results]
    alone = sound(rxdag.run(plan))["out"]
    require(outs[0] == outs[1] == alone, "the runs met")
    return f"{len(alone):,} items each, the same"


_LOADED = """
    import sys, rxdag
    from rxdag import sinks, sources, operators as ops
    def forever():
        n = 0
        print("on", flush=True)
        while True:
            yield n
            n += 1
    stream = rxdag.from_source(sources.iterable(forever(), blocking=True)).pipe(ops.map(lambda x: (x,)))
    out = stream.buffered(max_items=100).on("writer").to(sinks.csv({path!r}), name="out")
    print("up", flush=True)
    try:
        rxdag.run(out)
    except rxdag.Terminated as end:
        result = end.result
        assert result.was_drained and result.problems == (), result
        print(result[out], flush=True)
        raise
"""


@experiment
def sigterm_under_load(scale: Scale) -> str:
    rows = 0
    times = scale.of(20)
    for k in range(times):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out.csv"
            code = textwrap.dedent(_LOADED).format(path=str(path))
            child = subprocess.Popen(
                [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            assert child.stdout is not None
            child.stdout.readline()
            child.stdout.readline()  # the second one comes out of the run, which has its handlers by then
            time.sleep(0.3 + 0.02 * k)
            child.send_signal(signal.SIGTERM)
            out, err = child.communicate(timeout=60)
            require(child.returncode == 143, f"exit {child.returncode}: {err[-300:]}")
            lines = len(path.read_text().splitlines()) - 1
            require(lines == int(out), f"{lines} rows in the file, {out} told")
            require(sorted(os.listdir(folder)) == ["out.csv"], f"left behind: {os.listdir(folder)}")
            rows += lines
    return f"{times} runs drained and exited with 143; {rows:,} rows written, all told"


def _interrupted(rng: random.Random, act: Any) -> KeyboardInterrupt | None:
    """Run it in this thread and interrupt it at some instant; returns the interrupt that came out of it."""
    delay = rng.random() * 0.02
    pid = os.getpid()
    done = threading.Event()

    def strike() -> None:
        if not done.wait(delay):
            os.kill(pid, signal.SIGINT)

    thread = threading.Thread(target=strike)
    try:
        thread.start()
        act()
        done.set()
        thread.join()
    except KeyboardInterrupt as interrupt:
        thread.join()
        return interrupt
    return None


@experiment
def drains_and_cancels_of_signal_handlers(scale: Scale) -> str:
    """The main thread pushes, so the signal may come while it has the locks that a drain takes."""
    require(threading.current_thread() is threading.main_thread(), "must be in the main thread")
    before = signal.getsignal(signal.SIGALRM)
    times = scale.of(1000)
    try:
        for seed in range(times):
            rng = random.Random(seed)
            feed = sources.ingress(max_items=1000)
            run = rxdag.start(rxdag.from_source(feed).pipe(ops.map(lambda x: x)).to(sinks.null()))
            came: list[int] = []

            def handle(number: int, _: Any, run: Any = run, seed: int = seed, came: list[int] = came) -> None:
                came.append(number)
                (run.begin_drain if seed % 2 else run.cancel)()

            signal.signal(signal.SIGALRM, handle)
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 2e-3))
            while not came:
                try:
                    feed.push(1)
                except RxDagError:  # it has ended meanwhile
                    break
            sound(run.wait(60), "completed" if seed % 2 else "cancelled")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return f"{times} signals while the thread was pushing: half of the runs drained, half were cancelled, none hung"


@experiment
def keyboard_interrupt_at_seeded_instants(scale: Scale) -> str:
    require(threading.current_thread() is threading.main_thread(), "must be in the main thread")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    counts = {"drained": 0, "raised": 0, "whole": 0}
    alive = threading.active_count()
    times = scale.of(200)
    try:
        for seed in range(times):
            rng = random.Random(seed)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "out.csv"
                stream = rxdag.from_source(sources.range(20_000)).pipe(ops.map(lambda x: (x,)))
                threaded = stream.on("w") if rng.random() < 0.5 else stream
                kept: list[Any] = []

                def runs(threaded: Any = threaded, path: Path = path, kept: list[Any] = kept) -> None:
                    kept.append(rxdag.run(threaded.to(sinks.csv(path), name="out")))

                def loops(threaded: Any = threaded) -> None:
                    for _ in threaded:
                        pass

                came_out = _interrupted(rng, runs if seed % 2 else loops)
                counts["raised"] += came_out is not None
                if hasattr(came_out, "result"):
                    kept.append(came_out.result)
                if kept:
                    result = sound(kept[0])
                    counts["drained" if result.was_drained else "whole"] += 1
                    rows = max(0, len(path.read_text().splitlines()) - 1)  # without items there is no header
                    require(rows == result["out"], f"seed {seed}: {rows} rows, {result['out']} told")
                elif came_out is not None and seed % 2:
                    whole = path.exists() and len(path.read_text().splitlines()) == 20_001
                    require(not path.exists() or whole, f"seed {seed}: half a file looks whole")
                end = time.monotonic() + 10
                while threading.active_count() > alive and time.monotonic() < end:
                    time.sleep(0.005)
                require(threading.active_count() <= alive, f"seed {seed}: threads stay: {threading.enumerate()}")
                left = [name for name in os.listdir(folder) if name != "out.csv"]
                require(not left, f"seed {seed}: left behind {left}")
    finally:
        signal.signal(signal.SIGINT, before)
    sound(rxdag.run(rxdag.from_source(sources.range(10)).to(sinks.null())))
    return f"{times} interrupts: {counts}; no thread and no half file stayed"
