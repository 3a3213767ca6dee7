"""The law of check_source about positions finds the sources that break it."""

import pytest

from rxdag import testing
from rxdag.contract import END, Chunk, Reader, Source
from rxdag.testing._check import LawBroken


class CounterReader(Reader):
    def __init__(self, n):
        self.n = n
        self.at = 0

    def read(self, max_items):
        if self.at >= self.n:
            return END
        items = list(range(self.at, min(self.n, self.at + max_items)))
        self.at += len(items)
        return Chunk(items)

    def position(self):
        return self.at

    def seek(self, position):
        self.at = position


class Counter(Source):
    no_position = None

    def __init__(self, reader=CounterReader, n=50):
        self.reader = reader
        self.n = n

    def open(self, context):
        return self.reader(self.n)


class Late(CounterReader):
    def seek(self, position):
        self.at = position + 1 if position > 20 else position


class Deaf(CounterReader):
    def seek(self, position):
        pass


class Lost(CounterReader):
    def position(self):
        return None if self.at == self.n else self.at


class Odd(CounterReader):
    def position(self):
        return object()


class Moves(CounterReader):
    def position(self):
        self.at += 1
        return self.at


class NoSeek(CounterReader):
    seek = Reader.seek


def test_a_source_that_continues_holds_the_law():
    testing.check_source(Counter)


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (Late, "continues: continued after [0-9]+ items, seed [0-9]: gave"),
        (Deaf, "continues: continued after [0-9]+ items, seed 1: gave 50 items, not "),
        (Lost, "position\\(\\) of a source whose no_position is None must not return None, after 50 items, seed 1"),
        (Odd, "continues: its run must not fail, seed 1: .*position"),
        (Moves, "continues: with positions taken, seed 1: gave"),
        (NoSeek, "NoSeek must have a method seek"),
    ],
)
def test_a_source_that_does_not_continue_where_it_was_breaks_the_law(reader, said):
    with pytest.raises(LawBroken, match=said):
        testing.check_source(lambda: Counter(reader))
    testing.check_source(lambda: Counter(reader), waive=["continues"])


def test_a_source_whose_reader_has_a_position_must_say_so():
    class Silent(Counter):
        no_position = Source.no_position

    with pytest.raises(LawBroken) as caught:
        testing.check_source(Silent)
    assert str(caught.value) == (
        "continues: no_position of a source whose reader has a position must be None; set it in the class"
    )


def test_an_endless_source_is_continued_up_to_the_items_that_are_asked_for():
    testing.check_source(lambda: Counter(n=10**9), max_items=100)
    with pytest.raises(LawBroken, match="continues"):
        testing.check_source(lambda: Counter(Late, n=10**9), max_items=100)


class TwoLanes(Counter):
    """A source whose columns are one item ahead of its rows."""

    gives_columns = True

    def open(self, context):
        from rxdag.columns import Columns

        reader = CounterReader(self.n)
        if context.wants_columns:
            plain = reader.read
            reader.read = lambda n: read if (read := plain(n)) is END else Chunk(Columns.from_items(read.items, int))
            reader.position = lambda: max(0, reader.at - 1)
        return reader


def test_a_position_means_the_same_item_in_both_lanes():
    with pytest.raises(
        LawBroken, match=r"continues: continued after [0-9]+ items, columns then rows, seed [0-9]: gave"
    ):
        testing.check_source(TwoLanes)
