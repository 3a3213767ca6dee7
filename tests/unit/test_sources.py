import asyncio
import gzip
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, make_dataclass
from decimal import Decimal
from typing import NamedTuple, Optional, TypedDict

import msgspec
import pytest

import rxdag
from rxdag import NodeError, col, on_error, sinks, sources
from rxdag import operators as ops


class Trade(msgspec.Struct, frozen=True):
    ts: int
    symbol: str
    price: float
    is_buy: bool
    note: Optional[str] = None  # noqa: UP045


@dataclass
class Point:
    x: int
    y: float | None = None


class Pair(NamedTuple):
    a: int
    b: str


class Row(TypedDict):
    a: int


HEADER = "ts,symbol,price,is_buy,extra\n"


def failure(source, **options):
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(source, name="in", **options).collect()
    assert caught.value.node == "in"
    return str(caught.value)


def write(path, text, *, binary=False):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode() if isinstance(text, str) else text))
    else:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_csv_rows_become_typed_items_by_column_name(tmp_path, name):
    path = write(tmp_path / name, 'price,symbol,is_buy,ts,extra\n1.5,"A,B",true,7,x\n\n2,C,f,8,y\n')
    assert rxdag.from_source(sources.csv(path, Trade)).collect() == [
        Trade(7, "A,B", 1.5, True),
        Trade(8, "C", 2.0, False),
    ]


def test_csv_makes_dataclasses_named_tuples_and_typed_dicts(tmp_path):
    path = write(tmp_path / "p.csv", "x,y\n1,2.5\n3,\n")
    assert rxdag.from_source(sources.csv(path, Point)).collect() == [Point(1, 2.5), Point(3, None)]
    path = write(tmp_path / "q.csv", "a,b\n1,z\n")
    assert rxdag.from_source(sources.csv(path, Pair)).collect() == [Pair(1, "z")]
    assert rxdag.from_source(sources.csv(path, Row)).collect() == [{"a": 1}]


def test_a_quoted_field_may_hold_line_ends_and_a_bom_is_left_out(tmp_path):
    path = write(tmp_path / "t.csv", '\ufeffa,b\n1,"x\ny"\n2,z\n')
    assert rxdag.from_source(sources.csv(path, Pair)).collect() == [Pair(1, "x\ny"), Pair(2, "z")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("x,A,1.5,true,", "line 3: column \"ts\": must be a whole number, got 'x'"),
        ("1,A,abc,true,", "line 3: column \"price\": must be a number, got 'abc'"),
        ("1,A,1.5,maybe,", "line 3: column \"is_buy\": must be true or false, got 'maybe'"),
        ("1,A", "line 3: must have 5 values, got 2: ['1', 'A']"),
        ('1,"A,1.5,true,', "line 4: must be CSV, got unexpected end of data"),
    ],
)
def test_a_malformed_row_ends_the_run_with_file_line_column_and_value(tmp_path, row, problem):
    path = write(
        tmp_path / "t.csv", HEADER + "1,A,1.5,true,\n" + row + "\n" + "2,B,2.5,false,\n" * (row.count('"') == 0)
    )
    text = failure(sources.csv(path, Trade))
    assert f"{path}: " in text
    assert problem.replace("line 4", "line 3") in text or problem in text


