"""The logs are an interface: each documented code is provoked by a program, and no line holds an item or a credential."""

import asyncio
import contextlib
import inspect
import itertools
import json
import logging
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log_programs import PROGRAMS, fails

import rxdag
from rxdag import aggregates as agg
from rxdag import on_error, sinks, sources, testing, windows
from rxdag import operators as ops
from rxdag.engine.drivers import VirtualClock
from rxdag.logs import CODES, FIELDS, EventLog, JsonFormatter

COMMANDS = {"command.failed"}
"""Codes of the command line, which test_cli.py provokes."""


@pytest.fixture
def records():
    """All that the logger of rxdag is given."""
    kept = []

    class Keeps(logging.Handler):
        def emit(self, record):
            kept.append(record)

    logger, handler = logging.getLogger("rxdag"), Keeps()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield kept
    logger.removeHandler(handler)
    logger.setLevel(before)


def fields_of(record):
    code = CODES[record.code]
    return {name: getattr(record, name) for name in (*code.fields, "repeated") if hasattr(record, name)}


def run_program(code, monkeypatch):
    program, _ = PROGRAMS[code]
    program(*([monkeypatch] if inspect.signature(program).parameters else []))


@pytest.mark.parametrize("code", sorted(PROGRAMS))
def test_a_program_provokes_each_code(code, records, monkeypatch):
    run_program(code, monkeypatch)
    first = next(record for record in records if record.code == code)
    _, expected = PROGRAMS[code]
    said = fields_of(first)
    assert {name: said.get(name) for name in expected} == expected
    assert (first.name, first.levelno) == (f"rxdag.{CODES[code].area}", CODES[code].level)
    for record in records:
        text = record.getMessage()
        assert text.splitlines() == [text]
        assert text.startswith(record.code)
        assert text.endswith(f": {CODES[record.code].sentence}")
        line = JsonFormatter().format(record)
        assert line.splitlines() == [line]
        assert json.loads(line).items() >= {"code": record.code, "level": record.levelname, **fields_of(record)}.items()


def test_every_code_is_provoked():
    assert PROGRAMS.keys() | COMMANDS == CODES.keys()


def test_no_field_has_the_name_of_what_every_record_or_line_has():
    record = logging.LogRecord("", logging.INFO, "", 0, "", (), None)
    taken = {*vars(record), "message", "asctime", "code", "repeated", "time", "level", "logger", "exception"}
    assert not taken & {name for code in CODES.values() for name in code.fields}


# ---- at most one line a second


def said(records, code):
    return [record.getMessage().partition(": ")[0] for record in records if record.code == code]


@pytest.fixture
def clock():
    return VirtualClock()


def at(clock, seconds):
    clock.advance_to(round(seconds * 1e9))


def test_repeats_within_a_second_are_counted_in_the_next_line(records, clock):
    log = EventLog(clock)
    for now in (0, 0.1, 0.2, 1.0):
        at(clock, now)
        log.tell("router.using", router="a")
    assert said(records, "router.using") == ["router.using router=a", "router.using router=a repeated=2"]


def test_other_codes_and_other_places_have_lines_of_their_own(records, clock):
    log = EventLog(clock)
    log.tell("router.using", router="a")
    log.tell("router.using", router="b")
    log.tell("breaker.closed", breaker="a")
    assert [record.getMessage().partition(":")[0] for record in records] == [
        "router.using router=a",
        "router.using router=b",
        "breaker.closed breaker=a",
    ]


def test_items_of_events_that_are_held_back_are_summed(records, clock):
    log = EventLog(clock)
    for now, n in ((0, 5), (0.1, 2), (0.2, 3), (1.5, 4)):
        at(clock, now)
        log.tell("late", dag="d", node="w", n=n)
    assert said(records, "late") == ["late dag=d node=w n=5", "late dag=d node=w n=9 repeated=2"]


def test_what_is_held_back_is_written_when_the_second_is_over(records, clock):
    timers = []
    log = EventLog(clock, lambda when, fn: timers.append((when, fn)))
    for now, wait in ((0, 1.0), (0.1, 2.0), (0.2, 3.0)):
        at(clock, now)
        log.tell("source.retrying", dag="d", node="s", connection=1, wait_s=wait)
    ((when, release),) = timers
    at(clock, when / 1e9)
    release()
    assert when == 1_000_000_000
    assert said(records, "source.retrying") == [
        "source.retrying dag=d node=s connection=1 wait_s=1.0",
        "source.retrying dag=d node=s connection=1 wait_s=3.0 repeated=1",
    ]


