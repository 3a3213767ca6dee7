"""JSON as venues write it: numbers as texts, records as lists, unions, envelopes."""

import datetime
import gzip
import json
from contextlib import closing
from decimal import Decimal

import msgspec
import pytest
from tests.unit.reading import Context, go_on, read_all, stop

import rxdag
from rxdag import GraphError, NodeError, SourceError, on_error, sources, testing
from rxdag.codec import Codec


class Trade(msgspec.Struct):
    price: float
    qty: Decimal
    id: int
    maker: bool = False


class Level(msgspec.Struct, array_like=True):
    price: Decimal
    qty: float
    orders: int = 1


class Book(msgspec.Struct):
    bids: list[Level]


def written(folder, *lines, name="t.jsonl"):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


# ---- numbers as texts


def test_numbers_and_bools_may_be_texts(tmp_path):
    path = written(
        tmp_path,
        '{"price":"1.5","qty":"0.10","id":"12","maker":"true"}',
        '{"price":2,"qty":0.25,"id":13,"maker":false}',
        '{"price":"1e3","qty":"-0","id":"-4","maker":"0"}',
    )
    items, dead = read_all(sources.jsonl(path, Trade, strict=False))
    assert items == [
        Trade(1.5, Decimal("0.10"), 12, True),
        Trade(2.0, Decimal("0.25"), 13, False),
        Trade(1000.0, Decimal("-0"), -4, False),
    ]
    assert dead == []


@pytest.mark.parametrize("quote", ['"', ""])
def test_a_decimal_keeps_every_digit_and_an_int_any_length(tmp_path, quote):
    price, number = "12345678901234567890.12345678901234567890", "9" * 40
    line = f'{{"price":1,"qty":{quote}{price}{quote},"id":{quote}{number}{quote}}}'
    [item], _ = read_all(sources.jsonl(written(tmp_path, line), Trade, strict=False))
    assert str(item.qty) == price
    assert str(item.id) == number


def test_a_field_that_may_be_a_text_keeps_the_text(tmp_path):
    path = written(tmp_path, '{"a":"5","b":"null","c":"1.5","d":"null"}')
    of = msgspec.defstruct("Item", [("a", int | str), ("b", str | None), ("c", object), ("d", int | None)])
    assert read_all(sources.jsonl(path, of, strict=False))[0] == [of("5", "null", "1.5", None)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"price":"x1","qty":1,"id":1}', "Expected `float`, got `str` - at `$.price`, got 'x1'"),
        ('{"price":1,"qty":"1,5","id":1}', "Invalid decimal string - at `$.qty`, got '1,5'"),
        ('{"price":1,"qty":"1_0","id":1}', "a decimal must be a number - at `$.qty`, got '1_0'"),
        ('{"price":1,"qty":1,"id":"1.5"}', "Expected `int`, got `str` - at `$.id`, got '1.5'"),
        ('{"price":1,"qty":1,"id":1,"maker":"yes"}', "Expected `bool`, got `str` - at `$.maker`, got 'yes'"),
        ('{"price":"1e400","qty":1,"id":1}', "Number out of range - at `$.price`, got '1e400'"),
        ('{"price":1,"qty":1}', 'Object missing required field `id`, got \'{"price":1,"qty":1}\''),
    ],
)
def test_a_text_that_is_no_number_is_refused_by_line_field_and_value(tmp_path, line, said):
    path = written(tmp_path, '{"price":1,"qty":1,"id":1}', line)
    items, dead = read_all(sources.jsonl(path, Trade, strict=False))
    assert len(items) == 1
    assert dead == [f"{path}: line 2: must be JSON of the items' type: {said}"]


def test_numbers_are_no_texts_by_default(tmp_path):
    _, [said] = read_all(sources.jsonl(written(tmp_path, '{"price":"1","qty":1,"id":1}'), Trade))
    assert said.endswith("Expected `float`, got `str` - at `$.price`, got '1'")


@pytest.mark.parametrize("text", ["5", '"5"', "1704412800", '"1704412800"', "1704412800.9999999", '"-1e3"'])
@pytest.mark.parametrize("kind", [datetime.datetime, datetime.timedelta])
@pytest.mark.parametrize("form", ["field", "optional", "list", "list of records", "record that is a list", "dict"])
def test_a_number_is_no_time_since_its_unit_is_not_known(tmp_path, kind, text, form):
    plain = {"field": kind, "optional": kind | None, "list": list[kind], "dict": dict[str, kind]}.get(form, kind)
    is_list = form == "record that is a list"
    of = msgspec.defstruct("Item", [("n", object), ("time", plain)], rename={"time": "T"}, array_like=is_list)
    value = {"list": f"[{text}]", "dict": f'{{"a":{text}}}'}.get(form, text)
    line = f"[{text},{value}]" if is_list else f'{{"n":{text},"T":{value}}}'
    records = "" if form == "list of records" else None
    source = sources.jsonl(written(tmp_path, f"[{line}]" if records == "" else line), of, strict=False, records=records)
    _, [said] = read_all(source)
    place = {"list": ".T[0]", "dict": ".T.a", "record that is a list": "[1]"}.get(form, ".T")
    assert (
        "a time must be written by ISO 8601; declare a number as int or float, and pass unit= to ops.event_time"
        f" - at `${place}`" in said
    )
    assert said.endswith(f", got {json.loads(text)!r}")


