"""Blocks of JSON lines give the items, the errors and the positions that the lines give one by one."""

import datetime
import gzip
import json
from contextlib import closing
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxdag import sources
from rxdag.contract import END
from tests.laws.test_blocks import check_both_ways, readings
from tests.unit.reading import Context

INTS, FLOATS, TEXTS = ["1", "0", "-5", "1.0"], ["1", "2.5", "-1e3"], ['"a"', '""', '"\\u00e9"', '"é"', '"\\n"', '"nan"']
TIMES = ['"2024-01-05T09:30:00Z"', '"2024-01-05T09:30:00.123456789Z"']
VALID = [
    (int, INTS),
    (float, FLOATS),
    (bool, ["true", "false"]),
    (str, TEXTS),
    (Any, [*TEXTS, *FLOATS, "null", "[1, {}]"]),
    (int | None, [*INTS, "null"]),
    (int | str, [*INTS, *TEXTS]),
    (Annotated[int, msgspec.Meta(ge=0)], ["1", "0"]),
    (Decimal, ['"1.10"', "-5"]),
    (datetime.datetime, TIMES),
    (datetime.datetime | None, [*TIMES, "null"]),
    (datetime.timedelta, ['"PT1.1234567S"', '"PT1S"']),
    (dict[datetime.datetime, int], ["{}", '{"2024-01-05T09:30:00.123456789Z": 1}']),
    (Literal["a"], ['"a"']),
    (Literal[1], ["1"]),
    (list[int], ["[]", "[1,2]"]),
]
ODD = [
    *(
        "",
        " ",
        "null",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        '"',
        "-",
        "+1",
        "01",
        "1.",
        "1e400",
        "NaN",
        "tru",
        "nan",
        "1 2",
        "{} {}",
    ),
    *(
        "{}{}",
        '{"f0":1}{"f0":2}',
        '{"f0":1},{"f0":2}',
        '"a\tb"',
        '"\\ud800"',
        '"\\x"',
        "\ufeff1",
        "\x0b",
        "\x1c",
        "\u2003",
        "\0",
    ),
    *(
        "\n",
        "1\n",
        "\n1",
        "1,\n2",
        "[1\n2]",
        "[1,\n2]",
        "[[1]\n,[2]]",
        '"a\nb"',
        "\r",
        "\r\n",
        "1\r",
        '{"a":\n{}}',
        "{}\n{}",
        "\u2028",
    ),
    *('"2024-01-05T09:30:00"', '"24-1-5"', "1704447000", '"1_0"', '"\u0661"', '"\\u0661"', "9" * 30, "[1]", "{}"),
    *('"1"', '"1.50"', '"-0"', '"true"', '"TRUE"', '"null"', '"1704447000"', '"1704447000.9999999"', "1704447000.5"),
    '{"2024-01-05T09:30:00.1234567Z": 1, "2024-01-05T09:30:00.1234568Z": 2}',
]


@st.composite
def files(draw):
    """The type of each field, or of bare items, and the lines: mostly valid ones."""
    random = draw(st.randoms(use_true_random=True))
    columns = random.choices(VALID, k=random.randint(1, 3))
    is_bare = random.random() < 0.3
    lines = []
    for _ in range(random.randint(0, 30)):
        cells = [random.choice(texts) for _, texts in columns]
        if random.random() < 0.1:
            cells[random.randrange(len(cells))] = random.choice([random.choice(ODD), draw(st.text(max_size=3))])
        names = ["f0", "f1", "f2"] if random.random() < 0.95 else ["x", "y", "z"]
        line = "{" + ",".join(f'"{name}":{cell}' for name, cell in zip(names, cells, strict=False)) + "}"
        lines.append(random.choice(["", "", "", " ", random.choice(ODD)]) + (cells[0] if is_bare else line))
    end = random.choice(["\n", "\n", "\r\n"])
    defaults = random.random() < 0.3
    fields = [(f"f{i}", kind, None) if defaults else (f"f{i}", kind) for i, (kind, _) in enumerate(columns)]
    of = columns[0][0] if is_bare else msgspec.defstruct("Item", fields)
    return of, end.join(lines) + random.choice([end, ""])


@given(
    file=files(),
    tz=st.sampled_from([None, "America/New_York"]),
    block_bytes=st.integers(1, 200),
    pick=st.integers(0, 20),
    size=st.integers(1, 9),
    raises=st.booleans(),
    strict=st.booleans(),
)
@settings(max_examples=500)
def test_a_file_of_json_lines_is_read_in_blocks_as_line_by_line(
    tmp_path_factory, file, tz, block_bytes, pick, strict, **options
):
    of, text = file
    path = tmp_path_factory.mktemp("jsonl") / "t.jsonl"
    path.write_bytes(text.encode())
    check_both_ways(sources.jsonl(path, of, tz=tz, strict=strict), block_bytes, pick, columns=False, **options)


