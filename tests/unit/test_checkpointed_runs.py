"""Runs with checkpoints: they continue where the last one left them, on threads, on loops and in virtual time."""

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, sinks, sources, windows
from rxdag import operators as ops
from rxdag.contract import END, Chunk, Reader, Sink, Source, Writer
from rxdag.engine.drivers import VirtualClock
from rxdag.errors import CheckpointError, StateError
from rxdag.runtime import Execution, plain_totals
from rxdag.runtime._recovery import Recovery, begun
from rxdag.testing import settle_virtual

ROWS = [{"ts": 100 * i, "key": "ab"[i % 2], "n": i} for i in range(100)]


@dataclass(frozen=True)
class Steady(Source[Any]):
    """Gives a row each 10 ms, from where it is."""

    rows: tuple[Any, ...] = tuple(ROWS)
    opened: list[int] = field(default_factory=list, repr=False)
    label = "steady"
    no_position = None

    def open(self, context):
        return SteadyReader(self, context)


class SteadyReader(Reader):
    def __init__(self, source, context):
        self._source, self._context, self._at, self._next = source, context, 0, context.clock.now()
        source.opened.append(0)

    def position(self):
        return self._at

    def seek(self, position):
        self._at = position
        self._source.opened[-1] = position

    def read(self, max_items):
        if self._at == len(self._source.rows):
            return END
        now = self._context.clock.now()
        if now < self._next:
            self._context.wake_at(self._next)
            return None
        self._next = now + 10_000_000
        self._at += 1
        return Chunk([self._source.rows[self._at - 1]])


def bars(source=None, window=None, **names):
    """A graph with state in a source, a clock, a dedupe, a window, gates and a sink."""
    named = {"rows": "rows", "time": "time", "once": "once", "bars": "bars", "out": "out", **names}
    rows = rxdag.from_source(Steady() if source is None else source, name=named["rows"])
    timed = rows.pipe(ops.event_time("ts", unit="ms", out_of_order="300ms"), name=named["time"])
    once = timed.pipe(ops.dedupe("n", within="5s"), name=named["once"]).buffered(max_items=8)
    panes = once.pipe(ops.key_by("key")).pipe(
        ops.window(windows.tumbling(window or "1s"), agg.sum("n")), name=named["bars"]
    )
    return rxdag.Dag(panes.to(sinks.collect(), name=named["out"]), name="job")


def virtual(dag, store, start=0, **options):
    """Return a run in virtual time that has not begun."""
    execution = Execution(rxdag.compile(dag), VirtualClock(start))
    return begun(execution, Recovery.of(store, options, "run"))


def settled(execution):
    return execution.result or settle_virtual(execution)


def whole():
    result = settle_virtual(Execution(rxdag.compile(bars()), VirtualClock()))
    return [(pane.key, pane.start, pane.value) for pane in result["out"]]


def told(result):
    return [(pane.key, pane.start, pane.value) for pane in result["out"]]


@pytest.mark.parametrize("at_ms", [5, 125, 505, 985])
def test_a_run_that_is_suspended_continues_and_gives_what_one_run_gives(at_ms):
    store = checkpoints.memory()
    first = virtual(bars(), store, every="1h")
    first.main.at(at_ms * 1_000_000, first.drain)
    suspended = settled(first)

    source = Steady()
    second = settled(virtual(bars(source), store, start=at_ms * 1_000_000))

    assert (suspended.state, suspended.was_drained) == ("completed", True)
    assert source.opened == [suspended.items_in]
    assert told(second) == whole()
    assert second.problems == ()


def test_a_node_may_be_called_run():
    store = checkpoints.memory()
    first = virtual(bars(rows="run"), store, every="1h")
    first.main.at(505_000_000, first.drain)
    settled(first)
    assert told(settled(virtual(bars(rows="run"), store, start=505_000_000))) == whole()


def test_the_books_of_a_run_that_continues_open_with_what_was_held():
    store = checkpoints.memory()
    first = virtual(bars(), store)
    first.main.at(500_000_000, first.drain)
    held = settled(first).stats.nodes["bars"].held

    book = settled(virtual(bars(), store)).stats.nodes["bars"]

    assert held > 0
    assert book.restored == held
    assert book.arrived + book.restored == book.absorbed


