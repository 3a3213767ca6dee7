"""Frames of JSON: numbers as texts, records as lists, unions and envelopes, by the rules of files."""

import asyncio
import threading
from random import Random

import msgspec
import pytest
from tests import feeds

import rxdag
from rxdag import GraphError, NodeError, SourceError, sinks, sources
from rxdag.contract import END
from rxdag.sources import _websocket


class Trade(msgspec.Struct):
    price: float
    id: int


class Level(msgspec.Struct, array_like=True):
    price: float
    qty: float


FRAMES = [
    '{"channel":"status","data":[{"system":"online"}]}',
    '{"method":"subscribe","success":true}',
    '{"channel":"trade","data":[{"price":"1.5","id":"1"},{"price":"2.5","id":2},{"price":3,"id":3}]}',
    '{"channel":"heartbeat"}',
    '{"channel":"trade","data":[]}',
    '{"channel":"trade","data":[{"price":"4","id":"4"}]}',
    '{"channel":"trade","data":{"price":"5","id":"5"}}',
]
FORM = {"of": Trade, "strict": False, "records": "data", "when": {"channel": "trade"}}


def ran(frames, n, *, policy="raise", **how):
    """The items, the dead letters and the result of a run that is drained after `n` items."""
    items, enough = [], threading.Event()

    def note(item):
        items.append(item)
        if len(items) == n:
            enough.set()

    with feeds.FeedServer(frames, [[feeds.sends(len(frames)), feeds.stalls]]) as server:
        stream = rxdag.from_source(sources.websocket(server.url, **how), name="ws", on_error=policy)
        out = stream.to(sinks.call(note))
        dead = stream.dead.to(sinks.collect())
        run = rxdag.start(out, dead)
        assert enough.wait(20), items
        result = run.drain("20s")
    assert result.problems == ()
    return items, result[dead], result


def test_each_record_of_a_frame_is_an_item_and_frames_without_are_counted():
    items, dead, result = ran(FRAMES, 5, **FORM)
    assert items == [Trade(1.5, 1), Trade(2.5, 2), Trade(3.0, 3), Trade(4.0, 4), Trade(5.0, 5)]
    assert dead == []
    assert "3 dropped (no records)" in str(result)


def test_a_malformed_record_of_a_frame_leaves_the_others():
    frames = [b'{"data":[{"price":"1","id":1},{"price":"x","id":2},{"price":"3","id":3}]}', b"\xff", "[1"]
    frames.append('{"data":{"price":4,"id":4}}')
    items, dead, _ = ran(frames, 3, policy="dead", of=Trade, strict=False, records="data")
    assert items == [Trade(1.0, 1), Trade(3.0, 3), Trade(4.0, 4)]
    assert [letter.item for letter in dead] == ['{"price":"x","id":2}', b"\xff", "[1"]
    assert str(dead[0].error) == (
        "record 2 of 3 must be JSON of the items' type: Expected `float`, got `str` - at `$.price`, got 'x'"
    )


def test_a_malformed_frame_is_named_by_field_and_value():
    with feeds.FeedServer(['{"price":"x","id":1}'], [[feeds.sends(1), feeds.stalls]]) as server:
        stream = rxdag.from_source(sources.websocket(server.url, of=Trade, strict=False))
        with pytest.raises(NodeError, match=r"must be JSON of the items' type: Expected `float`.*`\$\.price`, got 'x'"):
            stream.collect()


def test_frames_may_be_lists_of_records_that_are_lists():
    items, *_ = ran(['[["1","2"],["3",4]]', "[]", '[["5",6]]'], 3, of=Level, strict=False, records="")
    assert items == [Level(1.0, 2.0), Level(3.0, 4.0), Level(5.0, 6.0)]


def test_the_default_is_one_plain_item_for_each_frame():
    items, *_ = ran(['{"a":"1"}', "null", "[1,[2]]"], 3)
    assert items == [{"a": "1"}, None, [1, [2]]]


class _Context:
    name, dag, saves, boundary, saw, wants_columns = "ws", "dag", False, None, None, False
    random = Random(0)

    class clock:  # the attribute of a context
        @staticmethod
        def now():
            return 0

    def __init__(self):
        self.drops, self.refused = 0, []

    def wake(self):
        pass

    def drop(self, reason, n=1):
        self.drops += n

    def bad(self, item, error):
        raise error


class _Frames(_websocket._Websocket):
    """A websocket whose subscriptions are its frames."""

    async def frames(self):
        for frame in self.subscribe:
            yield frame


def opened(frames, **form):
    """The reader of one connection with these frames; call it in a loop."""
    source = sources.websocket("ws://x", reconnect=None, **form)
    frames = _Frames(source.url, frames, source.found, source.lifeline, {})
    return _websocket._FrameReader(frames, _Context())


async def came(reader, most):
    """The next items; no more than `most`."""
    while (read := reader.read(most)) is None:
        await asyncio.sleep(0)
    assert read is not END
    assert len(read.items) <= most
    return read.items


@pytest.mark.parametrize("size", [1, 2, 9])
@pytest.mark.parametrize("stop", range(6))
def test_no_read_returns_more_than_asked(size, stop):
    async def run():
        reader = opened(FRAMES[2:], **FORM)
        items = []
        while len(items) < stop:
            items += await came(reader, min(size, stop - len(items)))
        while (rest := reader.rest(size)) is not None:
            assert len(rest.items) <= size
            items += rest.items
        held = reader.held()
        await reader.aclose()
        return items, held

    items, held = asyncio.run(run())
    assert [item.id for item in items] == list(range(1, len(items) + 1))
    assert len(items) >= stop
    assert held == 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_records_of_a_frame_that_were_not_read_are_held(n):
    async def run():
        reader = opened(FRAMES[2:3], **FORM)
        for _ in range(n):
            await came(reader, 1)
        held = reader.held()
        await reader.aclose()
        return held

    assert asyncio.run(run()) == 3 - n


@pytest.mark.parametrize("n", [1, 9])
def test_records_behind_a_malformed_one_that_ends_the_run_are_held(n):
    frame = (
        '{"data":[{"price":1,"id":1},{"price":2,"id":2},{"price":"x","id":3},{"price":4,"id":4},{"price":5,"id":5}]}'
    )

    async def run():
        reader = opened([frame], of=Trade, records="data")
        items = []
        while len(items) < 2:
            items += await came(reader, n)
        with pytest.raises(SourceError, match="record 3 of 5 must be JSON"):
            reader.read(n)
        held = reader.held()
        await reader.aclose()
        return items, held

    assert asyncio.run(run()) == ([Trade(1.0, 1), Trade(2.0, 2)], 2)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"strict": False, "decode": len}, "decode must come without strict=, records= and when=, which are for JSON"),
        ({"records": "a", "decode": len}, "decode must come without strict=, records= and when=, which are for JSON"),
        ({"when": {"a": 1}}, "when must come with records="),
        ({"records": "."}, "records must be names of fields with dots between them"),
        ({"of": complex | Trade}, "items must be of a type that msgspec decodes"),
    ],
)
def test_wrong_arguments_are_refused_at_once(how, said):
    with pytest.raises(GraphError, match=f"websocket: {said}"):
        sources.websocket("ws://x", **how)
