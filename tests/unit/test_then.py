"""History, then live: no gap and no double over the seam, also if the run is stopped anywhere and continued."""

import asyncio
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.unit.reading import Context

import rxdag
from rxdag import GraphError, SourceError, sinks, sources, testing
from rxdag.codec import Codec
from rxdag.contract import END, IDLE, Chunk, Reader, Shape, Source

S = 10**9
PLAIN = Shape()


class Quiet(Context):
    """Notes what is logged, dropped and emitted."""

    def __init__(self):
        super().__init__()
        self.logged, self.drops, self.emitted = [], [], []

    def wake(self):
        pass

    def log(self, code, **fields):
        self.logged.append((code, fields))

    def drop(self, reason, n=1):
        self.drops.append((reason, n))

    def emit(self, port, item):
        self.emitted.append((port, item))


@dataclass(frozen=True)
class Scripted(Source[Any]):
    """Gives what its script says, one step a read: a chunk, None, an error, or ("bad", text); then it ends."""

    steps: tuple[Any, ...]
    shape: Shape = PLAIN
    side_ports: tuple[str, ...] = ()
    events: Any = None
    side: str = ""
    label = "scripted"
    no_position = None

    def open(self, context):
        if self.events is not None:
            self.events.append(f"open {self.side}")
        return ScriptedReader(self, context)


class ScriptedReader(Reader):
    def __init__(self, source, context):
        self._source, self._context, self._at = source, context, 0

    def read(self, max_items):
        steps = self._source.steps
        while self._at < len(steps):
            step = steps[self._at]
            self._at += 1
            if isinstance(step, tuple):
                self._context.bad(step[1], SourceError(step[1]))
            elif isinstance(step, Exception):
                raise step
            else:
                return step if step is None or isinstance(step, Chunk) else Chunk(list(step))
        return END

    def position(self):
        return self._at

    def seek(self, position):
        self._at = position

    def close(self):
        if self._source.events is not None:
            self._source.events.append(f"close {self._source.side}")


def rows(*ids):
    return [{"id": i, "ts": i} for i in ids]


def items_of(source, context=None, size=3):
    """The ids that a source gives."""
    with closing(source.open(context or Quiet())) as reader:
        items = []
        while (read := reader.read(size)) is not END:
            items += [] if read is None else [item["id"] for item in read.rows().items]
        return items


def then(history, live, **options):
    return sources.then(
        sources.iterable(rows(*history)), sources.iterable(rows(*live)), **(options or {"key": "id", "overlap": 100})
    )


# ---- doubles


def test_live_items_with_a_key_of_the_history_are_dropped_and_counted():
    run = rxdag.run(rxdag.from_source(then([1, 2, 3], [2, 3, 4, 5]), name="ids").to(sinks.collect(), name="out"))
    assert [row["id"] for row in run["out"]] == [1, 2, 3, 4, 5]
    assert run.stats.nodes["ids"].dropped == {"double": 2}


def test_keys_before_the_overlap_are_forgotten():
    assert items_of(then([1, 2, 3], [1, 2, 3, 4], key="id", overlap=2)) == [1, 2, 3, 1, 4]


def test_a_key_that_comes_again_in_the_history_is_as_new_as_its_last_item():
    assert items_of(then([1, 2, 1, 3], [1, 2, 3, 4], key="id", overlap=2)) == [1, 2, 1, 3, 2, 4]


def test_keys_are_forgotten_once_as_many_live_items_were_new():
    # The second 2 comes behind two new items.
    assert items_of(then([1, 2], [2, 3, 4, 2], key="id", overlap=2)) == [1, 2, 3, 4, 2]
    assert items_of(then([1, 2], [2, 3, 2, 4], key="id", overlap=2)) == [1, 2, 3, 4]


def test_an_overlap_in_time_counts_from_the_latest_item_of_the_history():
    spans = {"key": "id", "overlap": "2s", "time": "ts", "unit": "s"}
    assert items_of(then([1, 5, 3, 4], [1, 3, 4, 5, 6], **spans)) == [1, 5, 3, 4, 1, 6]


def test_keys_are_forgotten_at_a_live_item_that_is_later_by_more_than_the_span():
    spans = {"key": lambda row: row["id"] % 10, "overlap": "2s", "time": "ts", "unit": "s"}
    assert items_of(then([11, 12], [12, 14, 15, 22], **spans)) == [11, 12, 14, 15, 22]
    assert items_of(then([11, 12], [12, 14, 22, 15], **spans)) == [11, 12, 14, 15]


