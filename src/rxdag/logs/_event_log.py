"""EventLog: writes documented events through `logging`, at most one line per second for each code and place."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from rxdag.contract import Clock
from rxdag.logs._codes import CODES, Code
from rxdag.logs._fields import Value, plain_fields, text_of_fields

SECOND_NS: Final = 1_000_000_000
_MOST_PLACES: Final = 4096
"""Maximum number of pairs of code and place whose repeats are counted at one time; others are always logged at once."""
_PLACES: Final = ("dag", "job", "node", "gate", "provider", "router", "breaker", "path", "signal", "action", "where")
"""Fields of the place of an event."""
_URGENT: Final = frozenset(["signal.received", "drain.overdue", "run.silent", "run.stuck"])
"""Codes for a user who is waiting at a terminal."""

Later: TypeAlias = Callable[[int, Callable[[], None]], object]
_Key: TypeAlias = tuple[object, ...]


class _Unconfigured(logging.Handler):
    """Prints urgent lines to stderr as long as the program has no handlers of its own; drops all others."""

    def emit(self, record: logging.LogRecord) -> None:
        is_configured = logging.root.handlers or logging.getLogger("rxdag").handlers != [self]
        if record.__dict__.get("code") in _URGENT and not is_configured:
            sys.stderr.write(f"{record.getMessage()}\n")


_FALLBACK: Final = _Unconfigured()
logging.getLogger("rxdag").addHandler(_FALLBACK)


class _Recent:
    """A line of the last second, and the events since."""

    __slots__ = ("fields", "n", "until")

    def __init__(self, until: int) -> None:
        self.until = until
        self.n = 0
        self.fields: dict[str, Value] = {}

    def hold(self, fields: dict[str, Value]) -> None:
        """Keep an event for the next line."""
        self.fields = _merged(self.fields, fields)
        self.n += 1


class EventLog:
    """Logs events by their codes. Thread-safe.

    There is at most one line per second for each code and place, by the clock. Events between two lines are held, and
    counted in field `repeated` of the next line, which is written when the second is over, or when the log is closed.
    A field `n` is the sum over these events.

    Args:
        clock: Tells the time.
        later: Calls a function at a time, ns since the epoch; None to write held events only with the next line, or on
            `close`.
    """

    def __init__(self, clock: Clock, later: Later | None = None) -> None:
        self._clock = clock
        self._later = later
        self._recent: dict[_Key, _Recent] = {}
        self._lock = threading.RLock()

    def tell(self, name: str, **given: object) -> None:
        """Log an event.

        Args:
            name: Its code.
            given: Its fields; those that are None are omitted, and an error is shown as its class and line.
        """
        code = CODES[name]
        if not logging.getLogger(code.logger).isEnabledFor(code.level):
            return
        fields = plain_fields(given)
        key = (name, *(fields.get(place) for place in _PLACES))
        with self._lock:
            now = self._clock.now()
            recent = self._recent.pop(key, None)
            is_held = recent is not None and now < recent.until
            if recent is not None and is_held:
                recent.hold(fields)
                self._recent[key] = recent
            else:
                if self._has_room(now):
                    self._recent[key] = _Recent(now + SECOND_NS)
                if recent is not None and recent.n:
                    fields = _merged(recent.fields, fields) | {"repeated": recent.n}
        if not is_held:
            _write(code, fields)
        elif recent is not None and recent.n == 1 and self._later is not None:
            # Only the first held event sets a timer; later ones are written with it.
            self._later(recent.until, partial(self._release, key))

    def close(self) -> None:
        """Write the held events."""
        for key in tuple(self._recent):
            self._release(key, is_last=True)

    def _release(self, key: _Key, *, is_last: bool = False) -> None:
        """Write the held events of a code and place, if its second is over."""
        with self._lock:
            now = self._clock.now()
            recent = self._recent.get(key)
            if recent is None or not recent.n or (now < recent.until and not is_last):
                return
            self._recent[key] = _Recent(now + SECOND_NS)
        more = {"repeated": recent.n - 1} if recent.n > 1 else {}
        _write(CODES[str(key[0])], recent.fields | more)

    def _has_room(self, now: int) -> bool:
        if len(self._recent) >= _MOST_PLACES:
            self._recent = {key: each for key, each in self._recent.items() if each.n or now < each.until}
        return len(self._recent) < _MOST_PLACES


def _merged(before: dict[str, Value], fields: dict[str, Value]) -> dict[str, Value]:
    """Return the fields of the later of two events, with the sum of their items."""
    n = before.get("n")
    return fields if n is None else fields | {"n": int(n) + int(fields.get("n", 0))}


def _write(code: Code, given: dict[str, Value]) -> None:
    logger = logging.getLogger(code.logger)
    fields = {name: given[name] for name in (*code.fields, "repeated") if name in given}
    message = f"{' '.join((code.name, text_of_fields(fields))).rstrip()}: {code.sentence}"
    extra = {"code": code.name, **fields}
    record = logger.makeRecord(code.logger, code.level, "rxdag", 0, message, (), None, "rxdag", extra)
    try:
        logger.handle(record)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a handler of the program must not end a run
        _FALLBACK.handleError(record)
