"""Files whose paths have fields of the items: which rows are in which file, and what is refused."""

import dataclasses
import datetime
import enum
import gzip
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from tests.unit.saved import Context

import rxdag
from rxdag import CompileError, GraphError, NodeError, SourceError, checkpoints, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.contract import Chunk

DAY = 86_400 * 10**9
NEW_YEAR = 20_454 * DAY  # 2026-01-01


class Side(enum.Enum):
    BUY = "b"


@dataclasses.dataclass(frozen=True)
class Trade:
    ts: int
    symbol: str
    price: float


TRADES = [
    Trade(NEW_YEAR - 1, "BTC", 1.0),
    Trade(NEW_YEAR, "ETH", 2.0),
    Trade(NEW_YEAR + 3 * 3600 * 10**9, "BTC", 3.0),
    Trade(NEW_YEAR + 1, "ETH", 4.0),
]


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(sink, items, timed=False):
    stream = rxdag.from_source(sources.iterable(items))
    if timed:
        stream = stream.pipe(ops.event_time("ts", out_of_order="1d"))
    return rxdag.run(stream.to(sink, name="out"))["out"]


def opened(sink, saved=None, shape=None):
    writer = sink.open(Context(shape))
    if saved is not None:
        writer.restore(Codec().decode(Codec().encode(saved)))
    return writer


# ---- names


def test_fields_and_event_time_are_parts_of_the_path_and_numbers_count_the_files_of_the_sink(tmp_path):
    sink = sinks.csv(tmp_path / "{symbol}" / "{date}" / "t{hour}.csv", columns=["symbol", "price", "ts"])
    assert run(sink, TRADES, timed=True) == 4
    assert list(texts(tmp_path)) == [
        "BTC/2025-12-31/t23-000001.csv",
        "BTC/2026-01-01/t03-000003.csv",
        "ETH/2026-01-01/t00-000002.csv",
    ]
    assert texts(tmp_path)["ETH/2026-01-01/t00-000002.csv"] == (
        "symbol,price,ts\nETH,2.0,1767225600000000000\nETH,4.0,1767225600000000001\n"
    )


def test_a_time_has_the_parts_of_its_format(tmp_path):
    run(sinks.jsonl(tmp_path / "y={time:%Y}/m={time:%m}/{time:%H.%M}.jsonl"), TRADES[:1], timed=True)
    assert list(texts(tmp_path)) == ["y=2025/m=12/23.59-000001.jsonl"]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("BTC/USDT", "BTC%2FUSDT"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("_private", "%5Fprivate"),
        ("BRK.B", "BRK.B"),
        ("a b%*?\0\n", "a%20b%25%2A%3F%00%0A"),
        ("Å", "%C3%85"),
        ("x" * 128, "x" * 128),
        (-7, "-7"),
        (True, "true"),
        (Side.BUY, "b"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_a_value_is_one_part_of_a_path_whatever_is_in_it(tmp_path, value, part):
    run(sinks.jsonl(tmp_path / "{k}" / "x.jsonl", roll="1GB"), [{"k": value}])
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jsonl")] == [f"{part}/x-000001.jsonl"]


def test_values_that_are_equal_and_of_several_types_are_told_apart(tmp_path):
    run(sinks.jsonl(tmp_path / "{k}.jsonl"), [{"k": 1}, {"k": True}, {"k": "1"}])
    assert texts(tmp_path) == {"1-000001.jsonl": '{"k":1}\n{"k":"1"}\n', "true-000002.jsonl": '{"k":true}\n'}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            {"k": ""},
            "field \"k\" of the path must have 1 to 128 characters when percent-encoded, got ''",
        ),
        ({"k": "/" * 43}, 'field "k" of the path must have 1 to 128 characters when percent-encoded, got \'////'),
        (
            {"k": None},
            'field "k" of the path must be a str, int, bool, date or enumeration, got None',
        ),
        ({"k": 1.5}, "field .* date or enumeration, got 1.5"),
        ({"k": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)}, "date or enumeration, got datetime"),
        ({"k": []}, r"date or enumeration, got \[\]"),
        ({"other": 1}, 'an item must have the field "k" of the path, got other'),
    ],
)
@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl, sinks.parquet])
def test_an_item_without_a_part_of_a_path_is_dead_and_the_others_are_written(tmp_path, make, item, said):
    rows = rxdag.from_source(sources.iterable([{"k": "a"}, item, {"k": "b"}]))
    out = rows.to(make(tmp_path / "{k}" / "x"), name="out", on_error="dead")
    result = rxdag.run(out, out.dead.to(sinks.collect(), name="dead"))
    assert result["out"] == 2
    assert [letter.item for letter in result["dead"]] == [item]
    with pytest.raises(ValueError, match=f"^.*{said}"):
        raise result["dead"][0].error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_panes_are_divided_by_their_keys_and_by_the_end_of_their_time(tmp_path):
    bars = (
        rxdag.from_source(sources.iterable(TRADES, of=Trade))
        .pipe(ops.event_time("ts", out_of_order="1d"))
        .pipe(ops.key_by("symbol", names=("symbol",)))
        .pipe(ops.window(windows.tumbling("1d"), agg.count()))
    )
    rxdag.run(bars.to(sinks.csv(tmp_path / "{symbol}" / "{date}.csv")))
    assert sorted(texts(tmp_path)) == [
        "BTC/2025-12-31-000001.csv",
        "BTC/2026-01-01-000002.csv",
        "ETH/2026-01-01-000003.csv",
    ]


