"""Throttles: exactly when an item passes, waits or is dropped, for the whole stream and for each key."""

import pytest
from tests.unit.drive import Driven

from rxdag.contract import Shape
from rxdag.operators import throttle, throttle_latest
from rxdag.testing import play

PLAIN = Shape()
KEYED = Shape(keyed=True)


class Watched:
    """A throttle whose clock goes on nanosecond by nanosecond.

    Attributes:
        left: (time, item) of what came out.
    """

    def __init__(self, operator, shape):
        self.driven = Driven(operator, shape)
        self.now = 0
        self.left = []

    def until(self, now):
        for self.now in range(self.now, now + 1):
            self.driven.clock(self.now)
            self._note()

    def item(self, item, at, key=None):
        self.until(at)
        self.driven.item(item, key=key)
        self._note()

    def recover(self):
        self.driven.recover()

    @property
    def held(self):
        return self.driven.kernel.held()

    @property
    def dropped(self):
        return [entry[1] for entry in self.driven.exits.seen if entry[0] == "throttled"]

    def _note(self):
        self.left += [(self.now, item) for item in self.driven.out[len(self.left) :]]


def per_10(burst=1, mode="drop", **how):
    """A token each 10 ns."""
    return throttle(1, per="10ns", burst=burst, mode=mode, **how)


# A bucket of 2 is empty at 0, has a token at 10 and at 20, and is full again 20 ns after it was empty.
ARRIVALS = [("a", 0), ("b", 0), ("c", 0), ("d", 9), ("e", 10), ("f", 10), ("g", 40), ("h", 40), ("i", 49), ("j", 50)]


@pytest.mark.parametrize(("shape", "how"), [(PLAIN, {}), (KEYED, {}), (PLAIN, {"key": len})])
def test_a_bucket_passes_what_finds_a_token_and_holds_no_more_than_burst(shape, how):
    watched = Watched(per_10(2, **how), shape)
    for item, at in ARRIVALS:
        watched.item(item, at)
    assert watched.left == [(0, "a"), (0, "b"), (10, "e"), (40, "g"), (40, "h"), (50, "j")]
    assert watched.dropped == ["c", "d", "f", "i"]


@pytest.mark.parametrize(("shape", "how"), [(PLAIN, {}), (KEYED, {}), (PLAIN, {"key": len})])
def test_a_shaped_item_leaves_when_its_token_is_there_and_not_before(shape, how):
    watched = Watched(per_10(2, "shape", **how), shape)
    for item, at in [("a", 0), ("b", 0), ("c", 0), ("d", 9), ("e", 45), ("f", 45), ("g", 46)]:
        watched.item(item, at)
    watched.until(99)
    # At 45 the bucket, empty at 20, is full; at 46 it is 9 ns short of a token.
    assert watched.left == [(0, "a"), (0, "b"), (10, "c"), (20, "d"), (45, "e"), (45, "f"), (55, "g")]
    assert (watched.held, watched.dropped) == (0, [])


@pytest.mark.parametrize(("shape", "how"), [(PLAIN, {}), (KEYED, {})])
def test_a_shaped_item_that_finds_a_token_does_not_wait_for_a_timer(shape, how):
    driven = Driven(per_10(2, "shape", **how), shape)
    driven.item("a")
    driven.item("b")
    assert (driven.out, driven.kernel.held(), driven.kernel.timer) == (["a", "b"], 0, None)
    driven.item("c")
    assert (driven.out, driven.kernel.held(), driven.kernel.timer) == (["a", "b"], 1, 10)


@pytest.mark.parametrize(("shape", "how"), [(PLAIN, {}), (KEYED, {})])
def test_shaping_takes_no_more_items_than_may_wait(shape, how):
    driven = Driven(per_10(1, "shape", max_items=2, **how), shape)
    assert driven.kernel.want(0) == 2
    for item in "abc":
        driven.item(item)
    assert (driven.kernel.held(), driven.kernel.want(0)) == (2, 0)
    driven.clock(10)
    assert driven.kernel.want(10) == 1


