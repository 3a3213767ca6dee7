"""What a type says of its items holds in every format, on rows and on columns: `msgspec.Meta` and `__post_init__`."""

import dataclasses
import datetime as dt
import json
from typing import Annotated, NamedTuple, TypedDict

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import rxdag
from rxdag import NodeError, SourceError, col, lit, on_error, sinks, sources, windows
from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag.testing import feed, settle_virtual, virtual

FORMS = ("csv", "csv.gz", "jsonl", "parquet", "arrow", "arrays")
NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class Limited(msgspec.Struct):
    x: NotNegative


@dataclasses.dataclass
class LimitedPoint:
    x: NotNegative


class LimitedPair(NamedTuple):
    x: NotNegative


class LimitedRow(TypedDict):
    x: NotNegative


class MaybeLimited(msgspec.Struct):
    x: NotNegative | None


class Checked(msgspec.Struct):
    x: int

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("x must not be negative")


@dataclasses.dataclass
class CheckedPoint:
    x: int

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("x must not be negative")


class Strict(msgspec.Struct):
    x: int

    def __post_init__(self):
        if self.x < 0:
            raise LookupError("no such x")


class Doubled(msgspec.Struct):
    x: int

    def __post_init__(self):
        self.x *= 2


@dataclasses.dataclass
class ByHand:
    x: int

    def __init__(self, x):
        if x < 0:
            raise ValueError("x must not be negative")
        self.x = x


class _Two(NamedTuple):
    x: int


class Made(_Two):
    def __new__(cls, x):
        if x < 0:
            raise ValueError("x must not be negative")
        return super().__new__(cls, x)


LIMITED = (Limited, LimitedPoint, LimitedPair, LimitedRow, MaybeLimited)
CHECKED = (Checked, CheckedPoint, Strict, ByHand, Made)


def source(form, folder, values, of, kind=None):
    """A source of items with one field x."""
    path = folder / f"t.{form}"
    if form == "jsonl":
        is_list = issubclass(of, tuple)
        path.write_text("".join(json.dumps([x] if is_list else {"x": x}) + "\n" for x in values))
    elif form.startswith("csv"):
        import gzip

        text = "x\n" + "".join(f"{x}\n" for x in values)
        path.write_bytes(gzip.compress(text.encode()) if form == "csv.gz" else text.encode())
    elif form == "parquet":
        parquet.write_table(pa.table({"x": pa.array(values, kind)}), path)
    if form == "arrow":
        return sources.arrow(pa.table({"x": pa.array(values, kind)}), of)
    if form == "arrays":
        return sources.arrays({"x": values}, of)
    return getattr(sources, form.split(".")[0])(path, of)


def x_of(item):
    return item["x"] if isinstance(item, dict) else item.x


def run(dag_of, columns):
    """The result of a graph of named sinks, on columns or on rows."""
    result = settle_virtual(virtual(rxdag.compile(rxdag.Dag(*dag_of()), columns=columns)))
    assert result.problems == ()
    return result


@pytest.mark.parametrize("form", FORMS)
def test_the_type_goes_by_name_too(form, tmp_path):
    made = source(form, tmp_path, [1], Limited)
    given = {"arrow": pa.table({"x": [1]}), "arrays": {"x": [1]}}.get(form, tmp_path / f"t.{form}")
    named = getattr(sources, form.split(".")[0])(given, of=Limited)
    assert rxdag.from_source(named).collect() == rxdag.from_source(made).collect() == [Limited(1)]


# ---- a row that its type refuses


