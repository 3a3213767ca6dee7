"""Journals in front of sources: what was received is emitted once, however often the run is stopped and continued."""

import os
import threading
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from tests.unit.reading import Context

import rxdag
from rxdag import GraphError, SourceError, StateError, checkpoints, sinks, sources, testing
from rxdag import operators as ops
from rxdag.contract import END, IDLE, Chunk, Reader, ReaderAround, Shape, Source, SourceAround
from rxdag.journal import Kind, WriteRefused, close_writer, open_writer
from rxdag.sources import ConnectionEvent, JournalGap

S = 10**9
PLAIN = Shape()


class Clock:
    def __init__(self, at=100 * S):
        self.at = at

    def now(self):
        return self.at


class Run(Context):
    """A run as a source sees it; it notes what the source does with it."""

    def __init__(self, name="ticks", *, saves=False, at=100 * S, raises=False):
        super().__init__(raises=raises)
        self.name, self.saves, self.clock = name, saves, Clock(at)
        self.logged, self.emitted, self.alarms = [], [], []

    def wake(self):
        pass

    def wake_at(self, when):
        self.alarms.append(when)

    def log(self, code, **fields):
        self.logged.append((code, {name: value for name, value in fields.items() if value is not None}))

    def emit(self, port, item):
        self.emitted.append((port, item))


@dataclass(frozen=True)
class Live(Source[Any]):
    """Gives the steps that were put into it: lists, chunks, None, END, an error, ("bad", item) or ("event", item)."""

    steps: deque[Any] = field(default_factory=deque)
    shape: Shape = PLAIN
    side_ports: tuple[str, ...] = ()
    label = "live"
    no_position = "it is live"

    def open(self, context):
        return LiveReader(self.steps, context)

    def gives(self, *steps):
        self.steps.extend(steps)
        return self


class LiveReader(Reader):
    def __init__(self, steps, context):
        self.steps, self.context = steps, context

    def read(self, max_items):
        while self.steps:
            step = self.steps.popleft()
            if isinstance(step, tuple) and step[0] == "bad":
                self.context.bad(step[1], SourceError(f"bad {step[1]}"))
            elif isinstance(step, tuple):
                self.context.emit("events", step[1])
            elif isinstance(step, Exception):
                raise step
            else:
                return Chunk(step) if isinstance(step, list) else step
        return None

    def drain(self, *, flush):
        return True

    def rest(self, max_items):
        read = self.read(max_items)
        return read if isinstance(read, Chunk) else None


def items_of(reader, size=100):
    """The items until nothing is there, with END if the source ends."""
    found = []
    while (read := reader.read(size)) is not None:
        if read is END:
            return [*found, END]
        found += read.items
    return found


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "journal")


def opened(folder, live, run, position=None, **kept):
    reader = sources.journal(live, folder, **kept).open(run)
    if position is not None:
        reader.seek(position)
    return reader


def recorded(folder, **kept):
    """What a reader of the journal gives, and the run that it was read in."""
    run = Run()
    with closing(sources.journal_reader(folder, **kept).open(run)) as reader:
        *items, end = items_of(reader)
        assert end is END
        return items, run


def test_items_are_emitted_as_they_are_read_and_are_in_the_journal(folder):
    with closing(opened(folder, Live().gives([1, 2], [3], END), Run())) as reader:
        assert [reader.read(10).items, reader.read(10).items, reader.read(10)] == [[1, 2], [3], END]
    assert recorded(folder)[0] == [1, 2, 3]


def test_times_sequences_keys_and_watermarks_of_items_come_again(folder):
    chunk = Chunk(["a", "b"], [10, 20], [7, 8], ["x", "y"], ((1, 5), (2, IDLE)))
    run = Run(saves=True)
    with closing(opened(folder, Live().gives(chunk), run)) as reader:
        begin = reader.position()
        assert reader.read(10) == chunk
    with closing(opened(folder, Live(), run, begin)) as reader:
        assert reader.read(10) == chunk