def test_checkpoints_are_taken_as_often_as_was_said():
    store = checkpoints.memory()
    with_many = virtual(bars(), store, every="100ms")

    settled(with_many)

    # one each 100 ms of 1 s, one when all output is complete, one with what the sinks gave
    assert with_many.checkpointing.last.id == 9 + 2


def test_a_job_that_was_done_returns_its_result_and_opens_nothing():
    store = checkpoints.memory()
    settled(virtual(bars(), store))
    source = Steady()

    again = settled(virtual(bars(source), store))

    assert source.opened == []
    assert (again.was_done, again.state) == (True, "completed")
    assert told(again) == whole()
    assert "nothing to do: done at " in str(again)


def test_a_fresh_run_begins_anew_whatever_the_store_holds():
    store = checkpoints.memory()
    settled(virtual(bars(), store))

    again = settled(virtual(bars(), store, fresh=True))

    assert (again.was_done, again.items_in) == (False, 100)
    assert told(again) == whole()


def suspended(at_ms=500):
    """Return a store with the state of a run in the middle."""
    store = checkpoints.memory()
    first = virtual(bars(), store, every="1h")
    first.main.at(at_ms * 1_000_000, first.drain)
    settled(first)
    return store


@pytest.mark.parametrize(
    ("dag", "options", "message"),
    [
        (
            lambda: bars(window="5s"),
            {},
            r'node "bars": window was tumbling\("1s"\), and is tumbling\("5s"\); undo that, or pass allow_drop=\["bars"\]',
        ),
        (
            lambda: bars(once="unique"),
            {},
            r'node "once" was removed, with its state; if it is "unique" now, pass renamed=\{"once": "unique"\}, else allow_drop=\["once"\]',
        ),
        (
            lambda: bars(once="bars2", bars="once"),
            {},
            r'node "once" was dedupe, and is window; .*; node "bars" was removed, with its state; pass allow_drop=\["bars"\]',
        ),
        (
            lambda: bars(once="unique"),
            {"renamed": {"onse": "unique"}},
            r'renamed: "onse" must be a node of the checkpoint; did you mean "once"\?',
        ),
        (
            lambda: bars(once="unique"),
            {"renamed": {"once": "unik"}},
            r'renamed: "unik" must be a node of the graph; did you mean "unique"\?',
        ),
        (
            lambda: bars(),
            {"renamed": {"once": "bars"}},
            r'renamed: "bars" must be the name of one node of the checkpoint, got "once" and "bars"; give each a name of its own, '
            r"or pass allow_drop= with one of them",
        ),
        (
            lambda: bars(),
            {"allow_drop": ["bras"]},
            r'allow_drop: "bras" must be a node of the checkpoint; did you mean "bars"\?',
        ),
    ],
    ids=["parameter", "gone", "exchanged", "old name", "new name", "one name for two", "dropped name"],
)
def test_state_of_another_graph_is_refused_with_each_difference(dag, options, message):
    with pytest.raises(rxdag.RxDagError, match=rf'^dag "job": (must be the graph of the checkpoint, but )?{message}'):
        virtual(dag(), suspended(), **options)


def test_a_renamed_node_keeps_its_state():
    result = settled(
        virtual(bars(once="unique", bars="candles"), suspended(), renamed={"once": "unique", "bars": "candles"})
    )
    assert told(result) == whole()
    assert result.problems == ()


def test_a_node_whose_state_is_dropped_begins_empty():
    result = settled(virtual(bars(window="2s"), suspended(), allow_drop=["bars"]))
    assert result.stats.nodes["bars"].restored == 0
    assert sum(value for _, _, value in told(result)) < sum(range(100))
    assert result.problems == ()


@pytest.mark.parametrize("name", ["bars", "candles"])
def test_the_state_of_a_renamed_node_is_dropped_by_either_of_its_names(name):
    options = {"renamed": {"bars": "candles"}, "allow_drop": [name]}
    result = settled(virtual(bars(bars="candles", window="2s"), suspended(), **options))
    assert result.stats.nodes["candles"].restored == 0
    assert result.problems == ()


