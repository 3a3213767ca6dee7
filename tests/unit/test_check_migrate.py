"""The law that kernels and aggregates take up state of their older versions."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from rxdag import aggregates as agg
from rxdag import operators as ops
from rxdag import testing, windows
from rxdag.contract import Accumulator, Aggregate, Kernel, Operator


class _Counts(Kernel):
    """Version 1 had the count as a number, `n`."""

    state = ("counts",)
    state_version: ClassVar[int] = 2

    def __init__(self):
        self.counts = [0]

    def on_item(self, item, emit):
        self.counts[0] += 1
        emit(self.counts[0])

    def migrate(self, saved, version):
        return {"counts": [saved["n"]]}


class _NoMigrate(_Counts):
    migrate = Kernel.migrate


class _OtherNames(_Counts):
    def migrate(self, saved, version):
        return {"n": saved["n"]}


class _CannotRestore(_Counts):
    def migrate(self, saved, version):
        return {"counts": None}

    def restore(self, saved):
        self.counts = list(saved["counts"])


class _Loses(_Counts):
    def migrate(self, saved, version):
        return {"counts": [saved["n"], 8]}

    def restore(self, saved):
        self.counts = saved["counts"][:1]


class _NoVersion(_Counts):
    state_version: ClassVar[int] = 0


@dataclass(frozen=True)
class Made(Operator[int, int]):
    kind: type[Kernel]

    def kernel(self):
        return self.kind()


def check(kind, older, waive=()):
    testing.check_operator(lambda: Made(kind), [1, 2, 3, 4], older=older, waive=waive)


def test_a_kernel_that_migrates_passes():
    check(_Counts, {1: {"n": 7}})


@pytest.mark.parametrize(
    ("kind", "older", "message"),
    [
        (_Counts, None, "recover: older must have a state of each version before 2, got none"),
        (_Counts, {1: {"n": 7}, 2: {}}, "recover: older must have a state of each version before 2, got 1, 2"),
        (_NoVersion, None, "recover: _NoVersion.state_version must be 1 or more, got 0"),
        (
            _NoMigrate,
            {1: {"n": 7}},
            "recover: _NoMigrate.migrate must take a state of version 1, and failed: StateError",
        ),
        (
            _OtherNames,
            {1: {"n": 7}},
            r"recover: _OtherNames.migrate must give the names in `state`, \['counts'\], got \['n'\]",
        ),
        (
            _CannotRestore,
            {1: {"n": 7}},
            "recover: _CannotRestore.restore must take a state of version 1, migrated, and failed: TypeError",
        ),
        (
            _Loses,
            {1: {"n": 7}},
            r"recover: _Loses.snapshot must give back a state of version 1, migrated, got \{'counts': \[7\]\}, not "
            r"\{'counts': \[7, 8\]\}",
        ),
    ],
)
def test_a_kernel_that_does_not_is_refused(kind, older, message):
    with pytest.raises(testing.LawBroken, match=f"^{message}"):
        check(kind, older)


# ---- aggregates


class _Mean(Accumulator):
    """Version 1 had the number of items before the total; version 2 had them as a dict."""

    state = ("total", "n")
    state_version: ClassVar[int] = 3

    def __init__(self):
        self.total, self.n = 0, 0

    def add(self, item):
        self.total, self.n = self.total + item, self.n + 1

    def result(self):
        return self.total / self.n

    def merge(self, other):
        self.total, self.n = self.total + other.total, self.n + other.n

    def migrate(self, saved, version):
        return [saved[1], saved[0]] if version == 1 else [saved[0]["total"], saved[0]["n"]]


class _MeanNoMigrate(_Mean):
    migrate = Accumulator.migrate


class _MeanAsIs(_Mean):
    def migrate(self, saved, version):
        return saved if version == 1 else [*saved, 1]


class _MeanForgets(_Mean):
    def migrate(self, saved, version):
        return [*super().migrate(saved, version), 8]

    def restore(self, saved):
        self.total, self.n = saved[:2]


@dataclass(frozen=True)
class Mean(Aggregate):
    kind: type[Accumulator] = _Mean
    commutes = True

    def accumulator(self):
        return self.kind()


OLDER = {1: [2, 3], 2: [{"total": 3, "n": 2}]}


def timed(stream):
    return stream.pipe(ops.event_time(lambda x: x, unit="s")).pipe(ops.key_by(lambda x: x % 2))


WINDOWS = {
    "tumbling": windows.tumbling("10s"),
    "sliding": windows.sliding("10s", "5s"),
    "session": windows.session("3s"),
    "global": windows.global_(),
}


def check_mean(window, aggregate, older):
    items = [1, 2, 3, 5, 8, 9, 14, 25]
    testing.check_operator(lambda: ops.window(window, aggregate), items, before=timed, older=older)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_an_aggregate_that_migrates_passes_in_each_window(window):
    check_mean(window, Mean(), OLDER)
    check_mean(window, agg.named(mean=Mean(), n=agg.count()), OLDER)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize(
    ("kind", "older", "message"),
    [
        (_Mean, None, "older must have a state of each version before 3, got none"),
        (_Mean, {1: [2, 3]}, "older must have a state of each version before 3, got 1"),
        (_MeanNoMigrate, OLDER, "_MeanNoMigrate.migrate must take a state of version 1, and failed: StateError"),
        (_MeanAsIs, OLDER, "_MeanAsIs must continue from a state of version 2, migrated, and failed: "),
        (
            _MeanForgets,
            OLDER,
            r"_MeanForgets.snapshot must give back a state of version 1, migrated, got \[3, 2\], not \[3, 2, 8\]",
        ),
    ],
)
def test_an_aggregate_that_does_not_is_refused_in_each_window(window, kind, older, message):
    with pytest.raises(testing.LawBroken, match=f"^recover: {message}"):
        check_mean(window, Mean(kind), older)


def test_operators_that_save_items_instead_of_accumulators_need_no_older_state():
    testing.check_operator(lambda: ops.rolling(3, Mean()), [1, 2, 3, 4])
    check_mean(windows.count(3), Mean(), None)


def test_state_of_older_versions_is_refused_where_nothing_has_a_version():
    with pytest.raises(testing.LawBroken, match="^recover: older must be left out, since no saved state has a version"):
        testing.check_operator(lambda: ops.rolling(3, Mean()), [1, 2, 3, 4], older=OLDER)


def test_two_aggregates_with_versions_are_checked_one_by_one():
    class _Other(_Mean):
        pass

    both = agg.named(a=Mean(), b=Mean(_Other))
    with pytest.raises(
        testing.LawBroken, match="must have one aggregate with a version above 1, got _Mean and _Other;"
    ):
        check_mean(windows.tumbling("10s"), both, OLDER)