def test_a_time_may_be_a_datetime():
    def at(row):
        return datetime.fromtimestamp(row["ts"], UTC)

    assert items_of(then([1, 5], [1, 5, 6], key="id", overlap="2s", time=at)) == [1, 5, 1, 6]


def test_several_fields_are_one_key():
    history = sources.iterable([{"a": 1, "b": 1, "id": 1}, {"a": 1, "b": 2, "id": 2}])
    live = sources.iterable([{"a": 1, "b": 2, "id": 2}, {"a": 2, "b": 1, "id": 3}])
    assert items_of(sources.then(history, live, key=("a", "b"), overlap=10)) == [1, 2, 3]


def test_live_items_up_to_the_last_number_of_the_history_are_dropped():
    context = Quiet()
    assert items_of(then([1, 2, 5], [1, 3, 5, 6, 2], sequence="id"), context) == [1, 2, 5, 6, 2]
    assert sum(n for _, n in context.drops) == 3


def test_an_empty_history_has_no_doubles():
    assert items_of(then([], [2, 2, 1], key="id", overlap=10)) == [2, 2, 1]
    assert items_of(then([], [2, 2, 1], sequence="id")) == [2, 2, 1]


def test_a_live_source_may_have_nothing():
    assert items_of(then([1, 2], [])) == [1, 2]
    assert items_of(then([], [])) == []


# ---- gaps


def gap(live, **options):
    context = Quiet()
    source = sources.then(
        sources.iterable(rows(1, 2)), Scripted((rows(*live),), side_ports=("events",)), sequence="id", **options
    )
    items_of(source, context)
    return [fields for code, fields in context.logged if code == "source.gap"], context.emitted


def test_missing_numbers_are_logged_and_emitted():
    assert gap([5, 9], consecutive=True) == (
        [{"last": 2, "first": 5}],
        [("events", sources.SeamGap(last=2, first=5, at=0))],
    )


def test_no_gap_is_reported_where_none_is_certain():
    assert gap([2, 3, 9], consecutive=True) == ([], [])
    assert gap([3, 9], consecutive=True) == ([], [])
    assert gap([5]) == ([], [])


def test_a_gap_is_only_logged_if_the_live_source_has_no_port_for_it():
    context = Quiet()
    items_of(then([1], [3], sequence="id", consecutive=True), context)
    assert context.emitted == []
    assert ("source.gap", {"last": 1, "first": 3}) in context.logged


# ---- resting


def test_the_live_source_is_opened_before_the_history():
    events = []
    history = Scripted((rows(1),), events=events, side="history")
    live = Scripted((rows(2),), events=events, side="live")
    assert items_of(sources.then(history, live, key="id", overlap=9)) == [1, 2]
    assert events == ["open live", "open history", "close history", "close live"]


def test_live_items_that_come_while_the_history_is_read_rest_until_its_end():
    taken = []

    def live():
        for row in rows(3, 4, 5, 6):
            taken.append(row["id"])
            yield row

    source = sources.then(sources.iterable(rows(1, 2, 3)), sources.iterable(live()), key="id", overlap=9)
    with closing(source.open(context := Quiet())) as reader:
        assert [row["id"] for row in reader.read(1).items] == [1]
        assert (taken, reader.held()) == ([3, 4, 5, 6], 4)
        assert [row["id"] for row in reader.read(2).items] == [2, 3]
        assert [row["id"] for row in reader.read(2).items] == [4]
        assert (context.logged, reader.held()) == ([("source.live", {"rested": 4})], 2)
        assert [row["id"] for row in reader.read(2).items] == [5, 6]


def test_no_more_live_items_rest_than_max_items():
    taken = []

    def live():
        for row in rows(3, 4, 5, 6):
            taken.append(row["id"])
            yield row

    source = sources.then(sources.iterable(rows(1, 2)), sources.iterable(live()), key="id", overlap=9, max_items=2)
    with closing(source.open(Quiet())) as reader:
        reader.read(1)
        reader.read(1)
        assert taken == [3, 4]
    assert items_of(then([1, 2], [3, 4, 5, 6], key="id", overlap=9, max_items=2)) == [1, 2, 3, 4, 5, 6]


def test_a_stored_live_source_is_not_read_before_the_end_of_the_history():
    with closing(then([1, 2], [3, 4]).open(Quiet())) as reader:
        reader.read(1)
        assert reader.held() == 0