def test_what_is_held_back_is_written_once_when_the_log_is_closed(records, clock):
    log = EventLog(clock)
    for _ in range(3):
        log.tell("router.using", router="a")
    log.close()
    log.close()
    assert said(records, "router.using") == ["router.using router=a", "router.using router=a repeated=1"]


def test_the_memory_of_a_log_is_bounded_and_what_has_no_room_is_written_at_once(records, clock):
    log = EventLog(clock)
    for n in (*range(5000), *range(5000)):
        log.tell("breaker.closed", breaker=str(n))
    assert len(log._recent) == 4096
    assert len(records) == 5000 + 904
    at(clock, 1)
    log.tell("breaker.closed", breaker="x")
    log.close()
    assert len(records) == 5000 + 904 + 1 + 4096


def test_losses_of_a_run_are_told_at_most_once_a_second(records):
    feed = testing.timeline(*((f"{n * 100}ms", n) for n in range(25)), end="3s")
    out = rxdag.from_source(feed).pipe(ops.map(fails), name="m", on_error=on_error.skip).to(sinks.null())
    testing.run_virtual(rxdag.Dag(out, name="d"))
    assert said(records, "skipped") == [f"skipped dag=d node=m n={n}" for n in (1, 10, 10, 4)]


def test_a_run_that_restarts_all_the_time_does_not_fill_the_log(records):
    backoff = sources.Backoff(base="1ms", cap="1ms", jitter=0, attempts=20)

    async def main():
        async with rxdag.PipelineRuntime() as runtime:
            out = rxdag.wrap([1]).pipe(ops.map(fails)).to(sinks.null())
            runtime.add(rxdag.Dag(out, name="d"), restart="on_failure", backoff=backoff)
            with pytest.raises(rxdag.RxDagError):
                await runtime.run_until_complete()

    asyncio.run(main())
    runs = [record for record in records if record.code == "run.failed"]
    assert sum(1 + getattr(record, "repeated", 0) for record in runs) == 20
    times = [record.created for record in runs[:-1]]  # the last one is that of the stop
    assert all(after - before >= 0.99 for before, after in itertools.pairwise(times))


@given(st.lists(st.tuples(st.integers(0, 700), st.sampled_from("ab")), max_size=40), st.booleans())
def test_lines_of_a_place_are_a_second_apart_and_count_every_event(steps, has_timers):
    clock, written, timers = VirtualClock(), [], []
    log = EventLog(clock, (lambda when, fn: timers.append((when, fn))) if has_timers else None)

    class Notes(logging.Handler):
        def emit(self, record):
            written.append((clock.now(), record.breaker, 1 + getattr(record, "repeated", 0)))

    logger, notes = logging.getLogger("rxdag.router"), Notes()
    logger.addHandler(notes)
    logger.setLevel(logging.INFO)
    try:
        for wait_ms, name in steps:
            until = clock.now() + wait_ms * 1_000_000
            for when, fn in sorted((each for each in timers if each[0] <= until), key=lambda each: each[0]):
                clock.advance_to(when)
                fn()
            timers[:] = [each for each in timers if each[0] > until]
            clock.advance_to(until)
            log.tell("breaker.closed", breaker=name)
        n_before = len(written)
        log.close()
    finally:
        logger.removeHandler(notes)
        logger.setLevel(logging.NOTSET)
    for place in "ab":
        times = [when for when, name, _ in written[:n_before] if name == place]
        assert all(after - before >= 1_000_000_000 for before, after in itertools.pairwise(times))
        events = sum(name == place for _, name in steps)
        assert sum(n for _, name, n in written if name == place) == events


# ---- what is not logged


SECRET = "sEcReT"
ERRORS = [ValueError, type("MyError", (Exception,), {"__repr__": lambda self: SECRET, "__str__": lambda self: SECRET})]


@pytest.mark.parametrize("policy", [on_error.raise_, on_error.skip, on_error.dead, on_error.retry(2, base="1ms")])
@pytest.mark.parametrize("kind", ERRORS)
def test_neither_items_nor_texts_of_errors_are_logged(records, policy, kind):
    class Item:
        def __repr__(self):
            return SECRET

    def fails_on(item):
        raise kind(item, SECRET)

    async def connect():
        yield Item()
        raise kind(SECRET)

    feed = sources.async_iterable(connect, reconnect=sources.Backoff(base="1s", jitter=0))
    out = rxdag.from_source(feed, name="feed").pipe(ops.map(fails_on), name="m", on_error=policy).to(sinks.null())
    with contextlib.suppress(rxdag.NodeError):
        testing.run_virtual(rxdag.Dag(out, name="d"), until="5s")
    assert {"source.disconnected", "run.failed"} & {record.code for record in records}
    assert_hidden(records)