def test_malformed_rows_go_to_dead_and_the_run_goes_on(tmp_path):
    path = write(tmp_path / "t.csv", HEADER + "1,A,1.5,true,\nx,B,1,true,\n2,C,2.5,false,\n1,2\n")
    stream = rxdag.from_source(sources.csv(path, Trade), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [t.ts for t in result[out]] == [1, 2]
    assert [letter.item for letter in result[dead]] == [["x", "B", "1", "true", ""], ["1", "2"]]
    assert 'line 3: column "ts"' in str(result[dead][0].error)
    assert not result.problems


def test_malformed_rows_can_be_skipped_and_are_counted(tmp_path):
    path = write(tmp_path / "t.csv", HEADER + "1,A,1.5,true,\nx,B,1,true,\n")
    out = rxdag.from_source(sources.csv(path, Trade), name="in", on_error=on_error.skip).to(sinks.null())
    result = rxdag.run(out)
    assert (result[out], result.stats.nodes["in"].dropped) == (1, {"skipped": 1})


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize(
    ("bad", "letters"),
    [
        (['2,"y'], [['2,"y\n']]),
        (['2,"y"z'], [['2,"y"z\n']]),
        (['2,"y', '"z,"'], [['2,"y\n'], ["z,"]]),
        (['"', '"', '"'], [["\n"], ['"\n']]),
        (["a" * 140_000 + ',"x'], [["a" * 140_000 + ',"x\n']]),
    ],
    ids=["open", "closed", "two", "three", "long"],
)
def test_a_row_that_is_no_csv_keeps_its_text_and_takes_no_other_along(tmp_path, bad, letters, columns):
    good = [f"{i},z" for i in range(30_000)]
    path = write(tmp_path / "t.csv", "\n".join(["a,b", "1,x", *bad, *good]) + "\n")
    stream = rxdag.from_source(sources.csv(path, Pair), name="in", on_error=on_error.dead)
    kept = stream.pipe(ops.filter(col.a >= 0)) if columns else stream
    out, dead = kept.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == [Pair(1, "x"), *(Pair(i, "z") for i in range(30_000))]
    assert sorted(letter.item for letter in result[dead]) == sorted(letters)  # columns find what is no CSV first
    assert not result.problems


def test_lines_are_counted_right_behind_a_quote_that_is_never_closed(tmp_path):
    path = write(tmp_path / "t.csv", 'a,b\n1,"x\n2,y\nz,z\n')
    dead = rxdag.from_source(sources.csv(path, Pair), on_error=on_error.dead).dead
    assert [str(letter.error).removeprefix(f"{path}: ") for letter in dead.collect()] == [
        "line 2: must be CSV, got unexpected end of data: '1,\"x\\n'",
        "line 4: column \"a\": must be a whole number, got 'z'",
    ]


@pytest.mark.parametrize("header", ['a,"b\n1,x\n', "a,b\r1,x\r"])
def test_a_header_that_is_no_csv_ends_the_run_with_file_and_line(tmp_path, header):
    path = write(tmp_path / "t.csv", header)
    assert f"{path}: line 1: must be CSV, got " in failure(sources.csv(path, Pair), on_error=on_error.skip)


def test_a_missing_column_says_which_and_what_there_is(tmp_path):
    path = write(tmp_path / "t.csv", "ts,symbol\n1,A\n")
    assert "header must have the columns of Trade, lacks price, is_buy; it has ts, symbol" in failure(
        sources.csv(path, Trade)
    )


def test_a_header_alone_gives_nothing_and_an_empty_file_is_an_error(tmp_path):
    assert rxdag.from_source(sources.csv(write(tmp_path / "h.csv", HEADER), Trade)).collect() == []
    assert "file must have a header, got an empty file" in failure(sources.csv(write(tmp_path / "e.csv", ""), Trade))
    assert rxdag.from_source(sources.jsonl(write(tmp_path / "e.jsonl", ""), Trade)).collect() == []


def both(path, of=Trade):
    return sources.csv(path, of) if ".csv" in path.name else sources.jsonl(path, of)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_missing_files_directories_and_forbidden_files_say_what_to_do(tmp_path, suffix, monkeypatch):
    missing = tmp_path / f"t.{suffix}"
    assert f'file must exist, got "{missing}"' in failure(both(missing))
    write(tmp_path / f"t.{suffix}.gz", "")
    assert f'did you mean "{tmp_path}/t.{suffix}.gz"?' in failure(both(missing))
    assert "does not exist either" in failure(both(tmp_path / "no" / f"t.{suffix}"))
    folder = tmp_path / f"d.{suffix}"
    folder.mkdir()
    assert "path must be a file, got the directory" in failure(both(folder))
    forbidden = write(tmp_path / f"f.{suffix}", "")
    forbidden.chmod(0)
    if os.geteuid() == 0:  # root may read everything: have the open itself refuse

        def refuse(self, *_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(type(forbidden), "open", refuse)
    assert "file must be readable" in failure(both(forbidden))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_truncated_and_damaged_gzip_files_say_so(tmp_path, suffix):
    text = (
        HEADER + "1,A,1.5,true,\n" * 5000
        if suffix == "csv"
        else '{"ts":1,"symbol":"A","price":1.5,"is_buy":true}\n' * 5000
    )
    whole = gzip.compress(text.encode())
    cut = tmp_path / f"cut.{suffix}.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "the .gz file is truncated; fetch it again" in failure(both(cut))
    bad = tmp_path / f"bad.{suffix}.gz"
    bad.write_bytes(text.encode())
    assert "the .gz file is damaged, or not compressed as its name says" in failure(both(bad))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "csv.gz", "jsonl.gz"])
