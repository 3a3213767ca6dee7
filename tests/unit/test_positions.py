"""Positions of sources that are no files: what they are, what they refuse, and what is read again."""

import asyncio
import threading
from collections import UserList, deque

import msgspec
import pytest
from tests.unit.reading import Context, go_on, read_all, stop

import rxdag
from rxdag import GraphError, SourceError, sinks, sources, testing
from rxdag.contract import END, Chunk, Reader, Source

S = 10**9


def letters():
    yield from "abcdef"


class Indexed(UserList):
    """Notes which items are looked at."""

    def __init__(self, items):
        super().__init__(items)
        self.seen = []

    def __getitem__(self, at):
        self.seen.append(at)
        return super().__getitem__(at)


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("make", [list, tuple, deque, UserList, lambda text: range(6)])
def test_the_position_in_a_sequence_is_an_index(make, blocking):
    source = sources.iterable(make("abcdef"), blocking=blocking)
    read, _, position = stop(source, 4)
    assert read + go_on(source, position)[0] == list(make("abcdef"))
    reader = source.open(Context())
    while reader.read(4) is not END:
        pass
    assert reader.position() == 6


def test_a_sequence_is_not_walked_through_to_a_position():
    items = Indexed("abcdef")
    reader = sources.iterable(items).open(Context())
    reader.seek(4)
    assert reader.read(5).items == ["e", "f"]
    assert items.seen == [4, 5]


@pytest.mark.parametrize("make", [list, deque, UserList])
def test_a_sequence_that_is_shorter_than_the_position_is_refused(make):
    _, _, position = stop(sources.iterable(make("abcdef")), 5)
    with pytest.raises(SourceError) as caught:
        go_on(sources.iterable(make("abc")), position)
    assert str(caught.value) == (
        "iterable: must have 5 items or more, as when the checkpoint was taken, got 3; put them back, or start without "
        "the checkpoint"
    )


def test_a_generator_that_ends_before_the_position_is_refused():
    _, _, position = stop(sources.iterable(iter(range(9)), replay=True), 8)
    with pytest.raises(SourceError, match="iterable: must have 8 items or more, .* got 6; put them back"):
        go_on(sources.iterable(letters(), replay=True), position)


def test_an_async_generator_that_ends_before_the_position_fails_the_run():
    async def numbers(n):
        for each in range(n):
            yield each

    def made(n):
        return sources.async_iterable(lambda: numbers(n), replay=True)

    class Continued(Source):
        where = "async"

        def open(self, context):
            reader = made(6).open(context)
            reader.seek(8)
            return reader

    with pytest.raises(rxdag.NodeError, match="async_iterable: must have 8 items or more, .* got 6; put them back"):
        rxdag.from_source(Continued()).collect()


def test_an_async_generator_lets_other_tasks_run_while_it_is_skipped():
    turns = []

    async def numbers():
        async def other():
            while True:
                turns.append(len(turns))
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        for each in range(5000):
            yield each
        task.cancel()

    class Continued(Source):
        where = "async"

        def open(self, context):
            reader = sources.async_iterable(numbers, replay=True).open(context)
            reader.seek(4999)
            return reader

    assert testing.run_virtual(out := rxdag.from_source(Continued()).to(sinks.collect()))[out] == [4999]
    assert len(turns) >= 4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sources.iterable([1], replay=1), "iterable: replay must be True or False, got 1"),
        (
            lambda: sources.async_iterable(letters, replay=True, reconnect=sources.Backoff()),
            "async_iterable: replay must be False with reconnect, got True; what comes over a new connection is not the "
            "same again",
        ),
        (
            lambda: rxdag.wrap(asyncio.Queue(), replay=True),
            "wrap: replay must be False for what cannot be read again, got True for <Queue",
        ),
    ],
)
def test_replay_that_cannot_be_promised_is_refused(make, said):
    with pytest.raises(GraphError) as caught:
        make()
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "make",
    [lambda seed: sources.simulated_trades(seed, trades=9), lambda seed: sources.simulated_quotes(seed, quotes=9)],
)
def test_simulated_items_of_another_seed_are_refused(make):
    _, _, position = stop(make(1), 5)
    with pytest.raises(SourceError) as caught:
        go_on(make(2), position)
    assert str(caught.value) == (
        f"{make(1).label}: seed must be 1, as when the checkpoint was taken, got 2; pass that seed, or start without the "
        "checkpoint"
    )


def test_more_simulated_trades_continue_where_fewer_ended():
    fewer, more = sources.simulated_trades(1, trades=9), sources.simulated_trades(1, trades=20)
    read, _, position = stop(fewer, 9)
    assert read + go_on(more, position)[0] == read_all(more)[0]
    with pytest.raises(SourceError, match="simulated_trades: must have 15 items or more, .* got 9"):
        go_on(fewer, stop(more, 15)[2])


# ---- sources of tests


class Clock:
    def __init__(self, now):
        self.ns = now

    def now(self):
        return self.ns


class Waiting(Context):
    """Notes when the source is to be read again."""

    def __init__(self, now=0):
        super().__init__()
        self.clock = Clock(now)

    def log(self, code, **fields):
        pass

    def wake_at(self, when):
        self.woken_at = when


@pytest.mark.parametrize(
    ("source", "again"),
    [
        (testing.timeline(("1s", "a"), ("3s", "b")), 101),
        (testing.recording([("n", 1000, "a"), ("n", 3000, "b")], hot=False), 101),
        (testing.recording([("n", 1000, "a"), ("n", 3000, "b"), ("n", 102_000, "c")]), 102),
    ],
)
def test_items_come_as_long_after_the_start_as_without_a_break(source, again):
    first = source.open(Waiting())
    first._context.clock.ns = S
    assert first.read(5).items == ["a"]
    first._context.clock.ns = 2 * S
    second = source.open(context := Waiting(100 * S))
    second.seek(first.position())
    while second.read(5) is not None:
        pass
    assert context.woken_at == again * S