@given(
    file=files(),
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    pick=st.integers(0, 20),
    size=st.integers(1, 9),
    raises=st.booleans(),
    strict=st.booleans(),
)
@settings(max_examples=300)
def test_records_in_envelopes_are_the_items_of_lines(tmp_path_factory, file, sizes, pick, size, raises, strict):
    of, text = file
    folder = tmp_path_factory.mktemp("jsonl")
    lines = [line for line in text.splitlines() if is_json(line)]
    envelopes, at = [], 0
    while at < len(lines):
        for n in sizes if any(sizes) else [1]:
            envelopes.append('{"a":{"b":[' + ",".join(lines[at : at + n]) + "]}}")
            at += n
    (folder / "lines.jsonl").write_text("\n".join(lines))
    (folder / "envelopes.jsonl").write_text("\n".join(envelopes))
    lines_alone = sources.jsonl(folder / "lines.jsonl", of, strict=strict)
    alone = readings(lines_alone, columns=False, raises=False, size=size)
    source = sources.jsonl(folder / "envelopes.jsonl", of, strict=strict, records="a.b")
    inside = readings(source, columns=False, raises=False, size=size)
    assert (inside[0], len(inside[1])) == (alone[0], len(alone[1]))
    check_both_ways(source, 100, pick, columns=False, raises=raises, size=size)


def is_json(text):
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError):
        return False
    return True


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("kind", "texts"), VALID, ids=[str(kind) for kind, _ in VALID])
@pytest.mark.parametrize("line", ["%s", '{"f":%s}', '{"f":1}%s', "[%s]"], ids=["bare", "field", "behind", "inside"])
def test_each_odd_text_is_read_in_a_block_as_in_a_line(tmp_path, kind, texts, line, strict):
    path = tmp_path / "t.jsonl"
    of = {"%s": kind, "[%s]": list[kind]}.get(line, msgspec.defstruct("Item", [("f", kind)]))
    first, last = (line.replace("1}%s", "%s}") % texts[at] for at in (0, -1))
    for odd in ODD:
        path.write_bytes(f"{first}\n{first}\n{line % odd}\n{last}\n{last}".encode())
        for block_bytes in (1, 200):
            source = sources.jsonl(path, of, strict=strict)
            check_both_ways(source, block_bytes, 2, columns=False, raises=False, size=4)


@pytest.mark.parametrize(
    "lines",
    [
        ['{"f":[1,2]},{"f":[3]}', '{"f":[4', "5]}"],
        ['{"f":[1]} {"f":[2]}', '{"f":', "[3]}"],
        ['{"f":[1]}{"f":[2]}', '{"f":[3', ",4]}"],
        ['{"f":[1]}{"f":[2]}', '{"f":[3]', "}"],
        ['{"f":[1]}{"f":[2]}', "", '{"f":[3]}'],
    ],
)
def test_two_items_in_a_line_do_not_make_up_for_one_in_two(tmp_path, lines):
    path = tmp_path / "t.jsonl"
    path.write_text('{"f":[0]}\n' + "\n".join(lines) + "\n")
    of = msgspec.defstruct("Item", [("f", list[int])])
    check_both_ways(sources.jsonl(path, of), 200, 1, columns=False, raises=False, size=4)


class Row(msgspec.Struct):
    a: int
    b: str = "none"


ROWS = "".join(f'{{"a":{i},"b":"t{i % 7}"}}\n' for i in range(2000))


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
@pytest.mark.parametrize(
    "data",
    [
        ROWS.encode(),
        ROWS.replace(":1500,", ":null,").encode(),
        ROWS.replace('1500,"b":"t2', '1500,"c":"\xe9').encode("latin-1"),
        ROWS.replace('1500,"b":"t2', '1500,"b":"é').encode(),
        ROWS.replace(':1500,"b":"t2"', f':1500,"c":"{"x" * 40_000}"').encode(),
        ROWS.replace("\n", "\r\n").encode(),
        ROWS[:-1].encode(),
    ],
    ids=["plain", "a bad value", "no UTF-8", "not ASCII", "a long line", "carriage returns", "no newline at the end"],
)
def test_a_long_file_of_json_lines_is_read_in_blocks_as_line_by_line(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    check_both_ways(sources.jsonl(path, Row), 5_000, 3, columns=False, raises=True, size=300)


@pytest.mark.parametrize("cut", [1, 5, 9, 100, 1000, 2000])
def test_a_truncated_file_of_json_lines_gives_the_lines_before_its_end(tmp_path, cut):
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(ROWS.encode())[:-cut])
    check_both_ways(sources.jsonl(path, Row), 5_000, 3, columns=False, raises=True, size=300)


def test_a_type_with_code_of_its_own_sees_each_item_once(tmp_path):
    seen = []

    class Noted(msgspec.Struct):
        a: int

        def __post_init__(self):
            seen.append(self.a)

    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"a":{i}}}\n' for i in range(10_000)) + "{}\n")
    with closing(sources.jsonl(path, Noted).open(Context())) as reader:
        while reader.read(1000) is not END:
            pass
    assert seen == [*range(10_000)]


def test_only_lines_that_need_it_are_decoded_one_by_one(tmp_path, monkeypatch):
    from rxdag.sources import _json_items

    one_by_one = []

    class Decoder(_json_items.JsonDecoder):
        def __init__(self, *args, **form):
            super().__init__(*args, **form)
            decode = self.decode
            self.decode = lambda line: one_by_one.append(line) or decode(line)

    path = tmp_path / "t.jsonl"
    line = json.dumps({"a": 1}) + "\n"
    # The first 65,536 bytes are read line by line, 1,000 at a time; a block has 1 MiB and the rest of its last line.
    path.write_text(line * 300_000 + "{}\n" + line * 300_000)
    source = sources.jsonl(path, Row)
    monkeypatch.setattr(_json_items, "JsonDecoder", Decoder)
    with closing(source.open(Context())) as reader:
        n = 0
        while (read := reader.read(1000)) is not END:
            n += len(read)
    assert n == 600_000
    assert 8_000 + 2**20 // len(line) <= len(one_by_one) <= 8_000 + 2**20 // len(line) + 2_000