@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"PK\x03\x04", "a zip archive; name it .zip"),
        (b"BZh9", "a file compressed by bzip2; name it .bz2"),
        (b"\xfd7zXZ\x00", "a file compressed by xz; unxz it first"),
        (b"\x28\xb5\x2f\xfd", "a file compressed by zstd; name it .zst"),
        (b"PAR1", "a Parquet file; sources.parquet reads it"),
    ],
)
def test_a_file_that_is_no_text_says_what_it_is(tmp_path, suffix, begin, said):
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(begin + b"\x00\x01\n\xff\xfe")
    assert f"{path}: must be text, plain or compressed, got {said}" in failure(both(path))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_gzip_file_is_to_be_called_so(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(gzip.compress(HEADER.encode()))
    assert f"{path}: must be text, plain or compressed, got a file compressed by gzip; name it .gz" in failure(
        both(path)
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_invalid_utf_8_names_line_and_byte_under_every_policy(tmp_path, suffix):
    good = HEADER if suffix == "csv" else '{"ts":1,"symbol":"A","price":1.5,"is_buy":true}\n'
    path = write(tmp_path / f"t.{suffix}", good.encode() + b"1,\xff\xfe,1,true,\n")
    for policy in (on_error.raise_, on_error.skip, on_error.dead):
        assert "line 2: must be UTF-8, got byte 3 of" in failure(both(path), on_error=policy)


def test_jsonl_lines_become_typed_items(tmp_path):
    path = write(
        tmp_path / "t.jsonl.gz",
        '{"ts":1,"symbol":"A","price":2,"is_buy":true}\n\n{"ts":2,"symbol":"B","price":1,"is_buy":false}\n',
    )
    assert [t.symbol for t in rxdag.from_source(sources.jsonl(path, Trade)).collect()] == ["A", "B"]
    assert rxdag.from_source(sources.jsonl(path, dict)).head(1)[0]["ts"] == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"ts":"x"}', "Expected `int`, got `str` - at `$.ts`"),
        ("{", "Input data was truncated"),
        ('{"ts":1}', "missing required field"),
    ],
)
def test_a_malformed_json_line_names_file_line_field_and_value(tmp_path, line, problem):
    path = write(tmp_path / "t.jsonl", f"\n{line}\n")
    text = failure(sources.jsonl(path, Trade))
    assert f"{path}: line 2: must be JSON of the items' type: " in text
    assert problem in text
    stream = rxdag.from_source(sources.jsonl(path, Trade), on_error=on_error.dead)
    assert [letter.item for letter in stream.dead.collect()] == [f"{line}\n"]


def test_a_type_that_msgspec_cannot_decode_is_an_error_at_once():
    with pytest.raises(rxdag.GraphError, match="jsonl: items must be of a type that msgspec decodes"):
        sources.jsonl("x", type("Odd", (), {"__init_subclass__": None})() if False else complex | Trade | Point)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_stdin_is_read_on_a_thread_of_its_own(form):
    code = f"import rxdag; from rxdag import sources; from tests.unit.test_sources import Pair\nprint(rxdag.from_source(sources.{form}('-', Pair)).collect())"
    text = "a,b\n1,x\n" if form == "csv" else '[1,"x"]\n'
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[Pair(a=1, b='x')]\n", done.stderr


def test_a_generator_is_closed_at_any_end():
    closed = []

    def numbers():
        try:
            yield from range(10)
        finally:
            closed.append(1)

    assert rxdag.from_source(sources.iterable(numbers())).head(2) == [0, 1]
    assert closed == [1]


def test_take_pulls_exactly_what_it_takes_of_a_generator():
    pulled = []

    def numbers():
        for i in range(100):
            pulled.append(i)
            yield i

    assert rxdag.from_source(sources.iterable(numbers())).pipe(ops.take(3)).collect() == [0, 1, 2]
    assert pulled == [0, 1, 2]