def test_a_node_may_take_the_name_of_one_whose_state_is_dropped():
    swapped = {"renamed": {"bars": "once"}, "allow_drop": ["once"]}
    result = settled(virtual(bars(once="unique", bars="once"), suspended(), **swapped))
    assert result.stats.nodes["once"].restored > 0
    assert result.stats.nodes["unique"].restored == 0
    assert result.problems == ()


def test_nodes_without_state_may_come_go_and_change():
    def dag(*steps):
        rows = rxdag.from_source(Steady(), name="rows")
        for name, step in steps:
            rows = rows.pipe(step, name=name)
        return rxdag.Dag(rows.pipe(ops.map(lambda row: row["n"]), name="n").to(sinks.collect(), name="out"), name="job")

    store = checkpoints.memory()
    first = virtual(dag(("all", ops.filter(lambda row: True)), ("same", ops.map(lambda row: row))), store)
    first.main.at(500_000_000, first.drain)
    n = settled(first).items_in

    result = settled(
        virtual(dag(("all", ops.map(lambda row: row)), ("few", ops.filter(lambda row: row["n"] > 90))), store)
    )

    assert result["out"] == [*range(n), *range(91, 100)]
    assert result.problems == ()


def test_a_job_that_was_done_with_another_graph_is_not_taken_for_this_one():
    store = checkpoints.memory()
    settled(virtual(bars(), store))
    with pytest.raises(
        CheckpointError,
        match=r'^dag "job": must be the graph of checkpoint 2, which is done, got another one; pass fresh=True to run it',
    ):
        virtual(bars(window="5s"), store)


def test_a_refused_run_leaves_the_store_to_others():
    store = checkpoints.memory()
    settled(virtual(bars(), store))
    with pytest.raises(CheckpointError):
        virtual(bars(window="5s"), store)

    assert settled(virtual(bars(), store)).was_done


class FullStore:
    """A store whose first few checkpoints find no room."""

    def __init__(self, store, failures):
        self.store, self.failures = store, failures

    def open(self, owner):
        session, outer = self.store.open(owner), self

        class Session:
            def __getattr__(self, name):
                return getattr(session, name)

            def put(self, name, data):
                if outer.failures:
                    outer.failures -= 1
                    raise CheckpointError("the disk is full")
                session.put(name, data)

        return Session()


def test_a_checkpoint_that_cannot_be_written_is_counted_and_the_run_goes_on(caplog):
    execution = virtual(bars(), FullStore(checkpoints.memory(), 3), every="100ms")

    result = settled(execution)

    assert (result.state, execution.checkpointing.failures) == ("completed", 3)
    assert told(result) == whole()
    failed = [record for record in caplog.records if record.code == "checkpoint.failed"]
    assert [(record.failures, record.reason) for record in failed] == [(1, "the disk is full"), (3, "the disk is full")]


def test_nothing_becomes_visible_if_the_last_checkpoint_cannot_be_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    dag = rxdag.Dag(rxdag.from_source(Steady(), name="rows").to(sinks.jsonl(path), name="file"), name="job")
    store = FullStore(checkpoints.memory(), 1000)

    failed = settled(virtual(dag, store, every="1h"))
    store.failures = 0
    again = settled(virtual(dag, store, every="1h"))

    assert (failed.state, str(failed.error)) == ("failed", "the disk is full")
    assert path.exists()
    assert again["file"] == 100


def test_a_state_that_cannot_be_saved_is_named_by_the_checkpoint_and_the_run_goes_on():
    rows = rxdag.from_source(Steady(), name="rows")
    dag = rxdag.Dag(rows.pipe(ops.scan(0, lambda *_: object()), name="keep").to(sinks.null(), name="out"), name="job")
    outcomes = []
    execution = virtual(dag, checkpoints.memory(), every="1h")
    execution.main.at(50_000_000, lambda: execution.checkpointing.request(outcomes.append))

    assert settled(execution).state == "completed"
    assert [type(each) for each in outcomes] == [StateError]
    assert str(outcomes[0]).startswith("keep['kernel']")