@pytest.mark.parametrize(
    ("form", "of"),
    # msgspec, which reads JSON, makes items without their own __init__ or __new__.
    [(form, of) for form in FORMS for of in (*LIMITED, *CHECKED) if form != "jsonl" or of not in (ByHand, Made)],
)
def test_a_row_that_its_type_refuses_goes_to_dead_and_the_run_goes_on(form, of, tmp_path):
    stream = rxdag.from_source(source(form, tmp_path, [1, -1, 2, -2, 3], of), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [x_of(item) for item in result[out]] == [1, 2, 3]
    assert [type(item) for item in result[out]] == [dict if of is LimitedRow else of] * 3
    line = "[-1]\n" if issubclass(of, tuple) else '{"x": -1}\n'
    raw = {"csv": ["-1"], "csv.gz": ["-1"], "jsonl": line}
    assert result[dead][0].item == raw.get(form, {"x": -1})
    assert len(result[dead]) == 2


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("of", [Limited, Checked, Strict])
@pytest.mark.parametrize("form", FORMS)
def test_a_row_that_its_type_refuses_ends_the_run_behind_those_before_it(form, of, columns, tmp_path):
    stream = rxdag.from_source(source(form, tmp_path, [1, -1, 2], of)).pipe(ops.map(col.x))
    result = run(lambda: [stream.to(sinks.collect(), name="out")], columns)
    assert result["out"] == [1]
    assert isinstance(result.error, NodeError)
    assert isinstance(result.error.__cause__, SourceError)
    said = str(result.error)
    assert "-1" in said
    assert ("line 3" if form.startswith("csv") else "line 2" if form == "jsonl" else "row 2") in said
    if of is not Limited:
        assert ("no such x" if of is Strict else "x must not be negative") in said
    elif form != "jsonl":
        assert 'column "x"' in said


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (Limited, "t.csv: line 2: column \"x\": must be within its limits (Expected `int` >= 0), got '-1'"),
        (Checked, "t.csv: line 2: must be Checked: ValueError: x must not be negative, got ['-1']"),
    ],
)
def test_csv_says_where_and_what(of, message, tmp_path):
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(source("csv", tmp_path, [-1], of)).collect()
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize("form", ["arrow", "arrays"])
def test_columns_say_where_and_what(form, tmp_path):
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(source(form, tmp_path, [1, -1], Limited)).collect()
    assert f'{form}: column "x" must be Annotated[int, msgspec.Meta(ge=0)], got -1 in row 2' in str(caught.value)
    with pytest.raises(NodeError) as caught:
        rxdag.from_source(source(form, tmp_path, [1, -1], Checked)).collect()
    assert f"{form}: row 2: must be Checked: ValueError: x must not be negative, got {{'x': -1}}" in str(caught.value)


@pytest.mark.parametrize("form", ["arrow", "parquet", "arrays"])
def test_a_value_that_does_not_fit_its_field_goes_to_dead_too(form, tmp_path):
    of = msgspec.defstruct("Item", [("x", float)])
    stream = rxdag.from_source(source(form, tmp_path, [1.0, None, 2.0, None], of), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [item.x for item in result[out]] == [1.0, 2.0]
    assert [letter.item for letter in result[dead]] == [{"x": None}, {"x": None}]
    assert "in row 4; declare the field as float | None" in str(result[dead][1].error)


@pytest.mark.parametrize("form", ["arrow", "parquet", "arrays"])
def test_bad_rows_are_found_wherever_they_stand(form, tmp_path):
    values = list(range(70_000))
    for at in (0, 1, 777, 65_535, 65_536, 69_999):
        values[at] = -1
    stream = rxdag.from_source(source(form, tmp_path, values, Limited), on_error=on_error.dead)
    out, dead = stream.pipe(ops.map(col.x)).to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert result[out] == [x for x in values if x >= 0]
    rows = ["row 1;", "row 2;", "row 778;", "row 65,536;", "row 65,537;", "row 70,000;"]
    assert all(row in str(letter.error) for row, letter in zip(rows, result[dead], strict=True))


# ---- limits of every kind


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (Annotated[int, msgspec.Meta(gt=1, lt=5)], 2, 5),
        (Annotated[float, msgspec.Meta(le=1.5)], 1.5, 1.75),
        (Annotated[int, msgspec.Meta(multiple_of=3)], 3, 4),
        (Annotated[str, msgspec.Meta(max_length=2)], "ab", "abc"),
        (Annotated[str, msgspec.Meta(min_length=2)], "ab", "a"),
        (Annotated[str, msgspec.Meta(pattern="^a")], "ab", "ba"),
        (Annotated[str, msgspec.Meta(max_length=2)] | None, "ab", "abc"),
        (Annotated[int, "a comment", msgspec.Meta(ge=0)], 0, -1),
    ],
)
def test_every_limit_holds(form, hint, good, bad, tmp_path):
    of = msgspec.defstruct("Item", [("x", hint)])
    stream = rxdag.from_source(source(form, tmp_path, [good, bad, good], of), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert [item.x for item in result[out]] == [good, good]
    assert len(result[dead]) == 1


@pytest.mark.parametrize("form", ["arrow", "parquet", "arrays"])
@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (list[NotNegative], [0], [0, -1]),
        (Annotated[list[int], msgspec.Meta(max_length=1)], [1], [1, 2]),
        (Limited, {"x": 1}, {"x": -1}),
    ],
)
def test_limits_hold_inside_of_a_field(form, hint, good, bad, tmp_path):
    of = msgspec.defstruct("Item", [("x", hint)])
    stream = rxdag.from_source(source(form, tmp_path, [good, bad], of), on_error=on_error.dead)
    out, dead = stream.to(sinks.collect()), stream.dead.to(sinks.collect())
    result = rxdag.run(out, dead)
    assert (len(result[out]), [letter.item for letter in result[dead]]) == (1, [{"x": bad}])