def test_take_pulls_exactly_what_it_takes_of_an_async_generator_and_closes_it():
    pulled, closed = [], []

    async def numbers():
        try:
            for i in range(100):
                pulled.append(i)
                yield i
        finally:
            closed.append(1)

    assert rxdag.from_source(sources.async_iterable(numbers)).pipe(ops.take(3)).collect() == [0, 1, 2]
    assert (pulled, closed) == ([0, 1, 2], [1])


def test_what_came_before_a_failure_of_a_generator_is_delivered_and_counted():
    seen = []

    def numbers():
        yield from range(5)
        raise ValueError("lost")

    run = rxdag.start(rxdag.from_source(sources.iterable(numbers())).to(sinks.call(seen.append)))
    with pytest.raises(NodeError, match='source "iterable": lost'):
        run.wait()
    assert (seen, run.result.items_in, run.result.problems) == ([0, 1, 2, 3, 4], 5, ())


def test_the_rows_before_a_malformed_one_are_delivered(tmp_path):
    path, seen = write(tmp_path / "t.csv", "a,b\n1,x\n2,y\nz,z\n"), []
    with pytest.raises(NodeError, match="line 4"):
        rxdag.run(rxdag.from_source(sources.csv(path, Pair)).to(sinks.call(seen.append)))
    assert seen == [Pair(1, "x"), Pair(2, "y")]


def test_a_failing_async_generator_ends_the_run_behind_what_it_gave():
    seen = []

    async def numbers():
        yield 1
        raise ValueError("lost")

    with pytest.raises(NodeError, match='source "async_iterable": lost') as caught:
        rxdag.run(rxdag.from_source(sources.async_iterable(numbers)).to(sinks.call(seen.append)))
    assert isinstance(caught.value.__cause__, ValueError)
    assert seen == [1]


# ---- ingress