# ---- wrappers


def read_of_thread(reader, context):
    """What a reader gives that reads on a thread of its own."""
    while (read := reader.read(1)) is None:
        assert context.woken.wait(5)
        context.woken.clear()
    return read


class Woken(Context):
    def __init__(self):
        super().__init__()
        self.woken = threading.Event()

    def wake(self):
        self.woken.set()


def test_an_iterator_that_a_function_makes_continues_on_its_thread():
    source = rxdag.wrap(letters, replay=True).node.thing
    first = source.open(context := Woken())
    assert first.position() == 0
    assert [read_of_thread(first, context).items for _ in range(2)] == [["a"], ["b"]]
    assert first.position() == 2
    second = source.open(context := Woken())
    second.seek(first.position())
    assert [read_of_thread(second, context).items for _ in range(4)] == [["c"], ["d"], ["e"], ["f"]]
    assert read_of_thread(second, context) is END
    assert second.position() == 6
    for each in (first, second):
        each.close()


class Row(msgspec.Struct):
    ts: int


def test_a_paced_source_reports_a_malformed_row_once_though_it_reads_it_again(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("ts\n1\nx\n1\ny\n5\n5\nz\n9\n")
    source = sources.paced(sources.csv(path, Row), "ts", unit="s")
    contexts = [Waiting() for _ in range(4)]
    first, second, third, fourth = [source.open(context) for context in contexts]
    assert first.read(9).items == [Row(1), Row(1)]
    assert [error.partition(": column")[0] for error in contexts[0].dead] == [f"{path}: line {n}" for n in (3, 5, 8)]
    second.seek(first.position())
    assert second.read(1).items == [Row(5)]
    third.seek(second.position())
    assert [second.read(1).items, second.read(1)] == [[Row(5)], None]
    assert third.read(9).items == [Row(5)]
    fourth.seek(third.position())
    assert fourth.read(9).items == [Row(9)]
    assert fourth.read(9) is END
    assert [context.dead for context in contexts[1:]] == [[], [], []]
    for each in (first, second, third, fourth):
        each.close()


def test_a_paced_source_that_holds_items_continues_with_them():
    source = sources.paced(sources.iterable([0, 0, 5, 9]), lambda ts: ts, unit="s")
    first = source.open(Context())
    assert first.read(9).items == [0, 0]
    assert (first.held(), first.position()) == (2, {"inner": 0, "items": 2, "bad": 0})
    second = source.open(Context())
    second.seek(first.position())
    assert second.read(9).items == [5]
    assert (second.held(), second.position()) == (1, {"inner": 0, "items": 3, "bad": 0})


def test_a_paced_source_of_fewer_items_than_were_emitted_is_refused():
    def paced(items):
        return sources.paced(sources.iterable(items), lambda ts: ts, unit="s")

    first, second = paced([0, 0, 5, 9]).open(Context()), paced([0]).open(Context())
    first.read(9)
    second.seek(first.position())
    with pytest.raises(SourceError, match="paced: must have 2 items or more, .* got 1; put them back"):
        second.read(9)


class Failing(Source):
    """Fails at its third item, in its first connections."""

    no_position = None

    def __init__(self, times):
        self.left = times
        self.opened = 0

    def open(self, context):
        self.opened += 1
        return FailingReader(self)


class FailingReader(Reader):
    def __init__(self, source):
        self.source = source
        self.at = 0

    def read(self, max_items):
        if self.at == 3 and self.source.left:
            self.source.left -= 1
            raise ConnectionError("lost")
        if self.at == 5:
            return END
        self.at += 1
        return Chunk([self.at])

    def position(self):
        return self.at

    def seek(self, position):
        self.at = position


def test_a_reconnecting_source_continues_in_the_connection_that_was_open():
    first = sources.reconnecting(Failing(0)).open(Waiting())
    assert first.position() == {"inner": None, "connections": 0, "failures": 0}
    assert [first.read(1).items for _ in range(2)] == [[1], [2]]
    assert first.position() == {"inner": 2, "connections": 0, "failures": 0}
    second = sources.reconnecting(Failing(0)).open(Waiting())
    second.seek(first.position())
    assert second.position() == first.position()
    assert [second.read(1).items for _ in range(3)] == [[3], [4], [5]]
    assert second.read(1) is END


def test_a_reconnecting_source_between_two_connections_begins_anew():
    first = sources.reconnecting(Failing(1)).open(Waiting())
    assert [first.read(1) and 1 for _ in range(4)] == [1, 1, 1, None]
    assert first.position() == {"inner": None, "connections": 1, "failures": 1}
    second = sources.reconnecting(Failing(0)).open(Waiting())
    second.seek(first.position())
    assert second.read(1).items == [1]


def test_attempts_count_the_connections_before_the_position():
    first = sources.reconnecting(Failing(2), attempts=2).open(Waiting())
    for _ in range(4):
        first.read(1)
    second = sources.reconnecting(Failing(1), attempts=2).open(Waiting())
    second.seek(first.position())
    for _ in range(3):
        second.read(1)
    with pytest.raises(ConnectionError):
        second.read(1)


def test_a_file_that_was_replaced_is_not_tried_again(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("ts\n1\n2\n")
    source = sources.reconnecting(sources.csv(path, Row))
    reader = source.open(Waiting())
    reader.read(1)
    position = reader.position()
    reader.close()
    path.write_text("ts\n7\n8\n")
    again = source.open(Waiting())
    again.seek(position)
    with pytest.raises(SourceError, match="begins differently"):
        again.read(1)
    again.close()