def test_an_annotation_that_is_no_limit_changes_nothing(tmp_path):
    of = msgspec.defstruct("Item", [("x", Annotated[int, "ticks"])])
    for form in FORMS:
        assert rxdag.from_source(source(form, tmp_path, [1], of)).collect() == [of(1)]


# ---- rows and columns


@pytest.mark.parametrize("of", [Limited, Checked, Doubled, CheckedPoint])
@pytest.mark.parametrize("form", FORMS)
def test_columns_and_rows_give_the_same(form, of, tmp_path):
    def graph():
        stream = rxdag.from_source(source(form, tmp_path, [1, 3, -1, 2, 2], of), on_error=on_error.dead)
        kept = stream.pipe(ops.filter(col.x < 5))
        timed = stream.pipe(ops.event_time("x", unit="s"), ops.dedupe("x", within="10s"))
        bars = timed.pipe(ops.key_by("x"), ops.window(windows.tumbling("1s"), agg.sum("x")))
        return [
            kept.to(sinks.collect(), name="items"),
            kept.pipe(ops.select("x")).to(sinks.collect(), name="fields"),
            timed.to(sinks.collect(), name="once"),
            bars.to(sinks.collect(), name="bars"),
            stream.dead.pipe(ops.map(lambda letter: str(letter.error))).to(sinks.collect(), name="dead"),
        ]

    names = ("items", "fields", "once", "bars", "dead")
    seen = [[run(graph, columns)[name] for name in names] for columns in (True, False)]
    assert seen[0] == seen[1]
    if of is Doubled:
        assert [item.x for item in seen[0][0]] == [2, -2, 4, 4]
    else:
        assert ([item.x for item in seen[0][0]], len(seen[0][4])) == ([1, 3, 2, 2], 1)


@pytest.mark.parametrize("of", [Checked, CheckedPoint, Doubled, ByHand, Made])
@pytest.mark.parametrize(
    "make",
    [
        lambda of: ops.select("x", into=of),
        lambda of: ops.select(x=col.x - 0, into=of),
        lambda of: ops.with_columns(x=col.x + 0, into=of),
        lambda of: ops.map_batch(lambda batch: {"x": batch["x"]}, of=of),
        lambda of: ops.map_batch(lambda batch: batch, batch_format="pyarrow", of=of),
    ],
)
def test_operators_that_make_items_of_a_type_run_its_code_once(make, of):
    def graph():
        made = rxdag.from_source(sources.arrays({"x": [1, -1, 2]})).pipe(make(of), on_error=on_error.dead)
        kept = made.pipe(ops.filter(col.x > -5), ops.filter(lit(0) < col.x))
        return [
            kept.to(sinks.collect(), name="out"),
            kept.pipe(ops.map(col.x)).to(sinks.collect(), name="fields"),
            made.dead.pipe(ops.map(lambda letter: letter.item)).to(sinks.collect(), name="dead"),
        ]

    for columns in (True, False):
        result = run(graph, columns)
        assert [item.x for item in result["out"]] == ([2, 4] if of is Doubled else [1, 2])
        assert result["fields"] == ([2, 4] if of is Doubled else [1, 2])
        assert result["dead"] == ([] if of is Doubled else [{"x": -1}])


def test_a_function_that_makes_records_is_called_on_columns_too():
    def record(x):
        if x < 0:
            raise ValueError("x must not be negative")
        return {"x": x}

    def graph():
        made = rxdag.from_source(sources.arrays({"x": [1, -1]})).pipe(
            ops.select("x", into=record), on_error=on_error.dead
        )
        return [made.to(sinks.collect(), name="out"), made.dead.to(sinks.collect(), name="dead")]

    for columns in (True, False):
        result = run(graph, columns)
        assert (result["out"], [letter.item for letter in result["dead"]]) == ([{"x": 1}], [{"x": -1}])