def test_a_feed_that_cannot_be_paused_applies_its_own_policy_to_what_finds_no_room():
    def register(push):
        for row in rows(*range(10)):
            push(row)
        push.complete()

    feed = sources.callback(register, max_items=4, overflow="drop_newest")
    source = sources.then(sources.iterable(rows(100)), feed, key="id", overlap=9)
    run = rxdag.run(rxdag.from_source(source, name="ids").to(sinks.collect(), name="out"))
    assert [row["id"] for row in run["out"]] == [100, 0, 1, 2, 3]
    assert run.stats.nodes["ids"].dropped == {"overflow": 6}


async def feed_of_ten():
    for row in rows(*range(10)):
        await asyncio.sleep(1)
        yield row


def test_live_items_come_after_the_whole_history_in_virtual_time():
    # The history comes at 2, 4, 6, 8 s, the live items at 1, 2, 3, ... s.
    history = testing.timeline(*[(f"{2 * i + 2}s", row) for i, row in enumerate(rows(0, 1, 2, 3))])
    source = sources.then(history, sources.async_iterable(feed_of_ten), key="id", overlap=9)
    run = testing.run_virtual(rxdag.from_source(source, name="ids").to(sinks.collect(), name="out"))
    assert [row["id"] for row in run["out"]] == list(range(10))
    assert run.stats.nodes["ids"].dropped == {"double": 4}


def made(kind, *ids):
    async def later():
        for row in rows(*ids):
            yield row

    if kind == "async":
        return sources.async_iterable(later, replay=True)
    return sources.iterable(iter(rows(*ids)), blocking=kind == "blocking", replay=True)


@pytest.mark.parametrize("live", ["inline", "blocking", "async"])
@pytest.mark.parametrize("history", ["inline", "blocking", "async"])
def test_the_two_may_run_in_different_places(history, live):
    source = sources.then(made(history, *range(50)), made(live, *range(40, 90)), key="id", overlap=50)
    run = rxdag.run(rxdag.from_source(source, name="ids").to(sinks.collect(), name="out"))
    assert [row["id"] for row in run["out"]] == list(range(90))
    assert run.stats.nodes["ids"].dropped == {"double": 10}


# ---- watermarks, columns


def timed(*ids, marks=()):
    return Chunk(rows(*ids), ts=[i * S for i in ids], sequence=[0] * len(ids), marks=marks)


def test_watermarks_never_go_back_over_the_seam():
    shape = Shape(timed=True)
    history = Scripted((timed(1, 2, marks=((2, 2 * S),)),), shape)
    live = Scripted((timed(2, 3, 4, marks=((0, 1), (1, S), (2, 3 * S), (3, IDLE), (3, 3 * S))),), shape)
    with closing(sources.then(history, live, key="id", overlap=9).open(Quiet())) as reader:
        first, second = reader.read(9), reader.read(9)
    assert first.marks == ((2, 2 * S),)
    assert (second.ts, second.marks) == ([3 * S, 4 * S], ((1, 3 * S), (2, IDLE)))


def test_a_chunk_of_doubles_gives_its_watermark():
    shape = Shape(timed=True)
    live = Scripted((timed(1, 2, marks=((2, 9 * S),)), timed(10)), shape)
    source = sources.then(Scripted((timed(1, 2),), shape), live, key="id", overlap=9)
    with closing(source.open(Quiet())) as reader:
        reader.read(9)
        assert [reader.read(9), reader.read(9)] == [Chunk([], [], [], None, ((0, 9 * S),)), timed(10)]


def test_columns_stay_columns_behind_the_seam():
    source = sources.then(
        sources.arrays({"id": [1, 2, 3]}), sources.arrays({"id": [2, 3, 4, 5]}), key="id", overlap=9, max_items=9
    )
    assert source.gives_columns
    with closing(source.open(Context(columns=True))) as reader:
        reader._context.drop = lambda *_: None
        reader._context.log = lambda *_, **__: None
        assert reader.read(9).columns is not None
        assert reader.read(3).items == [{"id": 4}]
        assert reader.read(9).rows().items == [{"id": 5}]


# ---- ends


def test_an_error_of_the_history_ends_the_run_and_closes_both():
    events = []
    history = Scripted((rows(1), ValueError("no table")), events=events, side="history")
    source = sources.then(history, Scripted((None, rows(2)), events=events, side="live"), key="id", overlap=9)
    with pytest.raises(rxdag.NodeError, match="no table"):
        rxdag.from_source(source).collect()
    assert events[2:] == ["close history", "close live"]