@pytest.mark.parametrize(
    ("dag", "message"),
    [
        (
            lambda: rxdag.Dag(
                rxdag.from_source(sources.callback(print, overflow="error"), name="feed").to(sinks.null(), name="out")
            ),
            r'dag "dag": checkpoints: source "feed" cannot be continued: ',
        ),
        (
            lambda: rxdag.Dag(rxdag.from_source(Steady()).pipe(ops.dedupe("n", within="1s")).to(sinks.null())),
            r"dag \"dag\": checkpoints: sources, sinks and operators with state must have a name of their own, given by name= or "
            r"\.named\(\), by which their state is found again, got none for steady\(\), dedupe\(\"n\", within=\"1s\"\), null\(\)$",
        ),
    ],
    ids=["source", "names"],
)
def test_a_graph_that_cannot_be_continued_is_refused_at_the_start(dag, message):
    with pytest.raises(rxdag.GraphError, match=message):
        virtual(dag(), checkpoints.memory())


def test_a_sink_that_may_deliver_twice_is_refused_if_exactly_is_required():
    dag = rxdag.Dag(rxdag.from_source(Steady(), name="rows").to(sinks.call(print), name="told"), name="job")
    with pytest.raises(
        rxdag.GraphError,
        match='sink "told" must deliver exactly once, got one that delivers at least once: what it has delivered cannot be taken back',
    ):
        virtual(dag, checkpoints.memory(), require="exactly")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": "1s"}, "run: every must be given with checkpoints=, got none"),
        ({"every": "1s", "fresh": True}, "run: every and fresh must be given with checkpoints=, got none"),
        ({"checkpoints": 3}, "run: checkpoints must be a path or a store such as checkpoints.sqlite"),
        ({"checkpoints": "x.db", "require": "twice"}, "run: require must be \"exactly\" or left out, got 'twice'"),
        ({"checkpoints": "x.db", "every": "0s"}, "run: every"),
        ({"checkpoints": "x.db", "fresh": 1}, "run: fresh"),
        ({"checkpoints": "x.db", "allow_drop": "bars"}, "run: allow_drop must be a list of names, such as"),
        ({"checkpoints": "x.db", "renamed": ["bars"]}, "run: renamed must be a dict of names, such as"),
        (
            {"checkpoints": "x.db", "state_types": [dict]},
            "run: state_types must be a list of enums and records, such as",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rxdag.GraphError, match=message):
        rxdag.run(bars(), **options)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_a_type_error_that_names_the_nearest():
    with pytest.raises(TypeError, match=r"run\(\) got an unexpected keyword argument 'evry'; did you mean \"every\"\?"):
        rxdag.run(bars(), checkpoints="x.db", evry="1s")


class Blocking(Steady):
    """The same, on a thread of its own: each read waits until it may give an item."""

    where = "blocking"

    def open(self, context):
        return BlockingReader(self, context)


class BlockingReader(SteadyReader):
    def __init__(self, source, context):
        super().__init__(source, context)
        self.room = source.room

    def read(self, max_items):
        self.room.acquire()
        self._next = 0
        return super().read(max_items)


@dataclass(frozen=True)
class Gated(Blocking):
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


def test_a_checkpoint_is_taken_while_a_source_hangs_in_its_read():
    store, source = checkpoints.memory(), Gated()
    came = threading.Semaphore(0)
    dag = rxdag.Dag(
        rxdag.from_source(source, name="rows").to(sinks.call(lambda _: came.release()), name="out"), name="job"
    )
    run = rxdag.start(dag, checkpoints=store, every="1h")
    for _ in range(7):
        source.room.release()
        came.acquire()

    taken = run.checkpoint(timeout="30s")
    run.cancel()
    source.room.release(200)
    run.wait("30s")

    saved = store.open("test")
    assert taken.id == saved.latest().id == 1
    saved.close()
    again = Gated()
    again.room.release(200)
    assert (
        rxdag.run(
            rxdag.Dag(rxdag.from_source(again, name="rows").to(sinks.call(lambda _: None), name="out"), name="job"),
            checkpoints=store,
        ).items_in
        == 93
    )


