"""Every public source continues at its positions, or says why it cannot."""

import asyncio
import gzip
import inspect
import queue
from collections import UserList, deque
from concurrent.futures import Future

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reactivex

import rxdag
from rxdag import sources, testing
from rxdag.testing._check_ends import SOURCE_LAWS

RECEIVES = "it receives items that cannot be read again"
REPLAY = "it can be continued only with replay=True, a promise that it gives the same items again"
CLOCK = "it counts instants of the clock, which do not come again"


class Row(msgspec.Struct):
    a: int
    b: str


ROWS = [(i, f"r{i}\ns" if i % 7 == 0 else f"r{i}") for i in range(300)]
TABLE = pa.table({"a": [a for a, _ in ROWS], "b": [b for _, b in ROWS]})


def csv(folder, name="t.csv"):
    text = "a,b\n" + "".join(f'{a},"{b}"\n' for a, b in ROWS)
    return sources.csv(written(folder / name, text), Row)


def jsonl(folder, name="t.jsonl"):
    text = "".join(msgspec.json.encode({"a": a, "b": b}).decode() + "\n\n" for a, b in ROWS)
    return sources.jsonl(written(folder / name, text), Row)


def records(folder):
    lines = [ROWS[at : at + at % 5] for at in range(300)]
    text = "".join(msgspec.json.encode({"d": [{"a": a, "b": b} for a, b in line]}).decode() + "\n" for line in lines)
    return sources.jsonl(written(folder / "t.jsonl", "{}\n" + text), Row, records="d")


