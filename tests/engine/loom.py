"""A loom: the threads of a run take turns, and each place where they could be interleaved is a choice drawn from a seed.

Only one thread runs at a time. It may give way at every operation of a lock, an event or a bell, and between any two
instructions of the files that threads share. So a schedule is a function of its seed, and what it finds can be found again.
"""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType, SimpleNamespace, TracebackType
from typing import Any, Final

from rxdag.engine.drivers import _drivers, _flow
from rxdag.runtime import _commit, _execution

SHARED: Final = (
    "_gate.py",
    "_pump.py",
    "drivers/_flow.py",
    "drivers/_timers.py",
    "drivers/_drivers.py",
    "runtime/_execution.py",
    "runtime/_stall.py",
    "runtime/_safepoint.py",
    "runtime/_commit.py",
)
"""Files whose objects two threads use."""
_TICK_NS: Final = 200
_MOST_CHOICES: Final = 2_000_000


class LostError(BaseException):
    """Nobody can go on; out of every thread, past every guard."""


class _Strand:
    """A thread of the loom."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.turn = threading.Semaphore(0)
        self.is_ready: Callable[[], bool] | None = None
        """What it waits for; None if it can go on."""
        self.waits_for = ""
        self.is_over = False


class Loom:
    """Chooses who goes on.

    Args:
        seed: Of the choices.
        odds: How likely a thread gives way where it need not.
    """

    def __init__(self, seed: int, odds: float) -> None:
        self._random = random.Random(seed)
        self._odds = odds
        self._strands: dict[int, _Strand] = {}
        self.choices = 0
        self.lost = ""
        """Why nobody could go on."""
        self.time = 0

    def now(self) -> int:
        """Count time by how often somebody asks."""
        self.time += _TICK_NS
        return self.time

    # ---- strands

    def enter(self, name: str) -> _Strand:
        strand = self._strands[threading.get_ident()] = _Strand(name)
        return strand

    def me(self) -> _Strand:
        return self._strands[threading.get_ident()]

    def may_give_way(self) -> None:
        """Go on, or let another one go on first."""
        if threading.get_ident() in self._strands and self._random.random() < self._odds:
            self._give_way(self.me())

    def wait_for(self, is_ready: Callable[[], bool], what: str) -> None:
        """Let others go on until something is so. There are no timeouts: nothing here should need one."""
        me = self.me()
        me.is_ready, me.waits_for = is_ready, what
        self._give_way(me)
        me.is_ready = None

    def leave(self) -> None:
        me = self.me()
        me.is_over = True
        del self._strands[threading.get_ident()]
        if self._strands:
            self._pass_on(me)

    def _give_way(self, me: _Strand) -> None:
        self.choices += 1
        if self.choices > _MOST_CHOICES:
            self._lose("it does not come to an end")
        self._pass_on(me)
        if self.lost:
            raise LostError(self.lost)

    def _pass_on(self, me: _Strand) -> None:
        if self.lost:
            return
        able = [s for s in self._strands.values() if s.is_ready is None or s.is_ready()]
        if not able:
            waits = ", ".join(f"{s.name} for {s.waits_for}" for s in self._strands.values())
            self._lose(f"nobody can go on: {waits}")
            return
        chosen = self._random.choice(able)
        if chosen is not me:
            chosen.turn.release()
            if not me.is_over:
                me.turn.acquire()

    def _lose(self, why: str) -> None:
        self.lost = why
        for strand in self._strands.values():
            strand.turn.release()

    # ---- what takes the place of the library's

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.endswith(SHARED):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.may_give_way()
        return self.trace

    def threading(self) -> SimpleNamespace:
        """What modules of a run take from `threading`."""
        return SimpleNamespace(
            RLock=lambda: _Lock(self),
            Event=lambda: _Event(self),
            Thread=lambda **how: _Thread(self, **how),
            get_ident=threading.get_ident,
            TIMEOUT_MAX=threading.TIMEOUT_MAX,
        )


class _Lock:
    def __init__(self, loom: Loom) -> None:
        self._loom = loom
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if me not in self._loom._strands:  # before the run begins, and when it is over
            return
        self._loom.may_give_way()
        while self._owner not in (None, me):
            self._loom.wait_for(lambda: self._owner is None, "a lock")
        self._owner = me
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._owner == threading.get_ident():
            self._depth -= 1
            if not self._depth:
                self._owner = None


class _Event:
    def __init__(self, loom: Loom) -> None:
        self._loom = loom
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        self._loom.wait_for(self.is_set, "an event")
        return True


class _Bell:
    def __init__(self, loom: Loom) -> None:
        self._loom = loom
        self._rings = 0

    def ring(self) -> None:
        self._rings += 1

    def wait(self, timeout_s: float | None) -> bool:
        self._loom.wait_for(lambda: self._rings > 0, "a bell")
        self._rings -= 1
        return True

    def close(self) -> None: ...


class _Thread:
    def __init__(self, loom: Loom, target: Callable[[], None], name: str, daemon: bool) -> None:
        self._loom = loom
        self._target = target
        self._strand: _Strand | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._has_entered = threading.Event()

    @property
    def ident(self) -> int | None:
        return self._thread.ident

    def _run(self) -> None:
        self._strand = self._loom.enter(self._thread.name)
        self._has_entered.set()
        self._strand.turn.acquire()
        sys.settrace(self._loom.trace)
        try:
            if not self._loom.lost:
                self._target()
        except LostError:
            pass
        finally:
            sys.settrace(None)
            self._loom.leave()

    def start(self) -> None:
        self._thread.start()
        self._has_entered.wait()

    def is_alive(self) -> bool:
        return self._strand is not None and not self._strand.is_over

    def join(self, timeout: float | None = None) -> None:
        self._loom.wait_for(lambda: not self.is_alive(), f"the end of {self._thread.name}")


@contextlib.contextmanager
def woven(seed: int, odds: float) -> Generator[Loom]:
    """Have the threads of the runs that are made in here take turns.

    Args:
        seed: Of the choices.
        odds: How likely a thread gives way where it need not.
    """
    loom = Loom(seed, odds)
    patches = [
        (_flow, "threading", loom.threading()),
        (_flow, "time", SimpleNamespace(perf_counter_ns=loom.now)),
        (_flow, "new_bell", lambda: _Bell(loom)),
        (_drivers, "threading", loom.threading()),
        (_execution, "threading", loom.threading()),
        (_commit, "threading", loom.threading()),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in patches]
    for module, name, value in patches:
        setattr(module, name, value)
    loom.enter("main")
    tracer = sys.gettrace()
    sys.settrace(loom.trace)
    try:
        yield loom
    finally:
        sys.settrace(tracer)
        for module, name, value in before:
            setattr(module, name, value)


def beside(loom: Loom, act: Callable[[], None]) -> None:
    """Do something on a thread beside the run, at some moment of it."""
    _Thread(loom, act, "beside", True).start()
