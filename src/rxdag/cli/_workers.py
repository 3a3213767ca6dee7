"""`rxdag run --workers`: a process for each share of a graph; they are started and stopped together."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, Any, Final, cast

from rxdag import checkpoints
from rxdag.cli._load import Loaded
from rxdag.codec import ReadableCodec
from rxdag.errors import CheckpointError, SpecError
from rxdag.runtime import saved_run

_LONGEST_WAIT_S: Final = 30.0
"""Longest wait before a worker that was killed is started again, s."""
_LOOK_S: Final = 0.2
"""Time between two looks whether a worker that prints nothing has exited, s."""
_READ: Final = 65_536
"""Bytes of one read of what a worker prints."""
_WRITING: Final = threading.Lock()
"""Keeps the lines of workers whole."""


def run_workers(params: list[Any], given: Mapping[str, Any], load: Callable[[], Loaded]) -> int:
    """Run a command in several workers; return the exit code of the first that did not end well, or 0.

    If a worker fails, the others are cancelled, as the rest of a run is in which a node fails. A worker that was killed
    is started again if the command says `--restart`. If this process is killed, the workers are drained.

    Args:
        params: The parameters of the command, as click knows them.
        given: Their values by name.
        load: Loads the graph.

    Raises:
        GraphError: If the graph has no `ops.shard`.
        SpecError: If the graph comes from stdin, or another option is for a single run.
        CheckpointError: If a worker would continue from the checkpoint of another share.
    """
    n: int = given["workers"]
    for name in ("shard", "shadow"):
        if given[name] is not None:
            raise SpecError(f"--workers: must be given without --{name}")
    if given["spec"] == "-":
        raise SpecError("--workers: must be given with a file, got -; stdin can be read once only")
    loaded = load()
    jobs = [loaded.shard(f"{i}/{n}").dag.job for i in range(n)]
    prefixed = given["log_format"].value == "text"
    restarts = given["restart"] is not None and given["restart"].value != "never"
    given = {**given, "checkpoints": given["checkpoints"] or loaded.settings.get("checkpoints")}
    if given["checkpoints"] is not None and not given["fresh"]:
        _check_stores([_store_of(given["checkpoints"], i) for i in range(n)], jobs)
    workers = [_Worker(i, n, _command(params, given, i), prefixed=prefixed, restarts=restarts) for i in range(n)]
    ended: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    codes: list[int] = []
    with _signals_for(workers):
        for worker in workers:
            threading.Thread(target=worker.run_into, args=(ended,), daemon=True).start()
        for _ in workers:
            name, code = ended.get()
            codes.append(code)
            if code and not any(worker.is_stopped for worker in workers):
                _say(f"{name} has failed with exit code {code}; the others are cancelled")
                for worker in workers:
                    worker.send(signal.SIGTERM)
                    worker.send(signal.SIGINT)  # a second signal cancels; of two equal ones, one could get lost
    return next((code for code in codes if code), 0)


def _store_of(path: str | Path, index: int) -> Path:
    """Return the store of a worker."""
    return Path(path).with_stem(f"{Path(path).stem}-{index}")


def _check_stores(paths: list[Path], jobs: list[str]) -> None:
    """Check before any worker starts that all stores fit: a new worker would process again what others have done."""
    for path, job in zip(paths, jobs, strict=True):
        store = checkpoints.sqlite(path)
        last = store.latest() if path.exists() else None
        if last is None:
            continue
        found = saved_run(store.read, ReadableCodec(), last)[0]["graph"]["dag"]
        if found != job:
            raise CheckpointError(
                f'--checkpoints: "{path}" must be of dag "{job}", got "{found}"; pass the same number of workers as before, '
                "or start over with --fresh"
            )


def _command(params: list[Any], given: Mapping[str, Any], index: int) -> list[str]:
    """Return the command line of a worker: that of all, with its share, its store and its port."""
    own: dict[str, Any] = {**given, "workers": None, "shard": f"{index}/{given['workers']}"}
    if given["checkpoints"] is not None:
        own["checkpoints"] = _store_of(given["checkpoints"], index)
    if given["metrics_port"]:
        own["metrics_port"] = given["metrics_port"] + index
    words = [sys.executable, "-m", "rxdag.cli._worker"]
    arguments = ["--"]  # behind it, a name may begin with a dash
    for param in params:
        value = own.get(param.name)
        if value is None or value is False or value == param.default:
            continue
        for each in cast("list[Any]", value) if isinstance(value, list | tuple) else [value]:
            text = str(each.value if isinstance(each, Enum) else each)
            if param.param_type_name == "argument":
                arguments.append(text)
            else:
                words += [param.opts[-1]] if each is True else [param.opts[-1], text]
    return words + arguments


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
        self._signal = 0
        """The last signal that was passed on."""
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
        alive, held = os.pipe()  # the worker sees its end if this process is killed
        with open(alive, "rb"), open(held, "wb"):
            while True:
                code = self._run_once(alive)
                if code >= 0:
                    return code
                wait_s = min(2.0**kills, _LONGEST_WAIT_S)
                kills += 1
                again = f"; it starts again in {wait_s:g} s" if self._restarts and not self.is_stopped else ""
                _say(f"{self.name} was killed by {signal.Signals(-code).name}{again}")
                if not again or self._stop.wait(wait_s):
                    return 128 - code

    def _run_once(self, alive: int) -> int:
        """Run it until it exits or is killed; return its exit code."""
        # In a group of its own: Ctrl-C reaches it once, through this process.
        self._process = process = subprocess.Popen(
            [*self._command[:3], str(alive), *self._command[3:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            pass_fds=(alive,),
        )
        if self.is_stopped:  # while it was started
            process.send_signal(self._signal)
        readers = [
            threading.Thread(target=self._pass_results, args=(_printed(process, process.stdout),), daemon=True),
            threading.Thread(target=self._pass_messages, args=(_printed(process, process.stderr),), daemon=True),
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        for reader in readers:
            reader.join()
        return code

    def _pass_results(self, printed: Generator[bytes]) -> None:
        """Write what it prints to stdout; if that fails, it can print no more and fails too."""
        try:
            for lines in printed:
                _write(1, lines)
        except BrokenPipeError:
            pass
        except OSError as error:
            _say(f"stdout of {self.name} must be written, and was not: {error}")
        finally:
            printed.close()

    def _pass_messages(self, printed: Generator[bytes]) -> None:
        """Write what it prints to stderr; as in a single run, it goes on if that fails."""
        for lines in printed:
            with contextlib.suppress(OSError):
                _write(2, b"".join(self._prefix + line for line in io.BytesIO(lines)))

    def send(self, number: int) -> None:
        """Pass a signal on: it is asked to stop."""
        self._signal = number
        self._stop.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)


def _printed(process: subprocess.Popen[bytes], stream: IO[bytes] | None) -> Generator[bytes]:
    """Yield the whole lines that a process prints until it exits; processes that it has started may go on."""
    assert stream is not None
    parts: list[bytes] = []
    with stream:
        while True:
            has_exited = process.poll() is not None  # all that it has printed is in the pipe then
            if not select.select([stream], [], [], 0 if has_exited else _LOOK_S)[0]:
                if has_exited:
                    break
                continue
            read = os.read(stream.fileno(), _READ)
            if not read:
                break
            lines, end, rest = read.rpartition(b"\n")
            if end:
                yield b"".join([*parts, lines, end])
                parts = []
            parts.append(rest)
        if any(parts):
            yield b"".join(parts)


def _write(to: int, line: bytes) -> None:
    """Write a whole line to a file descriptor."""
    with _WRITING:
        while line:
            line = line[os.write(to, line) :]


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        _write(2, f"{text}\n".encode())


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