def test_times_by_iso_8601_stay_times_beside_numbers_as_texts(tmp_path):
    of = msgspec.defstruct("Item", [("n", int), ("time", datetime.datetime), ("wait", datetime.timedelta)])
    path = written(tmp_path, '{"n":"1","time":"2024-01-05T09:30:00.1234569Z","wait":"PT1.5S"}')
    at = datetime.datetime(2024, 1, 5, 9, 30, 0, 123456, tzinfo=datetime.UTC)
    assert read_all(sources.jsonl(path, of, strict=False))[0] == [of(1, at, datetime.timedelta(seconds=1.5))]


# ---- records as lists


def test_records_are_lists_of_their_fields_also_inside_others(tmp_path):
    path = written(tmp_path, '{"bids":[["1.50","2",3],["1.4",1]]}', '{"bids":[]}')
    assert read_all(sources.jsonl(path, Book, strict=False))[0] == [
        Book([Level(Decimal("1.50"), 2.0, 3), Level(Decimal("1.4"), 1.0)]),
        Book([]),
    ]


def test_the_field_of_a_list_is_named_too(tmp_path):
    lines = ['{"bids":[["1",2,3],["1",2,"x"]]}', '{"bids":[["1"]]}']
    _, dead = read_all(sources.jsonl(written(tmp_path, *lines), Book, strict=False))
    assert [each.partition("type: ")[2] for each in dead] == [
        "Expected `int`, got `str` - at `$.bids[1][2]` (orders), got 'x'",
        "Expected `array` of at least length 2, got 1 - at `$.bids[0]`, got ['1']",
    ]


# ---- unions


class Buy(msgspec.Struct, tag_field="side", tag="buy"):
    price: float


class Sell(msgspec.Struct, tag_field="side", tag="sell"):
    price: float


class Opened(msgspec.Struct, array_like=True, tag="o"):
    price: float


class Closed(msgspec.Struct, array_like=True, tag="c"):
    at: int
    price: float


def test_the_tag_of_a_union_chooses_the_type(tmp_path):
    path = written(tmp_path, '{"side":"sell","price":2}', '{"price":1,"side":"buy"}', '{"side":"hold","price":1}')
    items, [said] = read_all(sources.jsonl(path, Buy | Sell))
    assert items == [Sell(2.0), Buy(1.0)]
    assert said.endswith("line 3: must be JSON of the items' type: Invalid value 'hold' - at `$.side`, got 'hold'")


def test_a_union_of_lists_has_its_tag_first_and_names_fields(tmp_path):
    path = written(tmp_path, '["c","7","1.5"]', '["o",1]', '["c",7,"x"]')
    items, [said] = read_all(sources.jsonl(path, Opened | Closed, strict=False))
    assert items == [Closed(7, 1.5), Opened(1.0)]
    assert said.endswith("Expected `float`, got `str` - at `$[2]` (price), got 'x'")


def test_a_union_is_routed_by_type(tmp_path):
    path = written(tmp_path, *(f'{{"side":"{"buy" if n % 3 else "sell"}","price":{n}}}' for n in range(6)))
    routes = rxdag.from_source(sources.jsonl(path, Buy | Sell)).pipe(
        rxdag.operators.route({"buys": lambda each: isinstance(each, Buy)}, default="sells")
    )
    assert routes["buys"].collect() == [Buy(1.0), Buy(2.0), Buy(4.0), Buy(5.0)]
    assert routes["sells"].collect() == [Sell(0.0), Sell(3.0)]


# ---- envelopes


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


# ---- types with code of their own


def test_a_type_with_code_of_its_own_sees_each_record_once(tmp_path):
    seen = []

    class Noted(msgspec.Struct):
        n: int

        def __post_init__(self):
            seen.append(self.n)

    class Other(msgspec.Struct, tag="other"):
        n: int

    class Tagged(Noted, tag="tagged"):
        pass

    path = written(tmp_path, '{"data":[{"n":1},{"n":2},{"n":"x"},{"n":3}]}')
    items, dead = read_all(sources.jsonl(path, Noted, records="data"))
    assert (seen, [item.n for item in items], len(dead)) == ([1, 2, 3], [1, 2, 3], 1)
    seen.clear()
    many = written(tmp_path, *(f'{{"type":"tagged","n":{n}}}' for n in range(9000)), '{"type":"tagged"}')
    items, _ = read_all(sources.jsonl(many, Tagged | Other), size=1000)
    assert seen == [item.n for item in items] == list(range(9000))


# ---- arguments


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"strict": 2}, "strict must be True or False, got 2"),
        ({"records": "data..x"}, 'records must be names of fields with dots between them, such as "data.trades", got'),
        ({"records": 3}, 'records must be names of fields with dots between them, such as "data.trades", got 3'),
        ({"when": {"a": 1}}, "when must come with records=, got {'a': 1} alone; pass records=\"\" if each text"),
        (
            {"records": "a", "when": {}},
            'when must map paths to texts, ints or bools, such as {"channel": "trade"}, got',
        ),
        ({"records": "a", "when": {"b": 1.5}}, "when must map paths to texts, ints or bools"),
        ({"records": "a", "when": {3: 1}}, "when must map paths to texts, ints or bools"),
        ({"records": "a", "when": 3}, "when must map paths to texts, ints or bools"),
        ({"records": "a", "when": {".b": 1}}, "when must be names of fields with dots between them"),
    ],
)
def test_wrong_arguments_are_refused_at_once(how, said):
    with pytest.raises(GraphError) as caught:
        sources.jsonl("t.jsonl", Trade, **how)
    assert f"jsonl: {said}" in str(caught.value)