def test_a_checkpoint_on_request_tells_its_size_and_the_pause():
    store, source = checkpoints.memory(), Gated()
    run = rxdag.start(bars(source), checkpoints=store, every="1h")
    try:
        taken = run.checkpoint(timeout="30s")
    finally:
        source.room.release(200)
        run.wait("30s")

    assert {"the run", "rows", "time", "once", "bars", "out"} <= set(taken.by_node)
    assert taken.bytes == sum(taken.by_node.values())
    assert taken.pause_ns > 0


def test_a_run_without_checkpoints_takes_none():
    run = rxdag.start(bars())
    with pytest.raises(rxdag.RxDagError, match=r"run.checkpoint: the run must take checkpoints; pass checkpoints= to"):
        run.checkpoint()
    run.cancel()


async def test_a_run_on_a_loop_continues_too():
    store = checkpoints.memory()
    quick = Steady(rows=tuple(ROWS[:20]))
    run = rxdag.start_async(bars(quick), checkpoints=store, every="1h")
    await asyncio.sleep(0)
    run.begin_drain()
    suspended = await run.wait("30s")

    result = await rxdag.run_async(bars(Steady(rows=tuple(ROWS[:20]))), checkpoints=store)

    assert suspended.items_in + result.items_in == 20
    assert sum(value for _, _, value in told(result)) == sum(range(20))


class Tally(ops.KeyedProcess):
    """An object without a text of its own: its repr has an address, which is another one each time."""

    def initial(self):
        return 0

    def on_item(self, ctx, state, item):
        ctx.emit(state + 1)
        return state + 1


def tallied(rows=(), process=None, path=None, **names):
    source = Steady() if not rows else Steady(rows=rows)
    keyed = rxdag.from_source(source, name="rows").pipe(ops.key_by("key"))
    out = keyed.pipe(ops.process(process or Tally(), clock="processing"), name="tally")
    sink = sinks.collect() if path is None else sinks.csv(path)
    return rxdag.Dag(out.to(sink, name="out"), name=names.get("dag", "job"))


def stop_at(dag, store, at_ms):
    execution = virtual(dag, store, every="1h")
    execution.main.at(at_ms * 1_000_000, execution.drain)
    return settled(execution)


def test_objects_without_a_text_of_their_own_are_the_same_in_the_next_process():
    store = checkpoints.memory()
    stop_at(tallied(), store, 500)
    result = settled(virtual(tallied(), store))
    assert sorted(result["out"]) == sorted([*range(1, 51), *range(1, 51)])
    assert settled(virtual(tallied(), store)).was_done


@pytest.mark.parametrize(
    ("dag", "message"),
    [
        (lambda tmp: tallied(path=tmp / "other.csv"), r'node "out": path was .*, and is .*; undo that'),
        (lambda tmp: tallied(path=tmp / "a.csv", dag="else"), r'the checkpoint is of dag "job"'),
    ],
    ids=["path", "dag"],
)
def test_the_state_of_another_job_is_refused(tmp_path, dag, message):
    store = checkpoints.memory()
    stop_at(tallied(path=tmp_path / "a.csv"), store, 500)
    with pytest.raises(CheckpointError, match=message):
        virtual(dag(tmp_path), store)


class Refusing(Sink):
    """Its output is saved, and then cannot be made visible, the first time."""

    label = "refusing"
    delivery = "exactly once"

    def __init__(self):
        self.closes = 0

    def open(self, context):
        return RefusingWriter(self)


class RefusingWriter(Writer):
    def __init__(self, sink):
        self._sink, self._items = sink, []

    def write(self, chunk):
        self._items += chunk.items

    def save(self):
        return list(self._items)

    def restore(self, saved):
        self._items = list(saved)

    def close(self, *, ok):
        self._sink.closes += 1
        if ok and self._sink.closes == 1:
            raise OSError("no room")
        return self._items