def test_an_error_of_the_live_source_ends_the_run_while_the_history_is_read():
    history = Scripted((rows(1), rows(2)))
    source = sources.then(history, Scripted((None, ConnectionError("cut"))), key="id", overlap=9)
    with closing(source.open(Quiet())) as reader:
        assert reader.read(9).items == rows(1)
        with pytest.raises(ConnectionError, match="cut"):
            reader.read(9)


def test_a_drain_while_the_history_is_read_discards_what_rests_and_counts_it():
    source = sources.then(
        testing.timeline(("1s", rows(0)[0]), ("9s", rows(1)[0])),
        sources.async_iterable(feed_of_ten),
        key="id",
        overlap=9,
    )
    run = testing.start(out := rxdag.from_source(source, name="ids").to(sinks.collect(), name="out"))
    run.advance("4500ms")
    run.drain()
    result = run.finish()
    assert [row["id"] for row in result[out]] == [0]
    assert result.stats.nodes["ids"].discarded >= 4


def test_a_drain_behind_the_seam_emits_what_still_rests():
    with closing(
        sources.then(Scripted((rows(1),)), Scripted((rows(1, 2, 3, 4),)), key="id", overlap=9).open(Quiet())
    ) as reader:
        reader.read(9)
        assert reader.read(2).items == rows(2)
        assert [reader.rest(9).items, reader.rest(9)] == [rows(3, 4), None]


# ---- malformed items


def test_malformed_live_items_are_reported_when_it_is_their_turn():
    history = Scripted((rows(1), rows(2)))
    live = Scripted((("bad", "x"), rows(3), ("bad", "y"), rows(4)))
    context = Quiet()
    with closing(sources.then(history, live, key="id", overlap=9).open(context)) as reader:
        reader.read(9)
        reader.read(9)
        assert context.dead == []
        assert (reader.read(9).items, context.dead) == (rows(3), ["x"])
        assert (reader.read(9).items, context.dead) == (rows(4), ["x", "y"])


def test_a_malformed_live_item_that_rested_goes_to_port_dead(tmp_path):
    (tmp_path / "live.jsonl").write_text('{"id": 2}\n{"id": \n{"id": 3}\n')
    live = sources.paced(sources.jsonl(tmp_path / "live.jsonl", dict), lambda row: row["id"])
    source = sources.then(Scripted((rows(1),)), live, key="id", overlap=9)
    stream = rxdag.from_source(source, on_error="dead")
    run = rxdag.run(out := stream.to(sinks.collect()), dead := stream.dead.to(sinks.collect()))
    assert ([row["id"] for row in run[out]], len(run[dead])) == ([1, 2, 3], 1)


# ---- positions


def through_bytes(position):
    return Codec().decode(Codec().encode(position))


BAD_AND_GOOD = (rows(1, 2, 3), ("bad", "x"), rows(3, 4, 5, 6), None, rows(4, 7), ("bad", "y"), rows(8), rows(9, 10))


@pytest.mark.parametrize(
    "options", [{"key": "id", "overlap": 4}, {"sequence": "id"}, {"key": "id", "overlap": "9ns", "time": "ts"}]
)
@pytest.mark.parametrize("sizes", [(1,), (2,), (3, 1), (9,)])
def test_a_reader_that_is_stopped_after_any_read_goes_on_with_the_rest(options, sizes):
    def source():
        return sources.then(Cut((rows(0, 1), ("bad", "h"), rows(2, 3))), Cut(BAD_AND_GOOD, is_stored=False), **options)

    def run(position, most):
        context, items, reads = Quiet(), [], 0
        with closing(source().open(context)) as reader:
            if position is not None:
                reader.seek(through_bytes(position))
            while reads != most and (read := reader.read(sizes[reads % len(sizes)])) is not END:
                items += [] if read is None else [item["id"] for item in read.items]
                reads += 1
            return items, context.dead, reader.position(), reads

    whole, dead, _, n = run(None, -1)
    assert (sorted(set(whole)), sorted(dead)) == ([*range(11)], ["h", "x", "y"])
    for first in range(n + 1):
        items, told, position, _ = run(None, first)
        again, told_again, later, _ = run(position, 2)
        rest, told_later, _, _ = run(later, -1)
        assert (items + again + rest, sorted(told + told_again + told_later)) == (whole, sorted(dead)), first


