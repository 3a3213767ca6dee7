"""Units of times found by magnitude, and times that are refused because they are too early or too late."""

import logging
import random

import numpy as np
import pytest
from tests.unit.event_times import NOON, NS, See, lanes, read, source_of

import rxdag
from rxdag import GraphError, NodeError, on_error, sinks, sources
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.columns import Columns
from rxdag.contract import Shape
from rxdag.testing._check_graph import Driven
from rxdag.testing._check_recover import Drives


def changes(caplog):
    return [(record.before, record.after) for record in caplog.records if record.code == "unit.changed"]


# ---- by magnitude


@lanes
@pytest.mark.parametrize(
    ("time", "ns"),
    [
        (NOON, NOON * NS),
        (NOON * 1_000 + 1, NOON * NS + 1_000_000),
        (NOON * 1_000_000 + 1, NOON * NS + 1_000),
        (NOON * NS + 1, NOON * NS + 1),
        (10**9, 10**18),
        (10**11, 10**17),
        (10**14, 10**17),
        (10**17, 10**17),
        (0, 0),
        (-NOON, -NOON * NS),
        (-NOON * 1_000, -NOON * NS),
        (-(10**17), -(10**17)),
    ],
)
def test_the_magnitude_tells_the_unit(lane, time, ns):
    assert read(lane, np.array([time]), unit="auto") == ([ns], [])


@lanes
def test_a_time_too_late_for_the_unit_that_its_magnitude_tells_goes_to_dead(lane):
    out, dead = read(lane, np.array([10**11 - 1, NOON, 10**14 - 1, -(2**63)]), unit="auto", policy=on_error.raise_)
    assert out == [NOON * NS]
    assert ["within 1677 to 2262" in error for error in dead] == [True, True, True]


@lanes
def test_each_change_of_the_unit_is_logged(lane, caplog):
    times = np.array([NOON * 1_000, NOON * 1_000, NOON * 1_000_000 + 7, NOON * 1_000 + 1])
    with caplog.at_level(logging.WARNING, "rxdag"):
        out, _ = read(lane, times, unit="auto")
    assert out == [NOON * NS, NOON * NS, NOON * NS + 7_000, NOON * NS + 1_000_000]
    assert changes(caplog) == [("ms", "us"), ("us", "ms")]


@lanes
def test_an_item_that_is_refused_changes_no_unit(lane, caplog):
    rows = [(NOON * 1_000, 1), (NOON, "x"), (NOON * 1_000 + 1, 2)]
    given = {"t": np.array([t for t, _ in rows]), "q": [q for _, q in rows]}
    items = [dict(zip(given, row, strict=True)) for row in rows]
    source = sources.iterable(items, of=dict) if lane == "rows" else sources.arrays(given)
    timed = rxdag.from_source(source).pipe(ops.event_time("t", unit="auto", sequence="q"))
    with caplog.at_level(logging.WARNING, "rxdag"):
        result = rxdag.run(timed.to(sinks.null(), name="out"), timed.dead.to(sinks.null(), name="dead"))
    assert (result["out"], result["dead"]) == (2, 1)
    assert changes(caplog) == []


@pytest.mark.parametrize("how", [{"by": lambda row: "feed"}, {"watermarks": "source"}, {}])
def test_every_kind_of_event_time_logs_a_change(how, caplog):
    rows = [{"t": NOON}, {"t": NOON * 1_000 + 1}]
    stream = rxdag.from_source(sources.iterable(rows)).pipe(ops.event_time(lambda row: 0), name="before")
    with caplog.at_level(logging.WARNING, "rxdag"):
        out = stream.pipe(ops.event_time(lambda row: row["t"], unit="auto", **how)).pipe(See()).collect()
    assert out == [NOON * NS, NOON * NS + 1_000_000]
    assert changes(caplog) == [("s", "ms")]


class Exits:
    """Keeps what a kernel logs."""

    def __init__(self):
        self.told = []

    def __call__(self, *_, **__):
        pass

    def watermark(self, _):
        pass

    def tell(self, code, **fields):
        self.told.append((code, fields))


def give(kernel, lane, time):
    exits = Exits()
    if lane == "rows":
        kernel.on_item({"t": time}, exits)
    else:
        kernel.on_columns(Columns.from_columns({"t": np.array([time])}), exits)
    return exits.told


@pytest.mark.parametrize("first", ["rows", "columns"])
@lanes
def test_the_unit_is_known_after_a_restart_in_the_other_lane_too(lane, first):
    timed = ops.event_time("t", unit="auto").bound(Shape(dict))
    kernel, after = timed.kernel(), timed.kernel()
    assert give(kernel, first, NOON * 1_000) == []
    after.restore(kernel.snapshot())
    assert give(after, lane, NOON * 1_000_000) == [("unit.changed", {"before": "ms", "after": "us"})]