def test_many_threads_push_into_one_ingress_and_nothing_is_lost():
    ingress = sources.ingress(max_items=8)
    run = rxdag.start(rxdag.from_source(ingress).to(sinks.collect(), name="out"))

    def push(k):
        for i in range(500):
            ingress.push((k, i))

    threads = [threading.Thread(target=push, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ingress.complete()
    got = run.wait()["out"]
    assert len(got) == 4000
    for k in range(8):
        assert [i for who, i in got if who == k] == list(range(500))


def test_tasks_push_with_backpressure():
    async def main():
        ingress = sources.ingress(max_items=4)
        run = rxdag.start_async(rxdag.from_source(ingress).to(sinks.collect(), name="out"))

        async def push(k):
            for i in range(100):
                await ingress.apush((k, i))

        await asyncio.gather(*(push(k) for k in range(4)))
        ingress.complete()
        return (await run.wait())["out"]

    got = asyncio.run(main())
    assert sorted(got) == sorted((k, i) for k in range(4) for i in range(100))


def test_try_push_says_when_there_is_no_room_and_push_can_time_out():
    ingress = sources.ingress(max_items=2)
    assert [ingress.try_push(i) for i in range(3)] == [True, True, False]
    with pytest.raises(TimeoutError):
        ingress.push(3, timeout=0.01)
    ingress.complete()
    assert rxdag.from_source(ingress).collect() == [0, 1]


def test_a_blocked_producer_is_told_when_the_run_ends():
    ingress = sources.ingress(max_items=1)
    told = []

    def push():
        try:
            for i in range(10):
                ingress.push(i)
        except rxdag.RxDagError as error:
            told.append(str(error))

    thread = threading.Thread(target=push)
    thread.start()
    assert rxdag.from_source(ingress).head(2) == [0, 1]
    thread.join(10)
    assert told
    assert told[0].startswith("ingress: ")


def test_a_push_after_the_end_is_an_error_and_fail_ends_the_run():
    ingress = sources.ingress()
    ingress.push(1)
    ingress.fail(ValueError("feed lost"))
    with pytest.raises(rxdag.RxDagError, match=r"ingress: must be open to take a push, got one after complete\(\)"):
        ingress.push(2)
    seen = []
    with pytest.raises(NodeError, match="feed lost"):
        rxdag.run(rxdag.from_source(ingress).to(sinks.call(seen.append)))
    assert seen == [1]


def test_an_ingress_serves_one_run():
    ingress = sources.ingress()
    ingress.complete()
    stream = rxdag.from_source(ingress)
    assert stream.collect() == []
    with pytest.raises(NodeError, match="one run can read it, got a second"):
        stream.collect()


# ---- simulated trades


def simulated(**options):
    return rxdag.from_source(sources.simulated_trades(**options)).collect()


def test_one_seed_gives_one_sequence():
    assert simulated(seed=3, trades=500) == simulated(seed=3, trades=500)
    assert simulated(seed=3, trades=500) != simulated(seed=4, trades=500)
    assert simulated(seed=3, trades=500) == simulated(seed=3, trades=800)[:500]


def test_simulated_trades_have_the_disorder_of_real_ones():
    trades = simulated(seed=1, trades=60_000, duplicates=0.0)
    assert len(trades) == 60_000
    assert len({(t.venue, t.symbol) for t in trades}) == 6
    largest, behind, shared = 0, [], 0
    last: dict = {}
    for trade in trades:
        if trade.trade_ms < largest:
            behind.append(largest - trade.trade_ms)
        largest = max(largest, trade.trade_ms)
        feed = (trade.venue, trade.symbol)
        previous = last.get(feed)
        if previous is not None:
            assert trade.trade_id == previous.trade_id + 1
            assert trade.trade_ms >= previous.trade_ms
            assert trade.recv_ns >= previous.recv_ns
            shared += trade.trade_ms == previous.trade_ms
        last[feed] = trade
    assert [t.recv_ns for t in trades] == sorted(t.recv_ns for t in trades)
    behind.sort()
    share = len(behind) / len(trades)
    assert 0.24 < share < 0.38
    assert behind[len(behind) // 2] <= 8
    assert 100 < behind[int(len(behind) * 0.99)] < 230
    assert behind[-1] < 250
    assert 0.6 < shared / len(trades) < 0.8
    assert all(t.recv_ns < t.trade_ms * 1_000_000 for t in trades)


def test_a_chosen_share_of_simulated_trades_comes_twice():
    trades = simulated(seed=1, trades=20_000, duplicates=0.1)
    ids = [(t.venue, t.symbol, t.trade_id) for t in trades]
    assert 0.07 < 1 - len(set(ids)) / len(ids) < 0.11


def test_simulated_trades_come_in_real_time_on_the_clock_of_the_run():
    kept = rxdag.from_source(sources.simulated_trades(seed=1, trades=2_000, speed=2.0)).to(sinks.collect())
    result = rxdag.testing.run_virtual(kept)
    span = (result[kept][-1].recv_ns - result[kept][0].recv_ns) / 1e9
    assert result.stats.elapsed_s == pytest.approx(span / 2, abs=1e-6)


@pytest.mark.parametrize("kind", [int, float, Decimal, int | None, float | None])
@pytest.mark.parametrize("text", ["1_000", "\u0661", "\uff11\uff12", "1_0.5"])
def test_a_number_in_csv_is_one_of_a_data_file(tmp_path, kind, text):
    path = tmp_path / "rows.csv"
    path.write_text(f"n\n12\n{text}\n", encoding="utf-8")
    of = make_dataclass("Row", [("n", kind)])
    stream = rxdag.from_source(sources.csv(path, of), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [row.n for row in result[out]] == [12]
    [letter] = result[dead]
    assert "must be a" in str(letter.error)


class _AsideReader(sources.Reader):
    def __init__(self, context, port):
        self._context, self._port, self._is_read = context, port, False

    def read(self, max_items):
        if self._is_read:
            return sources.END
        self._is_read = True
        self._context.emit(self._port, "aside")
        return sources.Chunk([1])


@dataclass(frozen=True)
class Aside(sources.Source[int]):
    port: str
    side_ports = ("events",)

    def open(self, context):
        return _AsideReader(context, self.port)


def test_a_source_may_emit_on_its_side_ports_only():
    stream = rxdag.from_source(Aside("events"), name="feed")
    outputs = rxdag.Dag(stream.to(sinks.collect(), name="out"), stream.side("events").to(sinks.collect(), name="aside"))
    result = rxdag.run(outputs)
    assert (result["out"], result["aside"]) == ([1], ["aside"])
    for port in ("event", "dead"):
        with pytest.raises(NodeError, match=f'emit must name a side port of the source, got "{port}"; it has events'):
            rxdag.from_source(Aside(port), name="feed").collect()
