"""Bars without holes."""

import math
import random

import pytest

import rxdag
from rxdag import market
from rxdag import operators as ops
from rxdag.testing import check_operator

rng = random.Random(4)
TICKS = [(t + rng.randrange(-3, 1), rng.choice("ab"), float(rng.randrange(1, 9))) for t in range(0, 300, 7)]


def keyed(stream):
    timed = stream.pipe(ops.event_time(lambda t: t[0], unit="s", out_of_order="3s"))
    return timed.pipe(ops.key_by(lambda t: t[1]))


@pytest.mark.parametrize("gap", ["previous", "nan"])
def test_resampling_holds_the_laws(gap):
    check_operator(lambda s: market.resample_ohlc(s, "10s", lambda t: t[2], lambda t: 1, gap=gap), TICKS, before=keyed)


@pytest.mark.parametrize("gap", ["previous", "nan"])
def test_every_stretch_between_the_first_and_the_last_tick_of_a_key_has_one_bar(gap):
    stream = keyed(rxdag.from_source(rxdag.sources.iterable(TICKS)))
    bars = market.resample_ohlc(stream, "10s", lambda t: t[2], lambda t: 1, gap=gap).collect()
    plain = market.resample_ohlc(stream, "10s", lambda t: t[2], lambda t: 1).collect()
    for key in "ab":
        starts = [bar.start for bar in bars if bar.key == key]
        assert starts == list(range(starts[0], starts[-1] + 1, 10 * 10**9))
        close = None
        for bar in (bar for bar in bars if bar.key == key):
            if bar.value.count == 0:
                assert bar.value.volume == 0
                assert bar.value.vwap is None
                assert bar.value.open == close if gap == "previous" else math.isnan(bar.value.open)
            else:
                close = bar.value.close
    assert [bar for bar in bars if bar.value.count] == plain
    assert len(bars) > len(plain)


def test_a_gap_of_another_kind_is_refused():
    with pytest.raises(rxdag.GraphError) as caught:
        market.resample_ohlc(keyed(rxdag.from_source(rxdag.sources.range(1))), "1s", "p", "q", gap="zero")
    assert str(caught.value) == 'resample_ohlc: gap must be "skip", "previous" or "nan", got \'zero\''
