"""The law that a kernel takes up state of its older versions."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from rxdag import testing
from rxdag.contract import Kernel, Operator


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