def test_a_password_in_an_address_is_not_logged(records):
    url = f"ws://me:{SECRET}@127.0.0.1:9/feed?token={SECRET}#{SECRET}"
    feed = sources.websocket(url, headers={"Authorization": SECRET}, reconnect=sources.Backoff(base="1ms", attempts=2))
    with pytest.raises(rxdag.NodeError):
        rxdag.run(rxdag.Dag(rxdag.from_source(feed).to(sinks.null()), name="d"))
    assert "source.given_up" in {record.code for record in records}
    assert_hidden(records)


def test_addresses_in_fields_are_shown_without_logins_and_queries(records, clock):
    EventLog(clock).tell("router.using", router="see wss://me:p@ss@host:1/feed?key=k#f and x")
    (record,) = records
    assert record.router == "see wss://...@host:1/feed?... and x"


def assert_hidden(records):
    for record in records:
        assert SECRET not in record.getMessage()
        assert SECRET not in JsonFormatter().format(record)
        assert SECRET not in repr(vars(record))


@pytest.mark.parametrize("name", ["two\nlines", "a\u2028b", "a\x85b", 'quote"', "a b", "äöü", ""])
def test_whatever_a_dag_is_called_an_event_is_one_line_and_json_gives_the_name_back(records, clock, name):
    EventLog(clock).tell("run.started", dag=name, nodes=1)
    (record,) = records
    text, line = record.getMessage(), JsonFormatter().format(record)
    assert (text.splitlines(), line.splitlines()) == ([text], [line])
    assert json.loads(line)["dag"] == name


def test_a_very_long_name_is_cut(records, clock):
    EventLog(clock).tell("run.started", dag="x" * 10_000, nodes=1)
    assert len(records[0].dag) == 2000


# ---- the logger


