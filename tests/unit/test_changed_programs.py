"""Programs that have changed since the checkpoint: what continues, what is refused, and by which words."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

import msgspec
import pytest
from tests.unit.test_checkpointed_runs import ROWS, Steady, settled, stop_at, virtual

import rxdag
from rxdag import aggregates as agg
from rxdag import checkpoints, col, sinks, sources, windows
from rxdag import operators as ops
from rxdag.codec import Codec
from rxdag.contract import Accumulator, Aggregate, ColumnsAggregate, Kernel, Operator, Shape
from rxdag.errors import CheckpointError, StateError
from rxdag.runtime._identity import graph_of

REFUSED = 'dag "job": must be the graph of the checkpoint, but '
OVER = "; or start over with fresh=True"


def job(*steps, rows=ROWS, of=None):
    """A graph of a steady source of rows, and steps: each an operator, or a pair of a name and an operator."""
    source = replace(Steady(tuple(rows)))
    object.__setattr__(source, "shape", Shape(of))
    stream = rxdag.from_source(source, name="rows")
    for step in steps:
        name, operator = step if isinstance(step, tuple) else (None, step)
        stream = stream.pipe(operator, name=name)
    return rxdag.Dag(stream.to(sinks.collect(), name="out"), name="job")


def stopped(dag, at_ms=505):
    """Return a store with the state of a run in the middle."""
    store = checkpoints.memory()
    stop_at(dag, store, at_ms)
    return store


def refusal(dag, store, **options):
    """Return what the error says of a graph that cannot be continued."""
    with pytest.raises(CheckpointError) as raised:
        virtual(dag, store, **options)
    text = str(raised.value)
    assert text.startswith(REFUSED)
    assert text.endswith(OVER)
    return text.removeprefix(REFUSED).removesuffix(OVER)


def total():
    return ops.scan(0, lambda n, row: n + row["n"])


# ---- nodes that come, go, and have other names


def test_a_node_that_is_new_begins_empty_and_is_logged(caplog):
    caplog.set_level("INFO")
    store = stopped(job(("sum", total())))

    result = settled(virtual(job(("sum", total()), ("mean", ops.scan(0, lambda n, _: n + 1))), store))

    assert result["out"][51:] == list(range(1, 50))
    lines = [record for record in caplog.records if record.code == "state.empty"]
    assert [(line.node, line.dag) for line in lines] == [("mean", "job")]


def test_a_node_that_is_gone_is_refused():
    store = stopped(job(("sum", total())))
    assert refusal(job(), store) == 'node "sum" was removed, with its state; pass allow_drop=["sum"]'
    assert len(settled(virtual(job(), store, allow_drop=["sum"]))["out"]) == 100


@pytest.mark.parametrize(
    ("names", "near"), [(["total"], "total"), (["other", "sums"], "sums"), (["a", "b"], None)], ids=str
)
def test_a_node_of_another_name_is_refused_with_the_new_one_that_is_most_like_it(names, near):
    store = stopped(job(("sum", total())))
    hint = f'; if it is "{near}" now, pass renamed={{"sum": "{near}"}}, else' if near else "; pass"
    now = job(*((name, ops.scan(0, lambda n, _: n)) for name in names))
    assert refusal(now, store) == f'node "sum" was removed, with its state{hint} allow_drop=["sum"]'


def test_a_node_of_another_kind_is_not_suggested():
    store = stopped(job(("sum", total())))
    assert refusal(job(("sums", ops.dedupe("n", max_keys=5))), store) == (
        'node "sum" was removed, with its state; pass allow_drop=["sum"]'
    )


def test_a_renamed_node_continues():
    store = stopped(job(("sum", total())))
    result = settled(virtual(job(("total", total())), store, renamed={"sum": "total"}))
    assert result["out"][-1] == sum(range(100))


# ---- parameters, which are compared as the operator understands them


def test_another_parameter_is_refused():
    store = stopped(job(("top", ops.dedupe("n", max_keys=50))))
    assert refusal(job(("top", ops.dedupe("n", max_keys=60))), store) == (
        'node "top": max_keys was 50, and is 60; undo that, or pass allow_drop=["top"]'
    )


BATCH = [
    ops.batch(7, max_wait="3s"),
    ops.batch(7, max_wait="3000ms"),
    ops.batch(7, max_wait=timedelta(seconds=3)),
    ops.batch(7, max_wait="3s", emit_empty=False),
]


@pytest.mark.parametrize("now", range(1, 4))
def test_the_same_duration_in_other_words_is_no_change_nor_is_a_default_that_is_written_out(now):
    store = stopped(job(("batch", BATCH[0])))
    assert len(settled(virtual(job(("batch", BATCH[now])), store))["out"]) == 15


def test_another_duration_is_a_change():
    store = stopped(job(("batch", BATCH[0])))
    assert refusal(job(("batch", ops.batch(7, max_wait="4s"))), store) == (
        'node "batch": max_wait was "3s", and is "4s"; undo that, or pass allow_drop=["batch"]'
    )


def test_a_duration_inside_of_an_argument_may_be_in_other_words_too():
    def dag(size):
        return job(
            ("time", ops.event_time("ts", unit="ms")),
            ops.key_by("key"),
            ("bars", ops.window(windows.tumbling(size), agg.count())),
        )

    assert len(settled(virtual(dag("2000ms"), stopped(dag("2s"))))["out"]) == 10


def test_an_adjustable_argument_may_be_left_out_if_its_default_is_not_none():
    def dag(**lag):
        return job(("time", ops.event_time("ts", unit="ms", **lag)))

    assert len(settled(virtual(dag(), stopped(dag(out_of_order="300ms"))))["out"]) == 100
    assert len(settled(virtual(dag(out_of_order="300ms"), stopped(dag())))["out"]) == 100


# ---- keys


class Row(msgspec.Struct, frozen=True):
    n: int
    key: str
    place: str = ""


class NumberedRow(msgspec.Struct, frozen=True):
    n: int
    key: int


def keyed(key, of=Row, rows=None):
    made = rows or [Row(row["n"], row["key"]) for row in ROWS]
    return job(ops.key_by(key), ("sum", ops.scan(0, lambda n, row: n + row.n)), rows=made, of=of)


@pytest.mark.parametrize(
    ("now", "of", "said"),
    [
        ("place", Row, 'key_by("place") of text'),
        ("key", NumberedRow, 'key_by("key") of number'),
        (lambda row: row.key, Row, "key_by(lambda row: row.key)"),
    ],
    ids=["field", "type", "function"],
)
def test_another_key_is_refused(now, of, said):
    store = stopped(keyed("key"))
    assert refusal(keyed(now, of), store) == (
        f'node "sum": its key was key_by("key") of text, and is {said}; undo that, or pass allow_drop=["sum"]'
    )


def test_a_key_that_is_gone_is_refused():
    store = stopped(keyed("key"))
    rows = [Row(row["n"], row["key"]) for row in ROWS]
    now = job(("sum", ops.scan(0, lambda n, row: n + row.n)), rows=rows, of=Row)
    assert refusal(now, store) == (
        'node "sum": its key was key_by("key") of text, and is none; undo that, or pass allow_drop=["sum"]'
    )


def test_the_same_key_as_an_expression_is_no_change():
    assert len(settled(virtual(keyed(col.key), stopped(keyed("key"))))["out"]) == 100


# ---- sources and the format


def test_a_source_that_has_moved_is_refused(tmp_path):
    def dag(path):
        rows = rxdag.from_source(sources.jsonl(path, dict), name="rows")
        return rxdag.Dag(rows.pipe(ops.delay("1s"), name="late").to(sinks.collect(), name="out"), name="job")

    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    for path in (old, new):
        path.write_text('{"n": 1}\n{"n": 2}\n')
    store = stopped(dag(old), 500)
    assert refusal(dag(new), store) == (
        f'node "rows": path was "{old}", and is "{new}"; undo that, or pass allow_drop=["rows"]'
    )


def test_a_relative_path_in_another_working_directory_is_shown_with_its_folder(tmp_path, monkeypatch):
    def dag():
        rows = rxdag.from_source(sources.jsonl("rows.jsonl", dict), name="rows")
        return rxdag.Dag(rows.pipe(ops.delay("1s"), name="late").to(sinks.collect(), name="out"), name="job")

    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (new, old):
        folder.mkdir()
        (folder / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
        monkeypatch.chdir(folder)
    store = stopped(dag(), 500)
    monkeypatch.chdir(new)
    assert refusal(dag(), store) == (
        f'node "rows": path was "{old}/rows.jsonl", and is "{new}/rows.jsonl"; undo that, or pass allow_drop=["rows"]'
    )


def test_a_checkpoint_of_a_newer_format_is_refused(monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr("rxdag.runtime._recovery.FORMAT", 2)
        store = stopped(job(("sum", total())))
    with pytest.raises(CheckpointError) as raised:
        virtual(job(("sum", total())), store)
    assert str(raised.value) == (
        f"checkpoint 1: must be of format 1 or older, got 2, of rxdag {rxdag.__version__}; use that version or a newer one"
    )


# ---- records


def records(cls, *made):
    """A graph that holds records of a class, of which each program has one of its own."""
    cls.__module__, cls.__qualname__ = __name__, "Kept"
    globals()["Kept"] = cls
    return job(("late", ops.delay("1d")), rows=made or [cls(i, i) for i in range(100)])


def kept(*fields):
    return msgspec.defstruct("Kept", fields, module=__name__)


def test_a_record_continues_with_a_new_field_a_lost_one_and_a_float_for_an_int():
    store = stopped(records(kept(("a", int), ("b", int))))

    now = kept(("b", float), ("c", str, "new"))
    result = settled(virtual(records(now), store))

    assert (result.state, result.error) == ("completed", None)
    assert result["out"][:50] == [now(float(i), "new") for i in range(50)]
    assert {type(row.b) for row in result["out"][:50]} == {float}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ((("a", str), ("b", int)), "late: Kept.a must be str, got a saved int; undo the change from int"),
        ((("a", int), ("d", int)), "late: must fit Kept: Missing required argument 'd'; give new fields a default"),
    ],
)
def test_a_record_of_a_class_that_does_not_take_what_was_saved_is_refused(fields, said):
    store = stopped(records(kept(("a", int), ("b", int))))
    assert refusal(records(kept(*fields)), store) == f'{said}, or pass allow_drop=["late"]'


def test_a_class_that_is_gone_is_refused():
    store = stopped(records(kept(("a", int), ("b", int))))
    del globals()["Kept"]
    assert refusal(job(("late", ops.delay("1d"))), store) == (
        f"late: must name known enums and records, got '{__name__}:Kept'; import its module first, or pass the class in "
        'types=, or in state_types= of a run, or pass allow_drop=["late"]'
    )


# ---- versions of the state of a kernel


class _CountKernel(Kernel):
    state = ("n",)
    n = 0

    def on_item(self, item, emit):
        self.n += 1
        emit(self.n)


class _CountsKernel(Kernel):
    """The same, with the count in a list."""

    state = ("counts",)
    state_version: ClassVar[int] = 2

    def __init__(self):
        self.counts = [0]

    def on_item(self, item, emit):
        self.counts[0] += 1
        emit(self.counts[0])

    def migrate(self, saved, version):
        assert version == 1
        return {"counts": [saved["n"]]}


class _ForgetfulKernel(_CountsKernel):
    migrate = Kernel.migrate


class _FailingKernel(_CountsKernel):
    def migrate(self, saved, version):
        return {"counts": [saved["m"]]}


@dataclass(frozen=True)
class Count(Operator[Any, int]):
    made: type[Kernel]
    label = "count_up"

    def kernel(self):
        return self.made()


def counting(kernel):
    return job(("count", Count(kernel)))


def test_the_state_of_an_older_version_is_migrated():
    result = settled(virtual(counting(_CountsKernel), stopped(counting(_CountKernel))))
    assert result["out"] == list(range(1, 101))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (
            _CountsKernel,
            _CountKernel,
            'node "count": its state must be of version 1 or older, got 2, written by a newer count_up; run the newer one, '
            'or pass allow_drop=["count"]',
        ),
        (
            _CountKernel,
            _ForgetfulKernel,
            'node "count": migrate must take state of version 1, got StateError: _ForgetfulKernel must define migrate to '
            'read state of version 1, got none; correct it, or pass allow_drop=["count"]',
        ),
        (
            _CountKernel,
            _FailingKernel,
            "node \"count\": migrate must take state of version 1, got KeyError: 'm'; correct it, or pass "
            'allow_drop=["count"]',
        ),
    ],
    ids=["newer", "no migrate", "migrate fails"],
)
def test_the_state_of_a_version_that_cannot_be_taken_up_is_refused(was, now, said):
    store = stopped(counting(was))
    assert refusal(counting(now), store) == said
    assert settled(virtual(counting(now), store, allow_drop=["count"]))["out"][-1] < 100


class Unread:
    def __repr__(self):
        raise AssertionError


def test_the_items_of_a_source_take_no_time_when_a_graph_is_identified():
    rows = rxdag.from_source(sources.iterable([Unread()], replay=True), name="rows")
    graph = graph_of(rxdag.compile(rxdag.Dag(rows.to(sinks.null(), name="out"), name="job")))
    assert list(graph["nodes"]["rows"]["parameters"]) == ["replay"]


# ---- versions of the state of an accumulator


class _Sum(Accumulator[Any, int]):
    state = ("total",)

    def __init__(self):
        self.total = 0

    def add(self, item):
        self.total += item["n"]

    def result(self):
        return self.total

    def merge(self, other):
        self.total += other.total


class _Listed(Accumulator[Any, int]):
    """The same, with the numbers in a list."""

    state = ("numbers",)
    state_version: ClassVar[int] = 2

    def __init__(self):
        self.numbers = []

    def add(self, item):
        self.numbers.append(item["n"])

    def result(self):
        return sum(self.numbers)

    def merge(self, other):
        self.numbers += other.numbers

    def migrate(self, saved, version):
        assert version == 1
        (total,) = saved
        return [[total]]


class _Third(_Listed):
    """The same, with the numbers under another name."""

    state_version: ClassVar[int] = 3

    def migrate(self, saved, version):
        return saved if version == 2 else super().migrate(saved, version)


class _Forgetful(_Listed):
    migrate = Accumulator.migrate


class _Wrong(_Listed):
    def migrate(self, saved, version):
        raise KeyError("m")


@dataclass(frozen=True)
class Summed(Aggregate[Any, int]):
    made: Any
    together: bool = False

    @property
    def commutes(self):
        return self.together

    def accumulator(self):
        return self.made()


WINDOWS = {
    "tumbling": windows.tumbling("2s"),
    "shared slices": windows.sliding("4s", "2s"),
    "sessions": windows.session("500ms"),
    "global": windows.global_(),
}


def summing(kind, window, *, in_named=False, **options):
    aggregate = Summed(lambda: kind(), together=window == "shared slices")  # functions are not compared
    made = agg.named(sum=aggregate, n=agg.count()) if in_named else aggregate
    return job(
        ("time", ops.event_time("ts", unit="ms")),
        ops.key_by("key"),
        ("sums", ops.window(WINDOWS[window], made, **options)),
    )


@pytest.mark.parametrize("in_named", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("was", "now"), [(_Sum, _Listed), (_Sum, _Third), (_Listed, _Third), (_Third, _Third)])
def test_open_panes_are_migrated_to_the_version_of_their_accumulator(was, now, window, in_named):
    whole = settled(virtual(summing(_Sum, window, in_named=in_named), checkpoints.memory()))["out"]
    store = stopped(summing(was, window, in_named=in_named))
    assert settled(virtual(summing(now, window, in_named=in_named), store))["out"] == whole


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        (_Listed, _Sum, "the state of _Sum must be of version 1 or older, got 2; run the newer program"),
        (
            _Sum,
            _Forgetful,
            "migrate of _Forgetful must take state of version 1, got StateError: _Forgetful must define migrate to read "
            "state of version 1, got none; correct it",
        ),
        (_Sum, _Wrong, "migrate of _Wrong must take state of version 1, got KeyError: 'm'; correct it"),
    ],
    ids=["newer", "no migrate", "migrate fails"],
)
@pytest.mark.parametrize("window", WINDOWS)
def test_panes_of_a_version_that_cannot_be_taken_up_are_refused(was, now, said, window):
    store = stopped(summing(was, window))
    assert refusal(summing(now, window), store) == f'node "sums": {said}, or pass allow_drop=["sums"]'
    assert settled(virtual(summing(now, window), store, allow_drop=["sums"])).state == "completed"


class _Arrays(ColumnsAggregate):
    """The sums of panes in a list, saved in the form of `_Listed`."""

    def __init__(self):
        self.numbers = []

    def read(self, columns):
        raise NotImplementedError

    def reserve(self, size):
        self.numbers += [[] for _ in range(size - len(self.numbers))]

    def clear(self, places):
        for place in places.tolist():
            self.numbers[place] = []

    def add(self, values, groups):
        raise NotImplementedError

    def results(self, places):
        return [sum(self.numbers[place]) for place in places.tolist()]

    def snapshot(self, places):
        return [[self.numbers[place]] for place in places.tolist()]

    def restore(self, place, saved):
        (self.numbers[place],) = saved


@dataclass(frozen=True)
class SummedArrays(Summed):
    def in_columns(self):
        return _Arrays()


@pytest.mark.parametrize("window", ["tumbling", "global"])
def test_panes_in_columns_are_migrated_and_saved_as_those_in_rows(window):
    def kernel(kind, in_columns):
        made = ops.window(WINDOWS[window], SummedArrays(kind)).kernel()
        return made.in_columns() if in_columns else made

    rows, columns = kernel(_Sum, False), kernel(_Listed, True)
    for n in (1, 2, 3):
        rows.on_item(item={"n": n}, ts=0, sequence=0, key="a", emit=None)
    columns.restore(Codec().decode(Codec().encode(rows.snapshot())))
    saved = Codec().decode(Codec().encode(columns.snapshot()))
    again = kernel(_Listed, False)
    again.restore(saved)
    assert "'state_version': 2, 'state': [[6]]" in str(saved)
    assert again.snapshot() == saved
    with pytest.raises(StateError, match="the state of _Sum must be of version 1 or older, got 2"):
        kernel(_Sum, True).restore(saved)
