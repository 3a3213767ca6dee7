"""`rxdag run --workers`: a process for each share of a graph; they are started and stopped together."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Any, Final, cast

from rxdag.cli._load import Loaded
from rxdag.errors import SpecError

_LONGEST_WAIT_S: Final = 30.0
"""Longest wait before a worker that was killed is started again, s."""
_WRITING: Final = threading.Lock()
"""Keeps the lines of workers whole."""


def run_workers(params: list[Any], given: Mapping[str, Any], load: Callable[[], Loaded]) -> int:
    """Run a command in several workers; return the exit code of the first that did not end well, or 0.

    If a worker fails, the others are cancelled, as the rest of a run is in which a node fails. A worker that was killed
    is started again if the command says `--restart`.

    Args:
        params: The parameters of the command, as click knows them.
        given: Their values by name.
        load: Loads the graph.

    Raises:
        GraphError: If the graph has no `ops.shard`.
        SpecError: If the graph comes from stdin, or another option is for a single run.
    """
    n: int = given["workers"]
    for name in ("shard", "shadow"):
        if given[name] is not None:
            raise SpecError(f"--workers: must be given without --{name}")
    if given["spec"] == "-":
        raise SpecError("--workers: must be given with a file, got -; stdin can be read once only")
    loaded = load().shard(f"0/{n}")
    prefixed = given["log_format"].value == "text"
    restarts = given["restart"] is not None and given["restart"].value != "never"
    given = {**given, "checkpoints": given["checkpoints"] or loaded.settings.get("checkpoints")}
    workers = [_Worker(i, n, _command(params, given, i), prefixed=prefixed, restarts=restarts) for i in range(n)]
    ended: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    for worker in workers:
        threading.Thread(target=worker.run_into, args=(ended,), daemon=True).start()
    codes: list[int] = []
    with _signals_for(workers):
        for _ in workers:
            name, code = ended.get()
            codes.append(code)
            if code and not any(worker.is_stopped for worker in workers):
                _say(f"{name} has failed with exit code {code}; the others are cancelled")
                for worker in workers:
                    worker.send(signal.SIGTERM)
                    worker.send(signal.SIGINT)  # a second signal cancels; of two equal ones, one could get lost
    return next((code for code in codes if code), 0)


def _command(params: list[Any], given: Mapping[str, Any], index: int) -> list[str]:
    """Return the command line of a worker: that of all, with its share, its store and its port."""
    own: dict[str, Any] = {**given, "workers": None, "shard": f"{index}/{given['workers']}"}
    if given["checkpoints"] is not None:
        store = Path(given["checkpoints"])
        own["checkpoints"] = store.with_stem(f"{store.stem}-{index}")
    if given["metrics_port"]:
        own["metrics_port"] = given["metrics_port"] + index
    words = [sys.executable, "-m", "rxdag.cli", "run"]
    for param in params:
        value = own.get(param.name)
        if value is None or value is False or value == param.default:
            continue
        for each in cast("list[Any]", value) if isinstance(value, list | tuple) else [value]:
            option = [] if param.param_type_name == "argument" else [param.opts[-1]]
            words += option if each is True else [*option, str(each.value if isinstance(each, Enum) else each)]
    return words


class _Worker:
    """A process; what it prints is passed on, a whole line at a time.

    Args:
        index: Its number, from 0.
        workers: Number of workers.
        command: Its command line.
        prefixed: True to put its number before each line on stderr.
        restarts: True to start it again if it was killed.
    """

    def __init__(self, index: int, workers: int, command: list[str], *, prefixed: bool, restarts: bool) -> None:
        self.name = f"worker {index} of {workers}"
        self._command = command
        self._prefix = f"{index}: ".encode() if prefixed else b""
        self._restarts = restarts
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = threading.Event()

    @property
    def is_stopped(self) -> bool:
        """True once it was asked to stop."""
        return self._stop.is_set()

    def run_into(self, ended: queue.SimpleQueue[tuple[str, int]]) -> None:
        """Run it to its end, and put its name and exit code into a queue."""
        ended.put((self.name, self.run()))

    def run(self) -> int:
        """Run it to its end; return its exit code, that of a shell if it was killed."""
        kills = 0
        while True:
            # In a group of its own: Ctrl-C reaches it once, through this process.
            self._process = process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
            )
            results = threading.Thread(target=_pass_on, args=(process.stdout, 1, b""), daemon=True)
            results.start()
            _pass_on(process.stderr, 2, self._prefix)
            results.join()
            code = process.wait()
            if code >= 0:
                return code
            wait_s = min(2.0**kills, _LONGEST_WAIT_S)
            kills += 1
            again = f"; it starts again in {wait_s:g} s" if self._restarts and not self.is_stopped else ""
            _say(f"{self.name} was killed by {signal.Signals(-code).name}{again}")
            if not again or self._stop.wait(wait_s):
                return 128 - code

    def send(self, number: int) -> None:
        """Pass a signal on: it is asked to stop."""
        self._stop.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)


def _pass_on(stream: IO[bytes] | None, to: int, prefix: bytes) -> None:
    """Write the lines of a process to a file descriptor, until it or the reader has left."""
    assert stream is not None
    with stream, contextlib.suppress(BrokenPipeError):
        for line in stream:
            rest = prefix + line
            with _WRITING:
                while rest:
                    rest = rest[os.write(to, rest) :]


def _say(text: str) -> None:
    with _WRITING:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def _signals_for(workers: list[_Worker]) -> Generator[None]:
    """Pass Ctrl-C and SIGTERM on to all workers."""

    def send(number: int, frame: object) -> None:
        for worker in workers:
            worker.send(number)

    before = {number: signal.signal(number, send) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
