"""check_sink finds sinks that say "exactly once" and lose, double or cannot continue."""

import pytest

from rxdag import testing
from rxdag.sinks import Sink, Writer
from rxdag.testing import LawBroken


class Table:
    """A list that outlives its writers: what is visible."""

    def __init__(self):
        self.rows = []
        self.epoch = 0


class Rows(Writer):
    """Rows of an epoch travel in the checkpoint."""

    def __init__(self, table):
        self.table, self.epoch, self.rows, self.saved = table, table.epoch, [], None

    def write(self, chunk):
        self.rows += chunk.items

    def save(self):
        behind = self.saved[1] if self.saved else []
        self.epoch += 1
        self.saved = (self.epoch, behind + self.rows)
        self.rows = []
        return self.saved

    def publish(self):
        if self.saved is not None and self.table.epoch < self.saved[0]:
            self.table.rows += self.saved[1]
            self.table.epoch = self.saved[0]
        self.saved = None

    def restore(self, saved):
        self.saved, self.epoch = saved, saved[0]
        self.publish()

    def close(self, *, ok):
        if ok:
            self.publish()
            self.table.rows += self.rows
            return list(self.table.rows)
        return None


class Kept(Sink):
    delivery = "exactly once"
    writer = Rows

    def __init__(self):
        self.table = Table()

    def open(self, context):
        return self.writer(self.table)


class DoesNotSave(Rows):
    save = Writer.save


class DoesNotRestore(Rows):
    restore = Writer.restore


class PublishesBeforeTheCheckpoint(Rows):
    def save(self):
        saved = super().save()
        self.table.rows += saved[1]
        self.saved = None
        return self.epoch

    def publish(self):
        pass

    def restore(self, saved):
        self.epoch = saved


class DoesNotPublishAtRestore(Rows):
    def restore(self, saved):
        self.epoch = saved[0]


class PublishesTwice(Rows):
    def restore(self, saved):
        self.table.epoch = 0
        super().restore(saved)


class ForgetsACheckpointThatFailed(Rows):
    def save(self):
        self.saved = None
        return super().save()


class SavesALambda(Rows):
    def save(self):
        return lambda: super().save()


def test_a_sink_that_continues_holds_the_law():
    testing.check_sink(Kept, range(30), waive=["runs"])


@pytest.mark.parametrize("items", [(), range(1), range(5)])
def test_the_law_takes_few_items(items):
    testing.check_sink(Kept, items, waive=["runs"])


@pytest.mark.parametrize(
    ("writer", "said"),
    [
        (DoesNotSave, 'not killed must not fail: save must return data if `delivery` is "exactly once", got None'),
        (DoesNotRestore, "must not fail: DoesNotRestore must have a method restore, to continue after a restart"),
        (PublishesBeforeTheCheckpoint, "killed after save 1 left "),
        (DoesNotPublishAtRestore, "killed after is durable 1 left "),
        (PublishesTwice, "killed after publish 1 left "),
        (ForgetsACheckpointThatFailed, "not killed left "),
        (SavesALambda, "what save returned"),
    ],
)
def test_a_sink_that_breaks_the_law_is_found(writer, said):
    class Broken(Kept):
        pass

    Broken.writer = writer
    with pytest.raises(LawBroken) as raised:
        testing.check_sink(Broken, range(30), waive=["runs"])
    assert str(raised.value).startswith("recovers: a sink that is ")
    assert said in str(raised.value)
    testing.check_sink(Broken, range(30), waive=["runs", "recovers"])


def test_a_sink_that_says_at_least_once_need_not_continue():
    class AtLeastOnce(Kept):
        delivery = "at least once"
        writer = DoesNotSave

    testing.check_sink(AtLeastOnce, range(30), waive=["runs"])
