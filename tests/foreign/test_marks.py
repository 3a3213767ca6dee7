"""Every watermark follows the item that raises it."""

from __future__ import annotations

import pytest

import rxdag
from rxdag import operators as ops
from rxdag import sinks
from rxdag.contract import MAX
from tests.foreign import engine
from tests.foreign.entries import EachMark, Own


class TellsInOrder(EachMark):
    """Emit what it is called with, in order."""

    passes = False

    def on_item(self, item, emit):
        emit.absorbed(1)
        emit(("item", item))

    def on_watermark(self, watermark, emit):
        if watermark < MAX:
            emit(("mark", watermark), ts=watermark, sequence=0, key=None)


@pytest.mark.parametrize("way", engine.WAYS)
def test_a_watermark_follows_the_item_that_raises_it(way):
    stream = engine.WAYS[way]((4, 9, 7, 12)).pipe(ops.event_time(lambda item: item, out_of_order="2ns"))
    out = stream.pipe(Own(TellsInOrder)).to(sinks.collect())
    result = rxdag.run(engine.compiled(out))
    assert result.problems == ()
    assert result[out] == [
        ("item", 4),
        ("mark", 1),
        ("item", 9),
        ("mark", 6),
        ("item", 7),
        ("item", 12),
        ("mark", 9),
    ]