def written(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def arrow_file(folder, of=None):
    path = folder / "t.arrow"
    with pa.ipc.new_file(str(path), TABLE.schema) as file:
        file.write_table(TABLE, max_chunksize=70)
    return sources.arrow_file(path, of)


def parquet(folder, of=None):
    path = folder / "t.parquet"
    pq.write_table(TABLE, path, row_group_size=70)
    return sources.parquet(path, of)


def letters():
    yield from "abcdefghijklmnopqrstuvwxyz"


async def letters_later():
    for letter in letters():
        await asyncio.sleep(0.1)
        yield letter


def recorded(folder):
    path = folder / "journal"
    if not path.exists():
        rxdag.from_source(sources.journal(sources.simulated_trades(3, trades=300), path), name="trades").collect()
    return sources.journal_reader(path)


def of_wrap(thing, **options):
    return rxdag.wrap(thing, **options).node.thing


class Bus:
    def subscribe(self, callback):
        return lambda: None


CONTINUE = {
    "arrays": lambda _: sources.arrays({"a": [a for a, _ in ROWS], "b": [b for _, b in ROWS]}, Row),
    "arrays, one without a name": lambda _: sources.arrays([a for a, _ in ROWS]),
    "arrow": lambda _: sources.arrow(TABLE, Row),
    "async_iterable": lambda _: sources.async_iterable(letters_later, replay=True),
    "arrow_file": arrow_file,
    "arrow_file of a type": lambda folder: arrow_file(folder, Row),
    "csv": csv,
    "csv, packed": lambda folder: csv(folder, "t.csv.gz"),
    "iterable": lambda _: sources.iterable(list("abcdefghij")),
    "iterable of a tuple": lambda _: sources.iterable(tuple("abcdefghij")),
    "iterable of a deque": lambda _: sources.iterable(deque("abcdefghij")),
    "iterable of a sequence": lambda _: sources.iterable(UserList("abcdefghij")),
    "iterable of a generator": lambda _: sources.iterable(letters(), replay=True),
    "journal_reader": recorded,
    "jsonl": jsonl,
    "jsonl, records": records,
    "jsonl, packed": lambda folder: jsonl(folder, "t.jsonl.gz"),
    "paced": lambda _: sources.paced(sources.iterable([1, 1, 1, 2, 5, 5, 9]), lambda ts: ts, unit="s"),
    "paced csv": lambda folder: sources.paced(csv(folder), lambda row: row.a // 5, unit="s"),
    "parquet": parquet,
    "parquet of a type": lambda folder: parquet(folder, Row),
    "range": lambda _: sources.range(5, 500, 3),
    "reconnecting": lambda _: sources.reconnecting(sources.range(50)),
    "reconnecting csv": lambda folder: sources.reconnecting(csv(folder)),
    "simulated_quotes": lambda _: sources.simulated_quotes(3, quotes=300),
    "simulated_trades": lambda _: sources.simulated_trades(3, trades=300),
    "simulated_trades at a speed": lambda _: sources.simulated_trades(3, trades=60, speed=20),
    "testing.timeline": lambda _: testing.timeline(("1s", 1), ("1s", 2), ("3s", 3), ("9s", 4), end="10s"),
    "testing.recording": lambda _: testing.recording([("n", 10, 1), ("n", 10, 2), ("n", 20, 3), ("c", 30)]),
    "testing.recording, cold": lambda _: testing.recording([("n", 10, 1), ("n", 20, 2), ("c", 30)], hot=False),
    "then, by number": lambda _: sources.then(sources.range(50), sources.range(40, 90), sequence=int),
    "then, live comes later": lambda _: sources.then(
        sources.iterable(list("abcdefgh")), sources.async_iterable(letters_later, replay=True), key=str, overlap=5
    ),
    "then, live rests": lambda _: sources.then(
        sources.range(50), sources.iterable(iter(range(40, 90)), replay=True), key=int, overlap="9ns", time=int
    ),
    "then, csv and jsonl": lambda folder: sources.then(csv(folder), jsonl(folder), key=("a", "b"), overlap=100),
    "then, arrays and arrow": lambda _: sources.then(
        sources.arrays({"a": [a for a, _ in ROWS], "b": [b for _, b in ROWS]}, Row),
        sources.arrow(TABLE, Row),
        key="a",
        overlap=100,
    ),
    "wrap of a list": lambda _: of_wrap([1, 2, 3, 4, 5]),
    "wrap of a frame": lambda _: of_wrap(TABLE),
    "wrap of an async generator": lambda _: of_wrap(letters_later, replay=True),
    "wrap of a function that makes a list": lambda _: of_wrap(lambda: list(letters()), replay=True),
    "wrap of a function that makes an async generator": lambda _: of_wrap(lambda: letters_later(), replay=True),
}

REFUSE = {
    "arrow of a stream": (
        lambda: sources.arrow(TABLE.to_reader()),
        "a RecordBatchReader can be read once only; pass a table",
    ),
    "async_iterable": (lambda: sources.async_iterable(letters_later), REPLAY),
    "async_iterable, live": (lambda: sources.async_iterable(letters_later, reconnect=sources.Backoff()), RECEIVES),
    "callback": (lambda: sources.callback(lambda push: None, overflow="drop_newest"), RECEIVES),
    "csv of stdin": (lambda: sources.csv("-", Row), RECEIVES),
    "ingress": (sources.ingress, RECEIVES),
    "interval": (lambda: sources.interval("1s", count=5), CLOCK),
    "iterable of a generator": (lambda: sources.iterable(letters()), REPLAY),
    "iterable of a set": (lambda: sources.iterable({"a", "b"}), REPLAY),
    "jsonl of stdin": (lambda: sources.jsonl("-", Row), RECEIVES),
    "observable": (lambda: sources.observable(reactivex.of(1), overflow="error"), RECEIVES),
    "paced": (lambda: sources.paced(sources.iterable(letters()), ord), REPLAY),
    "reconnecting": (lambda: sources.reconnecting(sources.interval("1s", count=2)), CLOCK),
    "then": (
        lambda: sources.then(sources.range(3), sources.interval("1s", count=2), sequence=int),
        f"its live source (interval) has no position: {CLOCK}",
    ),
    "timer": (lambda: sources.timer("1s"), CLOCK),
    "websocket": (lambda: sources.websocket("ws://localhost"), RECEIVES),
    "testing.manual": (testing.manual, RECEIVES),
    "wrap of a queue": (lambda: of_wrap(queue.Queue()), RECEIVES),
    "wrap of a queue of tasks": (lambda: of_wrap(asyncio.Queue()), RECEIVES),
    "wrap of a future": (lambda: of_wrap(Future()), RECEIVES),
    "wrap of a bus": (lambda: of_wrap(Bus(), overflow="error"), RECEIVES),
    "wrap of a function": (lambda: of_wrap(lambda: letters()), REPLAY),
}

NO_SOURCES = {"live", "from_observable", "journal", "postgres"}
"""Public functions of the package that return something else, or need a folder or a server of their own."""


def test_all_public_sources_are_here():
    public = {name for name in sources.__all__ if inspect.isfunction(getattr(sources, name))} - NO_SOURCES
    assert public <= {name.partition(" ")[0].partition(",")[0] for name in (*CONTINUE, *REFUSE)}


@pytest.mark.parametrize("make", CONTINUE.values(), ids=CONTINUE)
def test_a_source_continues_where_it_was(tmp_path, make):
    assert make(tmp_path).no_position is None
    testing.check_source(lambda: make(tmp_path), waive=set(SOURCE_LAWS) - {"continues"})


@pytest.mark.parametrize(("make", "reason"), REFUSE.values(), ids=REFUSE)
def test_a_source_says_why_it_cannot_be_continued(make, reason):
    assert make().no_position == reason


@pytest.mark.parametrize("name", ["async_iterable", "interval", "iterable of a generator", "paced", "timer"])
def test_a_source_that_says_why_gives_no_position(name):
    make, _ = REFUSE[name]
    testing.check_source(make, waive=set(SOURCE_LAWS) - {"continues"})