def test_output_that_was_saved_and_could_not_be_made_visible_is_by_the_next_run():
    sink, store = Refusing(), checkpoints.memory()

    def dag():
        return rxdag.Dag(rxdag.from_source(Steady(rows=(1, 2, 3)), name="rows").to(sink, name="out"), name="job")

    failed, again = settled(virtual(dag(), store)), settled(virtual(dag(), store))

    assert (failed.state, again.state, again["out"]) == ("failed", "completed", [1, 2, 3])


class Retried(Refusing):
    """Fails at one write, and succeeds at the next."""

    on_error = rxdag.on_error.retry(5, base="1s", jitter=0)

    def open(self, context):
        return RetriedWriter(self)


class RetriedWriter(RefusingWriter):
    def write(self, chunk):
        self._sink.closes += 1
        if self._sink.closes == 2:
            raise OSError("locked")
        super().write(chunk)

    def close(self, *, ok):
        return self._items


def test_a_checkpoint_does_not_wait_for_the_next_try_of_a_write():
    outcomes, sink = [], Retried()
    dag = rxdag.Dag(rxdag.from_source(Steady(rows=(1, 2, 3)), name="rows").to(sink, name="out"), name="job")
    execution = virtual(dag, checkpoints.memory(), every="1h")
    execution.main.at(100_000_000, lambda: execution.checkpointing.request(outcomes.append))
    result = settled(execution)
    assert [type(each).__name__ for each in outcomes] == ["RunCheckpoint"]
    assert result["out"] == [1, 2, 3]


def test_a_drain_that_cannot_save_fails_the_run():
    first = virtual(bars(), FullStore(checkpoints.memory(), 1000), every="1h")
    first.main.at(500_000_000, first.drain)
    result = settled(first)
    assert (result.state, str(result.error)) == ("failed", "the disk is full")


def test_a_clock_that_was_set_back_counts_on_from_the_last_checkpoint():
    store = checkpoints.memory()
    stop_at(bars(), store, 500)
    execution = virtual(bars(), store, start=0)
    assert execution.clock.now() == 500_000_000


def failing_once(items):
    """A graph that fails at an item in the first run that comes to it."""
    failed = []

    def fails_once(row):
        if row["n"] == items and not failed:
            failed.append(row)
            raise ValueError("once")
        return row

    rows = rxdag.from_source(sources.iterable(ROWS), name="rows")
    return rxdag.Dag(rows.pipe(ops.map(fails_once)).to(sinks.collect(), name="out"), name="job")


class FailsOnce:
    """Items of which the first reader gets 50 and an error."""

    has_failed = False

    def __iter__(self):
        yield from range(50)
        if not self.has_failed:
            self.has_failed = True
            raise ValueError("once")
        yield from range(50, 100)


@pytest.mark.parametrize("buffered", [False, True])
def test_a_job_whose_source_has_failed_is_not_done(buffered):
    store = checkpoints.memory()
    numbers = rxdag.from_source(sources.iterable(FailsOnce(), replay=True), name="numbers")
    stream = numbers.buffered(max_items=8) if buffered else numbers
    dag = rxdag.Dag(stream.to(sinks.collect(), name="out"), name="job")
    assert settled(virtual(dag, store)).state == "failed"
    result = settled(virtual(dag, store))
    assert (result.was_done, result["out"]) == (False, list(range(100)))


def test_a_fresh_run_that_fails_before_its_first_checkpoint_leaves_nothing_of_the_old_one():
    store, dag = checkpoints.memory(), failing_once(50)
    settled(
        virtual(
            rxdag.Dag(
                rxdag.from_source(sources.iterable(ROWS), name="rows").to(sinks.collect(), name="out"), name="job"
            ),
            store,
        )
    )
    assert settled(virtual(dag, store, fresh=True)).state == "failed"
    result = settled(virtual(dag, store))
    assert (result.was_done, len(result["out"])) == (False, 100)


async def test_a_restart_of_a_supervised_run_is_not_fresh_again():
    store = checkpoints.memory()
    settled(virtual(failing_once(-1), store))
    runtime = rxdag.PipelineRuntime({"restart": {"policy": "always", "base": "1ms", "attempts": 2}})
    runtime.add(failing_once(50), checkpoints=store, every="1h", fresh=True, restart="on_failure")
    results = await runtime.run_until_complete()
    assert (results["job"].state, len(results["job"]["out"]), results["job"].was_done) == ("completed", 100, False)