class Row(NamedTuple):
    k: str
    x: float


@pytest.mark.parametrize("make", [sinks.csv, sinks.jsonl, sinks.parquet])
def test_columns_give_the_same_files_as_rows(tmp_path, make):
    table = pa.table({"k": ["a", "b", "a", "c"] * 500, "x": np.arange(2000.0)})
    rxdag.run(rxdag.from_source(sources.arrow(table, Row)).to(make(tmp_path / "columns" / "{k}" / "x")))
    run(make(tmp_path / "rows" / "{k}" / "x"), [Row(**row) for row in table.to_pylist()])
    files = [
        {path.relative_to(tmp_path / lane): path.read_bytes() for path in (tmp_path / lane).rglob("x-*")}
        for lane in ("columns", "rows")
    ]
    assert len(files[0]) == 3
    if make is not sinks.parquet:
        assert files[0] == files[1]
    else:
        tables = [pq.ParquetFile(path).read().to_pylist() for path in sorted(tmp_path.rglob("x-*"))]
        assert tables[:3] == tables[3:]


# ---- datasets


def test_a_dataset_is_read_back_with_its_partitions(tmp_path):
    symbols = ["BTC/USDT", "_X", "ETH"]
    rows = [{"symbol": symbols[i % 3], "ts": NEW_YEAR + i * DAY // 4, "n": i} for i in range(12)]
    run(sinks.parquet(tmp_path / "symbol={symbol}" / "date={date}" / "t.parquet", max_open=2), rows, timed=True)
    found = ds.dataset(tmp_path, partitioning="hive").to_table().sort_by("n").to_pylist()
    assert [(row["symbol"], row["n"]) for row in found] == [(row["symbol"], row["n"]) for row in rows]
    assert {str(row["date"]) for row in found} == {"2026-01-01", "2026-01-02", "2026-01-03"}


def test_all_files_have_the_columns_and_types_of_the_first(tmp_path):
    sink = sinks.parquet(tmp_path / "{k}.parquet")
    run(sink, [{"k": "a", "x": 1.5}, {"k": "b", "x": 2}])
    assert pq.read_schema(tmp_path / "b-000002.parquet").field("x").type == pa.float64()


# ---- a limit on open files


def test_a_file_that_is_one_too_many_completes_the_one_that_was_not_written_to_for_longest(tmp_path):
    writer = opened(sinks.jsonl(tmp_path / "{k}.jsonl", max_open=2))
    for key in "abac":
        writer.write(Chunk([{"k": key}]))
    assert sum(path.name.endswith(".rxdag.part") for path in tmp_path.iterdir()) == 2
    writer.save()
    writer.publish()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["b-000002.jsonl"]
    assert writer.close(ok=True) == 4
    assert sorted(texts(tmp_path)) == ["a-000001.jsonl", "b-000002.jsonl", "c-000003.jsonl"]


def test_rows_for_a_file_that_was_complete_early_begin_another_and_are_told_once(tmp_path):
    context = Context()
    writer = sinks.jsonl(tmp_path / "{k}.jsonl", max_open=1).open(context)
    for key in "ababc":
        writer.write(Chunk([{"k": key}]))
    writer.close(ok=True)
    assert sorted(texts(tmp_path)) == [
        "a-000001.jsonl",
        "a-000003.jsonl",
        "b-000002.jsonl",
        "b-000004.jsonl",
        "c-000005.jsonl",
    ]
    assert context.logged == [("sink.fragmented", ["max_open"])]


# ---- restarts


def test_a_restart_continues_all_open_files_and_undoes_later_ones(tmp_path):
    sink = sinks.csv(tmp_path / "{k}" / "x.csv.gz")
    first = opened(sink)
    first.write(Chunk([{"k": "a", "n": 1}, {"k": "b", "n": 2}]))
    saved = first.save()
    first.write(Chunk([{"k": "c", "n": 3}, {"k": "a", "n": 4}]))
    first.save()
    first.close(ok=False)
    second = opened(sink, saved)
    second.write(Chunk([{"k": "a", "n": 5}]))
    assert second.close(ok=True) == 3
    found = {
        path.relative_to(tmp_path).as_posix(): gzip.decompress(path.read_bytes()) for path in tmp_path.rglob("*.gz")
    }
    assert found == {"a/x-000001.csv.gz": b"k,n\na,1\na,5\n", "b/x-000002.csv.gz": b"k,n\nb,2\n"}
    assert [path for path in tmp_path.rglob(".*") if path.is_file()] == []


@pytest.mark.parametrize(("later", "first"), [("bac", 2), ("abc", 1)])
def test_an_older_checkpoint_is_refused_if_a_file_of_any_place_is_ahead(tmp_path, later, first):
    sink = sinks.jsonl(tmp_path / "{k}" / "x.jsonl", max_open=2)
    writer = opened(sink)
    writer.write(Chunk([{"k": "a"}]))
    older = writer.save()
    for key in later:
        writer.write(Chunk([{"k": key}]))
    writer.save()
    writer.publish()
    writer.close(ok=False)
    assert [path.name for path in tmp_path.rglob("x-*")] == [f"x-00000{first}.jsonl"]
    writer = sink.open(Context())
    with pytest.raises(SourceError) as raised:
        writer.restore(older)
    assert f'"{tmp_path}/{{k}}/x-*.jsonl" must end before number {first}, the next of the checkpoint' in str(
        raised.value
    )


def test_a_restart_without_one_of_its_part_files_is_refused_and_leaves_the_others(tmp_path):
    sink = sinks.jsonl(tmp_path / "{k}.jsonl")
    writer = opened(sink)
    writer.write(Chunk([{"k": "a"}, {"k": "b"}]))
    saved = writer.save()
    writer.close(ok=False)
    (tmp_path / saved["open"][1]["part"]).unlink()
    writer = sink.open(Context())
    with pytest.raises(SourceError, match=r'b-000002.jsonl" must have the part file of its checkpoint.*got none'):
        writer.restore(saved)
    writer.close(ok=False)
    assert [path.name for path in tmp_path.iterdir()] == [saved["open"][0]["part"]]


def test_files_of_an_earlier_run_in_any_folder_are_refused_or_numbered_on(tmp_path):
    sink = sinks.jsonl(tmp_path / "{k}" / "x.jsonl")
    run(sink, [{"k": "a"}])
    with pytest.raises(NodeError) as raised:
        run(sink, [{"k": "b"}])
    assert str(raised.value.__cause__) == (
        f'jsonl: "{tmp_path}/{{k}}/x-*.jsonl" must not exist when a run begins, got number 1 of an earlier one; move the '
        "files away, or pass append=True to continue its numbering"
    )
    run(sinks.jsonl(tmp_path / "{k}" / "x.jsonl", append=True), [{"k": "b"}])
    assert sorted(texts(tmp_path)) == ["a/x-000001.jsonl", "b/x-000002.jsonl"]


def test_a_job_with_checkpoints_is_done_once(tmp_path):
    store = checkpoints.memory()
    rows = rxdag.from_source(sources.iterable([{"k": "a"}, {"k": "b"}]), name="rows")
    dag = rxdag.Dag(rows.to(sinks.parquet(tmp_path / "{k}.parquet", roll="checkpoint"), name="out"), name="job")
    assert rxdag.run(dag, checkpoints=store)["out"] == 2
    assert rxdag.run(dag, checkpoints=store).was_done
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-000001.parquet", "b-000002.parquet"]


# ---- bad arguments


@pytest.mark.parametrize(
    "path",
    ["{}", "{a b}", "{date:%Y}", "{time}", "{time:}", "{time:%Y/%m}", "{time:%f}", "{time:x}", "{k:>3}", "{a.b}"],
)
def test_what_is_neither_a_field_nor_a_time_is_refused(path):
    with pytest.raises(GraphError) as raised:
        sinks.csv(f"out/{path}/x.csv")
    assert str(raised.value) == (
        "csv: path must have a field, {date}, {hour} or a time such as {time:%Y-%m} in braces, "
        f"got 'out/{path}/x.csv'"
    )


def test_a_field_that_the_items_lack_is_refused_when_the_graph_is_made(tmp_path):
    rows = rxdag.from_source(sources.iterable(TRADES, of=Trade))
    with pytest.raises(GraphError, match=r'path: Trade has no field "simbol"; did you mean "symbol"\?'):
        rxdag.Dag(rows.to(sinks.csv(tmp_path / "{simbol}.csv"), name="out"))


def test_a_date_of_items_without_event_time_is_refused_when_the_graph_is_made(tmp_path):
    rows = rxdag.from_source(sources.iterable(TRADES))
    with pytest.raises(GraphError, match=r"path with \{hour\} must have items with event time, got a stream without"):
        rxdag.Dag(rows.to(sinks.parquet(tmp_path / "{hour}.parquet"), name="out"))


@pytest.mark.parametrize("given", [0, 1.5, None])
def test_a_limit_of_open_files_is_one_or_more(given):
    with pytest.raises(GraphError, match="^jsonl: max_open must be (a whole number, )?1 or more, got"):
        sinks.jsonl("{k}.jsonl", max_open=given)


def test_two_sinks_may_not_write_to_one_pattern(tmp_path):
    rows = rxdag.from_source(sources.iterable([{"k": 1}]))
    with pytest.raises(CompileError, match="must write different files"):
        rxdag.compile(
            rxdag.Dag(
                rows.to(sinks.csv(tmp_path / "{k}.csv"), name="a"), rows.to(sinks.csv(tmp_path / "{k}.csv"), name="b")
            )
        )


def test_braces_that_do_not_match_are_part_of_the_name(tmp_path):
    run(sinks.csv(tmp_path / "a}b{.csv"), [{"k": 1}])
    assert texts(tmp_path) == {"a}b{.csv": "k\n1\n"}


def test_a_spec_can_divide_files(tmp_path):
    text = (
        "name: job\nnodes:\n  n: {source: iterable, items: [{k: a}, {k: b}]}\n"
        '  out: {sink: jsonl, input: n, path: "{k}/x.jsonl", roll: checkpoint, max_open: 5}\n'
    )
    rxdag.run(rxdag.load_spec(text=text, base=tmp_path))
    assert texts(tmp_path) == {"a/x-000001.jsonl": '{"k":"a"}\n', "b/x-000002.jsonl": '{"k":"b"}\n'}