def test_each_key_is_shaped_by_its_own_bucket_and_all_leave_in_order_of_time():
    watched = Watched(per_10(1, "shape"), KEYED)
    for item, at in [("a1", 0), ("a2", 0), ("a3", 0), ("b1", 4), ("b2", 4), ("c1", 10), ("a4", 31)]:
        watched.item(item, at, key=item[0])
    watched.until(99)
    assert watched.left == [(0, "a1"), (4, "b1"), (10, "a2"), (10, "c1"), (14, "b2"), (20, "a3"), (31, "a4")]


def test_an_item_of_another_key_passes_those_that_wait_for_later_tokens():
    driven = Driven(per_10(1, "shape"), KEYED)
    for item in ("a1", "a2", "b1"):
        driven.item(item, key=item[0])
    assert (driven.out, driven.kernel.held()) == (["a1", "b1"], 1)


@pytest.mark.parametrize("shape", [PLAIN, KEYED])
@pytest.mark.parametrize("mode", ["drop", "shape"])
def test_a_bucket_is_as_empty_after_a_restart_as_before(mode, shape):
    watched = Watched(per_10(1, mode), shape)
    watched.item("a", 3)
    watched.item("b", 3)
    watched.recover()
    watched.item("c", 12)
    watched.item("d", 13)
    watched.until(99)
    assert watched.left == ([(3, "a"), (13, "d")] if mode == "drop" else [(3, "a"), (13, "b"), (23, "c"), (33, "d")])


def test_with_a_ttl_an_item_that_is_dropped_keeps_its_key_known():
    watched = Watched(per_10(1, ttl="6ns"), KEYED)
    for item, at in [("a", 0), ("b", 5), ("c", 10), ("d", 14), ("e", 19), ("f", 25)]:
        watched.item(item, at)
    # The bucket is full at 10, so "c" passes; nothing comes for 6 ns before "f", which finds a new one.
    assert watched.left == [(0, "a"), (10, "c"), (25, "f")]


# ---- the newest of each interval


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ("abc|", "a--(c|)"),
        ("a|", "a|"),
        ("ab---c|", "a--b--(c|)"),
        ("abcdefgh---|", "a--d--g--h-|"),
        ("a--b--c|", "a--b--c|"),
        ("a---b|", "a---b|"),
        ("ab-c#", "a--c#"),
        ("ab#", "a-#"),
    ],
)
def test_throttle_latest_passes_the_first_at_once_and_then_the_newest_of_each_interval(arrivals, expected):
    assert play(throttle_latest("3s"), arrivals) == expected


def test_throttle_latest_counts_an_item_that_another_replaces():
    watched = Watched(throttle_latest("10ns"), PLAIN)
    for item, at in [("a", 0), ("b", 3), ("c", 7), ("d", 12)]:
        watched.item(item, at=at)
    assert ("replaced", "b") in watched.driven.exits.seen
    assert watched.held == 1
    watched.until(20)
    assert watched.left == [(0, "a"), (10, "c"), (20, "d")]


def test_throttle_latest_forgets_a_key_once_an_interval_passed_without_an_item():
    watched = Watched(throttle_latest("10ns"), KEYED)
    watched.item("a", at=0, key="A")
    watched.item("b", at=5, key="A")
    watched.until(19)
    assert [row[0] for row in watched.driven.kernel.snapshot()["keys"]] == ["A"]
    watched.until(20)
    assert watched.driven.kernel.snapshot()["keys"] == []


@pytest.mark.parametrize("again_at", range(21))
def test_throttle_latest_goes_on_from_its_state_at_any_time(again_at):
    straight, recovered = (Watched(throttle_latest("10ns"), KEYED) for _ in range(2))
    for watched in (straight, recovered):
        watched.item("a", at=0, key="A")
        watched.item("b", at=0, key="A")
    recovered.until(again_at)
    recovered.recover()
    for watched in (straight, recovered):
        watched.item("c", at=21, key="A")
        watched.until(60)
    assert recovered.left == straight.left == [(0, "a"), (10, "b"), (21, "c")]