@pytest.mark.parametrize(
    ("options", "begins"), [({}, " begins=anew"), ({"checkpoints": checkpoints.memory()}, "")], ids=["without", "with"]
)
async def test_the_log_says_that_a_restart_without_checkpoints_begins_anew(options, begins, caplog):
    runtime = rxdag.PipelineRuntime()
    backoff = sources.Backoff("1ms", jitter=0)
    runtime.add(failing_once(50), restart="on_failure", backoff=backoff, **options)
    await runtime.run_until_complete()
    (line,) = [text for text in caplog.messages if text.startswith("job.restarting")]
    assert line.startswith(f"job.restarting job=job restarts=0 wait_s=0.001{begins} error=ValueError ")


def test_the_log_says_from_which_checkpoint_a_run_continues(caplog):
    caplog.set_level(logging.INFO, "rxdag.run")
    store = checkpoints.memory()
    first = virtual(bars(), store, every="1h")
    first.main.at(125_000_000, first.drain)
    settled(first)
    settled(virtual(bars(), store, start=125_000_000))
    starts = [text.split(": ")[0] for text in caplog.messages if text.startswith("run.started")]
    nodes = len(first.plan.dag.nodes)
    assert starts == [f"run.started dag=job nodes={nodes}", f"run.started dag=job nodes={nodes} checkpoint=1"]


def test_a_checkpoint_of_a_run_that_has_ended_is_refused_at_once():
    run = rxdag.start(bars(Steady(rows=tuple(ROWS[:2]))), checkpoints=checkpoints.memory())
    run.wait("30s")
    with pytest.raises(rxdag.RxDagError, match="the run must be running, but it has ended"):
        run.checkpoint()


@pytest.mark.parametrize(
    "options", [{"until": "never"}, {"flush": 3}, {"progress_every": "soon", "on_progress": print}]
)
def test_an_argument_that_cannot_be_leaves_the_store_to_the_next_call(options):
    store = checkpoints.memory()
    with pytest.raises(rxdag.GraphError):
        rxdag.run(bars(), checkpoints=store, **options)
    store.open("test").close()


@pytest.mark.parametrize("at_ms", [125, 505])
def test_totals_of_a_job_that_was_killed_are_those_of_one_run(at_ms):
    whole_run = settled(virtual(bars(), checkpoints.memory(), every="1h"))
    store = checkpoints.memory()
    first = virtual(bars(), store, every="100ms")
    first.main.at(at_ms * 1_000_000, partial(first.fail, RuntimeError("killed")))
    settled(first)
    last = settled(virtual(bars(), store, start=at_ms * 1_000_000, every="1h"))
    again = settled(virtual(bars(), store, every="1h"))

    expected = whole_run.stats.totals
    assert expected["rows"].made == 100
    assert (last.stats.nodes["rows"].made, last.stats.totals["rows"].made) == (100 - at_ms // 100 * 10 - 1, 100)
    assert plain_totals(last.stats.totals) == plain_totals(expected) == plain_totals(again.stats.totals)
    line = "  since the first start: 100 in, 20 out"
    assert line in str(last).splitlines()
    assert line in str(again).splitlines()
    assert line not in str(whole_run).splitlines()


def test_totals_follow_a_node_that_is_renamed_and_not_one_that_is_dropped():
    store = checkpoints.memory()
    first = virtual(bars(), store, every="1h")
    first.main.at(505_000_000, first.drain)
    settled(first)
    second = settled(
        virtual(bars(once="dedupe"), store, start=505_000_000, renamed={"once": "dedupe"}, allow_drop=["bars"])
    )
    totals = second.stats.totals
    assert (totals["dedupe"].arrived, totals["bars"].arrived) == (100, second.stats.nodes["bars"].arrived)
    assert 40 < totals["bars"].arrived < 60


def test_a_run_without_checkpoints_has_no_totals():
    assert settled(Execution(rxdag.compile(bars()), VirtualClock())).stats.totals == {}
