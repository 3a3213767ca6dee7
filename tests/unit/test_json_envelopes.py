"""Envelopes in JSON lines: records at a path, lines without records, and positions inside lines."""

import gzip
import json
from contextlib import closing
from decimal import Decimal

import pytest
from tests.unit.reading import Context, go_on, read_all, stop
from tests.unit.test_json_forms import Level, Trade, written

import rxdag
from rxdag import NodeError, SourceError, on_error, sources, testing
from rxdag.codec import Codec


def trade(n):
    return Trade(float(n), Decimal(1), n)


def record(n):
    return json.dumps({"price": str(n), "qty": "1", "id": n})


def data(*records):
    """An envelope; a number stands for its trade."""
    return f'{{"data":[{",".join(record(each) if isinstance(each, int) else each for each in records)}]}}'


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("data", f'{{"type":"x","data":[{record(1)},{record(2)}]}}'),
        ("data.trades", f'{{"data":{{"n":2,"trades": [{record(1)} , {record(2)}] }}}}'),
        ("a.b.c", f'{{"a":{{"b":{{"c":[{record(1)},{record(2)}],"d":[{{"c":1}}]}}}}}}'),
        ("", f"[{record(1)},{record(2)}]"),
        ("", f"  [ {record(1)},{record(2)} ] "),
    ],
)
def test_each_element_of_a_list_at_the_path_is_an_item(tmp_path, path, line):
    source = sources.jsonl(written(tmp_path, line, line), Trade, strict=False, records=path)
    assert read_all(source) == ([trade(1), trade(2)] * 2, [])


def test_another_value_at_the_path_is_one_item(tmp_path):
    path = written(tmp_path, f'{{"data":{record(1)}}}', data(2))
    assert read_all(sources.jsonl(path, Trade, strict=False, records="data"))[0] == [trade(1), trade(2)]


def test_lists_at_the_path_may_be_records_that_are_lists(tmp_path):
    path = written(tmp_path, '{"bids":[["1",2,3],["2",2]]}')
    assert read_all(sources.jsonl(path, Level, strict=False, records="bids"))[0] == [
        Level(Decimal(1), 2.0, 3),
        Level(Decimal(2), 2.0),
    ]


NONE = [
    '{"event":"heartbeat"}',
    '{"data":null}',
    '{"data":{"data":null}}',
    '{"data":{}}',
    '{"data":"ok"}',
    '{"data":[]}',
    "[1]",
    '"pong"',
    "null",
]


def test_lines_without_records_are_counted_as_dropped(tmp_path):
    path = written(tmp_path, *NONE, f'{{"data":{data(1, 2)}}}', *NONE, f'{{"data":{data()}}}', f'{{"data":{data(3)}}}')
    stream = rxdag.from_source(sources.jsonl(path, Trade, strict=False, records="data.data"), name="rows")
    out = stream.to(rxdag.sinks.collect(), name="out")
    result = rxdag.run(out)
    assert result[out] == [trade(1), trade(2), trade(3)]
    assert result.problems == ()
    assert "18 dropped (no records)" in str(result)


def test_only_lines_with_the_values_of_when_have_records(tmp_path):
    path = written(
        tmp_path,
        '{"channel":"trade","sub":{"n":1},' + data(1)[1:],
        '{"channel":"status","sub":{"n":1},"data":[{"system":"online"}]}',
        '{"channel":"trade","sub":{"n":true},' + data(2)[1:],
        '{"channel":"trade","sub":{"n":2},' + data(3)[1:],
        '{"channel":"trade",' + data(4)[1:],
    )
    source = sources.jsonl(path, Trade, strict=False, records="data", when={"channel": "trade", "sub.n": 1})
    assert read_all(source) == ([trade(1)], [])


def test_a_malformed_record_leaves_the_others_of_its_line(tmp_path):
    path = written(tmp_path, data(1, '{"price":"x","qty":1,"id":2}', 3))
    source = sources.jsonl(path, Trade, strict=False, records="data")
    items, [said] = read_all(source)
    assert items == [trade(1), trade(3)]
    assert said == (
        f"{path}: line 1: record 2 of 3 must be JSON of the items' type: Expected `float`, got `str` - at `$.price`, got 'x'"
    )
    stream = rxdag.from_source(source, on_error=on_error.dead)
    assert [letter.item for letter in stream.dead.collect()] == ['{"price":"x","qty":1,"id":2}']