@dataclass(frozen=True)
class Cut(Source[Any]):
    """Gives the items of a script in chunks of at most what is asked; its position is a step and an index in it."""

    steps: tuple[Any, ...]
    is_stored: bool = True
    label = "cut"
    no_position = None

    def open(self, context):
        return CutReader(self.steps, context)


class CutReader(Reader):
    def __init__(self, steps, context):
        self._steps, self._context, self._at, self._i = steps, context, 0, 0

    def read(self, max_items):
        while self._at < len(self._steps):
            step = self._steps[self._at]
            if isinstance(step, tuple) or step is None:
                self._at += 1
                if step is None:
                    return None
                self._context.bad(step[1], SourceError(step[1]))
                continue
            items = step[self._i : self._i + max_items]
            self._i += len(items)
            if self._i == len(step):
                self._at, self._i = self._at + 1, 0
            return Chunk(items)
        return END

    def position(self):
        return [self._at, self._i]

    def seek(self, position):
        self._at, self._i = position


@dataclass(frozen=True)
class Lines(Source[Any]):
    """Gives numbers as items and reports texts as malformed, also between the items of one read."""

    lines: tuple[Any, ...]
    label = "lines"
    no_position = None

    def open(self, context):
        return LinesReader(self.lines, context)


class LinesReader(Reader):
    def __init__(self, lines, context):
        self._lines, self._context, self._at = lines, context, 0

    def read(self, max_items):
        items = []
        while self._at < len(self._lines) and len(items) < max_items:
            line = self._lines[self._at]
            self._at += 1
            if isinstance(line, str):
                self._context.bad(line, SourceError(line))
            else:
                items.append({"id": line})
        return Chunk(items) if items else END

    def position(self):
        return self._at

    def seek(self, position):
        self._at = position


def continued(source, position, *sizes):
    """Read chunks of these sizes from a position; return them, the malformed items and the position."""
    context = Quiet()
    with closing(source.open(context)) as reader:
        if position is not None:
            reader.seek(through_bytes(position))
        return [reader.read(size) for size in sizes], context.dead, reader.position()


def test_a_malformed_item_that_was_reported_early_is_not_reported_in_a_later_life():
    source = sources.then(Scripted((rows(0),)), Lines((1, 2, "x", 3)), key="id", overlap=9)
    _, dead, position = continued(source, None, 1, 1)
    assert (dead, position["live"]) == (["x"], {"begins": 0, "items": 1, "bad": 1})
    second, dead, position = continued(source, position, 1)
    assert (second, dead, position["live"]) == ([Chunk([{"id": 2}])], [], {"begins": 2, "items": 0, "bad": 1})
    third, dead, _ = continued(source, position, 1)
    assert (third, dead) == ([Chunk([{"id": 3}])], [])


def test_new_live_items_before_a_restart_count_towards_the_end_of_the_search():
    source = then([1, 2], [2, 3, 4, 2], key="id", overlap=2)
    _, _, position = continued(source, None, 2, 2)
    assert continued(source, position, 2)[0] == [Chunk(rows(4, 2))]


def test_watermarks_do_not_go_back_over_a_restart_at_the_seam():
    shape = Shape(timed=True)
    source = sources.then(
        Scripted((timed(5, marks=((1, 5 * S),)),), shape),
        Scripted((timed(6, marks=((0, 4 * S), (1, 6 * S))),), shape),
        key="id",
        overlap=9,
    )
    _, _, position = continued(source, None, 1)
    assert continued(source, position, 1)[0][0].marks == ((1, 6 * S),)


def test_a_live_source_with_fewer_items_than_were_taken_is_refused():
    def source(*ids):
        return sources.then(
            Scripted((rows(0),)), sources.iterable(iter(rows(*ids)), replay=True), key="id", overlap=9, max_items=4
        )

    with closing(source(1, 2, 3, 4).open(Quiet())) as reader:
        reader.read(1)
        reader.read(3)
        position = reader.position()
    assert position["live"] == {"begins": 0, "items": 3, "bad": 0}
    with closing(source().open(Quiet())) as reader, pytest.raises(SourceError) as caught:
        reader.seek(position)
        reader.read(1)
    assert str(caught.value).startswith("then: must have 3 items or more, as when the checkpoint was taken, got 0; put")


def test_a_source_without_a_position_says_which_of_the_two_has_none():
    feed = sources.callback(lambda push: None, overflow="drop_newest")
    assert sources.then(sources.range(3), feed, sequence=lambda n: n).no_position == (
        "its live source (callback) has no position: it receives items that cannot be read again"
    )
    assert sources.then(sources.interval("1s", count=2), sources.range(3), sequence=lambda n: n).no_position == (
        "its history (interval) has no position: it counts instants of the clock, which do not come again"
    )