def test_items_of_a_type_with_code_are_not_made_again_on_columns():
    items = [Doubled(1), Doubled(2)]  # of 2 and 4

    def graph():
        stream = rxdag.from_source(sources.iterable(items, of=Doubled))
        batch = stream.pipe(ops.map_batch(lambda batch: {"x": batch["x"] + 1}))
        return [stream.to(sinks.collect(), name="out"), batch.to(sinks.collect(), name="batch")]

    for columns in (True, False):
        result = run(graph, columns)
        assert result["out"] == items
        assert result["batch"] == [{"x": 3}, {"x": 5}]
    assert [item.x for item in items] == [2, 4]


def test_map_batch_holds_items_to_the_limits_of_their_type():
    operator = ops.map_batch(lambda batch: batch, of=Limited)
    assert feed(operator, [{"x": 1}]) == [Limited(1)]
    with pytest.raises(NodeError, match=r"must be Annotated\[int, msgspec.Meta\(ge=0\)\], got -1"):
        feed(operator, [{"x": -1}])


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "arrays"])
def test_a_type_without_checks_is_read_as_columns(form, tmp_path):
    plain = msgspec.defstruct("Item", [("x", int)])
    assert source(form, tmp_path, [1], plain).gives_columns
    assert source(form, tmp_path, [1], Limited).gives_columns
    assert not source(form, tmp_path, [1], Checked).gives_columns


# ---- numbers and times that are not quite those of the field


@pytest.mark.parametrize("form", ["arrow", "parquet", "arrays"])
@pytest.mark.parametrize("hint", [float, float | None, list[float], float | str])
@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_an_int_that_no_float_is_is_refused(form, hint, number, tmp_path):
    of = msgspec.defstruct("Item", [("x", hint)])
    value = [number] if hint == list[float] else number
    with pytest.raises(NodeError, match=f'column "x" must be .*{number}'):
        rxdag.from_source(source(form, tmp_path, [value], of)).collect()


@pytest.mark.parametrize("form", ["arrow", "parquet", "arrays"])
def test_an_int_that_a_float_is_is_taken_however_large(form, tmp_path):
    of = msgspec.defstruct("Item", [("x", float)])
    items = rxdag.from_source(source(form, tmp_path, [2**60, -(2**63), 2**53], of)).collect()
    assert [item.x for item in items] == [2.0**60, -(2.0**63), 2.0**53]


@pytest.mark.parametrize("form", ["arrow", "parquet", "arrays"])
@pytest.mark.parametrize(("hint", "inside"), [(float, False), (float | None, False), (list[float], True)])
def test_a_decimal_is_no_float(form, hint, inside, tmp_path):
    from decimal import Decimal

    of = msgspec.defstruct("Item", [("x", hint)])
    value = Decimal("0.10")
    with pytest.raises(NodeError, match='column "x" must be '):
        rxdag.from_source(source(form, tmp_path, [[value] if inside else value], of)).collect()


NAIVE = dt.datetime.fromisoformat("2024-01-05T09:30:00")


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (dt.datetime, NAIVE),
        (dt.datetime | None, NAIVE),
        (dt.datetime | str, NAIVE),
        (list[dt.datetime], [NAIVE]),
        (dict[str, dt.datetime], {"a": NAIVE}),
        (msgspec.defstruct("Inner", [("at", dt.datetime)]), {"at": NAIVE}),
    ],
)
def test_arrays_refuse_times_without_a_zone(hint, value):
    of = msgspec.defstruct("Item", [("x", hint)])
    with pytest.raises(
        NodeError, match=r"with a zone, got .* in row 1; set its zone, such as with replace\(tzinfo=UTC"
    ):
        rxdag.from_source(sources.arrays({"x": [value]}, of)).collect()


def test_times_of_numpy_are_utc_in_a_field_of_datetimes():
    of = msgspec.defstruct("Item", [("x", dt.datetime)])
    [item] = rxdag.from_source(sources.arrays({"x": np.array(["2024-01-05T09:30"], "M8[s]")}, of)).collect()
    assert item.x == NAIVE.replace(tzinfo=dt.UTC)