def test_a_program_that_configures_no_logging_sees_nothing(tmp_path):
    program = (
        "import rxdag; from rxdag import operators as ops, on_error, sinks; "
        "rxdag.run(rxdag.wrap([1]).pipe(ops.map(lambda x: x / 0), on_error=on_error.skip).to(sinks.null()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("configure", "n"), [("", 1), ("logging.basicConfig(level='ERROR')", 0)])
def test_a_program_that_configures_no_logging_sees_what_a_signal_starts(configure, n):
    program = (
        f"import logging, os, rxdag, signal; {configure}\n"
        "from rxdag import operators as ops, sinks, sources\n"
        "beats = rxdag.from_source(sources.interval('1ms'))\n"
        "rxdag.run(beats.pipe(ops.tap(lambda i: i == 3 and os.kill(os.getpid(), signal.SIGTERM))).to(sinks.null()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("signal.received")) == (143, n)


def test_importing_rxdag_configures_no_logging():
    program = (
        "import logging, rxdag; rxdag.run; from rxdag import logs; "
        "print(logging.getLogger().handlers, logging.getLogger('rxdag').handlers, logging.getLogger('rxdag').level)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[] [<_Unconfigured (NOTSET)>] 0\n"


class Fatal(BaseException):
    """An error outside of Exception, as some libraries raise."""


@pytest.mark.parametrize("kind", [OSError, Fatal])
def test_a_handler_that_fails_does_not_end_the_run(kind, monkeypatch, capsys):
    class Broken(logging.Handler):
        def emit(self, record):
            raise kind("disk full")

    broken = Broken()
    logging.getLogger("rxdag").addHandler(broken)
    monkeypatch.setattr(logging.getLogger("rxdag"), "level", logging.INFO)
    logging.getLogger("rxdag.run").setLevel(logging.INFO)
    try:
        assert rxdag.wrap([1]).collect() == [1]
    finally:
        logging.getLogger("rxdag").removeHandler(broken)
        logging.getLogger("rxdag.run").setLevel(logging.NOTSET)
    assert f"{kind.__name__}: disk full" in capsys.readouterr().err


def test_items_that_somebody_reads_are_not_logged_as_lost(records):
    mapped = rxdag.wrap([1]).pipe(ops.map(fails), name="m", on_error=on_error.dead)
    testing.run_virtual(rxdag.Dag(mapped.to(sinks.null(), name="o"), mapped.dead.to(sinks.collect()), name="d"))
    assert said(records, "dead") == []


def test_what_an_earlier_run_has_lost_is_not_told_again_by_one_that_goes_on_from_it(records):
    def execution():
        stream = rxdag.from_source(testing.timeline(("0s", 1), ("5s", 2), end="9s"), name="in")
        out = stream.pipe(ops.map(fails), name="m", on_error=on_error.skip).to(sinks.null(), name="out")
        return testing.virtual(rxdag.compile(rxdag.Dag(out, name="d")))

    run = execution()
    run.program.nodes["m"].dropped["skipped"] = 7
    testing.settle_virtual(run)
    assert said(records, "skipped") == ["skipped dag=d node=m n=1", "skipped dag=d node=m n=1"]


# ---- JSON


def test_records_of_other_libraries_are_one_line_too():
    try:
        raise ValueError("x")
    except ValueError:
        record = logging.LogRecord("other", logging.ERROR, "", 0, "%s\n%s", (1, 2), sys.exc_info())
    line = JsonFormatter().format(record)
    said = json.loads(line)
    assert line.splitlines() == [line]
    assert (said["level"], said["logger"], said["message"]) == ("ERROR", "other", "1\n2")
    assert said["exception"].endswith("ValueError: x")


def test_the_time_of_a_line_is_utc():
    record = logging.LogRecord("other", logging.INFO, "", 0, "x", (), None)
    record.created = 1_700_000_000.25
    assert json.loads(JsonFormatter().format(record))["time"] == "2023-11-14T22:13:20.250Z"


class Wordless:
    def __str__(self):
        raise ValueError

    __repr__ = __str__


ENDLESS = []
ENDLESS.append(ENDLESS)


def refused(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32("inf"), "inf"),
        (np.int64(3), 3),
        ([10**5000], ["a int whose repr raises ValueError"]),
        (b"x", "b'x'"),
        ("\ud800 😀 \udfff", "\ufffd 😀 \ufffd"),
        ({1: 2, None: 3, (4, 5): [6]}, {"1": 2, "None": 3, "(4, 5)": [6]}),
        ({"\udfff": {Wordless(): True}}, {"\ufffd": {"a Wordless whose repr raises ValueError": True}}),
        ((1, None, Decimal("0.10")), [1, None, "0.10"]),
    ],
)
def test_every_line_is_json_by_rfc_8259(value, said):
    record = logging.makeLogRecord({"name": "rxdag.run", "code": "run.failed", "elapsed_s": value})
    line = JsonFormatter().format(record)
    assert json.loads(line, parse_constant=refused)["elapsed_s"] == said
    assert line.isascii()
    assert "\\udfff" not in line


def test_a_list_that_contains_itself_is_cut():
    record = logging.makeLogRecord({"name": "rxdag.run", "code": "run.failed", "node": ENDLESS})
    assert json.loads(JsonFormatter().format(record))["node"][0][0][0]


def test_the_name_and_text_of_a_record_of_another_library_have_no_surrogates():
    record = logging.LogRecord("a\ud800", logging.INFO, "", 0, "b%s", ("\udfff",), None)
    said = json.loads(JsonFormatter().format(record))
    assert (said["logger"], said["message"]) == ("a\ufffd", "b\ufffd")


# ---- the page


def test_the_page_lists_exactly_the_codes_with_their_levels_and_fields():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "logs.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| `rxdag\.(\w+)` \| (\w+) \| ([^|]*) \|", page, re.M)
    assert [(name, area, level, tuple(filter(None, fields.split(", ")))) for name, area, level, fields in rows] == [
        (code.name, code.area, logging.getLevelName(code.level), code.fields) for code in CODES.values()
    ]


def test_every_field_is_explained():
    assert FIELDS.keys() == {"repeated", *(name for code in CODES.values() for name in code.fields)}


# ---- every place where items can get lost


def bad_json(folder):
    (folder / "x.jsonl").write_text("1\nx\n")
    return sources.jsonl(folder / "x.jsonl", int)


def pushed(folder):
    def register(push, *_):
        for n in range(5):
            push(n)

    return sources.callback(register, max_items=2, overflow="drop_newest")


def one(folder):
    return sources.iterable(["x"])


async def afails(item):
    fails(item)


def inner(item):
    return bad_lines()


async def bad_lines():
    yield 1
    fails("x")


def panes(stream):
    return stream.pipe(ops.key_by("k")).pipe(ops.window(windows.tumbling("10ns"), agg.count()), name="w")