# ---- arguments


class Row(msgspec.Struct):
    id: int


class Other(msgspec.Struct):
    id: int


HISTORY = sources.iterable([Row(1)], of=Row)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sources.then([1], HISTORY, key="id", overlap=1), "then: history must be a source, got [1]"),
        (lambda: sources.then(HISTORY, 7, key="id", overlap=1), "then: live must be a source, got 7"),
        (lambda: sources.then(HISTORY, HISTORY), "then: must have either key or sequence, got neither"),
        (
            lambda: sources.then(HISTORY, HISTORY, key="id", sequence="id"),
            "then: must have either key or sequence, got both",
        ),
        (
            lambda: sources.then(HISTORY, HISTORY, key="id"),
            'then: overlap must be given with key, got none; pass a number of items, or a span such as "5m"',
        ),
        (
            lambda: sources.then(HISTORY, HISTORY, key="id", overlap="5m"),
            "then: time must be given with a span of time, got overlap='5m' alone",
        ),
        (
            lambda: sources.then(HISTORY, HISTORY, key="id", overlap=5, time="id"),
            "then: time goes with a span of time, got it with overlap=5; leave it out",
        ),
        (
            lambda: sources.then(HISTORY, HISTORY, sequence="id", overlap=5),
            "then: overlap and time go with key, got them with sequence; leave them out",
        ),
        (
            lambda: sources.then(HISTORY, HISTORY, key="id", overlap=5, consecutive=True),
            "then: consecutive goes with sequence, got it with key; leave it out",
        ),
        (
            lambda: sources.then(HISTORY, HISTORY, key="di", overlap=5),
            'then: key: Row has no field "di"; its fields are id',
        ),
        (lambda: sources.then(HISTORY, HISTORY, key=(), overlap=5), "then: key must be one field or more, got none"),
        (
            lambda: sources.then(HISTORY, HISTORY, key="id", overlap="5s", time="id", unit="m"),
            'then: unit must be "ns", "us", "ms" or "s", got \'m\'',
        ),
        (
            lambda: sources.then(HISTORY, sources.iterable([Other(1)], of=Other), key="id", overlap=1),
            "then: history and live must have items of one type, got <class 'tests.unit.test_then.Row'> and <class "
            "'tests.unit.test_then.Other'>",
        ),
        (
            lambda: sources.then(Scripted((), Shape(timed=True)), HISTORY, key="id", overlap=1),
            "then: history and live must both have event times and keys, or neither, got one of each",
        ),
        (
            lambda: sources.then(HISTORY, sources.callback(lambda push: None), key="id", overlap=1),
            'then: live cannot be paused, so its overflow policy must be other than "block"; pass overflow= to '
            "sources.callback",
        ),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(make, said):
    with pytest.raises(GraphError) as caught:
        make()
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": lambda row: [row], "overlap": 3}, "then: key must be hashable, got [{'id': 1, 'ts': 1}] of"),
        (
            {"key": "id", "overlap": "3s", "time": lambda row: 1.5},
            "then: time must be an int or a datetime with a time zone, got 1.5 of",
        ),
        ({"sequence": lambda row: "7"}, "then: sequence must be a whole number, got '7' of"),
    ],
)
def test_values_that_cannot_be_compared_fail_the_run(options, said):
    with pytest.raises(rxdag.NodeError) as caught:
        rxdag.from_source(then([1], [2], **options)).collect()
    assert said in str(caught.value)


def test_a_live_source_on_a_clock_is_read_a_few_times_a_tick(monkeypatch):
    """Each read asks to be woken at the next tick; two requests for one time are one."""
    from rxdag.sources import _clocked

    [kind] = [
        each
        for each in vars(_clocked).values()
        if "read" in getattr(each, "__dict__", ()) and each.__module__ == _clocked.__name__
    ]
    reads, read = [], kind.read
    monkeypatch.setattr(kind, "read", lambda self, n: reads.append(n) or read(self, n))
    history = sources.paced(sources.iterable([-1 - i for i in range(16)]), lambda i: -100 * i, unit="ms")
    live = sources.interval("100ms", count=16)
    out = rxdag.from_source(sources.then(history, live, key=lambda i: i, overlap=5)).to(sinks.collect())
    assert len(testing.run_virtual(out)[out]) == 32
    assert len(reads) <= 4 * 16