@pytest.mark.parametrize("line", [data(1)[:-2], '{"data":[1}', "[1", '{"data":[]}}', "x", '{"a" 1}'])
def test_a_line_that_is_not_json_is_malformed_and_never_without_records(tmp_path, line):
    items, [said] = read_all(sources.jsonl(written(tmp_path, line), Trade, strict=False, records="data"))
    assert items == []
    assert "line 1: must be JSON of the items' type: " in said


def test_records_before_a_malformed_one_are_delivered_before_the_run_ends(tmp_path):
    path = written(tmp_path, data(1, 2, "{}", 3))
    seen = []
    stream = rxdag.from_source(sources.jsonl(path, Trade, strict=False, records="data"))
    with pytest.raises(NodeError, match="record 3 of 4 must be JSON of the items' type: Object missing required field"):
        rxdag.run(stream.to(rxdag.sinks.call(seen.append)))
    assert seen == [trade(1), trade(2)]


@pytest.mark.parametrize("n", [0, 2])
def test_the_position_before_a_record_that_ends_the_run_is_before_that_record(tmp_path, n):
    good = [1, 2][:n]
    path = written(tmp_path, data(7), data(*good, "{}", 3))
    source = sources.jsonl(path, Trade, strict=False, records="data")
    with closing(source.open(Context(raises=True))) as reader:
        assert reader.read(1 + n).items == [trade(each) for each in (7, *good)]
        with pytest.raises(SourceError, match=f"line 2: record {n + 1} of {n + 2} must be JSON"):
            reader.read(1)
        position = Codec().encode(reader.position())
    rest, [said] = go_on(source, position)
    assert rest == [trade(3)]
    assert f"line 2: record {n + 1} of {n + 2} must be JSON" in said


# ---- restarts

LINES = [
    data(1, 2, 3),
    '{"event":"heartbeat"}',
    data(4, '{"price":"x"}', 5),
    "",
    f'{{"data":{record(6)}}}',
    data('{"price":"y"}', 7, 8),
]


@pytest.mark.parametrize("start", ["", "\ufeff", "\n"], ids=["plain", "byte order mark", "blank line"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_file_continues_at_each_record(tmp_path, start, end, last):
    path = tmp_path / "t.jsonl"
    path.write_bytes((start + end.join(LINES) + (end if last else "")).encode())
    source = sources.jsonl(path, Trade, strict=False, records="data")
    whole, dead = read_all(source)
    assert whole == [trade(n) for n in range(1, 9)]
    assert len(dead) == 2
    for n in range(len(whole) + 1):
        read, dead_before, position = stop(source, n)
        rest, dead_after = go_on(source, position)
        assert (read + rest, dead_before + dead_after) == (whole, dead)


def test_a_line_that_got_its_end_later_continues_inside(tmp_path):
    path = tmp_path / "t.jsonl"
    source = sources.jsonl(path, Trade, strict=False, records="data")
    path.write_text("\n".join(LINES[:1]))
    read, _, position = stop(source, 2)
    path.write_text("\n".join(LINES))
    assert read + go_on(source, position)[0] == [trade(n) for n in range(1, 9)]


def test_another_when_holds_for_what_follows(tmp_path):
    path = written(tmp_path, '{"c":1,' + data(1, 2)[1:], '{"c":2,' + data(3)[1:], '{"c":1,' + data(4)[1:])
    first, other = (sources.jsonl(path, Trade, strict=False, records="data", when={"c": c}) for c in (1, 2))
    read, _, position = stop(first, 1)
    assert read == [trade(1)]
    assert go_on(other, position) == ([trade(3)], [])
    assert go_on(first, position) == ([trade(2), trade(4)], [])


def test_another_line_than_that_of_the_position_is_refused(tmp_path):
    path = written(tmp_path, "x" * 5000, *LINES)
    source = sources.jsonl(path, Trade, strict=False, records="data")
    _, _, position = stop(source, 2)
    written(tmp_path, "x" * 5000, data(1, 2, 4), *LINES[1:])
    with pytest.raises(SourceError, match="got one whose line 2 is another one; put that file back"):
        go_on(source, position)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t*.jsonl"])
def test_records_obey_the_laws_of_sources(tmp_path, name):
    lines = [line for line in LINES * 2 if '"x"' not in line and '"y"' not in line]
    text = written(tmp_path, *lines).read_bytes()
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(text))
    (tmp_path / "t2.jsonl").write_bytes(text)
    testing.check_source(lambda: sources.jsonl(tmp_path / name, Trade, strict=False, records="data"))
    n = 2 if "*" in name else 1
    assert (
        len(rxdag.from_source(sources.jsonl(tmp_path / name, Trade, strict=False, records="data")).collect()) == 8 * n
    )
