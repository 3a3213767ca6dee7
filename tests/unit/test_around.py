"""Wrappers of sources and sinks lose nothing of what is inside."""

import pytest

import rxdag
from rxdag import sinks, testing
from rxdag.contract import (
    Reader,
    ReaderAround,
    Sink,
    SinkAround,
    Source,
    SourceAround,
    SourceContext,
    SourceContextAround,
    Writer,
    WriterAround,
)


@pytest.mark.parametrize(
    ("kind", "around"),
    [
        (Reader, ReaderAround),
        (Source, SourceAround),
        (SourceContext, SourceContextAround),
        (Sink, SinkAround),
        (Writer, WriterAround),
    ],
)
def test_a_wrapper_hands_on_everything_that_is_public(kind, around):
    public = {name for name in vars(kind) if not name.startswith("_")} - {
        "open",
        "adjustable",
        "secrets",
    }  # arguments of the call that made it
    assert public <= set(vars(around))


class Prepared(sinks.Writer):
    n = 0

    def write(self, chunk):
        assert len(chunk) == 1

    def prepare(self):
        Prepared.n += 1

    def close(self, *, ok):
        assert not ok or Prepared.n


class OneByOne(rxdag.Sink):
    one_by_one = True

    def open(self, context):
        return Prepared()


def test_check_sink_prepares_a_sink_and_writes_as_it_says():
    testing.check_sink(OneByOne, range(20))
    assert Prepared.n