@pytest.mark.parametrize("durable", ["written", "synced"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_run_that_is_stopped_anywhere_continues_without_a_loss_or_a_double(folder, durable, size):
    steps = [[0, 1, 2], [3], ("bad", "x"), [4, 5], ("bad", "y"), ("bad", "z"), [6], END]
    for stop in range(8):
        place, run = f"{folder}{stop}", Run(saves=True)
        live = Live().gives(*steps)
        seen, position = [], None
        for _ in range(2):
            reader = opened(place, live, run, position, durable=durable)
            while len(seen) < stop or position is not None:
                run.clock.at += S
                read = reader.read(size)
                if read is END:
                    break
                seen += () if read is None else read.items
            position = reader.position()
            reader.close()
        assert seen == [0, 1, 2, 3, 4, 5, 6], stop
        assert [text.rpartition(": ")[2] for text in run.dead] == ["bad x", "bad y", "bad z"], stop


def test_what_was_recorded_after_the_position_comes_first_and_live_items_meanwhile_come_behind(folder):
    run = Run(saves=True)
    with closing(opened(folder, Live().gives([1], [2, 3], [4]), run)) as reader:
        assert reader.read(10).items == [1]
        position = reader.position()
        assert items_of(reader) == [2, 3, 4]
    with closing(opened(folder, Live().gives([5], [6]), run, position)) as reader:
        assert items_of(reader, size=2) == [2, 3, 4, 5, 6]
    assert recorded(folder)[0] == [1, 2, 3, 4, 5, 6]


def test_a_run_with_checkpoints_that_has_none_yet_reads_the_journal_from_its_beginning(folder):
    with closing(opened(folder, Live().gives([1], [2]), Run(saves=True))) as reader:
        assert items_of(reader) == [1, 2]
    with closing(opened(folder, Live().gives([3]), Run(saves=True))) as reader:
        assert items_of(reader) == [1, 2, 3]


def test_a_run_without_checkpoints_begins_live(folder):
    for i in (1, 2):
        with closing(opened(folder, Live().gives([i]), Run())) as reader:
            assert items_of(reader) == [i]
    assert recorded(folder)[0] == [1, 2]


def test_an_end_comes_again_and_the_source_is_not_read_behind_it(folder):
    with closing(opened(folder, Live().gives([1], END), Run(saves=True))) as reader:
        assert items_of(reader) == [1, END]
        position = reader.position()
    live = Live().gives([2])
    with closing(opened(folder, live, Run(saves=True), position)) as reader:
        assert items_of(reader) == [END]
    assert len(live.steps) == 1


def test_a_source_that_is_recorded_again_behind_its_end_is_read_on(folder):
    for i in (1, 2):
        with closing(opened(folder, Live().gives([i], END), Run())) as reader:
            items_of(reader)
    assert recorded(folder)[0] == [1, 2]


def test_a_source_that_had_ended_begins_live_though_another_one_has_just_recorded(folder):
    for i in (1, 2):
        with (
            closing(opened(folder, Live().gives([f"a{i}"], END), Run("a"))) as a,
            closing(opened(folder, Live().gives([f"b{i}"], END), Run("b"))) as b,
        ):
            assert (items_of(a), items_of(b)) == ([f"a{i}", END], [f"b{i}", END])
    assert recorded(folder, source="b")[0] == ["b1", "b2"]


def test_a_restart_is_a_gap_that_is_logged_emitted_and_recorded(folder):
    with closing(opened(folder, Live().gives([1]), Run(at=100 * S))) as reader:
        items_of(reader)
    run = Run(at=160 * S)
    with closing(opened(folder, Live().gives([2]), run)) as reader:
        assert items_of(reader) == [2]
    gap = JournalGap(100 * S, 160 * S)
    assert run.emitted == [("events", gap)]
    assert run.logged == [("journal.gap", {"since": "1970-01-01T00:01:40Z", "gap_s": 60.0})]
    items, reading = recorded(folder)
    assert (items, reading.emitted) == ([1, 2], [("events", gap)])


def test_a_lost_connection_is_a_gap_and_so_is_a_restart_until_the_connection_is_there(folder):
    def event(kind, at):
        return ("event", ConnectionEvent(kind, 1, at * S))

    live, run = Live(side_ports=("events",)), Run()
    live.gives(event("connected", 100), [1], event("lost", 110), event("connected", 115), [2])
    with closing(opened(folder, live, run)) as reader:
        assert items_of(reader) == [1, 2]
    assert [item for _, item in run.emitted if isinstance(item, JournalGap)] == [JournalGap(110 * S, 115 * S)]
    run = Run(at=200 * S)
    with closing(opened(folder, live.gives(event("connected", 207), [3]), run)) as reader:
        assert items_of(reader) == [3]
    (gap,) = [item for _, item in run.emitted if isinstance(item, JournalGap)]
    assert (100 * S <= gap.since < 101 * S, gap.until) == (True, 207 * S)


def test_events_of_the_source_keep_working_and_come_again_after_a_restart(folder):
    run, event = Run(saves=True), ConnectionEvent("lost", 1, 5, SourceError("gone"))
    with closing(opened(folder, Live().gives([1], ("event", event), [2]), run)) as reader:
        begin = reader.position()
        assert items_of(reader) == [1, 2]
    assert run.emitted == [("events", event)]
    again = Run(saves=True)
    with closing(opened(folder, Live(), again, begin)) as reader:
        assert items_of(reader) == [1, 2]
    ((_, back), _) = again.emitted
    assert (back.kind, back.at, str(back.error)) == ("lost", 5, "gone")


def test_malformed_items_come_before_the_error_that_the_policy_makes_of_them(folder):
    run = Run(raises=True, saves=True)
    with (
        closing(opened(folder, Live().gives(("bad", "x"), [1]), run)) as reader,
        pytest.raises(SourceError, match="bad x"),
    ):
        reader.read(10)
    with closing(opened(folder, Live(), Run(raises=True, saves=True))) as reader:
        with pytest.raises(rxdag.SavedError, match="SourceError: bad x"):
            reader.read(10)
        assert items_of(reader) == [1]


def test_an_error_of_the_source_is_raised_behind_what_it_gave(folder):
    with closing(opened(folder, Live().gives([1], ("bad", "x"), OSError("gone")), run := Run())) as reader:
        assert reader.read(10).items == [1]
        with pytest.raises(OSError, match="gone"):
            reader.read(10)
    assert recorded(folder)[1].dead == ["SourceError: bad x"]
    assert run.dead == []


def test_an_item_that_cannot_be_saved_is_an_error_that_names_the_journal(folder):
    with closing(opened(folder, Live().gives([print]), Run())) as reader, pytest.raises(StateError) as error:
        reader.read(10)
    assert str(error.value).startswith(f'journal "{folder}"')


def test_with_synced_an_item_is_emitted_once_its_record_is_synced(folder):
    run = Run()
    with closing(opened(folder, Live().gives([1], [2], [3]), run, durable="synced")) as reader:
        assert reader.read(10).items == [1]
        assert reader.read(10) is None
        assert run.alarms == [100 * S + 10_000_000]
        assert reader.position() == {"arrival": 2}
        run.clock.at += 10_000_000
        assert (reader.read(10).items, reader.read(10)) == ([2], None)


def test_an_event_does_not_move_the_position_over_an_item_that_waits_for_its_sync(folder):
    live, run = Live(), Run(saves=True)
    event = ConnectionEvent("retrying", 1, 5)
    with closing(opened(folder, live.gives([1], [2], ("event", event)), run, durable="synced")) as reader:
        assert reader.read(10).items == [1]
        assert (reader.read(10), reader.read(10)) == (None, None)
        position = reader.position()
    with closing(opened(folder, Live(), Run(saves=True), position)) as reader:
        assert items_of(reader) == [2]


def test_the_end_of_a_drain_is_none_of_the_recorded_source(folder):
    for i in (1, 2):
        with closing(opened(folder, Live().gives([i], END), Run())) as reader:
            assert reader.drain(flush=False)
            assert items_of(reader) == [i, END]
    run = Run()
    with closing(sources.journal_reader(folder, follow=True, source="ticks").open(run)) as reader:
        assert items_of(reader) == [1, 2]


class Refusing:
    """A writer's file on a disk that has no room while `is_full`."""

    def __init__(self, file):
        self.file, self.is_full = file, True

    def write(self, data):
        if self.is_full:
            raise OSError(28, "No space left on device")
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)


def full_disk(folder):
    """Make the disk of an open journal full."""
    writer = open_writer(folder, "test", "other", None)
    writer.append("other", 0, [(Kind.ITEMS, 1, b"")])
    writer._file = disk = Refusing(writer._file)
    close_writer(writer, "other")
    return disk


def test_a_full_disk_ends_the_run_by_default(folder):
    with closing(opened(folder, Live().gives([1]), Run())) as reader:
        full_disk(folder)
        with pytest.raises(WriteRefused, match="must have room for what is recorded, got No space left on device"):
            reader.read(10)


def test_with_pass_a_full_disk_lets_items_pass_unrecorded_counted_and_logged(folder):
    run = Run()
    with closing(opened(folder, Live().gives([1], ("bad", "x"), [2, 3], [4], [5]), run, on_full="pass")) as reader:
        assert reader.read(10).items == [1]
        disk = full_disk(folder)
        assert [reader.read(10).items, reader.read(10).items] == [[2, 3], [4]]
        disk.is_full = False
        assert reader.read(10).items == [5]
    assert [(code, fields["n"], fields["error"].errno) for code, fields in run.logged] == [
        ("journal.unrecorded", 3, 28),
        ("journal.unrecorded", 1, 28),
    ]
    items, reading = recorded(folder, source="ticks")
    assert items == [1, 5]
    assert [(item.unrecorded, item.until) for _, item in reading.emitted] == [(4, 100 * S)]


def test_with_pass_a_full_disk_keeps_the_order_of_what_was_recorded(folder):
    with closing(opened(folder, Live().gives([1], [2], [3]), Run(saves=True))) as reader:
        items_of(reader)
    with closing(opened(folder, Live().gives([4], [5]), Run(saves=True), on_full="pass")) as reader:
        full_disk(folder)
        assert items_of(reader, size=1) == [1, 2, 3, 4, 5]
        assert reader.position()["arrival"] > 4


def test_a_torn_tail_is_logged(folder):
    with closing(opened(folder, Live().gives([1]), Run())) as reader:
        items_of(reader)
    (name,) = [name for name in os.listdir(folder) if name.endswith(".journal")]
    with open(os.path.join(folder, name), "ab") as file:
        file.write(b"rxJ1torn")
    run = Run()
    with closing(opened(folder, Live(), run)) as reader:
        reader.read(10)
    assert run.logged[0] == ("journal.cut", {"bytes": 8})


def test_a_position_behind_the_end_after_a_loss_of_power_loses_no_later_item(folder):
    with closing(opened(folder, Live().gives([1]), Run(saves=True))) as reader:
        items_of(reader)
    run = Run(saves=True)
    with closing(opened(folder, Live().gives([7]), run, {"arrival": 9})) as reader:
        assert items_of(reader) == [7]
        position = reader.position()
    assert ("journal.gap", {"since": "1970-01-01T00:01:40Z", "gap_s": 0.0, "unrecorded": 7}) in run.logged
    with closing(opened(folder, Live().gives([8]), Run(saves=True), position)) as reader:
        assert items_of(reader) == [8]


def test_a_journal_that_is_gone_is_an_error_after_a_checkpoint(folder):
    with (
        closing(opened(folder, Live(), Run(saves=True), {"arrival": 9})) as reader,
        pytest.raises(SourceError, match="must have the records up to 9, got an empty folder; put the journal back"),
    ):
        reader.read(10)


def test_a_drain_keeps_what_has_come_and_emits_it(folder):
    live = Live().gives([1], [2], [3])
    with closing(opened(folder, live, Run())) as reader:
        assert reader.read(10).items == [1]
        assert [reader.rest(10).items, reader.rest(10).items, reader.rest(10)] == [[2], [3], None]
    assert recorded(folder)[0] == [1, 2, 3]


def test_a_drain_while_it_is_behind_keeps_what_has_come_for_the_next_run(folder):
    with closing(opened(folder, Live().gives([1], [2]), Run(saves=True))) as reader:
        items_of(reader)
    with closing(opened(folder, Live().gives([3], [4]), Run(saves=True))) as reader:
        assert reader.read(1).items == [1]
        assert reader.rest(10) is None
        position = reader.position()
    with closing(opened(folder, Live(), Run(saves=True), position)) as reader:
        assert items_of(reader) == [2, 3, 4]


def test_sources_of_one_folder_are_read_by_name(folder):
    with (
        closing(opened(folder, Live().gives(["a1"], ["a2"]), Run("a"))) as a,
        closing(opened(folder, Live().gives(["b1"]), Run("b"))) as b,
    ):
        assert [a.read(1).items, b.read(1).items, a.read(1).items] == [["a1"], ["b1"], ["a2"]]
    assert recorded(folder, source="a")[0] == ["a1", "a2"]
    assert recorded(folder, source="b")[0] == ["b1"]
    with pytest.raises(SourceError, match='source must be one that ".*" has, a, b, got "ticks"'):
        recorded(folder)


def test_a_reader_finds_the_only_source_under_any_name_unless_another_one_is_asked_for(folder):
    with closing(opened(folder, Live().gives([1]), Run("prices"))) as reader:
        items_of(reader)
    assert recorded(folder)[0] == [1]
    with pytest.raises(SourceError, match='has, prices, got "price"; did you mean "prices"'):
        recorded(folder, source="price")


def test_a_folder_without_a_journal_is_an_error(folder):
    with pytest.raises(SourceError, match="path must be the folder of a journal, got"):
        recorded(folder)


def test_a_reader_that_follows_waits_for_the_journal_and_for_each_record_and_ends_with_the_source(folder):
    run, live = Run(), Live()
    with closing(sources.journal_reader(folder, follow=True).open(run)) as reader:
        assert (reader.read(10), run.alarms) == (None, [100 * S + 10_000_000])
        with closing(opened(folder, live, Run())) as recording:
            for i in range(3):
                live.gives([i])
                recording.read(10)
                assert (reader.read(10).items, reader.read(10)) == ([i], None)
            live.gives(END)
            assert (recording.read(10), reader.read(10)) == (END, END)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_reader_continues_at_any_position(folder, size):
    with closing(opened(folder, Live().gives([0, 1, 2], [3], [4, 5]), Run())) as reader:
        items_of(reader)
    for n in range(7):
        with closing(sources.journal_reader(folder).open(Run())) as reader:
            seen = []
            while len(seen) < n:
                seen += reader.read(min(size, n - len(seen))).items
            position = reader.position()
        with closing(sources.journal_reader(folder).open(Run())) as reader:
            reader.seek(position)
            assert seen + items_of(reader, size) == [0, 1, 2, 3, 4, 5, END]


def test_a_reader_refuses_a_position_behind_the_end_of_the_journal(folder):
    with closing(opened(folder, Live().gives([1]), Run())) as reader:
        items_of(reader)
    with closing(sources.journal_reader(folder).open(Run())) as reader, pytest.raises(SourceError, match="ends at 2"):
        reader.seek({"arrival": 3})


def test_a_reader_passes_the_laws_of_sources(folder):
    with closing(opened(folder, Live().gives([1, 2], [3], list(range(50)), END), Run())) as reader:
        items_of(reader)
    testing.check_source(lambda: sources.journal_reader(folder))


class Tick(msgspec.Struct, frozen=True):
    ts_ms: int
    price: float


def job(folder, live, seen):
    def noted(tick):
        seen.release()
        return tick

    ticks = rxdag.from_source(sources.journal(live, folder / "journal"), name="ticks")
    timed = ticks.pipe(ops.map(noted)).pipe(ops.event_time("ts_ms", unit="ms"), name="time")
    return rxdag.Dag(timed.to(sinks.jsonl(folder / "out.jsonl"), name="out"), name="job")


def pushed(feed, seen, numbers):
    """Push ticks and wait until they have passed the source."""
    for i in numbers:
        feed.push(Tick(i, 1.0))
        assert seen.acquire(timeout=30)


def test_a_job_with_a_queue_behind_a_journal_continues_after_a_restart(tmp_path):
    store = checkpoints.memory()
    feed, seen = sources.ingress(max_items=100, of=Tick), threading.Semaphore(0)
    run = rxdag.start(job(tmp_path, feed, seen), checkpoints=store, every="1h")
    pushed(feed, seen, range(5))
    run.checkpoint()
    pushed(feed, seen, range(5, 9))
    run.cancel()
    run.wait()
    feed = sources.ingress(max_items=100, of=Tick)
    run = rxdag.start(job(tmp_path, feed, seen), checkpoints=store, every="1h")
    for i in range(9, 12):
        feed.push(Tick(i, 1.0))
    feed.complete()
    run.wait()
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [msgspec.json.decode(line)["ts_ms"] for line in lines] == list(range(12))
    assert run.stats().nodes["ticks"].made == 8  # seven items, and the gap on port events


def test_a_callback_works_behind_a_journal(tmp_path):
    def register(push):
        for i in range(3):
            push(i)
        push.complete()

    calls = sources.callback(register, overflow="drop_oldest")
    assert rxdag.from_source(sources.journal(calls, tmp_path / "calls"), name="calls").collect() == [0, 1, 2]


def test_a_callback_that_cannot_be_paused_is_refused_as_without_a_journal(tmp_path):
    calls = rxdag.from_source(sources.journal(sources.callback(lambda push: None), tmp_path / "calls"), name="calls")
    with pytest.raises(
        rxdag.CompileError, match=r"set it where the source is made: callback\(\.\.\., overflow=\.\.\.\)"
    ):
        calls.collect()


def test_durable_on_full_and_retention_may_change_between_two_runs_and_the_folder_may_not(tmp_path):
    store = checkpoints.memory()

    def dag(folder="journal", **kept):
        ticks = rxdag.from_source(sources.journal(sources.interval("1h"), tmp_path / folder, **kept), name="ticks")
        return rxdag.Dag(ticks.to(sinks.collect(), name="out"), name="job")

    def start(dag):
        run = rxdag.start(dag, checkpoints=store, every="1h")
        run.checkpoint()
        run.drain()

    start(dag())
    start(dag(durable="synced", on_full="pass", retention=sources.Retention(max_age="1d")))
    with pytest.raises(rxdag.CheckpointError, match='node "ticks": path was '):
        start(dag("other"))


def test_records_of_a_class_with_another_name_are_converted_to_the_given_type(folder):
    class Other(msgspec.Struct):
        ts_ms: int
        price: float

    with closing(opened(folder, Live(shape=Shape(Other)).gives([Other(1, 2.5), Other(2, 3.5)]), Run())) as reader:
        items_of(reader)
    assert recorded(folder, of=Tick)[0] == [Tick(1, 2.5), Tick(2, 3.5)]
    with pytest.raises(StateError, match="must name known enums and records"):
        recorded(folder)


@dataclass(frozen=True)
class Confirmed(SourceAround[Any]):
    """A source that notes the positions of which it is told that their checkpoint is durable."""

    source: Source[Any]
    positions: list[Any]

    def open(self, context):
        return ConfirmedReader(self.source.open(context), self.positions)


class ConfirmedReader(ReaderAround):
    def __init__(self, reader, positions):
        super().__init__(reader)
        self.positions = positions

    def confirm(self, position):
        self.positions.append(position)
        super().confirm(position)


@pytest.mark.parametrize("inside", ["journal", "then", "paced", "reconnecting"])
def test_a_source_is_told_its_position_once_a_checkpoint_is_durable(tmp_path, inside):
    seen, positions, feed = threading.Semaphore(0), [], sources.ingress(of=int)
    kept = Confirmed(sources.journal(feed, tmp_path / "journal"), positions)
    around = {
        "journal": lambda: kept,
        "then": lambda: sources.then(sources.iterable([0]), kept, sequence=int),
        "paced": lambda: sources.paced(kept, lambda n: 0),
        "reconnecting": lambda: sources.reconnecting(kept),
    }
    ticks = rxdag.from_source(around[inside](), name="ticks").pipe(ops.tap(lambda _: seen.release()))
    run = rxdag.start(rxdag.Dag(ticks.to(sinks.null(), name="out"), name="job"), checkpoints=checkpoints.memory())
    for i in range(1, 4):
        feed.push(i)
        assert seen.acquire(timeout=30)
    if inside == "then":
        assert seen.acquire(timeout=30)
    run.checkpoint()
    run.checkpoint()  # the first one has been confirmed before it
    run.cancel()
    run.wait()
    assert positions[0] == {"arrival": 4}


def test_twenty_upgrades_of_a_graph_that_follows_a_recording_lose_and_double_nothing(tmp_path):
    feed, given, store = sources.ingress(of=int), [], checkpoints.memory()
    recorded_ticks = rxdag.from_source(sources.journal(feed, tmp_path / "journal"), name="ticks")
    recorder = rxdag.start(rxdag.Dag(recorded_ticks.to(sinks.null(), name="recorded"), name="recorder"))
    for upgrade in range(20):
        seen = threading.Semaphore(0)

        def take(n, version=upgrade, seen=seen):
            given.append((n, version))
            seen.release()

        follow = sources.journal_reader(tmp_path / "journal", follow=True)
        ticks = rxdag.from_source(follow, name="ticks").to(sinks.call(take), name="out")
        run = rxdag.start(rxdag.Dag(ticks, name="job"), checkpoints=store, every="1h")
        for i in range(10):
            feed.push(10 * upgrade + i)
        for _ in range(5):
            assert seen.acquire(timeout=30)
        run.drain()
    feed.complete()
    recorder.wait()
    follow = sources.journal_reader(tmp_path / "journal", follow=True)
    rest = rxdag.from_source(follow, name="ticks").to(sinks.call(lambda n: given.append((n, 20))), name="out")
    rxdag.run(rxdag.Dag(rest, name="job"), checkpoints=store)
    assert [n for n, _ in given] == list(range(200))
    assert {version for _, version in given} >= set(range(20))


def test_the_state_of_a_journal_is_its_size_how_far_it_is_behind_its_gaps_and_what_was_refused(folder):
    with closing(opened(folder, Live().gives([1], [2], [3]), Run(saves=True, at=10 * S))) as reader:
        items_of(reader)
    run = Run(saves=True, at=30 * S)
    with closing(opened(folder, Live().gives([4]), run, on_full="pass")) as reader:
        reader.read(1)
        behind = reader.journal()
        items_of(reader)
        whole = reader.journal()
        full_disk(folder)
        reader.reader.steps.append([5, 6])
        items_of(reader)
        refused = reader.journal()
    size = sum(os.path.getsize(os.path.join(folder, n)) for n in os.listdir(folder) if n.endswith(".journal"))
    assert (behind.behind_s, behind.gaps) == (20.000000001, 1)
    assert (whole.behind_s, whole.gaps, whole.unrecorded) == (0.0, 1, 0)
    assert (refused.path, refused.bytes, refused.unrecorded) == (folder, size, 2)
    with closing(sources.journal_reader(folder, source="ticks").open(Run())) as reader:
        items_of(reader)
        assert (reader.journal().behind_s, reader.journal().gaps, reader.journal().bytes) == (0.0, 1, size)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sources.journal([1], "j"), "journal: takes a source, got"),
        (lambda: sources.journal(sources.range(1), 5), "journal: path must be a text"),
        (
            lambda: sources.journal(sources.range(1), "j", durable="yes"),
            'journal: durable must be "written" or "synced"',
        ),
        (lambda: sources.journal(sources.range(1), "j", on_full="drop"), 'journal: on_full must be "stop" or "pass"'),
        (
            lambda: sources.journal(sources.range(1), "j", retention="7d"),
            "journal: retention must be a sources.Retention",
        ),
        (lambda: sources.journal_reader("j", follow=1), "journal_reader: follow must be"),
        (lambda: sources.journal_reader("j", source=""), "journal_reader: source must be the name of a source"),
    ],
)
def test_a_wrong_argument_is_refused(make, message):
    with pytest.raises(GraphError, match=message):
        make()