def columns(folder):
    return sources.arrays({"t": [1, 50, 2], "k": [0, 0, 0]})


@contextlib.asynccontextmanager
async def failing():
    async def write(items):
        raise OSError(items)

    yield write


RETRY = on_error.retry(2, base="1ms", jitter=0, then=on_error.skip)


@pytest.mark.parametrize(
    ("source", "policy", "rest", "expected"),
    [
        (bad_json, on_error.skip, lambda s: s.to(sinks.null()), "skipped dag=d node=in n=1"),
        (bad_json, on_error.dead, lambda s: s.to(sinks.null()), "dead dag=d node=in n=1"),
        (pushed, on_error.raise_, lambda s: s.to(sinks.null()), "overflow dag=d node=in n="),
        (columns, on_error.raise_, lambda s: panes(s.pipe(ops.event_time("t"))).to(sinks.null()), "late dag=d node=w n=1"),
        (one, on_error.raise_, lambda s: s.to(sinks.call(fails), name="o", on_error=on_error.skip), "skipped dag=d node=o n=1"),
        (one, on_error.raise_, lambda s: s.to(sinks.call(fails), name="o", on_error=RETRY), "retried dag=d node=o n=1"),
        (one, on_error.raise_, lambda s: s.to(sinks.batched(failing), name="o", on_error=RETRY), "retried dag=d node=o n="),
        (one, on_error.raise_, lambda s: s.pipe(ops.map_async(afails), name="m", on_error=RETRY).to(sinks.null()), "retried dag=d node=m n=1"),
        (one, on_error.raise_, lambda s: s.pipe(ops.flat_map(inner), name="m", on_error=on_error.skip).to(sinks.null()), "skipped dag=d node=m n=1"),
        (one, on_error.raise_, lambda s: s.pipe(ops.route_by(lambda x: x, ("a",)), name="r")["a"].to(sinks.null()), "unrouted dag=d node=r n=1"),
    ],
)  # fmt: skip
def test_items_that_get_lost_are_logged_wherever_it_happens(source, policy, rest, expected, records, tmp_path):
    stream = rxdag.from_source(source(tmp_path), name="in", on_error=policy)
    out = rest(stream)
    rxdag.run(rxdag.Dag(out, name="d"), until="1s")
    code = expected.partition(" ")[0]
    assert [line for line in said(records, code) if line.startswith(expected)]


async def test_a_supervised_run_that_does_not_drain_in_time_is_logged_under_its_job(records):
    entered = asyncio.Event()

    async def hangs(item):
        entered.set()
        await asyncio.Event().wait()

    async with rxdag.PipelineRuntime() as runtime:
        runtime.add(rxdag.Dag(rxdag.wrap([1]).pipe(ops.map_async(hangs)).to(sinks.null()), name="d"))
        await entered.wait()
        await runtime.stop(timeout="10ms")
    assert said(records, "drain.overdue") == ["drain.overdue job=d timeout_s=0.01"]
    assert "run.cancelled" in {record.code for record in records}


def test_a_run_without_losses_does_not_look_at_its_books(records, monkeypatch):
    looks = []
    monkeypatch.setattr("rxdag.runtime._events.RunEvents.look", lambda events: looks.append(events))
    stream = rxdag.wrap(range(100)).pipe(ops.filter(lambda x: x % 2)).pipe(ops.dedupe(lambda x: x % 3, within="1h"))
    rxdag.run(stream.pipe(ops.scan(0, lambda a, x: a + x)).to(sinks.null()))
    assert looks == []


@pytest.mark.parametrize("number", [[1], "x", 1.5, None, 99999])
def test_an_error_of_the_system_with_an_odd_number_is_logged(number, records):
    EventLog(VirtualClock()).tell("run.failed", dag="d", error=OSError(number, "text"))
    assert [record.error for record in records] == ["OSError"]


def test_an_error_whose_number_raises_is_logged(records):
    class Broken(OSError):
        @property
        def errno(self):
            raise RuntimeError("no number")

    EventLog(VirtualClock()).tell("run.failed", dag="d", error=Broken(2, "text"))
    assert records[0].error.endswith("Broken[ENOENT]")


def test_an_error_whose_traceback_raises_is_logged(records):
    class Broken(Exception):
        @property
        def __traceback__(self):
            raise RuntimeError("no traceback")

    EventLog(VirtualClock()).tell("run.failed", dag="d", error=Broken("text"))
    assert records[0].error.endswith("Broken")