@pytest.mark.parametrize("kind", [int, float, str])
def test_the_state_goes_into_a_new_run_on_either_lane(kind):
    times = [kind(NOON + i if i % 3 else (NOON + i) * 1_000) for i in range(40)]

    def build(**how):
        timed = rxdag.from_source(sources.arrays({"t": times})).pipe(ops.event_time("t", unit="auto"))
        return Driven(rxdag.Dag(timed.pipe(ops.conflate(per="instant")).to(sinks.collect(), name="out")), **how)

    drives = Drives(build, Codec(), random.Random(0))
    assert drives.lanes == ("rows", "columns")
    assert len(drives.whole.outputs["out"]) == 40
    drives.check_state()
    drives.check_recover()


# ---- guards


@lanes
def test_times_outside_of_the_guards_fail_by_the_policy_of_the_node(lane):
    times = np.array([NOON - 1, NOON, NOON + 1, NOON + 2])
    guards = {"unit": "s", "not_before": "2024-05-06T12:00Z", "not_after": "2024-05-06T12:00:01+00:00"}
    out, dead = read(lane, times, **guards)
    assert out == [NOON * NS, (NOON + 1) * NS]
    assert dead == [
        'event_time: field "t" must be at or after 2024-05-06T12:00:00Z, got 1714996799, which is '
        "2024-05-06T11:59:59Z; correct the source, or pass an earlier not_before",
        'event_time: field "t" must be at or before 2024-05-06T12:00:01Z, got 1714996802, which is '
        "2024-05-06T12:00:02Z; correct the source, or pass a later not_after",
    ]
    assert read(lane, times, policy=on_error.skip, **guards) == (out, [])
    with pytest.raises(NodeError, match='field "t" must be at or after 2024-05-06T12:00:00Z, got 1714996799'):
        rxdag.from_source(source_of(lane, times)).pipe(ops.event_time("t", **guards)).collect()


@lanes
def test_a_guard_suggests_the_unit_in_which_the_time_would_be_taken(lane):
    _, dead = read(lane, np.array([NOON * 1_000]), not_before="2020-01-01T00:00Z")
    assert dead == [
        'event_time: field "t" must be at or after 2020-01-01T00:00:00Z, got 1714996800000, which is '
        '1970-01-01T00:28:34.996800Z; pass unit="ms", or pass an earlier not_before'
    ]


@lanes
@pytest.mark.parametrize("unit", ["ns", "auto"])
def test_a_guard_holds_to_the_nanosecond(lane, unit):
    times = np.array([NOON * NS - 1, NOON * NS, NOON * NS + 1])
    assert read(lane, times, unit=unit, not_before="2024-05-06T12:00:00.0000000019Z")[0] == [NOON * NS + 1]
    assert read(lane, times, unit=unit, not_after="2024-05-06T11:59:59.999999999Z")[0] == [NOON * NS - 1]


@lanes
def test_numpys_times_are_guarded_too(lane):
    times = np.array(["2019-12-31", "2020-01-01", "NaT"], "M8[ms]")
    out, dead = read(lane, times, not_before="2020-01-01T00:00Z")
    assert len(out) == 1
    assert ["must be at or after 2020" in error for error in dead] == [True, False]


def test_a_time_of_a_function_is_guarded_by_the_name_of_none():
    stream = rxdag.from_source(sources.iterable([5])).pipe(ops.event_time(lambda x: x, not_before="2020-01-01T00:00Z"))
    with pytest.raises(NodeError, match="event_time: a time must be at or after 2020"):
        stream.collect()


def test_a_guard_without_a_zone_is_in_that_of_the_times():
    options = {"unit": "s", "tz": "America/New_York", "not_before": "2024-05-06T08:00"}
    assert read("rows", [NOON - 1, NOON], **options)[0] == [NOON * NS]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"not_before": "2020-01-01"}, "not_before must have a time zone, got '2020-01-01'; write"),
        ({"not_after": "soon"}, "not_after must be a text such as .*, got 'soon'"),
        ({"not_before": 5}, "not_before must be a text such as .*, got 5"),
        ({"not_after": "0001-01-01T00:00Z"}, "not_after must be within 1677 to 2262, got '0001-01-01T00:00Z'"),
        ({"not_before": "2024-03-10T02:30", "tz": "America/New_York"}, "not_before: there is no 2024-03-10T02:30:00"),
        (
            {"not_before": "2021-01-01T00:00Z", "not_after": "2020-01-01T00:00Z"},
            "not_after must be at or after not_before, got '2020-01-01T00:00Z', which is before '2021-01-01T00:00Z'",
        ),
        ({"unit": "min"}, 'unit must be "ns", "us", "ms", "s" or "auto", got \'min\''),
    ],
)
def test_a_wrong_argument_is_refused_when_the_graph_is_made(options, message):
    with pytest.raises(GraphError, match=f"event_time: {message}"):
        ops.event_time("t", **options)
