"""JSON as venues write it: numbers as texts, records as lists, and unions."""

import datetime
import json
from decimal import Decimal

import msgspec
import pytest
from tests.unit.reading import read_all

import rxdag
from rxdag import GraphError, sources


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
